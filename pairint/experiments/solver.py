"""How the fits of experiments descend, and choose their cells: as when their tables were made.

Since then the regressor's default has become L-BFGS. Both minimise the same risk and end at fits that differ
by less than their errors, but not in the same digits, and tests compute cells of the stored tables again. To
make the tables anew would take about three hours and change no claim.

A coefficient counted for one in the choice of the number of cells: plain cross-validation. It now counts for
more (:data:`pairint.estimation.selection.SELECTION_WEIGHT`), which makes bad choices rarer and costs, where
many cells are needed, a few percent in the mean.
"""

from __future__ import annotations

__all__ = ["STORED_SOLVER", "STORED_WEIGHT"]

#: The solver that the stored tables were made with.
STORED_SOLVER = "gauss-newton"
#: What a coefficient counted for in the choice of the number of cells then.
STORED_WEIGHT = 1.0
