"""A school of fish: where the film comes from, the controls, and what the stored table says."""

import importlib.util

import numpy as np
import pytest

from pairint.engine.experiment import checked_cells
from pairint.experiments import get, load_results
from pairint.experiments.beyond import fish, school
from pairint.experiments.beyond.fish import CONTROLS, EXPERIMENT, compute, school_sums

CELL = {"data": "simulated", "n_tokens": 20, "n_frames": 160, "ahead": 13, "control": "none", "replicate": 0}


def gain(sums):
    n = len(sums.count)
    first = (np.arange(n) < 0.6 * n).astype(float)
    own, both = (sums.coefficients(first, terms=fish.MODELS[model]) for model in ("own", "both"))
    return sums.explained(both, 1 - first) - sums.explained(own, 1 - first)


def test_a_cell_is_a_function_of_its_data():
    rows = compute(CELL)
    assert repr(rows) == repr(compute(dict(CELL)))
    assert {row["kind"] for row in rows} == {"share", "split", "kernel", "number"}
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows if row["kind"] == "kernel")
    assert rows[0]["data_sha256"] == ""


@pytest.mark.slow
def test_the_planted_kernels_are_found_where_steps_are_short():
    """Of a school whose answers are taken over five frames: correlation with the truth, and its crossing.

    A correlation of kernels at ten distances above 0.9 has probability below 1e-3 by chance.
    """
    film = school.film_from("simulated", np.random.default_rng(3), 80, 900)
    sums = school_sums(film, ahead=5)
    theta = sums.coefficients()
    r = np.geomspace(0.7, 12, 10)
    for term in ("position", "velocity"):
        found = sums.kernel(term, theta)(np.log2(r))
        assert np.corrcoef(found, school.planted(term, r))[0, 1] > 0.9
    assert gain(sums) > 0.05


@pytest.mark.slow
def test_controls_that_must_fail_do():
    film = school.film_from("simulated", np.random.default_rng(3), 60, 800)
    kept = gain(school_sums(film))
    assert kept > 0.05
    for control in ("later", "relabelled"):
        assert gain(school_sums(film, control, np.random.default_rng(0))) < 0.1 * kept
    assert gain(school_sums(film, "answers", np.random.default_rng(0))) < 0.5 * kept


def test_a_reversible_film_has_no_arrow():
    """Independent walks whose velocities are in equilibrium: the same drag forwards and backwards."""
    rng = np.random.default_rng(0)
    n_frames, n = 6000, 8
    v = rng.normal(size=(n, 2))
    keep = np.exp(-2.0 / 32)
    film = np.zeros((n_frames, n, 2))
    x = rng.uniform(-3, 3, (n, 2))
    for k in range(n_frames):
        v = keep * v + np.sqrt(1 - keep**2) * rng.normal(size=(n, 2))
        x = x + v / 32
        film[k] = x
    made = school.Film(film - film.mean(axis=1, keepdims=True), 1.0, np.zeros(2), 50.0)
    forth, back = (school_sums(made, control) for control in ("none", "reversed"))
    drag = [s.coefficients(terms=["own"])[0] for s in (forth, back)]
    assert drag[0] == pytest.approx(drag[1], rel=0.1)
    assert drag[0] < 0


def test_a_deterministic_school_shows_its_alignment_backwards_with_the_other_sign():
    """Exact accelerations of a school that only aligns, and backwards: v turns, a does not."""
    from pairint.estimation import KernelTerm, motion_sums
    from pairint.model import SplineSpace

    rng = np.random.default_rng(1)
    x, v = rng.normal(size=(2, 50, 6, 2))
    distance = np.linalg.norm(x[:, None] - x[:, :, None], axis=3)
    space = SplineSpace(0, 6, 4, 2)
    apart = v[:, None] - v[:, :, None]
    answers = (np.exp(-distance)[..., None] * apart).sum(axis=2) / 5
    forth, back = (
        sums.kernel("align", sums.coefficients())(np.array([1.0, 2.0]))
        for sums in (motion_sums(answers, [KernelTerm("align", distance, s * apart, space)]) for s in (1, -1))
    )
    np.testing.assert_allclose(forth, -back)
    np.testing.assert_allclose(forth, np.exp([-1.0, -2.0]), rtol=0.1)


def test_answers_arehanded_over_within_the_frame_and_to_another():
    rng = np.random.default_rng(1)
    answers = rng.normal(size=(6, 9, 2))
    answered = rng.random((6, 9)) < 0.7
    given = fish.handed_over(answers, answered, rng)
    for m in range(6):
        mine, theirs = answers[m][answered[m]], given[m][answered[m]]
        np.testing.assert_array_equal(np.sort(mine, axis=0), np.sort(theirs, axis=0))
        assert not (mine == theirs).any()


def test_the_unit_is_the_distance_to_the_nearest_neighbour():
    grid = np.stack(np.meshgrid(np.arange(6.0), np.arange(6.0)), axis=-1).reshape(1, 36, 2)
    film = np.repeat(7.0 * grid, 50, axis=0)
    film[:, 5] = np.nan
    positions, unit, center, radius = school.arena(film)
    assert unit == 7.0
    np.testing.assert_allclose(center, 2.5)
    assert radius == pytest.approx(2.5 * np.sqrt(2))
    np.testing.assert_allclose(positions[0, :3], grid[0, :3])


def test_a_film_of_ones_own(tmp_path):
    path = tmp_path / "film.npy"
    film = school.simulate(12, 120, np.random.default_rng(2))
    np.save(path, film)
    read = school.film_from(str(path), np.random.default_rng(0))
    assert len(read.sha256) == 64 and read.positions.shape == (120, 12, 2)
    rows = compute(CELL | {"data": str(path), "n_frames": 120})
    assert rows[0]["data_sha256"] == read.sha256


def test_what_is_no_film_is_refused(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    with pytest.raises(FileNotFoundError, match="pip install --no-deps trajectorytools"):
        school.film_from(str(tmp_path / "none.npy"), rng)
    np.save(tmp_path / "flat.npy", np.ones((50, 4)))
    with pytest.raises(ValueError, match="data must hold positions of shape"):
        school.film_from(str(tmp_path / "flat.npy"), rng)
    np.save(tmp_path / "pickled.npy", np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match="data must be an array of numbers"):
        school.film_from(str(tmp_path / "pickled.npy"), rng)
    (tmp_path / "text.npy").write_text("x")
    with pytest.raises(ValueError, match="data must be an array of numbers"):
        school.film_from(str(tmp_path / "text.npy"), rng)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="pip install --no-deps trajectorytools"):
        school.film_from("trajectorytools", rng)


def test_another_version_of_the_film_is_refused(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    np.save(tmp_path / "data" / "test_trajectories.npy", np.random.default_rng(0).normal(size=(50, 4, 2)))
    spec = importlib.util.spec_from_file_location("trajectorytools", tmp_path / "__init__.py")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(ValueError, match="SHA-256 8830115a"):
        school.film_from("trajectorytools", np.random.default_rng(0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": []}, "data must be a list"),
        ({"data": [""]}, "data must be 'simulated'"),
        ({"control": ["upside down"]}, "control must be one of"),
        ({"ahead": [4]}, "ahead must be >= 5"),
        ({"n_frames": 10}, "n_frames must be >= 80"),
        ({"n_tokens": 2}, "n_tokens must be >= 3"),
        ({"replicates": 0}, "replicates must be >= 1"),
    ],
)
def test_settings_out_of_range(change, message):
    with pytest.raises(ValueError, match=message):
        EXPERIMENT.cells(dict(EXPERIMENT.presets["quick"]) | change)


def test_cells():
    cells = checked_cells(EXPERIMENT, dict(EXPERIMENT.presets["full"]))
    assert len(cells) == (5 + 3) * (1 + 8) and get("fish") is EXPERIMENT
    assert {cell["control"] for cell in cells if cell["ahead"] != 13} == {"none"}


# ------------------------------------------------------------------------------------ the stored table


def share(table, data, control, what="gain"):
    rows = table[(table["data"] == data) & (table["control"] == control) & (table["what"] == what)]
    return rows[rows["ahead"] == 13]


@pytest.mark.parametrize("data", ["trajectorytools", "simulated"])
def test_kernels_add_to_the_share_and_vanish_under_controls(data):
    table = load_results("fish")
    kept = share(table, data, "none")
    assert (kept["low"] > 0).all() and kept["value"].mean() > 0.05
    for control in ("later", "relabelled"):
        assert share(table, data, control)["value"].mean() < 0.005
    assert share(table, data, "answers")["value"].mean() < 0.25 * kept["value"].mean()
    back = share(table, data, "reversed")["value"].mean()
    assert 0 < back < kept["value"].mean()


def test_nothing_of_the_film_is_stored():
    """Derived rows alone: for the fish a few hundred numbers, where the film has sixty thousand."""
    table = load_results("fish")
    fish_rows = table[table["data"] == "trajectorytools"]
    assert set(fish_rows["data_sha256"]) == {school.FILE_SHA256}
    assert len(fish_rows) < 1000
    assert set(table["control"]) == set(CONTROLS)


def test_claims_change_with_the_table():
    table = load_results("fish")
    claims = EXPERIMENT.claims(table)
    assert len(claims) == 12
    assert {claim.theory_verdict for claim in claims} <= {"agrees", "close", "no reference"}
    none = table.copy()
    none.loc[none["what"] == "gain", ["value", "low", "high"]] = -0.1
    assert "differs" in {claim.theory_verdict for claim in EXPERIMENT.claims(none)}
