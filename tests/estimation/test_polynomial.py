"""Polynomials in the place of exp: the fit against a general optimiser, what is known, and controls."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize

from pairint.estimation import RowSums, fit_polynomial, score_truncation
from pairint.model import polynomial_attention
from pairint.theory import smallest_value


def sample(spread=2.0, M=30, N=10, v=3, seed=0):
    rng = np.random.default_rng(seed)
    return spread * rng.standard_normal((M, N, N)), rng.standard_normal((M, N, v))


def error(scores, values, coefficients, outputs=None):
    """The error by its definition."""
    t = scores - scores.mean(axis=2, keepdims=True)
    own = np.exp(t) @ values / np.exp(t).sum(axis=2, keepdims=True) if outputs is None else outputs
    p = np.polynomial.polynomial.polyval(t, np.asarray(coefficients))
    found = p @ values / p.sum(axis=2, keepdims=True)
    return ((found - own) ** 2).sum() / ((own - own.mean(axis=(0, 1))) ** 2).sum()


@pytest.mark.parametrize(
    ("degree", "positive"), [(1, False), (2, False), (3, False), (4, False), (2, True), (4, True)]
)
def test_nobody_finds_a_better_one(degree, positive):
    """A descent by differences from the fit, and from Taylor's polynomial, ends at no smaller error."""
    scores, values = sample(1.5)
    fit = fit_polynomial(scores, values, degree, positive=positive)
    assert fit.converged and fit.degree == degree
    assert fit.error == pytest.approx(error(scores, values, fit.coefficients), rel=1e-9)
    assert fit.error <= fit.start_error
    sums = RowSums.of(scores, values, degree)
    unit = sums.spread ** np.arange(degree + 1)

    def loss(c):
        a = sum(np.convolve(q, q) for q in np.split(c, 2)) if positive else c
        value = sums.error(a / unit)
        return value if np.isfinite(value) else 1e3

    rng = np.random.default_rng(0)
    starts = [rng.standard_normal(degree + 2) for _ in range(3)] if positive else [fit.coefficients * unit]
    best = min(minimize(loss, start, method="Nelder-Mead", options={"maxfev": 4000}).fun for start in starts)
    assert fit.error <= best * (1 + 1e-5)


def test_what_is_a_polynomial_is_found():
    """Outputs made with a polynomial are returned to rounding, whatever exp would say."""
    scores, values = sample(1.0)
    truth = np.array([2.0, 0.6, 0.5, 0.05, 0.04])
    t = scores - scores.mean(axis=2, keepdims=True)
    p = np.polynomial.polynomial.polyval(t, truth)
    outputs = p @ values / p.sum(axis=2, keepdims=True)
    fit = fit_polynomial(scores, values, 4, outputs=outputs)
    assert fit.error < 1e-10
    np.testing.assert_allclose(fit.coefficients / fit.coefficients[0], truth / 2, atol=1e-4)
    # The control: outputs of other tokens are no polynomial of these scores.
    others = outputs[:, ::-1]
    uniform = RowSums.of(scores, values, 0, others).error([1.0])
    assert fit_polynomial(scores, values, 4, outputs=others).error > 0.9 * uniform > 0.05


def test_positive_means_everywhere():
    """Wide scores: the free quartic dips below zero, the other cannot, at a price."""
    scores, values = sample(4.0)
    free = fit_polynomial(scores, values, 4)
    positive = fit_polynomial(scores, values, 4, positive=True)
    assert smallest_value(free.coefficients) < 0
    # A double zero is computed to the root of the rounding of the values around it.
    assert smallest_value(positive.coefficients) >= -1e-7 * positive.coefficients[0]
    assert free.error <= positive.error < positive.start_error
    t = np.linspace(-100, 100, 10_001)
    assert positive(t).min() >= -1e-7 and free(t).min() < 0


def test_denominators_stay_positive_on_the_data():
    scores, values = sample(4.0)
    for degree in (1, 2, 3):
        fit = fit_polynomial(scores, values, degree)
        t = scores - scores.mean(axis=2, keepdims=True)
        totals = fit(t).mean(axis=2)
        assert totals.min() == pytest.approx(fit.smallest_denominator, rel=1e-6) and totals.min() > 0
        assert totals.mean() == pytest.approx(1.0)


def test_chunks_and_row_shifts_change_nothing(monkeypatch):
    scores, values = sample()
    fit = fit_polynomial(scores, values, 3)
    monkeypatch.setattr("pairint.estimation.polynomial.CHUNK", 250)
    shifted = fit_polynomial(scores + np.arange(10.0)[:, None], values, 3)
    np.testing.assert_allclose(shifted.coefficients, fit.coefficients, rtol=1e-6)


def test_joined_sums_count_each_head_alike():
    one, two = (RowSums.of(*sample(seed=seed), 2) for seed in (0, 1))
    larger = RowSums(
        100 * two.squares, two.totals, 100 * two.variance, two.spread
    )  # values ten times as long
    a = [1.0, 1.0, 0.5]
    mean = (one.error(a) + two.error(a)) / 2
    assert RowSums.joined([one, larger]).error(a) == pytest.approx(mean)
    assert RowSums.joined([one, two, larger]).error(a) == pytest.approx((one.error(a) + 2 * two.error(a)) / 3)
    fit = fit_polynomial(RowSums.joined([one, larger]))
    assert fit.error <= RowSums.joined([one, larger]).error(a)


class TestTruncation:
    def draw(self, seed=0):
        rng = np.random.default_rng(seed)
        mix = rng.standard_normal((2, 6, 6))
        return rng.standard_normal((200, 8, 6)) @ mix[0], rng.standard_normal((200, 8, 6)) @ mix[1]

    def lost(self, queries, keys, left, right):
        """Mean square over all pairs of a query of one window and a key of another: independent."""
        keys = (keys - keys.mean(axis=1, keepdims=True)).reshape(-1, 6)
        difference = np.eye(6) - left @ right.T
        q = queries.reshape(-1, 6)
        return np.trace(difference.T @ (q.T @ q) @ difference @ (keys.T @ keys)) / len(q) ** 2

    def test_all_of_the_rank_is_all_of_the_score(self):
        queries, keys = self.draw()
        left, right = score_truncation(queries, keys, 6)
        np.testing.assert_allclose(left @ right.T, np.eye(6), atol=1e-8)

    @pytest.mark.parametrize("rank", [1, 3])
    def test_no_other_map_keeps_more(self, rank):
        queries, keys = self.draw()
        left, right = score_truncation(queries, keys, rank)
        own = self.lost(queries, keys, left, right)
        rng = np.random.default_rng(1)
        for _ in range(20):
            moved = [side + 0.05 * rng.standard_normal(side.shape) for side in (left, right)]
            assert self.lost(queries, keys, *moved) > own
        # The control: the plain singular vectors, which know nothing of the data, lose more.
        U, s, Vt = np.linalg.svd(np.eye(6) + 0.1 * rng.standard_normal((6, 6)))
        assert self.lost(queries, keys, U[:, :rank] * s[:rank], Vt[:rank].T) > 1.2 * own

    def test_a_fit_on_a_truncated_score_aims_at_the_head(self):
        queries, keys = (0.4 * part for part in self.draw())
        values = np.random.default_rng(2).standard_normal((200, 8, 2))
        scores = queries @ keys.swapaxes(1, 2)
        weights = np.exp(scores - scores.max(axis=2, keepdims=True))
        own = weights @ values / weights.sum(axis=2, keepdims=True)
        left, right = score_truncation(queries, keys, 2)
        fit = fit_polynomial(queries @ left @ (keys @ right).swapaxes(1, 2), values, 4, outputs=own)
        found = polynomial_attention(queries @ left, keys @ right, values, coefficients=fit.coefficients)
        share = ((found - own) ** 2).sum() / ((own - own.mean(axis=(0, 1))) ** 2).sum()
        assert share == pytest.approx(fit.error, rel=1e-6)


def test_what_is_refused():
    scores, values = sample()
    with pytest.raises(ValueError, match="degree must be even for a positive polynomial, got 3"):
        fit_polynomial(scores, values, 3, positive=True)
    with pytest.raises(ValueError, match="degree must be >= 0 and <= 12, got 13"):
        fit_polynomial(scores, values, 13)
    with pytest.raises(ValueError, match=r"scores must have shape \(30, 10, 10\), got \(30, 10, 9\)"):
        fit_polynomial(scores[:, :, :9], values, 2)
    with pytest.raises(ValueError, match="rank must be >= 1 and <= 3, got 4"):
        score_truncation(values, values, 4)
    assert math.isinf(RowSums.of(scores, values, 1).error([-1.0, 0.0]))
