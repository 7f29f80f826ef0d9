"""The authors' published data on attention-indexed models, beside what this package computes.

Their data are theirs: none of it is here. A reader who has cloned their repository points at the clone;
:func:`compare` reads its CSV files and returns, for each series, how far it lies from our curves. What came
out for one commit is kept, with the checksum of each file, and is what :func:`load_comparison` returns.

Files, below the folder ``data`` of the clone, with columns ``alpha`` and ``mmse`` at least:

====================================================  ==========================================
``SE_softmax/SE_softmax_T=2_rho=RHO.csv``             Figure 2, left: curves
``SE_hardmax/SE_hardmax_rho=RHO.csv``                 Figure 1, left: curves
``SE_hardmax_rescaled/SE_hardmax_rescaled_rho=RHO``   Figure 1, right: curves
``AMP_hardmax/AMP_hardmax_rho=RHO.csv``               Figure 1, left: dots, d = 100
``AMP_softmax/AMP_softmax_T=T_rho=0.5.csv``           Figure 2, right: dots, d = 100
``GD_single/GD_softmax_D=200_rho=0.5_T=T.csv``        Figure 2, right: one run of gradient descent
``GD_averaged/..._averages=32.csv``                   Figure 2, right: the mean of 32 runs
====================================================  ==========================================
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pairint._version import __version__
from pairint.engine.store import ResultsError

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = [
    "COMMIT",
    "REPOSITORY",
    "Series",
    "compare",
    "comparison_table",
    "load_comparison",
    "read_series",
    "recovered_runs",
    "to_json",
    "to_text",
]

REPOSITORY = "https://github.com/FabrizioBoncoraglio/BO_ExtensiveRankAttention"
#: The commit, of 8 January 2026, whose data the stored comparison is about.
COMMIT = "5f1b99cd87f9dd8cb2f94bdd4fa86af87b3abff8"

_NUMBER = r"(\d+(?:\.\d+)?)"
#: Each kind of series: the pattern of its files, and which of the numbers in a name is which.
_KINDS: dict[str, str] = {
    "SE_softmax": rf"SE_softmax_T=(?P<T>\d+)_rho=(?P<rho>{_NUMBER})\.csv",
    "SE_hardmax": rf"SE_hardmax_rho=(?P<rho>{_NUMBER})\.csv",
    "SE_hardmax_rescaled": rf"SE_hardmax_rescaled_rho=(?P<rho>{_NUMBER})\.csv",
    "AMP_hardmax": rf"AMP_hardmax_rho=(?P<rho>{_NUMBER})\.csv",
    "AMP_softmax": rf"AMP_softmax_T=(?P<T>\d+)_rho=(?P<rho>{_NUMBER})\.csv",
    "GD_single": rf"GD_softmax_D=(?P<d>\d+)_rho=(?P<rho>{_NUMBER})_T=(?P<T>\d+)\.csv",
    "GD_averaged": (
        rf"GD_softmax_D=(?P<d>\d+)_rho=(?P<rho>{_NUMBER})_T=(?P<T>\d+)_averages=(?P<runs>\d+)\.csv"
    ),
}
#: The dimension of the published dots of message passing, which their names do not tell.
_AMP_DIMENSION = 100


@dataclass(frozen=True)
class Series:
    """One published series.

    Attributes
    ----------
    kind : str
        The folder: ``"SE_hardmax"``, ``"GD_averaged"``, ...
    rho : float
    n_tokens : int
    d : int or None
        Of an algorithm's runs; None for a curve.
    n_runs : int
        Runs of gradient descent in a mean.
    alpha, error : ndarray (n,)
        Samples over d^2 (over d r for ``"SE_hardmax_rescaled"`` of width 0), and the mean squared error.
    file, sha256 : str
        Its name below ``data``, and the checksum of its bytes.
    """

    kind: str
    rho: float
    n_tokens: int
    d: int | None
    n_runs: int
    alpha: NDArray[np.float64]
    error: NDArray[np.float64]
    file: str
    sha256: str

    def at(self, alpha: Any) -> NDArray[np.float64]:
        """Return the error at other sample ratios, by interpolation of logarithms; NaN outside."""
        inside = np.interp(np.log(alpha), np.log(self.alpha), np.log(self.error), np.nan, np.nan)
        return np.exp(inside)


def read_series(path: Path | str) -> list[Series]:
    """Read all series of a clone of the authors' repository.

    Parameters
    ----------
    path : path
        The clone, or its folder ``data``.

    Raises
    ------
    pairint.engine.store.ResultsError
        If the folder, a kind of series or a column is missing, or a file holds anything but finite numbers.
    """
    root = Path(path)
    root = root / "data" if (root / "data").is_dir() else root
    missing = [kind for kind in _KINDS if not (root / kind).is_dir()]
    if missing:
        raise ResultsError(
            f"{root} holds no {', '.join(missing)}: name a clone of {REPOSITORY}, or its folder data"
        )
    found = list(_files(root))
    for kind in _KINDS:
        if not any(series.kind == kind for series in found):
            raise ResultsError(f"{root / kind} holds none of the published CSV files")
    return found


def _files(root: Path) -> Iterator[Series]:
    for kind, pattern in _KINDS.items():
        for path in sorted((root / kind).glob("*.csv")):
            match = re.fullmatch(pattern, path.name)
            if match is not None:
                yield _series(kind, path, match.groupdict())


def _series(kind: str, path: Path, names: dict[str, str]) -> Series:
    import pandas as pd

    try:
        content = path.read_bytes()
        table = pd.read_csv(path)
        alpha = table["alpha"].to_numpy(dtype=np.float64)
        error = table["mmse"].to_numpy(dtype=np.float64)
    except KeyError as problem:
        raise ResultsError(f"{path} has no column {problem}") from problem
    except (OSError, ValueError) as problem:
        raise ResultsError(f"{path} cannot be read: {problem}") from problem
    good = np.isfinite(alpha).all() and np.isfinite(error).all() and (alpha > 0).all() and (error >= 0).all()
    if not good or len(alpha) < 2:
        raise ResultsError(f"{path} must hold two or more finite alpha > 0 and mmse >= 0")
    order = np.argsort(alpha, kind="stable")
    d = names.get("d", _AMP_DIMENSION if kind.startswith("AMP") else None)
    return Series(
        kind=kind,
        rho=float(names["rho"]),
        n_tokens=int(names.get("T", 2)),
        d=None if d is None else int(d),
        n_runs=int(names.get("runs", 1)),
        alpha=alpha[order],
        error=error[order],
        file=f"{kind}/{path.name}",
        sha256=hashlib.sha256(content).hexdigest(),
    )


# Comparison ----------------------------------------------------------------------------------------


def compare(path: Path | str) -> dict[str, Any]:
    """Compare every published series with this package, and return what came out as plain data.

    Book: :doc:`/book/aim_published`.

    Parameters
    ----------
    path : path
        A clone of the authors' repository, or its folder ``data``.

    Returns
    -------
    dict
        ``"source"``: repository and commit; ``"files"``: the checksum of each; ``"series"``: one record a
        series and reference, with the median and the largest relative difference, published over ours less
        one, and where it is; ``"near_recovery"``: the largest difference between 0.9 of the threshold
        and the threshold, where ours falls to zero; ``"readings"``: single numbers of the figures;
        ``"hardmax_dots"``: message passing at rho = 0.5, at the samples of our own runs; ``"descent"``:
        gradient descent over the Bayes-optimal error, at the samples of our own runs, and how much of each
        depends on how one interpolates between the published points.
    """
    found = read_series(path)
    return {
        "source": {"repository": REPOSITORY, "commit": _commit(Path(path))},
        "package": __version__,
        "files": {series.file: series.sha256 for series in found},
        "series": [record for series in found for record in _records(series, found)],
        "near_recovery": [_near_recovery(series) for series in found if series.kind == "SE_softmax"],
        "readings": _readings(found),
        "hardmax_dots": _hardmax_dots(found),
        "descent": _descent(found),
    }


def _commit(path: Path) -> str | None:
    """Return the commit of a clone; None if Git cannot tell."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(path), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def _curve(series: Series, channel: Any, factor: float = 1.0) -> NDArray[np.float64]:
    """Return our Bayes-optimal error at the alphas of a series, times a factor."""
    from pairint.aim.state_evolution import small_width_limit, state_evolution

    alpha = factor * series.alpha
    if series.rho == 0:
        return np.asarray(small_width_limit(alpha, channel))
    return np.asarray(state_evolution(alpha, series.rho, channel, series.n_tokens).mmse)


def _records(series: Series, others: list[Series]) -> Iterator[dict[str, Any]]:
    """Yield the comparison of a series with each of its references."""
    from pairint.aim.channels import PublishedHardmaxChannel
    from pairint.aim.state_evolution import exact_recovery_threshold

    if series.kind == "SE_softmax":
        threshold = exact_recovery_threshold(series.rho, "softmax", series.n_tokens)
        yield _record(series, "softmax", _curve(series, "softmax"), series.alpha < 0.9 * threshold)
    elif series.kind in ("SE_hardmax", "SE_hardmax_rescaled"):
        yield _record(series, "density", _curve(series, PublishedHardmaxChannel()))
        yield _record(series, "derivative", _curve(series, "hardmax"))
    elif series.kind == "AMP_hardmax":
        curve = next(s for s in others if s.kind == "SE_hardmax" and s.rho == series.rho)
        yield _record(series, "published curve", curve.at(series.alpha))
        yield _record(series, "derivative", _curve(series, "hardmax", 1 / (1 + 1 / _dimension(series))))
    else:
        curve_values = _curve(series, "softmax", 1 / (1 + 1 / _dimension(series)))
        yield _record(series, "softmax at finite d", curve_values, curve_values > 0.05)


def _dimension(series: Series) -> int:
    assert series.d is not None
    return series.d


def _record(
    series: Series, reference: str, ours: NDArray[np.float64], where: NDArray[np.bool_] | None = None
) -> dict[str, Any]:
    used = np.isfinite(ours) & (ours > 0)
    if where is not None:
        used &= where
    ratio = series.error[used] / ours[used] - 1
    worst = int(np.abs(ratio).argmax())
    return {
        "kind": series.kind,
        "rho": series.rho,
        "n_tokens": series.n_tokens,
        "d": series.d,
        "reference": reference,
        "points": int(used.sum()),
        "median": _rounded(float(np.median(np.abs(ratio)))),
        "mean": _rounded(float(ratio.mean())),
        "largest": _rounded(float(ratio[worst])),
        "at_alpha": _rounded(float(series.alpha[used][worst])),
    }


def _near_recovery(series: Series) -> dict[str, Any]:
    from pairint.aim.state_evolution import exact_recovery_threshold

    threshold = exact_recovery_threshold(series.rho, "softmax", series.n_tokens)
    near = (series.alpha >= 0.9 * threshold) & (series.alpha <= threshold)
    gap = np.abs(series.error - _curve(series, "softmax"))[near]
    return {
        "rho": series.rho,
        "points": int(near.sum()),
        "largest_difference": _rounded(float(gap.max(initial=0.0))),
    }


def _readings(found: list[Series]) -> dict[str, float]:
    """Return the numbers that a reader takes from the published figures, from the data behind them."""
    left = next(s for s in found if s.kind == "SE_hardmax" and s.rho == 0.5)
    right = next(s for s in found if s.kind == "SE_hardmax_rescaled" and s.rho == 0)
    ends = np.array([3.0, 10.0])
    slope = float(np.diff(np.log(left.at(ends)))[0] / np.log(ends[1] / ends[0]))
    return {
        "weak_recovery": float(right.alpha[right.error < 1].min()),
        "hardmax_error_rho_0.5_alpha_1": _rounded(float(left.at(1.0)), 5),
        "hardmax_slope_rho_0.5_alpha_3_to_10": _rounded(slope),
    }


def _hardmax_dots(found: list[Series]) -> list[dict[str, float]]:
    dots = next(s for s in found if s.kind == "AMP_hardmax" and s.rho == 0.5)
    return [{"alpha": alpha, "error": _rounded(float(dots.at(alpha)))} for alpha in (0.1, 0.3, 1.0)]


def recovered_runs(single: Any, averaged: Any, n_runs: int) -> Any:
    r"""Return the error of the mean of infinitely many runs, :math:`e_k - (e_1 - e_k)/(k - 1)`.

    It follows from :math:`e_k = e_\infty + v/k` for independent runs, whatever the method.

    Parameters
    ----------
    single, averaged : float or ndarray
        Mean error of one run, and error of the mean of ``n_runs`` of them.
    n_runs : int
        k >= 2.
    """
    return averaged - (single - averaged) / (n_runs - 1)


#: The sample ratios of our own runs, as fractions of the exact-recovery threshold.
_FRACTIONS = (0.27, 0.55, 0.8)


def _descent(found: list[Series]) -> list[dict[str, Any]]:
    from pairint.aim.state_evolution import exact_recovery_threshold

    result = []
    for mean in (s for s in found if s.kind == "GD_averaged"):
        single = next(s for s in found if s.kind == "GD_single" and s.n_tokens == mean.n_tokens)
        for fraction in _FRACTIONS:
            alpha = fraction * exact_recovery_threshold(mean.rho, "softmax", mean.n_tokens)
            one, many = _over_bayes(single, alpha), _over_bayes(mean, alpha)
            left = recovered_runs(one, many, mean.n_runs)
            record = {"n_tokens": mean.n_tokens, "rho": mean.rho, "d": mean.d, "n_runs": mean.n_runs}
            record["fraction"] = fraction
            for name, ratio in (("one_run", one), ("mean_of_runs", many), ("infinitely_many", left)):
                record[name] = _rounded(float(ratio[0]))
                record[f"{name}_between"] = _rounded(float(abs(ratio[1] - ratio[0])), 2)
            result.append(record)
    return result


def _over_bayes(series: Series, alpha: float) -> NDArray[np.float64]:
    """Return the error over the Bayes-optimal one at finite d, between the published points.

    By a monotone cubic, and by a straight line: what the two differ by is what the points leave open.
    """
    from scipy.interpolate import PchipInterpolator

    bayes = _curve(series, "softmax", 1 / (1 + 1 / _dimension(series)))
    below = bayes > 0
    where, ratio = np.log(series.alpha[below]), np.log(series.error[below] / bayes[below])
    at = np.log(alpha)
    return np.exp([float(PchipInterpolator(where, ratio)(at)), float(np.interp(at, where, ratio))])


def _rounded(value: float, digits: int = 4) -> float:
    return float(f"{value:.{digits}g}")


# What is kept --------------------------------------------------------------------------------------


def to_json(comparison: dict[str, Any]) -> str:
    """Return a comparison as text, one record a line."""

    def lines(value: Any) -> str:
        if isinstance(value, list):
            return "[\n  " + ",\n  ".join(json.dumps(item) for item in value) + "\n ]"
        return json.dumps(value, indent=2).replace("\n", "\n ")

    parts = (f" {json.dumps(name)}: {lines(value)}" for name, value in comparison.items())
    return "{\n" + ",\n".join(parts) + "\n}\n"


def to_text(comparison: dict[str, Any]) -> str:
    """Return where a comparison comes from, and its series as a table to print."""
    source = comparison["source"]
    return (
        f"{source['repository']}, commit {source['commit'] or 'unknown'}\n"
        "Relative differences, published over ours less one.\n\n"
        + comparison_table(comparison).to_string(index=False, na_rep="")
    )


def load_comparison() -> dict[str, Any]:
    """Return the stored comparison: what :func:`compare` gave for the commit :data:`COMMIT`.

    Book: :doc:`/book/aim_published`.
    """
    stored = files("pairint.experiments") / "published" / "aim.json"
    return json.loads(stored.read_text(encoding="utf-8"))


def comparison_table(comparison: dict[str, Any] | None = None) -> DataFrame:
    """Return the series of a comparison, by default the stored one, as a table with one row each."""
    import pandas as pd

    return pd.DataFrame((comparison or load_comparison())["series"])
