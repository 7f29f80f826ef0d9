"""The exponential inequality in the norm of pairs, attacked by exact enumeration."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairint.theory.fourth_moment import range_factor, size_bias_rate


def exponential_rate(mu, *, envelope, n_tokens, centred=False):
    """What the theorem claims of :func:`exponential`."""
    partners = n_tokens - 1
    w = range_factor(n_tokens, centred=centred) * envelope**2 / partners
    return size_bias_rate(mu, w) / partners


def exponential(h, chance, n_tokens, mu):
    """Return -log E exp(-mu v) / ||h||^2 for i.i.d. tokens on points, every sample enumerated."""
    words = np.array(list(itertools.product(range(len(chance)), repeat=n_tokens)))
    weight = chance[words].prod(axis=1)
    values = h[words[:, :, None], words[:, None, :]]
    averages = (values.sum(axis=2) - np.einsum("aii->ai", values)) / (n_tokens - 1)
    v = (averages**2).mean(axis=1)
    return -math.log(weight @ np.exp(-mu * v)) / float(chance @ h**2 @ chance)


@given(
    n_tokens=st.integers(2, 7),
    n_points=st.integers(2, 3),
    mu=st.floats(1e-3, 1e3),
    power=st.floats(0.1, 8),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=60, deadline=None)
def test_any_interaction_on_points(n_tokens, n_points, mu, power, seed):
    rng = np.random.default_rng(seed)
    h = rng.choice([-1, 1], (n_points, n_points)) * rng.uniform(size=(n_points, n_points)) ** power
    chance = rng.dirichlet(np.full(n_points, 0.4))
    claimed = exponential_rate(mu, envelope=float(np.abs(h).max()), n_tokens=n_tokens)
    assert exponential(h, chance, n_tokens, mu) >= claimed * (1 - 1e-9)


@given(
    n_tokens=st.integers(2, 5),
    mu=st.floats(1e-3, 1e3),
    power=st.floats(0.1, 8),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=60, deadline=None)
def test_centred_interactions_on_symmetric_points(n_tokens, mu, power, seed):
    """Points come in pairs x, -x of equal chance, and h(x, -y) = -h(x, y)."""
    rng = np.random.default_rng(seed)
    half = rng.choice([-1, 1], (4, 2)) * rng.uniform(size=(4, 2)) ** power
    h = np.hstack([half, -half])
    chance = np.tile(rng.dirichlet([0.4, 0.4]), 2) / 2
    claimed = exponential_rate(mu, envelope=float(np.abs(h).max()), n_tokens=n_tokens, centred=True)
    assert exponential(h, chance, n_tokens, mu) >= claimed * (1 - 1e-9)


def test_two_tokens_are_the_sharp_case():
    """h is rarely +-1 and mostly 0: v has two values, and the chord is the function."""
    p = 1e-4
    h = np.zeros((3, 3))
    h[:2, :2] = [[1, -1], [-1, 1]]
    chance = np.array([p / 2, p / 2, 1 - p])
    for mu in (0.1, 2.0, 30.0):
        claimed = exponential_rate(mu, envelope=1.0, n_tokens=2, centred=True)
        assert exponential(h, chance, 2, mu) == pytest.approx(claimed, rel=p)


def one_token(values, chance, n_partners, mu):
    """Return (1 - E exp(-mu R^2)) / E h^2 given one token, h with two values, by the binomial law."""
    counts = np.arange(n_partners + 1)
    log_weight = [
        math.lgamma(n_partners + 1) - math.lgamma(k + 1) - math.lgamma(n_partners - k + 1) for k in counts
    ]
    weight = np.exp(
        np.array(log_weight) + counts * math.log(chance) + (n_partners - counts) * math.log1p(-chance)
    )
    average = (counts * values[0] + (n_partners - counts) * values[1]) / n_partners
    deficit = float(weight @ -np.expm1(-mu * average**2))
    return deficit / (chance * values[0] ** 2 + (1 - chance) * values[1] ** 2)


@pytest.mark.slow
@given(
    n_tokens=st.integers(2, 200),
    first=st.floats(-1, 1),
    second=st.floats(-1, 1),
    chance=st.floats(1e-6, 0.999),
    per_partner=st.floats(1e-3, 1e2),
)
@settings(max_examples=300, deadline=None)
def test_many_partners_of_one_token(n_tokens, first, second, chance, per_partner):
    """What the proof shows given one token, for any number of partners; h is at most 1 in modulus."""
    if max(abs(first), abs(second)) < 1e-3:
        return
    mu = per_partner * (n_tokens - 1)
    claimed = exponential_rate(mu, envelope=1.0, n_tokens=n_tokens)
    # The binomial weights are right to about a hundred roundings of numbers of size log(n!).
    assert one_token((first, second), chance, n_tokens - 1, mu) >= claimed * (1 - 1e-9)


@pytest.mark.parametrize("n_partners", [1, 2, 3, 10])
def test_fourth_moment_of_a_random_sign_is_the_bound(n_partners):
    """E R^4 <= (3 - 2/n) Delta^2 E R^2 / n, with equality for signs."""
    words = np.array(list(itertools.product([-1, 1], repeat=n_partners)))
    average = words.mean(axis=1)
    factor = range_factor(n_partners + 1, centred=True)
    assert np.mean(average**4) == pytest.approx(factor / n_partners * np.mean(average**2), rel=1e-12)


@pytest.mark.slow
@given(
    n_partners=st.integers(1, 400),
    first=st.floats(-1, 1),
    second=st.floats(-1, 1),
    chance=st.floats(0.001, 0.999),
)
@settings(max_examples=300, deadline=None)
def test_fourth_moment_of_any_average(n_partners, first, second, chance):
    """E R^4 <= (3 + 2 n^(-2/3)) z^2 + 4 (n^(-2) + n^(-5/3)) z with z = E R^2: the step in the proof."""
    n = n_partners
    m = chance * first + (1 - chance) * second
    moment = [chance * (first - m) ** p + (1 - chance) * (second - m) ** p for p in range(5)]
    z = m**2 + moment[2] / n
    centred = moment[4] / n**3 + 3 * (n - 1) * moment[2] ** 2 / n**3
    fourth = m**4 + 6 * m**2 * moment[2] / n + 4 * m * moment[3] / n**2 + centred
    # Centred moments are differences of numbers of modulus at most 2.
    rounding = 64 * np.finfo(float).eps * (m**2 + (first - second) ** 2) ** 2
    assert fourth <= (3 + 2 * n ** (-2 / 3)) * z**2 + 4 * (n**-2 + n ** (-5 / 3)) * z + rounding


def test_without_the_factor_the_inequality_is_false():
    """A quarter of omega is refuted by signs, and so is the exponent without 1/N in the range."""
    n_tokens = 64
    mu = 50.0 * (n_tokens - 1)
    truth = one_token((1.0, -1.0), 0.5, n_tokens - 1, mu)
    spread = range_factor(n_tokens)
    assert exponential_rate(mu, envelope=1.0, n_tokens=n_tokens) < truth
    for wrong in (spread / 4, spread / (n_tokens - 1)):
        assert -math.expm1(-mu * wrong / (n_tokens - 1)) / wrong > truth


def test_the_factor_is_never_worse_than_coercivity_and_tends_to_three():
    values = [range_factor(n) for n in range(2, 3000)]
    assert all(value <= n - 1 for n, value in enumerate(values, 2))
    assert range_factor(10**9) == pytest.approx(3, abs=1e-5)
    assert all(range_factor(n, centred=True) <= range_factor(n) for n in range(2, 300))


@pytest.mark.parametrize("n_tokens", [1, 2.5, None])
def test_bad_arguments(n_tokens):
    with pytest.raises((TypeError, ValueError), match="n_tokens must be"):
        range_factor(n_tokens)
