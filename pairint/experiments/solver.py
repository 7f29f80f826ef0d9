"""How the fits of experiments descend: as when their tables were made.

Since then the regressor's default has become L-BFGS. Both minimise the same risk and end at fits that differ
by less than their errors, but not in the same digits, and tests compute cells of the stored tables again. To
make the tables anew would take about three hours and change no claim.
"""

from __future__ import annotations

__all__ = ["STORED_SOLVER"]

#: The solver that the stored tables were made with.
STORED_SOLVER = "gauss-newton"
