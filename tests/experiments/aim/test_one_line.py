"""The published algorithm and its variants: scores, denoiser, loop."""

import numpy as np
import pandas as pd
import pytest

from pairint import experiments
from pairint.aim import HardmaxChannel
from pairint.aim.bivariate import bivariate_log_cdf
from pairint.aim.channels import PublishedHardmaxChannel
from pairint.aim.priors import WishartPrior
from pairint.aim.spectrum import NoisySpectrum
from pairint.experiments.aim import one_line

CELL = {"rho": 0.5, "alpha": 0.5, "d": 20, "labels": "plain", "score": "derivative", "n_iter": 60}
CELL["replicate"] = 0


@pytest.fixture
def predictions():
    rng = np.random.default_rng(0)
    omega = rng.standard_normal((40, 2, 2))
    return rng.choice([-1.0, 1.0], (40, 2)), omega + omega.transpose(0, 2, 1)


@pytest.mark.parametrize(
    ("score", "channel"), [("derivative", HardmaxChannel()), ("density", PublishedHardmaxChannel())]
)
def test_scores_of_plain_labels_are_those_of_the_channels(predictions, score, channel):
    signs, omega = predictions
    ours = one_line.scores(signs, omega, 0.7, score=score, factor=1.0)
    np.testing.assert_array_equal(ours, channel.g_out(signs, omega, 0.7))


@pytest.mark.parametrize("factor", [1.0, 2**0.5])
def test_the_derivative_is_one(predictions, factor):
    """Against differences of the log-probability of the label, written out here; the density is not one."""
    signs, omega = predictions
    v, step = 0.7, 1e-5

    def log_probability(omega):
        r = np.sqrt((2 + factor**2) * v)
        kappa = signs * (omega.diagonal(axis1=1, axis2=2) - factor * omega[:, 0, 1, None]) / r
        return bivariate_log_cdf(kappa[:, 0], kappa[:, 1], signs.prod(1) * factor**2 / (2 + factor**2))

    found = {s: one_line.scores(signs, omega, v, score=s, factor=factor) for s in ("derivative", "density")}
    for i, j in ((0, 0), (1, 1), (0, 1)):
        move = np.zeros((2, 2))
        move[i, j] = move[j, i] = step
        slope = (log_probability(omega + move) - log_probability(omega - move)) / (2 * step)
        # Third derivatives are of the order of one, and the logarithms are good to 1e-13.
        assert np.abs(found["derivative"][:, i, j] - slope).max() < 1e-7
        assert np.abs(found["density"][:, i, j] - slope).max() > 0.1


def test_labels_have_the_probability_that_the_score_assumes():
    """The share of each label among drawn indices, for both factors: five standard errors."""
    rng, n = np.random.default_rng(1), 200_000
    diagonal, off = np.sqrt(2) * rng.standard_normal((n, 2)), rng.standard_normal(n)
    for factor in one_line.FACTORS.values():
        signs = np.where(diagonal > factor * off[:, None], 1.0, -1.0)
        share = (signs == 1).all(axis=1).mean()
        zero = np.zeros(1)
        expected = float(np.exp(bivariate_log_cdf(zero, zero, factor**2 / (2 + factor**2)))[0])
        assert abs(share - expected) < 5 * np.sqrt(expected * (1 - expected) / n)


@pytest.mark.parametrize("rho", [0.3, 0.5, 2.0])
def test_the_denoiser_within_the_bulk(rho):
    delta = 1.3
    grid = np.linspace(-8, 12, 4001)
    inside = grid[NoisySpectrum(rho, delta).density(grid) > 1e-3]
    # The shift by 1e-8 off the axis moves a root by 1e-8 times its slope, at most about 1 / density.
    expected = WishartPrior(rho).denoise(inside, delta)
    np.testing.assert_allclose(one_line.denoised(inside, delta, rho), expected, atol=1e-5)


def test_the_denoiser_outside_the_bulk():
    """It is the Stieltjes transform, here by quadrature of the density to the square root of its step."""
    delta, rho, x = 2.7, 0.5, np.array([-7.5, 6.4, 8.0])
    t, step = np.linspace(-7, 6, 600_001, retstep=True)
    density = NoisySpectrum(rho, delta).density(t)
    assert density.sum() * step == pytest.approx(1, abs=1e-5) and (x[1] > t[density > 0]).all()
    transform = np.array([(density / (y - t)).sum() * step for y in x])
    np.testing.assert_allclose(one_line.denoised(x, delta, rho), x - 2 * delta * transform, atol=1e-4)


@pytest.mark.slow
def test_only_the_derivative_settles_near_the_optimum():
    rows = {s: one_line.compute(CELL | {"score": s, "d": 40})[0] for s in ("density", "derivative")}
    assert rows["derivative"]["error"] == pytest.approx(rows["derivative"]["bayes_finite"], rel=0.5)
    assert rows["derivative"]["settled"] and not rows["density"]["settled"]
    assert rows["density"]["error"] > 1.5 * rows["derivative"]["error"]


def test_scores_share_their_data():
    experiment = experiments.get("one_line")
    cells = experiment.cells(experiment.presets["quick"])
    assert len(cells) == 2 * 2 * 3
    assert not {"score", "n_iter"} & set(experiment.data_keys)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"n_iter": 10}, "n_iter must be >= 50"), ({"labels": ["bent"]}, "labels must be")],
)
def test_settings_out_of_range(change, message):
    experiment = experiments.get("one_line")
    with pytest.raises(ValueError, match=message):
        experiment.cells(experiment.presets["quick"] | change)


def test_claims_follow_the_numbers():
    rows = []
    for score, error in (("density", 0.62), ("derivative", 0.38)):
        for labels in one_line.FACTORS:
            for replicate in range(4):
                rows.append(
                    CELL
                    | {"alpha": 0.3, "labels": labels, "score": score, "replicate": replicate}
                    | {
                        "estimator": "plain amp",
                        "error": error * (1 + 0.01 * replicate),
                        "bayes_finite": 0.38,
                    }
                )
    table = pd.DataFrame(rows)
    claims = {claim.name: claim for claim in one_line.claims(table)}
    published = "published algorithm, alpha = 0.3, scaled labels"
    ours = "with the derivative: error over our Bayes-optimal error, alpha = 0.3, plain labels"
    assert len(claims) == 4
    assert claims[published].published_verdict in ("agrees", "close")
    assert all(claim.verdict.startswith("agrees") for claim in claims.values() if claim.published is None)
    swapped = table.assign(score=table["score"].map({"density": "derivative", "derivative": "density"}))
    verdicts = [claim.verdict for claim in one_line.claims(swapped)]
    assert len(verdicts) == 4 and all("differs" in verdict for verdict in verdicts)
    assert published in claims and ours in claims
    assert one_line.plot(table).axes
