"""Results show themselves: every quantity with a meaning, units that are those of the formulas, frames."""

import dataclasses
import functools
import math
from html.parser import HTMLParser

import numpy as np
import pytest

import pairint as pi
from pairint import aim as pa
from pairint import theory as pt
from pairint.model import AttentionModel, GaussianNoise, Tanh, UniformCube, interaction_matrix
from pairint.result import Result, meanings, show_html, show_text, to_frame
from pairint.theory.coercivity import product_density


def setting(output=1.0, score=1.0):
    """Return a setting in other units: outputs ``output`` times as large, scores ``score`` times."""
    beta = 2.0
    return pt.Setting(
        beta=beta, n_tokens=3, noise_std=0.3 * output, holder_constant=output / score**beta, d=5, rank=1,
        score_bound=3.0 * score, sup_bound=output,
    )  # fmt: skip


def density(u, score=1.0):
    return product_density(np.asarray(u) / score, 3.0) / score


def learned(output, score):
    known = setting(output, score)
    kept = {"beta": 2.0, "holder_constant": known.holder_constant, "score_bound": known.score_bound}
    return pt.plan(
        5, 1, n_tokens=3, noise_std=known.noise_std, target=0.1 * output**2, n_intervals=20, degree=3, **kept
    )


#: What bounds return, for outputs and scores in other units.
RESULTS = {
    "UpperBound": lambda o, s: pt.upper_bound(1000, setting(o, s), odd=True, degree=2, n_intervals=7),
    "AdaptiveUpperBound": lambda o, s: pt.adaptive_upper_bound(1000, setting(o, s), failure=0.1),
    "SplitUpperBound": lambda o, s: pt.split_upper_bound(
        1000, setting(o, s), density=functools.partial(density, score=s), n_intervals=4
    ),
    "OracleUpperBound": lambda o, s: pt.oracle_upper_bound(
        1000, setting(o, s), density=functools.partial(density, score=s)
    ),
    "LowerBound": lambda o, s: pt.lower_bound(
        1000, setting(o, s), interval=(0.5 * s, 2.5 * s), density=functools.partial(density, score=s)
    ),
    "Plan": learned,
    "OracleInequality": lambda o, s: pt.oracle_inequality(
        1000, setting(o, s), risk=0.02 * o**2, log_cover=5.0, envelope=2.0 * o, accuracy=1e-3 * o, failure=0.1
    ),
    "MatrixLowerBound": lambda o, s: pt.matrix_lower_bound(
        1000, setting(o, s), token_bound=4.0, coordinate_bound=1.8
    ),
    "WaveLowerBound": lambda o, s: pt.wave_lower_bound(
        10**7, setting(o, s), token_bound=4.0, variation=1.0, coordinate_bound=1.8
    ),
    "SobolevBounds": lambda o, s: pt.sobolev_bounds(
        1000, beta=2.0, energy=o**2, n_tokens=3, noise_std=0.5 * o
    ),
    "ErrorTerms": lambda o, s: setting(o, s).budget(1000, 8),
}


def scale(unit, output, score):
    """Return by what a quantity grows that has this unit."""
    return {
        "output²": output**2,
        "1/output²": output**-2,
        "output": output,
        "score": score,
        "1/score": 1 / score,
    }.get(unit, 1.0)


@pytest.mark.parametrize("name", RESULTS)
@pytest.mark.parametrize(("output", "score"), [(2.0, 1.0), (1.0, 4.0)], ids=["outputs", "scores"])
def test_units_are_those_of_the_formulas(name, output, score):
    """In other units every quantity is another number, by its unit: a wrong unit would show."""
    here, there = RESULTS[name](1.0, 1.0), RESULTS[name](output, score)
    assert type(here).__name__ == name
    units = here.units()
    assert set(units) <= set(here.quantities())
    for quantity, value in here.quantities().items():
        other = getattr(there, quantity)
        if isinstance(value, int | float) and not isinstance(value, bool):
            expected = value * scale(units.get(quantity, ""), output, score)
            # Some are minimised numerically, to 1e-8 of the argument: the bound is flat there.
            assert math.isclose(other, expected, rel_tol=1e-4, abs_tol=1e-300), quantity


CLASSES = [
    getattr(module, name)
    for module in (pt, pa)
    for name in module.__all__
    if isinstance(getattr(module, name), type) and issubclass(getattr(module, name), Result)
]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_quantity_that_is_shown_is_explained(kind):
    said = meanings(kind)
    for field in dataclasses.fields(kind):
        assert field.name in said, field.name
    # What has a unit and is no field is a property, with words of its own.
    properties = set(kind.units()) - {field.name for field in dataclasses.fields(kind)}
    assert all(getattr(kind, name).__doc__ for name in properties)
    assert len(CLASSES) >= 14


class Cells(HTMLParser):
    def __init__(self):
        super().__init__()
        self.rows, self.open = [], []

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


VALUES = {"risk": 0.0123456, "cells": 12_000, "good": True, "matrix": np.array([[1.0, -2.0]]), "none": None}


def test_text_and_html_say_the_same():
    units, said = (
        {"risk": "output²"},
        {"risk": "Mean of <squares> & more.", "cells": "Mean of <squares> & more."},
    )
    lines = show_text("A title", VALUES, units, said).splitlines()
    assert lines[0] == "A title" and len(lines) == 6
    assert lines[1].split()[:3] == ["risk", "0.01235", "output²"] and lines[1].endswith(
        "Mean of <squares> & more."
    )
    assert lines[2].split() == ["cells", "12,000"]  # what was said is not said again
    reader = Cells()
    reader.feed(show_html("A title", VALUES, units, said))
    assert reader.open == []
    assert reader.rows[0] == ["quantity", "value", "unit", "meaning"]
    assert reader.rows[1] == ["risk", "0.01235", "output²", "Mean of <squares> & more."]
    assert [row[1] for row in reader.rows[3:]] == ["yes", "array (1, 2), -2 to 1", "none"]


def test_a_frame_has_a_row_for_each_entry():
    values = {"alpha": np.arange(3.0), "rho": 0.5, "mmse": np.ones(3), "S": np.eye(2), "law": object()}
    frame = to_frame({**values, "history": {"delta": np.zeros(3)}}, {"alpha": "sample/d²", "S": "output"})
    assert list(frame.columns) == ["alpha", "rho", "mmse", "delta"] and len(frame) == 3
    assert frame["rho"].tolist() == [0.5] * 3
    assert frame.attrs == {"units": {"alpha": "sample/d²"}, "left_out": ["S", "law"]}


def test_a_bound_is_a_row():
    bound = pt.upper_bound(1000, setting())
    frame = bound.to_frame()
    assert len(frame) == 1 and frame["value"].item() == bound.value
    assert frame[["bias", "spline", "matrix", "discretisation"]].sum(axis=1).item() == pytest.approx(
        bound.value
    )
    assert frame.attrs["units"]["bias"] == "output²" and frame.attrs["left_out"] == []


def test_a_curve_is_a_frame():
    curve = pa.state_evolution(np.array([0.1, 0.3]), 0.5, pa.LinearChannel())
    frame = curve.to_frame()
    assert frame["mmse"].tolist() == curve.mmse.tolist() and len(frame) == 2
    assert "array (2), 0.1 to 0.3" in repr(curve) and "alpha" in curve._repr_html_()


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    tokens, noise = UniformCube(3), GaussianNoise(0.1)
    return AttentionModel(Tanh(), interaction_matrix(3, 1, rng), tokens, noise).sample(200, 3, rng)


class TestFits:
    def test_a_fit_shows_what_it_found(self, data):
        fit = pi.InteractionRegressor(n_intervals=6)
        assert str(fit) == repr(fit) == "InteractionRegressor(n_intervals=6)"
        before = fit._repr_mimebundle_()
        assert "pairint-result" not in before["text/html"]
        fit.fit(*data)
        assert repr(fit) == "InteractionRegressor(n_intervals=6)"  # as scikit-learn writes it
        assert f"{fit.noise_std_:.4g}  output " in str(fit)
        bundle = fit._repr_mimebundle_()
        assert bundle["text/plain"] == str(fit)
        assert bundle["text/html"].count("pairint-result") == 1 and "noise_std_" in bundle["text/html"]
        assert fit._repr_html_().count("pairint-result") == 1

    def test_its_frame_has_units(self, data):
        fit = pi.InteractionRegressor(n_intervals=6).fit(*data)
        frame = fit.to_frame()
        assert frame["risk_"].item() == fit.risk_ and frame["n_intervals_"].item() == 6
        assert frame.attrs["units"] == {"risk_": "output²", "noise_std_": "output"}
        twice = pi.InteractionRegressor(n_intervals=6).fit(data[0], 2 * data[1]).to_frame()
        # A search stops when a step promises less than ``tol`` noise variances, of 600. A wrong unit is wrong
        # by a factor of two or four.
        for name, unit in frame.attrs["units"].items():
            expected = frame[name].item() * scale(unit, 2.0, 1.0)
            assert twice[name].item() == pytest.approx(expected, rel=10 * fit.tol)

    def test_without_a_fit_there_is_no_frame(self):
        with pytest.raises(ValueError, match="not fitted"):
            pi.InteractionRegressor().to_frame()
