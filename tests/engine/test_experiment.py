"""Experiments, claims, verdicts and the canonical text of parameters."""

import dataclasses
import json
import math

import numpy as np
import pytest
from engine_demo import demo
from hypothesis import given, settings
from hypothesis import strategies as st

from pairint import experiments
from pairint.engine.cells import MAX_CELLS, canonical, grid, plain
from pairint.engine.claims import Claim, verdict
from pairint.engine.experiment import checked_cells
from pairint.experiments import registry

reals = st.floats(-10, 10)


class TestVerdict:
    @pytest.mark.parametrize(
        ("ours", "interval", "expected"),
        [
            (-0.81, (-0.83, -0.79), "agrees"),
            (-0.81, (-0.815, -0.805), "close"),
            (-0.70, (-0.90, -0.50), "undecided"),
            (-0.70, (-0.72, -0.68), "differs"),
            (-0.81, None, "agrees"),
            (-0.70, None, "differs"),
        ],
    )
    def test_two_sided(self, ours, interval, expected):
        assert verdict(ours, -0.80, 0.03, interval) == expected

    @pytest.mark.parametrize(
        ("relation", "ours", "interval", "expected"),
        [
            ("at most", 0.5, None, "agrees"),
            ("at most", 1.2, None, "differs"),
            ("at most", 1.05, None, "agrees"),
            ("at most", 1.2, (0.9, 1.5), "undecided"),
            ("at most", 1.05, (1.02, 1.08), "close"),
            ("at least", 1.5, None, "agrees"),
            ("at least", 0.8, None, "differs"),
            ("at least", 0.8, (0.5, 1.1), "undecided"),
        ],
    )
    def test_one_sided(self, relation, ours, interval, expected):
        assert verdict(ours, 1.0, 0.1, interval, relation) == expected

    @pytest.mark.parametrize(
        ("ours", "interval", "expected"),
        [
            (1.02, (1.0, 1.04), "agrees"),
            (1.04, (1.02, 1.048), "agrees"),  # one is not in it: a small difference does no harm
            (1.0, (0.8, 1.2), "undecided"),  # a wide interval passes nothing
            (1.08, (1.04, 1.12), "undecided"),
            (1.2, (1.06, 1.34), "differs"),
            (0.9, (0.86, 0.94), "differs"),
            (1.02, None, "agrees"),
            (1.2, None, "differs"),
        ],
    )
    def test_equivalence(self, ours, interval, expected):
        assert verdict(ours, 1.0, 0.05, interval, "equivalent") == expected

    def test_missing_values(self):
        assert verdict(1.0, None, 0.1) == "no reference"
        assert verdict(1.5, 1.0, 0.5, relation="at most") == "agrees"  # the tolerance belongs to it
        assert verdict(0.5, 1.0, 0.5, relation="at least") == verdict(0.5, 1.0, 0.5) == "agrees"
        assert verdict(None, 1.0, 0.1) == "not computed"
        assert verdict(math.nan, 1.0, 0.1) == "not computed"

    def test_refuses_nonsense(self):
        with pytest.raises(ValueError, match="tolerance must be >= 0"):
            verdict(1.0, 1.0, -0.1)
        with pytest.raises(ValueError, match="'equal', 'at most', 'at least'"):
            verdict(1.0, 1.0, 0.1, relation="about")

    @given(reals, reals, st.floats(0, 1), st.floats(0, 1), reals)
    @settings(deadline=None, derandomize=True)
    def test_depends_on_differences_only(self, ours, reference, tolerance, half, shift):
        # Margins keep rounding out of it.
        if min(abs(abs(ours - reference) - tolerance), abs(abs(ours - reference) - half)) < 1e-6:
            return
        moved = verdict(
            ours + shift, reference + shift, tolerance, (ours + shift - half, ours + shift + half)
        )
        assert moved == verdict(ours, reference, tolerance, (ours - half, ours + half))
        mirrored = verdict(-ours, -reference, tolerance, (-ours - half, -ours + half))
        assert mirrored == verdict(ours, reference, tolerance, (ours - half, ours + half))


class TestClaim:
    def test_verdict_has_both_sides(self):
        claim = Claim("slope", "Figure (b)", -0.805, (-0.82, -0.79), -0.81, -0.80, 0.03)
        assert claim.verdict == "reproduced; agrees with theory"
        assert (
            dataclasses.replace(claim, published=-0.5).verdict == "differs from the paper; agrees with theory"
        )
        assert dataclasses.replace(claim, ours=None).verdict == "not computed"
        assert Claim("ours alone", "here", 1.0).verdict == "not published"

    def test_data_survives_json(self):
        claim = Claim("slope", "Figure (b)", np.float64(-0.805), (-0.82, -0.79), -0.81, -0.80, 0.03)
        data = json.loads(json.dumps(claim.as_dict()))
        assert data["ours"] == -0.805
        assert data["interval"] == [-0.82, -0.79]
        assert data["published_verdict"] == data["theory_verdict"] == "agrees"

    def test_impossible_claims_fail_where_they_are_made(self):
        with pytest.raises(ValueError, match="tolerance"):
            Claim("slope", "here", 1.0, tolerance=-1.0)


class TestCanonical:
    def test_equal_values_have_one_text(self):
        assert canonical({"b": 2.0, "a": np.int64(1)}) == canonical({"a": 1, "b": 2}) == '{"a":1,"b":2}'
        assert canonical([-0.0, (1, 2)]) == "[0,[1,2]]"

    def test_different_values_have_different_texts(self):
        assert canonical(0.1) != canonical(0.1 + 2**-56)
        assert canonical("2") != canonical(2)
        assert canonical(True) != canonical(1)

    def test_plain(self):
        assert plain({"x": np.float32(0.5), "y": np.arange(2), "z": (None, True)}) == {
            "x": 0.5, "y": [0, 1], "z": [None, True],
        }  # fmt: skip
        assert type(plain(np.float64(0.5))) is float
        with pytest.raises(TypeError, match="no JSON form"):
            plain(object())
        with pytest.raises(TypeError, match="keys must be strings"):
            plain({1: 2})


def test_grid_is_a_full_grid_with_the_last_axis_fastest():
    cells = grid(d=[1, 5], name="x", replicate=range(3))
    assert len(cells) == 6
    assert cells[0] == {"d": 1, "name": "x", "replicate": 0}
    assert [cell["replicate"] for cell in cells] == [0, 1, 2] * 2


def test_a_grid_too_large_to_be_meant_is_refused_before_it_fills_the_memory():
    assert len(grid(x=[1, 2], replicate=range(MAX_CELLS // 2))) == MAX_CELLS
    message = "give 200,000,000,000,000 cells, more than 100,000: replicate alone takes 100,000,000,000,000"
    with pytest.raises(ValueError, match=message):
        grid(x=[1, 2], beta=1.0, replicate=range(10**14))
    for name in experiments.names():
        settings = dict(experiments.get(name).presets["full"])
        if isinstance(settings.get("replicates"), list):  # for each size its own
            with pytest.raises(ValueError, match="replicates must be"):
                experiments.get(name).cells(settings | {"replicates": [10**14] * len(settings["replicates"])})
        elif "replicates" in settings:
            with pytest.raises(ValueError, match="more than 100,000"):
                experiments.get(name).cells(settings | {"replicates": 10**14})
        elif "shapes" in settings:  # the last number of each
            shapes = [[*shape[:-1], 10**14] for shape in settings["shapes"]]
            with pytest.raises(ValueError, match="replicates must be"):
                experiments.get(name).cells(settings | {"shapes": shapes})
        else:  # each line of the plan has its own
            (plan,) = {"plan", "series"} & set(settings)
            lines = [line | {"replicates": 10**14} for line in settings[plan]]
            with pytest.raises(ValueError, match="replicates must be"):
                experiments.get(name).cells(settings | {plan: lines})


class TestExperiment:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"name": "Über/../x"}, "name must be"),
            ({"version": 0}, "version must be"),
            ({"presets": {"quick": {}}}, "lack full"),
            ({"presets": {"quick": {"a": 1}, "full": {"b": 1}}}, "same keys"),
            ({"expected_seconds": {"quick": 1.0}}, "one entry per preset"),
        ],
    )
    def test_a_wrong_declaration_is_refused(self, change, message):
        with pytest.raises(ValueError, match=message):
            dataclasses.replace(demo(), **change)

    @pytest.mark.parametrize(
        ("cells", "message"),
        [
            ([], "no cell"),
            ([{"n_samples": 1, "beta": 1.0}], "lacks replicate"),
            ([{"replicate": 0, "beta": 1.0}], "lacks n_samples"),
            ([{"n_samples": 1, "beta": b, "replicate": 0} for b in (1, 1.0)], "twice"),
        ],
    )
    def test_wrong_cells_are_refused(self, cells, message):
        with pytest.raises(ValueError, match=message):
            checked_cells(dataclasses.replace(demo(), cells=lambda settings: cells), {})


class TestRegistry:
    def test_every_experiment_loads_and_plans(self):
        for name in experiments.names():
            experiment = experiments.get(name)
            assert experiment.name == name
            for settings_of in experiment.presets.values():
                checked_cells(experiment, plain(dict(settings_of)))

    def test_a_readers_own(self):
        mine = experiments.register(demo(name="mine"))
        try:
            assert experiments.get("mine") is mine
            assert "mine" in experiments.names()
        finally:
            registry.unregister("mine")
        assert "mine" not in experiments.names()

    def test_unknown_names_get_a_proposal(self, monkeypatch):
        monkeypatch.setitem(registry.MODULES, "smoothness", "nowhere")
        with pytest.raises(experiments.UnknownExperiment, match="did you mean 'smoothness'"):
            experiments.get("smothness")
        with pytest.raises(ValueError, match="exists already"):
            experiments.register(demo(name="smoothness"))

    def test_a_module_must_hold_what_the_table_says(self, monkeypatch):
        monkeypatch.setitem(registry.MODULES, "other", "engine_holder")
        module = type(experiments)("engine_holder")
        module.EXPERIMENT = demo()
        monkeypatch.setitem(__import__("sys").modules, "engine_holder", module)
        with pytest.raises(RuntimeError, match="calls itself 'demo'"):
            experiments.get("other")
