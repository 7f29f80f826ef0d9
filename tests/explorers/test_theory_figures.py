"""The numbers of the theory's figures against independent computations."""

import itertools

import numpy as np
import pytest
from scipy import integrate, stats

from pairint.aim.channels import HardmaxChannel
from pairint.aim.state_evolution import state_evolution
from pairint.explorers import (
    AIMExplorer,
    CoercivityExplorer,
    FitExplorer,
    LowerBoundExplorer,
    RateExplorer,
)
from pairint.explorers import measured as measured_module
from pairint.explorers.coercivity import LAWS, law_of
from pairint.explorers.lower import DENSITY, INTERVAL, drawn_noise, drawn_scores
from pairint.model.attention import pair_scores
from pairint.theory import Setting, lower_bound, matrix_lower_bound
from pairint.theory.coercivity import product_moments


@pytest.mark.slow
@pytest.mark.parametrize("law", LAWS)
def test_functions_are_orthonormal_and_ordered(law):
    law = law_of(law)
    rng = np.random.default_rng(4)
    n_tokens = min(law.most_tokens, 8)
    scores = pair_scores(law.tokens.sample(20_000, n_tokens, rng), law.matrix)
    values = np.stack([law.function(k)(scores[:, 0, 1:]) for k in range(len(law.cross))])
    gram = np.einsum("kmj,lmj->kl", values, values) / values[0].size
    means = values.mean(axis=2)
    visible = (means**2).mean(axis=1)
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=0.12)
    expected = (1 + (n_tokens - 2) * law.cross) / (n_tokens - 1)
    np.testing.assert_allclose(visible, expected, rtol=0.1, atol=1e-3)
    assert np.all(np.diff(law.cross) > -1e-9)


def test_cube_agrees_with_quadrature():
    law = law_of("cube")
    knots = np.linspace(law.space.lower, law.space.upper, law.space.n_intervals + 1)
    for k in (0, 6, len(law.cross) - 1):
        moments = product_moments(law.function(k), 3.0, 3, knots)
        assert moments.second == pytest.approx(1, abs=1e-6)
        assert moments.cross == pytest.approx(law.cross[k], abs=1e-6)


@pytest.mark.slow
def test_a_constant_is_fully_visible():
    for law in LAWS:
        facts = CoercivityExplorer(law=law, function=11).numbers().facts
        assert facts["ratio"] == pytest.approx(1, abs=1e-6), law


def test_all_points_in_random_order_hide_a_function():
    facts = CoercivityExplorer(law="points", tokens=64, function=1).numbers().facts
    assert facts["tokens"] == 8
    assert facts["ratio"] == 0
    for function in (1, 2, 3):
        for tokens in (8, 64):  # no digit of rounding is shown
            numbers = CoercivityExplorer(law="points", tokens=tokens, function=function).numbers()
            assert numbers.facts["mean"] == 0
            assert numbers.series["function.mean"]["at"] == 0
    assert "no more than 8" in facts["limit"]


@pytest.mark.parametrize(
    ("argument", "beta", "bumps"), list(itertools.product(["odd", "plain"], [0.5, 2.6], [3, 20]))
)
def test_lower_bound_is_the_packages(argument, beta, bumps):
    numbers = LowerBoundExplorer(argument=argument, beta=beta, bumps=bumps, tokens=5).numbers()
    arguments = {"interval": INTERVAL, "density": DENSITY, "symmetric": argument == "odd"}
    setting = Setting(beta=beta, n_tokens=5, noise_std=0.1, holder_constant=1.0)
    bound = lower_bound(10_000, setting, method="assouad", n_bumps=bumps, **arguments)
    assert numbers.facts["bound"] == pytest.approx(bound.value, rel=1e-9)
    best = lower_bound(10_000, setting, method="assouad", **arguments)
    assert 0.9 * best.value < numbers.facts["best"] <= best.value * (1 + 1e-9)


def test_lower_bound_is_below_the_budget():
    series = LowerBoundExplorer().numbers().series
    assert np.all(series["samples.bound"]["y"] < np.asarray(series["samples.budget"]["y"]))


@pytest.mark.parametrize(("beta", "d", "rank"), [(2.0, 30, 1), (0.8, 5, 2), (1.0, 1, 1)])
def test_the_price_of_the_matrix_is_a_theorem_not_the_budget(beta, d, rank):
    """The proved line is at most the budget's term; it is the term where slopes are free, and in the end."""
    series = RateExplorer(beta=beta, d=d, rank=rank).numbers().series
    samples, proved = np.round(series["samples.floor"]["x"]), np.asarray(series["samples.floor"]["y"])
    numbers = rank * (2 * d - rank)
    price = 0.1**2 * numbers * 2 / (3 * samples)
    np.testing.assert_allclose(price, series["samples.parametric"]["y"], rtol=1e-12)
    assert np.all(proved <= price * (1 + 1e-12))
    assert proved[-1] > 0.99 * price[-1]
    if beta > 1:
        np.testing.assert_allclose(proved, price, rtol=1e-12)
    else:
        # Half of the price from M_0 on (corollary), with B_lin = L abar (2 abar)^(beta - 1).
        least = 455 * 0.1**2 * min(9 * d**2 * rank * d, 9 * (rank * d) ** 2) / (3 * 6 ** (beta - 1)) ** 2
        assert np.all(proved[samples >= least] >= price[samples >= least] / 2)
        assert proved[0] < price[0]
    setting = Setting(
        beta=beta, n_tokens=3, noise_std=0.1, holder_constant=1.0, d=d, rank=rank, score_bound=3.0
    )
    size = {"token_bound": (3 * d) ** 0.5, "coordinate_bound": 3**0.5}
    assert proved[40] == pytest.approx(matrix_lower_bound(int(samples[40]), setting, **size).value)


def test_drawn_outputs_come_from_the_two_hypotheses():
    figure = LowerBoundExplorer(noise=0.01, tokens=2, bumps=3, holder=20.0)
    series = figure.numbers().series
    for key, noise in zip(("one", "two"), drawn_noise(), strict=True):
        curve, outputs = series[f"hypotheses.{key}"], series[f"data.{key}"]
        expected = np.interp(outputs["x"], curve["x"], curve["y"])
        np.testing.assert_allclose(outputs["y"] - 0.01 * noise, expected, atol=1e-3)
        assert np.abs(expected).max() > 0.1
    averaged = LowerBoundExplorer(noise=0.01, tokens=64, bumps=3, holder=20.0).numbers().series
    assert np.std(averaged["data.one"]["y"]) < 0.3 * np.std(series["data.one"]["y"])


def test_drawn_scores_are_uniform_and_independent():
    scores = drawn_scores()
    assert stats.kstest(scores.ravel(), stats.uniform(-np.sqrt(3), 2 * np.sqrt(3)).cdf).pvalue > 0.01
    correlation = np.corrcoef(scores.reshape(-1, scores.shape[-1]), rowvar=False) - np.eye(scores.shape[-1])
    assert np.abs(correlation).max() < 0.35  # 4.9 standard errors
    assert drawn_noise().std() == pytest.approx(1, abs=0.15)


def test_error_vanishes_at_the_threshold():
    exact = AIMExplorer(rho=0.5).numbers().facts["exact"]
    assert exact == pytest.approx(0.1875)
    assert AIMExplorer(alpha=exact * 1.01).numbers().facts["mmse"] == 0
    assert 0 < AIMExplorer(alpha=exact * 0.99).numbers().facts["mmse"] < 0.03
    assert "never" in AIMExplorer(channel="hardmax").sentence()


def test_after_exact_recovery_every_panel_shows_something():
    """Zero is on the axis of the error; a copy without noise is the matrix, and nothing is left to do."""
    figure = AIMExplorer(rho=0.5, alpha=1.0)
    series = figure.numbers().series
    assert series["error.here"]["y"] == [0]
    axis = figure.panels[0].y
    assert axis.scale == "linear"
    assert axis.range[0] < 0
    assert series["spectrum.noisy"] == series["spectrum.clean"]
    edge = (1 + np.sqrt(0.5)) ** 2 / np.sqrt(0.5)
    for key in ("identity", "first"):
        assert series[f"denoiser.{key}"]["x"] == series[f"denoiser.{key}"]["y"] == pytest.approx([0, edge])
    # A matrix of full rank has no zeros.
    low = AIMExplorer(rho=4.0, alpha=20.0).numbers().series["denoiser.first"]["x"][0]
    assert low == pytest.approx(0.5)


def test_sentence_says_how_the_error_that_is_shown_falls():
    """Where the matrix costs most the curve falls like 1/M, whatever the exponent of the theorem."""
    for values, power in (({"d": 1000, "rank": 100}, 1.0), ({"d": 1}, 0.8)):
        figure = RateExplorer(**values)
        total = figure.numbers().series["samples.total"]
        x, y = np.asarray(total["x"]), np.asarray(total["y"])
        near = (x > 3e3) & (x < 3e4)  # around the chosen M = 10,000
        slope = -np.polyfit(np.log(x[near]), np.log(y[near]), 1)[0]
        assert (slope > 0.9) == (power == 1.0)  # of the two powers the nearer
        said = "price of the matrix, which falls like 1/M" in figure.sentence()
        assert said == (power == 1.0)
    sentence = RateExplorer(d=1000, rank=100).sentence()
    assert ">\u00a099.9\u202f% of the matrix" in sentence
    assert "<\u00a00.1\u202f% bias" in sentence


def test_sentence_claims_no_bound_of_nothing():
    figure = LowerBoundExplorer(bumps=1, samples=10**8, holder=20.0)
    assert figure.numbers().facts["error"] == 0
    sentence = figure.sentence()
    assert "can be told apart" in sentence
    assert "K proves nothing" in sentence
    assert "at least 0" not in sentence
    assert "below 0" not in sentence
    assert "1 bumps" not in sentence
    assert "wrong with probability at least" in LowerBoundExplorer().sentence()


def test_ends_of_many_cells_make_no_bar():
    values = {"beta": 1.0, "noise": 0.05, "samples": 10_000, "d": 1}
    many = FitExplorer(cells="chosen", **values).numbers()
    assert many.facts["cells"] > 48
    ends = many.series["scores.knots"]["x"]
    assert len(ends) <= 49
    assert f"one in {round((many.facts['cells'] + 1) / len(ends))} is drawn" in many.facts["some"]
    few = FitExplorer(cells=48, **values).numbers()
    assert (len(few.series["scores.knots"]["x"]), few.facts["some"]) == (49, "")


def test_weak_recovery_is_claimed_for_narrow_layers_only():
    """The threshold n/(dr) = 1/4 belongs to the limit of narrow layers, and is below exact recovery there."""
    for rho in (0.5, 5.0):
        assert "seen at all" not in AIMExplorer(rho=rho).sentence()
    numbers = AIMExplorer(rho=0.05, alpha=0.01).numbers()
    sentence = AIMExplorer(rho=0.05, alpha=0.01).sentence()
    assert "in the limit ρ → 0 a layer is seen at all from n/(dr) = 0.25 on (α = 0.0125)" in sentence
    assert numbers.series["error.weak"]["at"] == pytest.approx(0.0125)
    assert numbers.series["error.weak"]["at"] < numbers.facts["exact"]


@pytest.mark.slow
@pytest.mark.parametrize("n_tokens", [2, 3, 4, 5])
def test_hardmax_is_shown_for_up_to_five_tokens(n_tokens):
    figure = AIMExplorer(channel="hardmax", tokens=n_tokens, alpha=1.0)
    facts = figure.numbers().facts
    exact = state_evolution(1.0, 0.5, "hardmax", n_tokens)
    assert facts["tokens"] == n_tokens
    assert facts["mmse"] == pytest.approx(float(exact.mmse), rel=1e-9)
    # The page evaluates Chebyshev series of kappa(tau)/u.
    tau = np.array([0.0, 0.3, 4.0, 1e3, 1e6])
    u = 1 / np.sqrt(1 + tau)
    series = np.polynomial.chebyshev.chebval(2 * u - 1, figure.data()["hardmax"][str(n_tokens)])
    np.testing.assert_allclose(u * series, HardmaxChannel(n_tokens).kappa(tau), rtol=1e-9)
    percent = figure.data()["percent"].get(str(n_tokens))
    assert ("interpolated" in figure.sentence()) == (n_tokens > 2)
    if percent:
        relative = HardmaxChannel(n_tokens).kappa_error(tau) / HardmaxChannel(n_tokens).kappa(tau)
        assert relative.max() <= percent / 100 <= 1.5 * relative.max()


@pytest.mark.slow
def test_hardmax_of_more_tokens_says_what_is_shown():
    six = AIMExplorer(channel="hardmax", tokens=6).sentence()
    assert "T = 5, the most for which hardmax is analysed" in six
    with pytest.raises(ValueError, match="α at most"):
        list(
            AIMExplorer().simulate({"channel": "hardmax", "tokens": 6, "rho": 0.5, "alpha": 1.0}, None, None)
        )


def test_density_of_the_matrix_starts_and_ends_at_its_edges():
    for rho in (0.05, 0.5, 3.0):
        clean = AIMExplorer(rho=rho).numbers().series["spectrum.clean"]
        a = np.sqrt(rho)
        assert clean["x"][0] == pytest.approx((1 - a) ** 2 / a)
        assert clean["x"][-1] == pytest.approx((1 + a) ** 2 / a)
        assert (clean["y"][0], clean["y"][-1]) == (0, 0)
        assert integrate.trapezoid(clean["y"], clean["x"]) == pytest.approx(min(rho, 1), abs=0.02)


def test_density_of_the_noisy_copy_has_mass_one():
    for values in ({}, {"rho": 0.1, "alpha": 0.045}, {"channel": "hardmax", "alpha": 5.0}):
        noisy = AIMExplorer(**values).numbers().series["spectrum.noisy"]
        assert integrate.trapezoid(noisy["y"], noisy["x"]) == pytest.approx(1, abs=4e-3)


@pytest.fixture
def stored(monkeypatch):
    """A small stored table of learning curves."""
    pandas = pytest.importorskip("pandas")
    cells = itertools.product([1.0, 2.0], [1, 5], [1000, 10_000], range(3), ["oracle", "fit"])
    rows = [
        {
            "smoothness": beta,
            "d": d,
            "beta": beta,
            "rank": 1,
            "n_tokens": 3,
            "noise_std": 0.2,
            "selection": "auto",
            "n_samples": m,
            "replicate": replicate,
            "estimator": estimator,
            "error": (1 + replicate) / m,
        }
        for beta, d, m, replicate, estimator in cells
    ]
    monkeypatch.setattr(measured_module, "stored_names", lambda: ["rough", "unrelated"])
    monkeypatch.setattr(measured_module, "load_results", lambda name: pandas.DataFrame(rows))
    measured_module.measured_lines.cache_clear()
    yield
    measured_module.measured_lines.cache_clear()


def test_measured_points_are_offered(stored):
    figure = RateExplorer(measured="rough-1-5-auto")
    points = figure.numbers().series["samples.measured_fit"]
    assert points["x"] == [1000, 10_000]
    assert points["y"] == pytest.approx([2e-3, 2e-4])
    spread = 2 * 1e-3 / np.sqrt(3)
    assert points["high"][0] - points["y"][0] == pytest.approx(spread, rel=1e-3)
    choice = figure.spec()["parameters"][0]
    assert choice["choices"][0] == "none"
    assert choice["presets"]["rough-1-5-auto"] == {"beta": 1.0, "d": 5, "rank": 1, "tokens": 3, "noise": 0.2}
    assert "samples.measured_fit" not in RateExplorer().numbers().series


@pytest.mark.parametrize("change", [{"beta": 1.5}, {"d": 1000}, {"rank": 2}, {"tokens": 4}, {"noise": 3.0}])
def test_measured_points_go_with_their_setting(stored, change):
    figure = RateExplorer(measured="rough-1-5-auto")
    assert (figure.values["beta"], figure.values["d"]) == (1.0, 5)
    assert figure.numbers(samples=500).facts["measured"] == "rough-1-5-auto"
    assert figure.numbers(samples=500).series["samples.measured_fit"]["x"]
    elsewhere = figure.numbers(**change)
    assert elsewhere.facts["measured"] == "none"
    assert "samples.measured_fit" not in elsewhere.series
    assert RateExplorer(measured="rough-1-5-auto", **change).values["measured"] == "none"
    # Choosing them again sets the values, as the page does.
    again = RateExplorer(**change).numbers(measured="rough-1-5-auto")
    assert (again.facts["beta"], again.facts["d"]) == (1.0, 5)
    assert "samples.measured_fit" in again.series


def test_without_tables_there_is_no_choice(monkeypatch):
    monkeypatch.setattr(measured_module, "stored_names", lambda: [])
    measured_module.measured_lines.cache_clear()
    assert RateExplorer().parameters[0].key == "beta"
    measured_module.measured_lines.cache_clear()
