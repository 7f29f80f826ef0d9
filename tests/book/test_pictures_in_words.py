"""What captions and texts for those who cannot see say of a picture is what its curves show."""

import re
from pathlib import Path

import numpy as np
import pytest

from pairint.figures import learned_matrix, lower_bound, upper_bound, upper_vs_lower

BOOK = Path(__file__).resolve().parents[2] / "book"


def words(name):
    """Return the text and the caption of a figure, on one line."""
    page = next(p for p in BOOK.glob("*.md") if f"name: {name}\n" in p.read_text(encoding="utf-8"))
    text = page.read_text(encoding="utf-8")
    head = text.rfind("```{code-cell}", 0, text.index(f"name: {name}\n"))
    return text[head : text.index("\n---\n", text.index(f"name: {name}\n"))]


def curves(panel):
    """Return the curves of a panel by name, each as x and y."""
    handles, names = panel.get_legend_handles_labels()
    lines = {name: getattr(handle, "lines", [handle])[0] for handle, name in zip(handles, names, strict=True)}
    return {name: np.array(line.get_data()) for name, line in lines.items() if hasattr(line, "get_data")}


def slope(curve, first=0, last=-1):
    (x, y) = np.log(curve)
    return (y[last] - y[first]) / (x[last] - x[first])


def test_the_gap_comes_to_rest_and_the_other_begins_to_rise():
    said = words("fig-upper-vs-lower-gap")
    gap = curves(upper_vs_lower.gap_figure().axes[0])
    known, learned = gap["matrix known"][1], gap["matrix learned"][1]
    assert "falls from eighty and levels off below five" in said
    assert 75 < known[0] < 85 and 4 < known[-1] < 5 and abs(known[-1] / known[-2] - 1) < 0.05
    assert "starts above four thousand, falls to about two thousand, and rises slightly at the end" in said
    assert 4000 < learned[0] < 5000 and 1750 < learned.min() < 2250
    assert "begins to rise" in said and learned.min() < learned[-1] < 1.1 * learned.min()


def test_what_logarithms_are_worth():
    said = words("fig-upper-vs-lower-logarithms")
    factors = curves(upper_vs_lower.log_gap_figure().axes[0])
    assert "From smoothness one on, the paper's factor is larger than the sample itself" in said
    for beta in ("1", "2"):
        samples, paper = factors[f"paper, $\\beta = {beta}$"]
        assert (paper > samples).all()
    samples, paper = factors["paper, $\\beta = 0.5$"]
    last = samples[paper > samples].max()
    assert "for one half up to some hundred thousand samples" in said and 1e4 < last < 1e6
    assert "ours stay below twenty" in said
    assert all(factors[f"here, $\\beta = {beta}$"][1].max() < 20 for beta in ("0.5", "1", "2"))


def test_lines_of_many_dimensions_come_down_to_that_of_one():
    said = words("fig-upper-bound-merging")
    lines = curves(upper_bound.merging_figure().axes[0])
    one, ten, hundred = (lines[f"$d = {d}$"] for d in (1, 10, 100))
    assert "start higher and fall more steeply" in said
    assert one[1][0] < ten[1][0] < hundred[1][0] and slope(one) > slope(ten) > slope(hundred)
    at = {m: int(np.argmin(abs(one[0] / m - 1))) for m in (1e6, 1e9)}
    assert "that of ten reaches the line of dimension one by a million samples" in said
    assert ten[1][at[1e6]] < 1.1 * one[1][at[1e6]] and hundred[1][at[1e6]] > 1.1 * one[1][at[1e6]]
    assert "that of a hundred by a billion" in said and hundred[1][at[1e9]] < 1.1 * one[1][at[1e9]]


def test_which_terms_of_the_bound_are_parallel():
    said = words("fig-upper-bound-proof-terms")
    terms = curves(upper_bound.upper_terms_figure().axes[0])
    bound, leading = terms["proved bound"], terms["leading order (heuristic)"]
    half = len(bound[0]) // 2
    rate = slope(leading, half)
    # The bound has a power of log M more, at most the first: it adds at most 1 / log M to a slope.
    logarithm = 1 / np.log(bound[0][half])
    assert all(
        abs(slope(curve, half) - rate) < logarithm for curve in (bound, terms["spline"], terms["bias"])
    )
    assert "that of the matrix more steeply" in said and slope(terms["matrix"], half) < rate - logarithm
    assert "more than two orders of magnitude below" in said
    assert (bound[1] / leading[1]).min() > 100


def test_how_much_weights_gain():
    said = words("fig-lower-bound-constants-constants")
    gains = curves(lower_bound.constants_figure().axes[2])
    found = re.search(r"gains a factor (\d\.\d) over Assouad's at many samples, with splines (\d\.\d)", said)
    assert [float(x) for x in found.groups()] == [
        round(gains[name][1][-1], 1) for name in ("Bayes", "Spline")
    ]


def test_words_of_a_code_are_no_nearer_than_the_solid_line():
    assert "no two words are nearer than the solid line" in words("fig-lower-bound-bumps-code")
    bars = lower_bound.code_figure().axes[1]
    dashed, solid = (line.get_xdata()[0] for line in bars.lines)
    nearest = min(bar.get_x() + 0.5 for bar in bars.patches if bar.get_height() > 0)
    assert dashed < solid == pytest.approx(nearest)


def test_how_much_higher_the_bound_with_a_learned_matrix_is():
    assert "nearly flat, with the matrix known and, hundreds of times higher, learned" in words(
        "fig-upper-bound-known-matrix-tokens"
    )
    lines = curves(upper_bound.oracle_tokens_figure().axes[0])
    known, any_function = lines["matrix known, odd functions"][1], lines["matrix known, any function"][1]
    learned = next(curve for name, curve in lines.items() if name.startswith("matrix learned"))[1]
    ratio = learned / known
    assert ratio.min() > 100 and ratio.max() < 1000
    assert known[-1] / known[0] < 3 and learned[-1] / learned[0] < 3 < any_function[-1] / any_function[0]


def test_splitting_comes_down_to_the_rate_and_one_covering_rises():
    said = words("fig-upper-bound-splitting-splitting")
    left, right = map(curves, learned_matrix.splitting_figure().axes)
    one, split = left["learned, one covering"], left["learned, samples split"]
    assert "crosses it below a million samples" in said and split[1][0] > one[1][0]
    assert (split[1] < one[1])[split[0] >= 1e6].all()
    assert "ends a factor of ten below it" in said and 5 < one[1][-1] / split[1][-1] < 20
    assert "with split samples it comes down to that rate, with one covering it rises" in said
    assert (np.diff(right["learned, one covering"][1]) > 0).all()
    assert (np.diff(right["learned, samples split"][1]) < 0).all()
    samples, known = right["matrix known"]
    assert "flat from a hundred million samples on" in said and abs(known[samples >= 1e8] - 1).max() < 0.02
