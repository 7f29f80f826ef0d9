import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairint.theory import Setting, rates

BETAS = st.floats(0.1, 8.0)
SETTING = Setting(beta=2.0, d=5, rank=2, n_tokens=3, noise_std=0.5, holder_constant=1.5, score_bound=2.0)


@pytest.mark.parametrize(("beta", "exponent"), [(0.5, 1 / 2), (1, 2 / 3), (2, 4 / 5), (7, 14 / 15)])
def test_exponent_at_known_values(beta, exponent):
    assert rates.minimax_exponent(beta) == pytest.approx(exponent, rel=1e-15)


def test_more_variables_learn_more_slowly():
    """Stone's exponents: the curse of dimension."""
    assert rates.minimax_exponent(2.0, 60) == pytest.approx(4 / 64, rel=1e-15)
    assert rates.minimax_exponent(30.0, 60) == 0.5
    assert rates.minimax_exponent(2.0, 1) == rates.minimax_exponent(2.0)


def test_price_of_a_parameter_by_hand():
    assert rates.parameter_price(1000, n_tokens=3, noise_std=0.5) == pytest.approx(0.25 * 2 / 3000)
    budget = SETTING.budget(1000, 10)
    assert budget.parametric == 16 * rates.parameter_price(1000, n_tokens=3, noise_std=0.5)


@pytest.mark.parametrize(("beta", "degree"), [(0.3, 0), (1, 0), (1.01, 1), (2, 1), (2.5, 2), (3, 2)])
def test_degree_is_the_largest_integer_strictly_below(beta, degree):
    assert rates.holder_degree(beta) == degree


@given(BETAS)
def test_taylor_constant_is_a_ratio_of_gammas(beta):
    k = rates.holder_degree(beta)
    expected = math.gamma(beta - k + 1) / math.gamma(beta + 1)
    assert rates.taylor_constant(beta) == pytest.approx(expected, rel=1e-12)


@given(st.integers(2, 10**12), BETAS)
def test_optimal_intervals_is_the_floor(n_samples, beta):
    k = rates.optimal_intervals(n_samples, beta)
    bound = n_samples / math.log(n_samples)
    assert isinstance(k, int)
    assert k ** (2 * beta + 1) <= bound * (1 + 1e-9)
    assert (k + 1) ** (2 * beta + 1) > bound * (1 - 1e-9)


@given(st.integers(3, 10**12), BETAS, st.integers(1, 3000))
def test_number_of_intervals_of_the_rate_theorem(n_samples, beta, rank_times_d):
    """Both steps of the proof: K is between x/2 and x, and rd <= x is the same as rd <= K."""
    k = rates.optimal_intervals(n_samples, beta)
    x = (n_samples / math.log(n_samples)) ** (1 / (2 * beta + 1))
    assert x / 2 <= k <= x * (1 + 1e-9)
    if abs(x - round(x)) > 1e-9 * x:
        assert (rank_times_d <= k) == rates.condition_holds(n_samples, beta, rank_times_d)


def test_optimal_intervals_by_hand():
    # 10^4 / log 10^4 = 1085.7; its cube root is 10.28
    assert rates.optimal_intervals(10_000, 1) == 10


def test_budget_by_hand():
    terms = SETTING.budget(1000, 10)
    assert terms.bias == pytest.approx((1.5 * 0.5 * (2 / 10) ** 2) ** 2)  # c(2) = 1/2
    assert terms.variance == pytest.approx(0.25 * 10 * 2 * (2 / 3) / 1000)
    assert terms.parametric == pytest.approx(0.25 * 16 * (2 / 3) / 1000)  # 2 (2*5 - 2) = 16
    assert terms.total == terms.bias + terms.variance + terms.parametric


@given(st.integers(1, 10**7), BETAS, st.floats(0.01, 5), st.floats(0.01, 50))
@settings(max_examples=50)
def test_best_intervals_beats_every_other(n_samples, beta, noise_std, holder_constant):
    setting = replace(SETTING, beta=beta, noise_std=noise_std, holder_constant=holder_constant)
    best = setting.best_intervals(n_samples)
    value = setting.best_budget(n_samples).total
    others = {max(1, best + shift) for shift in (-7, -2, -1, 1, 2, 7)} | {1, 2 * best}
    assert all(value <= setting.budget(n_samples, k).total * (1 + 1e-12) for k in others)


def test_best_total_decays_at_the_minimax_rate():
    values = [SETTING.best_budget(n_samples).total for n_samples in (10**12, 10**16)]
    slope = math.log(values[1] / values[0]) / math.log(10**4)
    assert slope == pytest.approx(-rates.minimax_exponent(2.0), abs=5e-3)


@pytest.mark.slow
@given(st.integers(1, 500), st.floats(0.2, 4))
def test_samples_for_rank_is_the_threshold(rank_times_d, beta):
    m = rates.samples_for_rank(rank_times_d, beta)
    assert rates.condition_holds(m, beta, rank_times_d)
    assert rates.condition_holds(m + 1, beta, rank_times_d)
    if m > 2:
        assert not rates.condition_holds(m - 1, beta, rank_times_d)


def test_condition_broadcasts_and_agrees_with_its_definition():
    m = np.array([10.0, 1e3, 1e6])[:, None]
    rd = np.arange(1, 30)
    expected = rd <= (m / np.log(m)) ** (1 / 4.0)
    assert np.array_equal(rates.condition_holds(m, 1.5, rd), expected)
    assert expected.any() and not expected.all()


@given(st.floats(1e-6, 1.0))
@settings(max_examples=40)
def test_samples_for_error_is_the_threshold(error):
    m = SETTING.samples_for_error(error)
    assert SETTING.best_budget(m).total <= error
    assert m == 1 or SETTING.best_budget(m - 1).total > error


def test_log_gap_by_hand():
    m = 10_000
    assert rates.log_gap(m, 0.25) == pytest.approx(math.log(m) ** (1 / 3 + 4))
    assert rates.log_gap(m, 2) == pytest.approx(math.log(m) ** (4 / 5 + 16))
    assert rates.log_factor(m, 2) == pytest.approx(math.log(m) ** (4 / 5))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rates.minimax_exponent(0), "beta must be > 0"),
        (lambda: rates.optimal_intervals(1, 1.0), "n_samples must be >= 2"),
        (lambda: rates.minimax_exponent(1, 0), "n_variables must be >= 1"),
        (lambda: rates.log_gap(1, 1.0), "n_samples must be >= 2"),
        (lambda: rates.log_factor(1, 1.0), "n_samples must be >= 2"),
        (lambda: rates.log_factor(10, 0.0), "beta must be > 0"),
        (lambda: rates.parameter_price(0, n_tokens=3, noise_std=0.5), "n_samples must be >= 1"),
        (lambda: rates.parameter_price(10, n_tokens=1, noise_std=0.5), "n_tokens must be >= 2"),
        (lambda: rates.parameter_price(10, n_tokens=3, noise_std=-1), "noise_std must be >= 0"),
        (lambda: rates.condition_holds(1, 1.0, 2), "n_samples must be"),
        (lambda: rates.condition_holds(10, [1.0, -1.0], 2), "beta must be"),
        (lambda: rates.matrix_dimension(3, 4), "rank must be >= 1 and <= 3"),
        (lambda: SETTING.budget(10, 0), "n_intervals must be >= 1"),
        (lambda: SETTING.budget(0, 10), "n_samples must be >= 1"),
        (lambda: replace(SETTING, noise_std=0).best_intervals(10), "noise_std must be > 0"),
        (lambda: SETTING.samples_for_error(0), "error must be > 0"),
        (lambda: rates.samples_for_rank(0, 1.0), "rank_times_d must be >= 1"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
