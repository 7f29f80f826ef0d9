"""Claims: a number of a paper, or of the theory, beside ours, with a verdict computed from the numbers."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from pairint.engine.cells import plain
from pairint.validation import check_choice, check_real, shortened

__all__ = ["Claim", "verdict"]

#: Relations that a claim can state between our value and its reference.
RELATIONS = ("equal", "at most", "at least", "equivalent")


def verdict(
    ours: float | None,
    reference: float | None,
    tolerance: float,
    interval: tuple[float, float] | None = None,
    relation: str = "equal",
) -> str:
    """Compare our value with a reference value.

    Parameters
    ----------
    ours, reference : float or None
    tolerance : float
        The largest difference accepted, stated before the comparison.
    interval : (float, float), optional
        An interval for the true value behind ``ours``.
    relation : {"equal", "at most", "at least", "equivalent"}
        What is claimed of ours with respect to the reference.

    Returns
    -------
    str
        ``"agrees"``: within the tolerance and, where there is an interval, the reference lies in it.
        ``"close"``: within the tolerance but outside the interval: a small difference is resolved.
        ``"undecided"``: outside the tolerance, but the interval reaches the reference: more
        replicates are needed. ``"differs"``: outside both. ``"no reference"`` or ``"not computed"``
        if one of the two values is missing.
    """
    check_choice("relation", relation, RELATIONS)
    tolerance = check_real("tolerance", tolerance, 0)
    if reference is None:
        return "no reference"
    if ours is None or not math.isfinite(ours):
        return "not computed"
    low, high = (ours, ours) if interval is None else interval
    if relation == "equivalent":
        if reference - tolerance <= low and high <= reference + tolerance:
            return "agrees"
        return "differs" if high < reference - tolerance or low > reference + tolerance else "undecided"
    if relation == "at most":
        near, inside = ours <= reference + tolerance, low <= reference
    elif relation == "at least":
        near, inside = ours >= reference - tolerance, high >= reference
    else:
        near, inside = abs(ours - reference) <= tolerance, low <= reference <= high
    if interval is None:
        return "agrees" if near else "differs"
    if near:
        return "agrees" if inside else "close"
    return "undecided" if inside else "differs"


@dataclass(frozen=True)
class Claim:
    """One number of a paper (or of the theory) beside ours.

    Book: :doc:`/book/reproduction`.

    Attributes
    ----------
    name : str
        What the number is, for example "slope of the error, P = 3".
    source : str
        Where it stands: "Figure (b)", "Theorem 3.1".
    ours : float or None
    interval : (float, float) or None
        An interval for ours (95 % unless the name says otherwise).
    published : float or None
        The value the paper reports; ``None`` if it reports none.
    expected : float or None
        The value of the theory; ``None`` if there is none.
    tolerance : float
        The largest difference from either that counts as agreement.
    relation : {"equal", "at most", "at least", "equivalent"}
    command : str
        What regenerates the number; filled in by the report when empty.
    """

    name: str
    source: str
    ours: float | None
    interval: tuple[float, float] | None = None
    published: float | None = None
    expected: float | None = None
    tolerance: float = 0.0
    relation: str = "equal"
    command: str = ""

    def __post_init__(self) -> None:
        """Check the numbers: an impossible claim must fail where it is made."""
        check_choice("relation", self.relation, RELATIONS)
        check_real("tolerance", self.tolerance, 0)
        for name in ("ours", "published", "expected"):
            _check_number(name, getattr(self, name))
        if self.interval is not None:
            if not isinstance(self.interval, tuple | list) or len(self.interval) != 2:
                raise TypeError(f"interval must be a pair of numbers or None, got {shortened(self.interval)}")
            for end in self.interval:
                _check_number("interval", end)

    @property
    def published_verdict(self) -> str:
        """Ours against the published value; see :func:`verdict`."""
        return verdict(self.ours, self.published, self.tolerance, self.interval, self.relation)

    @property
    def theory_verdict(self) -> str:
        """Ours against the value of the theory; see :func:`verdict`."""
        return verdict(self.ours, self.expected, self.tolerance, self.interval, self.relation)

    @property
    def verdict(self) -> str:
        """One sentence for the table, computed from the numbers alone."""
        parts = []
        if self.published is not None:
            parts.append(_PUBLISHED[self.published_verdict])
        if self.expected is not None:
            parts.append(_THEORY[self.theory_verdict])
        return "; ".join(dict.fromkeys(parts)) or "not published"

    def as_dict(self) -> dict[str, Any]:
        """Return the claim with its verdicts as plain data."""
        return plain(asdict(self)) | {
            "published_verdict": self.published_verdict,
            "theory_verdict": self.theory_verdict,
            "verdict": self.verdict,
        }


def _check_number(name: str, value: Any) -> None:
    """Accept what a claim can hold: a number, one that could not be computed (infinite, NaN), or None."""
    if value is not None and not (isinstance(value, float) and not math.isfinite(value)):
        check_real(name, value)


_PUBLISHED = {
    "agrees": "reproduced",
    "close": "reproduced within the tolerance",
    "undecided": "reproduction undecided",
    "differs": "differs from the paper",
    "not computed": "not computed",
}


_THEORY = {
    "agrees": "agrees with theory",
    "close": "agrees with theory within the tolerance",
    "undecided": "agreement with theory undecided",
    "differs": "differs from theory",
    "not computed": "not computed",
}
