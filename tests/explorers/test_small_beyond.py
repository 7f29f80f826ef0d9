"""The numbers of the small figures of the part beyond both papers, against computations of another kind."""

import math

import numpy as np
import pytest
from scipy import integrate
from scipy.special import shichi, sici

from pairint.aim import UntiedPrior, mismatched_state_evolution, state_evolution, untied_channel
from pairint.experiments import load_results
from pairint.explorers.small import (
    BandsAndCells,
    EnoughText,
    FishAndGhosts,
    ForgottenRank,
    MovingPartner,
    SpectraAndSamples,
    TrainedOrMinimised,
    WhereAWordLooks,
    WorthOfSymmetry,
    WrongWidth,
)
from pairint.explorers.small.aim_mismatch import WIDTHS
from pairint.explorers.small.aim_priors import LAWS, NOISES
from pairint.explorers.small.bands import CELLS, fits
from pairint.explorers.small.channels import CHANNELS
from pairint.explorers.small.effective import RANK, left_out
from pairint.explorers.small.fish import DISTANCES, FILMS
from pairint.explorers.small.real_head import TOKENS, WORDS, weights
from pairint.explorers.small.trained import BUDGETS, MODELS
from pairint.model import RoughActivation, SplineSpace


@pytest.mark.parametrize("rank", range(1, RANK))
def test_what_is_forgotten_multiplies_exp_and_cosine(rank):
    """The integrals of exp(xy) and cos(xy) over coordinates uniform on [-sqrt 3, sqrt 3] are Shi and Si.

    The centre of a bin stands for its points: an error of second order, at most a quarter of the square of
    the width times the second derivative, for each part that is left out.
    """
    singular = 0.7 ** np.arange(rank, RANK)
    shi, _ = shichi(3 * singular)
    si, _ = sici(3 * singular)
    error = (RANK - rank) * 0.02**2 / 4
    for activation, integral in (("exp", shi), ("cosine", si)):
        numbers = ForgottenRank(rank=rank, activation=activation).numbers()
        factor = np.prod(integral / (3 * singular))
        assert numbers.facts["factor"] == pytest.approx(factor, rel=2 * error)
        assert numbers.facts["off"] == 0
        assert "the shape stays" in numbers.facts["verdict"]
    v, mass = left_out(rank)
    assert mass @ v**2 == pytest.approx(np.sum(singular**2), abs=4 * error)
    assert mass @ v == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("rank", [1, 5])
def test_a_step_becomes_the_distribution_of_what_is_left_out(rank):
    """Four standard errors of drawn tokens, and half a bin of the law, whose density there is at most 5."""
    rng = np.random.default_rng(3)
    n = 400_000
    x, y = rng.uniform(-math.sqrt(3), math.sqrt(3), (2, n, RANK - rank))
    left = (x * y) @ (0.7 ** np.arange(rank, RANK))
    numbers = ForgottenRank(rank=rank, activation="step").numbers()
    for u, averaged in zip(*numbers.series["shape.averaged"].values(), strict=True):
        share = np.mean(left > -u)
        assert abs(averaged - share) < 4 * math.sqrt(share * (1 - share) / n) + 1e-4 * 5 + 4 / n
    assert numbers.facts["off"] > 5
    whole = ForgottenRank(rank=RANK, activation="step")
    series = whole.numbers().series
    np.testing.assert_allclose(series["shape.averaged"]["y"], series["shape.plain"]["y"], rtol=1e-12)
    assert whole.numbers().facts["off"] == 0 and "Nothing is left out" in whole.sentence()


def test_the_exponential_is_the_one_that_stays_positive():
    """Negative control: softplus is positive and increasing too, and does not stay."""
    for activation, stays in (("softplus", False), ("step", False), ("exp", True)):
        series = ForgottenRank(rank=1, activation=activation).numbers().series
        plain, averaged = (np.asarray(series[f"shape.{key}"]["y"]) for key in ("plain", "averaged"))
        ratio = averaged[plain > 0] / plain[plain > 0]
        assert (np.ptp(ratio) < 1e-9 * ratio.mean()) == stays


@pytest.mark.slow
@pytest.mark.parametrize(("samples", "cells"), [(2000, 5), (2000, 10)])
def test_bands_hold_the_truth_as_often_as_fits_do(samples, cells):
    """Least squares from drawn data. Four standard errors, and what the drawn design adds.

    With n outputs the inverse of the drawn moments is larger than that of the law by a factor near
    1 + dimension/n, the error of the fit and the band by half of that.
    """
    truth = RoughActivation(1.5, np.random.default_rng(3), bound=1.37 * 3)
    space = SplineSpace(-3.0, 3.0, cells, 3)
    grid = np.asarray(fits()["scores"])
    rng = np.random.default_rng(20)
    held = []
    for _ in range(400):
        u = rng.uniform(-3, 3, 2 * samples)
        design = space.design(u)
        moments = np.linalg.inv(design.T @ design)
        fit = moments @ (design.T @ (truth(u) + rng.standard_normal(u.size)))
        basis = space.design(grid)
        error = np.sqrt(np.einsum("ij,jk,ik->i", basis, moments, basis))
        held.append(np.mean(np.abs(basis @ fit - truth(grid)) <= 1.96 * error))
    figure = BandsAndCells(samples=samples, cells=cells).numbers()
    mean = figure.series["coverage.mean"]["y"][CELLS.index(cells)]
    slack = 4 * np.std(held) / math.sqrt(len(held)) + (cells + 3) / (2 * samples)
    assert abs(np.mean(held) - mean) < slack
    assert figure.facts["coverage"] == math.floor(100 * mean + 0.5)


def test_the_best_cells_promise_too_much_and_twice_as_many_less_so():
    for samples in (100, 300, 1000, 2000, 5000, 10_000, 20_000):
        facts = BandsAndCells(samples=samples).numbers().facts
        assert 2 * facts["best"] in CELLS
        assert facts["short"] < facts["twice"] <= 95
    facts = BandsAndCells().numbers().facts
    assert facts["best"] == 5 and facts["short"] < 90 < facts["twice"]
    # The band of the drawn data set holds what is said, read off the drawn curves.
    for cells in CELLS:
        numbers = BandsAndCells(cells=cells).numbers()
        band, truth = numbers.series["curve.band"], numbers.series["curve.truth"]["y"]
        share = np.mean((band["low"] <= truth) & (truth <= band["y"]))
        assert numbers.facts["here"] == math.floor(100 * share + 0.5)


def test_the_draws_of_the_band_are_noise_of_its_spread():
    """In an orthonormal basis: squares of the spread add up to the dimension, those of a draw to chi-squared.

    Midpoints with five or more a cell integrate squares of splines to two per cent, (1/5)^2/24 times second
    derivatives in units of the cell, which are about ten at the ends.
    """
    table = fits()
    rows = [i for i, cells in enumerate(CELLS) if cells <= 16]
    dimension = np.array(CELLS)[rows] + 3
    spread, draw = ((np.asarray(table[key])[rows] ** 2).mean(axis=1) for key in ("spread", "draw"))
    np.testing.assert_allclose(spread, dimension, rtol=0.02)
    total = dimension.sum()
    assert abs(draw.sum() - total) < 4 * math.sqrt(2 * total) + 0.02 * total


@pytest.mark.parametrize("film", FILMS)
def test_the_fish_are_those_of_the_table(film):
    table = load_results("fish")
    rows = table[(table["data"] == "trajectorytools") & (table["control"] == film) & (table["ahead"] == 13)]
    radius = rows[rows["what"] == "radius"]["value"].item()
    assert max(DISTANCES) < radius
    figure = FishAndGhosts(film=film, distance=8.0)
    for term in ("position", "velocity"):
        kernel = rows[(rows["kind"] == "kernel") & (rows["what"] == term) & (rows["at"] == 8.0)]
        here = figure.numbers().series[f"{term}.here"]["y"][0]
        assert here == pytest.approx(kernel["value"].item(), rel=5e-4)  # four digits
        interval = figure.numbers().series[f"{term}.interval"]
        i = DISTANCES.index(8.0)
        assert interval["low"][i] == pytest.approx(kernel["low"].item(), rel=5e-4)
        assert interval["y"][i] == pytest.approx(kernel["high"].item(), rel=5e-4)
    gain = rows[(rows["kind"] == "share") & (rows["what"] == "gain")]["value"].item()
    assert f"{abs(round(gain, 3)):g} [" in figure.numbers().facts["gain"]
    # What the page says of the films: ghosts add nothing, and a film run backwards does.
    assert (gain > 0.03) == (film in ("none", "reversed"))


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_partner_that_moves_changes_its_own_weight_or_all(channel):
    """The weights from their definition; and the output is what the weights say."""
    for angle in (-180, 20, 95):
        figure = MovingPartner(angle=angle, channel=channel)
        numbers = figure.numbers()
        angles = np.radians([angle, -75, 45, 110, -150])
        given = np.exp(2 * (np.cos(angles) - 1))
        weights = given / (given.sum() if channel == "normalised" else 5)
        np.testing.assert_allclose(numbers.series["weights.tops"]["y"], weights, rtol=1e-12)
        assert numbers.facts["own"] == pytest.approx(weights[0])
        handed = np.stack([np.cos(angles) - (channel == "pairs"), np.sin(angles)])
        output = numbers.series["plane.output"]
        np.testing.assert_allclose([output["x"][0], output["y"][0]], handed @ weights, rtol=1e-12, atol=1e-15)
        alike = numbers.facts["rest"] == pytest.approx(numbers.facts["rest_before"])
        assert alike == (channel != "normalised")
    # Before it moved, it stood where it is said to have stood.
    before = MovingPartner(angle=150, channel=channel).numbers()
    np.testing.assert_array_equal(before.series["weights.tops"]["y"], before.series["weights.before"]["y"])


def test_a_word_looks_where_the_page_says():
    """From the table: a word of the sentence, its largest weight, errors that fall with the text."""
    assert WORDS.count("a") == WORDS.count("a (2)") == 1
    facts = WhereAWordLooks(word="asks", tokens_read=16_384).numbers().facts
    assert facts["most"] == "question"
    table = load_results("head_recovery")
    rows = table[
        (table["layer"] == 0) & (table["head"] == 0) & (table["noise"] == 0.1) & (table["task"] == "exp")
    ]
    for tokens in TOKENS:
        part = rows[rows["n_samples"] == tokens // 64]
        fit = part[part["kind"] == "fit"]
        assert fit["n_tokens"].item() == tokens
        row = part[(part["kind"] == "weight") & (part["i"] == 3)]
        facts = WhereAWordLooks(word="asks", tokens_read=tokens).numbers().facts
        for column, key in (("x", "given"), ("y", "learned")):
            assert facts[key] == pytest.approx(row[row["j"] == 5][column].item(), abs=5.1e-5)
        assert facts["off"] == pytest.approx(50 * (row["x"] - row["y"]).abs().sum(), abs=0.5 + 15 * 50 * 1e-4)
        assert facts["error"] == pytest.approx(fit["error"].item(), rel=1e-3)
        assert facts["own"] == pytest.approx(fit["in_sample"].item(), rel=1e-3)
    errors = weights()["error"]
    assert errors == sorted(errors, reverse=True) and errors[0] > 1 > 0.01 > errors[-1]
    # All that a word gives is one: rounded to four digits, fifteen times.
    np.testing.assert_allclose(weights()["true"].sum(axis=1), 1, atol=15 * 5e-5)
    np.testing.assert_allclose(weights()["learned"].sum(axis=2), 1, atol=15 * 5e-5)


def test_more_text_brings_every_word_nearer():
    for word in WORDS:
        off = [
            WhereAWordLooks(word=word, tokens_read=t).numbers().facts["off"] for t in (TOKENS[0], TOKENS[-1])
        ]
        assert off[1] < off[0] / 3


def test_text_is_enough_where_the_count_says_so():
    """Against the rank of a derivative, on text, as stored; and against the numbers of the proposition."""
    for rank, windows in ((2, 6), (2, 7), (32, 11), (32, 12), (16, 6), (16, 7)):
        facts = EnoughText(rank=rank, windows=windows).numbers().facts
        assert facts["numbers"] == rank * (2 * 384 - 1 - rank)
        assert facts["equations"] == windows * min(64 * 32, rank * (2 * 64 - 1 - rank))
        assert ("no method" in facts["verdict"]) == (facts["equations"] < facts["numbers"])
    table = load_results("whole_layer")
    counts = table[(table["kind"] == "count") & (table["rank"] == 2)]
    for windows, found, p in counts[["n_samples", "found", "p"]].itertuples(index=False):
        facts = EnoughText(rank=2, windows=int(windows)).numbers().facts
        assert p == facts["numbers"] and found == min(facts["equations"], facts["numbers"])
    fits = table[(table["kind"] == "fit") & (table["task"] == "cold") & (table["n_samples"] == 16)]
    assert f"{fits['error'].item():.3g} from nothing" in EnoughText(windows=16).sentence()
    assert "below 10⁻⁹ from nothing" in EnoughText(windows=32).sentence()
    assert "not tried" in EnoughText(windows=48).sentence()
    assert "fits" not in EnoughText(windows=16, rank=2).sentence()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("law", "share"), [("projector", 0.42), ("signs", 0.5), ("power", 1), ("gaussian", 1)]
)
def test_a_spectrum_leads_to_the_samples_of_state_evolution(law, share):
    """The fixed point, solved; and the count by atoms, one less the squares of the masses."""
    prior, _ = LAWS[law]
    for noise in (0.3, 5.0):
        facts = SpectraAndSamples(law=law, noise=noise).numbers().facts
        found = float(state_evolution(facts["alpha"], prior).mmse) / prior.variance
        # Six digits of alpha move the error by as many, times a slope: below a hundred where noise is 0.3.
        assert facts["error"] == pytest.approx(found, rel=1e-4)
        assert facts["share"] == pytest.approx(share, rel=1e-6)
        assert facts["threshold"] == pytest.approx(share / 4, rel=1e-6)  # four equations a sample


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("noise", [NOISES[0], 0.3, NOISES[-1]])
def test_the_density_is_that_of_the_law_and_its_noise(law, noise):
    """Mass one and the variance of both.

    A semicircle is the square of a sine over forty equal steps of an angle, of which trapezoids lose a sixth
    of the step's square, a thousandth; four times that for laws of other shapes.
    """
    prior, _ = LAWS[law]
    series = SpectraAndSamples(law=law, noise=noise).numbers().series["spectrum.density"]
    x, y = np.asarray(series["x"]), np.asarray(series["y"])
    slack = 4 * (math.pi / 40) ** 2 / 6
    mass, mean = integrate.trapezoid(y, x), integrate.trapezoid(x * y, x)
    assert mass == pytest.approx(1, abs=slack)
    variance = integrate.trapezoid(x**2 * y, x) / mass - (mean / mass) ** 2
    assert variance == pytest.approx((1 + noise) * prior.variance, rel=2 * slack)


def test_a_wrong_width_ends_where_the_proposition_says():
    """Too narrow costs nothing nearby, too wide an integral over what sticks out of the student's bulk.

    At the least noise, 1e-8, terms of the order of its root are left: a thousandth with room for the factor.
    """
    p = 0.5
    for width in WIDTHS:
        end = WrongWidth(believed=width).numbers().series["end.stable"]["y"][WIDTHS.index(width)]
        more = 0.0
        if width >= 1:
            more = p**2 / 2 + (width - 1) * p
        elif width > 0.5:

            def outside(y, q=1 - width):
                return (y**2 - 4 * q) * math.sqrt(4 * p - y**2) / (2 * math.pi)

            more, _ = integrate.quad(outside, 2 * math.sqrt(1 - width), 2 * math.sqrt(p))
        assert 4 * end == pytest.approx(0.75 + more, rel=1e-3)
    facts = {width: WrongWidth(believed=width).numbers().facts for width in WIDTHS}
    assert facts[0.5]["threshold"] == min(each["threshold"] for each in facts.values())
    assert facts[0.05]["threshold"] > 1.05 * facts[0.5]["threshold"]  # from nothing, too narrow costs too


@pytest.mark.slow
@pytest.mark.parametrize(("width", "alpha"), [(1.3, 0.18), (1.0, 0.1), (0.5, 0.1), (0.2, 0.1), (2.0, 0.3)])
def test_a_wrong_student_reaches_the_fixed_point(width, alpha):
    """Against the iteration. Points of a curve are a quarter apart in noise: chords lose a hundredth."""
    found = mismatched_state_evolution(alpha, 0.5, width)
    error = WrongWidth(believed=width, samples_over=alpha).numbers().facts["error"]
    assert error == pytest.approx(float(found.error), rel=0.01)


@pytest.mark.parametrize("length", [2, 3, 10])
def test_symmetry_is_worth_what_the_equations_say(length):
    for ratio, numbers in ((0.3, 0.51), (1.0, 1.0), (2.0, 1.0)):
        facts = WorthOfSymmetry(length=length, ratio=ratio).numbers().facts
        assert facts["times"] == pytest.approx((length + 2) / length)
        assert facts["unknown"] == pytest.approx(numbers)
        assert facts["equations"] == pytest.approx(length * (length - 1))
        assert facts["tied_equations"] == pytest.approx((length + 2) * (length - 1) / 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tied", "untied"])
def test_tied_and_untied_curves_are_those_of_state_evolution(name):
    """At points of the curve, whose errors have five digits; the slope in between is below five."""
    series = WorthOfSymmetry(length=3, ratio=0.3).numbers().series[f"error.{name}"]
    for k in (3, 6, 8):
        alpha = series["x"][k]
        layer = (0.3, "softmax", 3) if name == "tied" else (UntiedPrior(0.3), untied_channel("softmax", 3))
        assert series["y"][k] == pytest.approx(float(state_evolution(alpha, *layer).mmse), rel=1e-3)


@pytest.mark.parametrize("steps", BUDGETS)
@pytest.mark.parametrize("model", MODELS)
def test_trainings_are_those_of_the_table(model, steps):
    """Counted again from the bare table: errors over the minimiser's, and how many strayed."""
    table = load_results("adam")
    own = table[(table["units"] == MODELS[model]) & table["estimator"].isin(["adam", "erm"])]
    near = strayed = 0
    for _, cell in own.groupby("cell"):
        least = cell.loc[cell["estimator"] == "erm", "error"].item()
        run = cell[(cell["estimator"] == "adam") & (cell["budget"] == steps)]
        near += int((run["error"] <= 1.1 * least).sum())
        strayed += int((run["risk"] > 1.2 * 0.1**2).sum())
    numbers = TrainedOrMinimised(model=model, steps=steps).numbers()
    assert (numbers.facts["near"], numbers.facts["strayed"]) == (near, strayed)
    runs = own[(own["estimator"] == "adam") & (own["budget"] == steps)]
    shown = np.sort(numbers.series["errors.runs"]["y"])
    np.testing.assert_allclose(shown, np.sort(runs["error"]), rtol=5e-4)  # four digits
    places = np.array(numbers.series["errors.runs"]["x"])
    sizes = np.sort(runs["n_samples"])
    assert (np.abs(np.log(np.sort(places) / sizes)) <= np.log(1.36)).all()  # side by side, and apart
    assert sum(len(numbers.series[f"time.{key}"]["x"]) for key in ("few", "some", "most")) == len(runs)
