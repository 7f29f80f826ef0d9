"""The numbers of the small figures against independent computations."""

import math

import numpy as np
import pytest
from scipy import integrate
from scipy.special import ndtr

from pairint.explorers.lower import DENSITY, INTERVAL
from pairint.explorers.small import (
    CodeWords,
    DotsGame,
    EstimatorSteps,
    FollowingCells,
    HiddenByAveraging,
    OneDiagram,
    PolynomialOverExp,
    Sandwich,
    SurvivingFunction,
    ThreePrices,
    ThreeTerms,
    TurningHeads,
    TwoBounds,
    WhenToWatch,
)
from pairint.explorers.small.averages import scores, truth
from pairint.explorers.small.cells import CELLS, best_pieces, curve
from pairint.explorers.small.game import divergence, drawn, judged
from pairint.explorers.small.polynomial import DEGREES, SPREADS, fits
from pairint.explorers.small.sandwich import BETAS, SAMPLES, bounds
from pairint.explorers.small.steps import STARTS, oracle_error, recorded
from pairint.explorers.small.surviving import even_moments, tokens_drawn
from pairint.explorers.small.turning import ANGLES, turning_prices
from pairint.explorers.small.watching import FOCUS, TIMES, angles_at, prices
from pairint.model import UniformCube, sphere_flow
from pairint.model.attention import pair_scores
from pairint.theory import Setting, cosine_query_share, exponential_query_share, lower_bound
from pairint.theory.bumps import BumpFamily
from pairint.theory.coercivity import pair_moments
from pairint.theory.diagram import elbow_samples
from pairint.theory.lower import gaussian_kl, guessing_error_bound


@pytest.mark.parametrize("start", ["moments", "random"])
def test_the_steps_lead_to_the_oracle(start):
    """The matrix costs eight parameters beside 35 of the spline: less than half of the error more."""
    path = recorded(start)
    errors = np.array([r.error for r in path])
    assert [r.cells for r in path] == [8] * 6 + [16] * 2 + [32] * 2
    assert errors[-1] < 1.5 * oracle_error()
    assert errors[0] > 10 * errors[-1]
    doubled = [i for i, r in enumerate(path) if r.kind == "double"]
    assert doubled == [6, 8]
    for i in doubled:  # the matrix stays, the curve is finer
        assert path[i].matrix_error == pytest.approx(path[i - 1].matrix_error, rel=1e-9)
    assert path[6].error < path[5].error / 2


def test_one_start_is_caught():
    path = recorded("caught")
    assert path[-1].error > 100 * oracle_error()
    assert path[-1].matrix_error > 1


def test_the_three_starts_are_what_they_say():
    first = {start: recorded(start)[0].matrix_error for start in STARTS}
    assert first["moments"] < 0.1
    assert min(first["random"], first["caught"]) > 0.5


def test_the_shown_curve_is_the_spline_of_the_step():
    """A matrix and its negative are one interaction: the curve is drawn for the sign of the truth."""
    record = recorded("random")[-1]
    series = EstimatorSteps(step=9).numbers().series
    fitted = np.asarray(series["curve.fit"]["y"])
    truth = np.asarray(series["curve.truth"]["y"])
    middle = np.abs(series["curve.fit"]["x"]) < 1.5  # where nearly all scores are
    assert np.mean((fitted - truth)[middle] ** 2) < 10 * record.error


@pytest.mark.parametrize(("beta", "cells"), [(0.5, 4), (1.5, 6), (2.0, 48), (4.0, 3)])
def test_the_drawn_polynomials_have_the_error_that_is_said(beta, cells):
    """The midpoint rule; 4000 steps a cell are 90 a wave or more, so that its error is below 1e-3."""
    degree = math.ceil(beta) - 1
    x, y = (values.reshape(cells, -1) for values in best_pieces(curve(beta), cells, degree))
    squares = []
    for u, values in zip(x, y, strict=True):
        middles = np.linspace(u[0], u[-1], 4001)[:-1] + (u[-1] - u[0]) / 8000
        piece = np.polynomial.Polynomial.fit(u, values, degree)
        squares.append(np.mean((piece(middles) - curve(beta)(middles)) ** 2))
    error = FollowingCells(beta=beta, cells=cells).numbers().facts["error"]
    assert np.sqrt(np.mean(squares)) == pytest.approx(error, rel=1e-3)


def test_the_error_of_the_best_pieces_keeps_to_the_proved_line():
    for beta in (0.5, 1.0, 1.7, 3.0, 4.0):
        series = FollowingCells(beta=beta).numbers().series
        best, proved = (np.asarray(series[f"error.{key}"]["y"]) for key in ("best", "bound"))
        assert np.all(best < proved)
        slope = np.polyfit(np.log(CELLS[4:]), np.log(best[4:]), 1)[0]
        assert slope == pytest.approx(-beta, abs=0.3)  # rough at every scale: no faster than promised


@pytest.mark.parametrize(("samples", "d"), [(20_000, 10), (300, 300), (10**7, 1)])
def test_the_three_terms_are_at_their_minimum(samples, d):
    numbers = ThreeTerms(samples=samples, d=d).numbers()
    total = np.asarray(numbers.series["cells.total"]["y"])
    assert numbers.series["cells.best"]["y"][0] <= total.min()
    terms = numbers.facts["bias"] + numbers.facts["variance"] + numbers.facts["matrix"]
    assert terms == pytest.approx(numbers.series["cells.best"]["y"][0], rel=1e-12)
    matrix_wins = numbers.facts["matrix"] > numbers.facts["bias"] + numbers.facts["variance"]
    assert ("more samples first" in numbers.facts["verdict"]) == matrix_wins == (d == 300)


def test_a_changed_bit_is_seen_when_it_is_said_to_be():
    numbers = CodeWords(bumps=4, height=0.5).numbers()
    family = BumpFamily(beta=2.0, holder_constant=0.5, n_bumps=1, interval=(0, INTERVAL[1] / 4), odd=True)
    separation = DENSITY * family.squared_norm
    setting = Setting(beta=2.0, n_tokens=3, noise_std=0.1, holder_constant=1.0)
    assert numbers.facts["separation"] == pytest.approx(separation, rel=1e-12)
    needed = numbers.facts["needed"]
    wrong = [
        float(guessing_error_bound(gaussian_kl(m, setting, separation / 2))) for m in (needed - 1, needed)
    ]
    assert wrong[0] > 0.05 >= wrong[1]
    one, two = (np.asarray(numbers.series[f"functions.{key}"]["y"]) for key in ("one", "two"))
    u = np.asarray(numbers.series["functions.one"]["x"])
    assert integrate.trapezoid((one - two) ** 2, u) * DENSITY == pytest.approx(separation, rel=1e-3)


GAMES = 4000


@pytest.mark.slow
@pytest.mark.parametrize("samples", [3, 20, 100])
def test_the_best_tests_score_is_what_theory_says(samples):
    """Four standard errors: a correct figure fails once in 16 000 choices of the seed.

    Given the scores the guess is right with probability Phi(delta / 2), so the sum of variances of right
    guesses is the sum of p (1 - p). On average over the scores no test passes the bound.
    """
    rounds = [drawn(number, samples) for number in range(1, GAMES + 1)]
    verdicts, chances = np.array([judged(each) for each in rounds]).T
    right = verdicts == [each.truth for each in rounds]
    error = math.sqrt(np.sum(chances * (1 - chances))) / GAMES
    assert abs(right.mean() - chances.mean()) < 4 * error
    bound = float(ndtr(math.sqrt(divergence(samples) / 2)))
    assert chances.mean() < bound + 4 * chances.std() / math.sqrt(GAMES)
    # Both truths are drawn, and dots of one round say nothing of the next.
    truths = np.array([each.truth for each in rounds])
    assert abs(truths.mean() - 0.5) < 4 * 0.5 / math.sqrt(GAMES)
    assert abs(np.corrcoef(truths[:-1], truths[1:])[0, 1]) < 4 / math.sqrt(GAMES)


def test_the_likelihood_ratio_is_the_one_of_the_densities():
    each = drawn(7, 30)
    numbers = DotsGame(round=7, samples=30).numbers()
    curves = [
        (numbers.series[f"dots.{key}"]["x"], numbers.series[f"dots.{key}"]["y"]) for key in ("one", "two")
    ]
    # The drawn curves, interpolated: wrong by at most (step)^2 / 8 times the curvature 40, that is 1e-3.
    means = [np.interp(each.scores, *curve) for curve in curves]
    logs = [-np.sum((each.outputs - mean) ** 2) / (2 * 0.5**2) for mean in means]
    assert judged(each)[0] == int(logs[1] > logs[0])
    assert numbers.facts["verdict"] == judged(each)[0]


def test_more_samples_add_dots():
    few, many = drawn(5, 10), drawn(5, 40)
    assert few.truth == many.truth
    np.testing.assert_array_equal(many.outputs[:20], few.outputs)


@pytest.mark.parametrize(("tokens", "beta"), [(2, 0.5), (9, 1.0), (200, 3.0)])
def test_the_two_bounds_are_the_packages(tokens, beta):
    """The package tries every number of bumps, the figure 160 of them: at most a few per cent less."""
    facts = TwoBounds(tokens=tokens, beta=beta).numbers().facts
    setting = Setting(beta=beta, n_tokens=tokens, noise_std=0.1, holder_constant=1.0)
    arguments = {"interval": INTERVAL, "density": DENSITY, "symmetric": True}
    proved = lower_bound(10_000, setting, method="assouad", **arguments).value
    assert 0.9 * proved < facts["odd"] <= proved * (1 + 1e-9)
    # Jensen's inequality is as if there were N - 1 times as many samples.
    more = lower_bound(10_000 * (tokens - 1), setting, method="assouad", **arguments).value
    assert 0.9 * more < facts["jensen"] <= more * (1 + 1e-9)
    odd = np.asarray(TwoBounds(beta=beta).numbers().series["bound.odd"]["y"])
    assert odd.max() <= 2 * odd.min()


@pytest.mark.slow
def test_the_sandwich_is_one():
    for beta in BETAS:
        table = bounds(beta)
        assert np.all(table["lower"] < table["known"])
        assert np.all(table["known"] < table["learned"])
    numbers = Sandwich(samples=10**5, beta=1.0).numbers()
    assert numbers.facts["gap"] == pytest.approx(numbers.facts["known"] / numbers.facts["lower"])
    assert list(SAMPLES) == sorted(SAMPLES)


@pytest.mark.parametrize("tokens", [2, 9, 1024])
def test_the_three_bars_are_the_prices_of_the_theorem(tokens):
    factor = (tokens - 1) / tokens
    for activation, share in (
        ("even", cosine_query_share(1.5)),
        ("exponential", exponential_query_share(0.4)),
        ("relu", 1 / math.pi),
        ("odd", 0.0),
    ):
        numbers = ThreePrices(tokens=tokens, activation=activation).numbers()
        assert numbers.facts["keys"] == pytest.approx(factor, rel=1e-12)
        assert numbers.facts["queries"] == pytest.approx(factor / (1 + (tokens - 2) * share), rel=1e-6)
        heights = np.reshape(numbers.series["bars.prices"]["y"], (3, 4)).max(axis=1)
        assert heights == pytest.approx([numbers.facts[key] for key in ("function", "queries", "keys")])
    # Seven of the fifteen splines' dimensions are odd, and one is the constant.
    assert 7 / 15 * factor <= numbers.facts["function"] <= factor * (14 + 1 / (tokens - 1)) / 15 + 1e-12


def test_an_output_is_expected_where_the_dashed_line_is():
    """The mean of the activation is zero, and a partner's share of the variance 1/(N-1).

    Residuals have a standard deviation of sqrt((N-2)/2) / (N-1), as the mean square of the activation is 1/2;
    four standard errors.
    """
    numbers = HiddenByAveraging(tokens=5, beta=1.0).numbers()
    outputs = numbers.series["outputs.outputs"]
    phi = truth(1.0)
    u = np.linspace(-INTERVAL[1], INTERVAL[1], 20_001)[:-1]
    assert phi(u).mean() == pytest.approx(0, abs=1e-12)
    assert np.mean(phi(u) ** 2) == pytest.approx(0.5, rel=1e-12)
    residuals = outputs["y"] - phi(outputs["x"]) / 4
    spread = math.sqrt(3 / 2) / 4
    assert abs(residuals.mean()) < 4 * spread / math.sqrt(len(residuals))
    assert abs(np.corrcoef(residuals, phi(outputs["x"]))[0, 1]) < 4 / math.sqrt(len(residuals))
    explained = np.mean((phi(u) / 4) ** 2)
    assert explained == pytest.approx((explained + spread**2) / numbers.facts["partners"], rel=1e-12)
    assert np.abs(scores()).max() <= INTERVAL[1]
    two = HiddenByAveraging(tokens=2).numbers().series
    np.testing.assert_allclose(two["outputs.outputs"]["y"], truth(2.0)(two["outputs.outputs"]["x"]))


def test_the_tokens_of_when_to_watch_follow_the_flow():
    """Angles and vectors are two forms of one equation; each step of 0.05 is wrong by less than 1e-7."""
    for beta in FOCUS.values():
        begin, now = (
            np.stack([np.cos(a), np.sin(a)], axis=1) for a in (angles_at(0, beta), angles_at(4.0, beta))
        )
        (film,) = sphere_flow(begin[None], lambda u, b=beta: np.exp(b * (u - 1)), [4.0])
        np.testing.assert_allclose(film[0], now, atol=1e-5)


def test_when_to_watch_a_wide_and_a_narrow_attraction():
    """Wide: tokens meet and the price explodes. Narrow: the groups stand, and it does not."""
    assert prices("wide")[TIMES.index(10.0)] == 1e8
    assert prices("narrow")[TIMES.index(20.0)] < 100
    assert 0 < np.argmin(prices("narrow")) < 40
    facts = WhenToWatch(time=10.0).numbers().facts
    assert facts["words"] == "more than 10⁸" and facts["least"] == prices("wide").min()
    np.testing.assert_array_equal(
        WhenToWatch(time=0.0).numbers().series["circle.tokens"]["x"],
        WhenToWatch().numbers().series["circle.start"]["x"],
    )


@pytest.mark.parametrize(("beta", "d"), [(0.5, 2), (1.3, 30), (2.0, 30), (4.0, 1000)])
def test_the_lines_of_the_diagram_are_the_packages(beta, d):
    numbers = OneDiagram(beta=beta, d=d).numbers()
    setting = Setting(beta=beta, n_tokens=3, noise_std=0.1, holder_constant=1.0, score_bound=3.0)
    p = 2 * d - 2
    assert numbers.facts["numbers"] == p
    assert numbers.facts["counted"] == pytest.approx(p / 3, rel=1e-12)
    assert numbers.facts["unique"] == 2 * p + 1
    # Where the lines of the second panel cross: read off the two curves by interpolation of logarithms.
    x = np.log(numbers.series["errors.matrix"]["x"])
    gap = np.log(numbers.series["errors.matrix"]["y"]) - np.log(numbers.series["errors.function"]["y"])
    slope = np.polyfit(x, gap, 1)
    assert max(np.exp(-slope[1] / slope[0]), 1.0) == pytest.approx(numbers.facts["elbow"], rel=1e-6)
    assert slope[0] == pytest.approx(-1 / (2 * beta + 1), rel=1e-6)
    assert max(elbow_samples(p, setting), 1.0) == pytest.approx(numbers.facts["elbow"], rel=1e-12)


def test_the_polynomial_is_fitted():
    """Errors fall with the degree, below Taylor's, and rise with the spread; the ratio is near one."""
    for name in SPREADS:
        table = fits(name)
        fitted, taylor = (np.array(table[key]["error"]) for key in ("fitted", "taylor"))
        assert (np.diff(fitted) < 0).all() and (fitted < taylor).all() and (taylor <= 3).all()
    last = [fits(name)["fitted"]["error"][-1] for name in SPREADS]
    assert last == sorted(last)
    narrow = fits("narrow")
    near = np.abs(np.array(narrow["t"])) < 1.5
    ratio = np.array(narrow["fitted"]["ratio"])[DEGREES.index(6)]
    assert np.abs(ratio[near] - 1).max() < 0.02
    facts = PolynomialOverExp(degree=4, spread="wide").numbers().facts
    assert facts["negative"] > 5 and facts["lost"] < facts["expanded"]


def test_turning_heads_the_sum_does_not_mind_and_one_head_is_lost():
    prices = turning_prices()
    assert prices["sum"].max() < 1.2 * prices["sum"].min()
    assert np.all(np.diff(prices["first"]) < 0)  # the angle rises
    # No more parameters than the model has, (N - 1)/N each: seven coefficients a head, one level too many,
    # and six directions of each matrix of rank one in four dimensions.
    assert prices["sum"].max() <= (2 * 7 - 1 + 2 * 6) * 2 / 3 * (1 + 1e-6)
    facts = TurningHeads(angle=8).numbers().facts
    i = ANGLES.index(8)
    assert facts["times"] == pytest.approx(prices["first"][i] / prices["sum"][i])


@pytest.mark.parametrize(("tokens", "percent"), [(2, 40), (5, 0), (17, 65), (33, 100)])
def test_what_survives_is_what_the_lemma_says(tokens, percent):
    """The share that the average keeps, against draws of the package's own law and moments."""
    numbers = SurvivingFunction(tokens=tokens, percent=percent).numbers()
    square, common = even_moments()
    share = percent / 100

    def psi(u):
        odd, even = np.sin(math.pi / 3 * u), np.cos(math.pi / 3 * u)
        return math.sqrt((1 - share) / (1 - square)) * odd + math.sqrt(share / square) * even

    scores = pair_scores(UniformCube(1).sample(4000, tokens, 3), np.ones((1, 1)))
    moments = pair_moments(psi(scores))
    # Four standard errors.
    assert moments.ratio == pytest.approx(
        numbers.facts["kept"], abs=4 * moments.aggregated_error / moments.second
    )
    drawn = psi(scores[:, 0, 1])
    assert np.mean(drawn**2) == pytest.approx(1, abs=4 * np.std(drawn**2) / math.sqrt(len(drawn)))
    least = 1 / numbers.facts["partners"]
    assert numbers.facts["kept"] >= least if percent else numbers.facts["kept"] == least
    # What partners share is the mean of the outputs, given the token.
    x, curve = (numbers.series["outputs.common"][key] for key in "xy")
    outputs = numbers.series["outputs.outputs"]
    rest = outputs["y"] - np.interp(outputs["x"], x, curve)
    assert abs(rest.mean()) < 4 * rest.std() / math.sqrt(len(rest))
    # Simpson's rule with 160 steps of an analytic function: its error is of the order 160^-4.
    shared = integrate.simpson(np.square(curve), x=x) / (x[-1] - x[0])
    assert shared == pytest.approx(share * common, abs=1e-7)
    assert np.abs(tokens_drawn()).max() <= math.sqrt(3)
