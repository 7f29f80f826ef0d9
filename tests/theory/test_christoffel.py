"""The largest square of a polynomial of mean square one: by hand, and against points that miss nothing."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairint.theory.christoffel import WORST_CONDITION, largest_squares


def gram_of(points, chance, degree):
    powers = np.polynomial.legendre.legvander(points, degree)
    return (powers * chance[:, None]).T @ powers


def on_points(gram, count):
    """Return the largest value at count + 1 extrema of a Chebyshev polynomial."""
    powers = np.polynomial.legendre.legvander(np.cos(np.arange(count + 1) * np.pi / count), len(gram) - 1)
    return np.einsum("qi,ij,qj->q", powers, np.linalg.inv(gram), powers).max()


@given(
    degree=st.integers(0, 5),
    centre=st.floats(-1, 1),
    width=st.floats(0.3, 2),
    power=st.floats(0.2, 3),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=150, deadline=None)
def test_the_maximum_lies_between_a_grid_and_what_a_grid_can_miss(degree, centre, width, power, seed):
    """A polynomial of degree m is below its maximum on n + 1 Chebyshev points over cos(m pi / (2 n))."""
    rng = np.random.default_rng(seed)
    points = np.tanh(centre + width * rng.standard_normal(30))
    gram = gram_of(points, rng.dirichlet(np.full(30, power)), degree)
    (largest,) = largest_squares(gram[None])
    condition = np.linalg.cond(gram)
    if condition >= WORST_CONDITION:
        assert largest == math.inf
        return
    rounding = 1 + 100 * condition * np.finfo(float).eps
    for count in (16, 400):
        grid = on_points(gram, count)
        assert grid <= largest * rounding
        assert largest <= grid / math.cos(2 * degree * math.pi / (2 * count)) * rounding


def test_a_maximum_between_the_ends():
    """Mass at the ends and at +-1/3: for parabolas the largest square is in the middle, and by hand.

    At 0 only even parabolas count. With values p at +-1 and q at +-1/3 they are (9 q - p)/8 there; by
    Cauchy's inequality the square is at most (81/0.1 + 1/0.9)/64 if the mean of the squares is 1.
    """
    points, chance = np.array([-1, -1 / 3, 1 / 3, 1]), np.array([0.45, 0.05, 0.05, 0.45])
    (largest,) = largest_squares(gram_of(points, chance, 2)[None])
    middle = (81 / 0.1 + 1 / 0.9) / 64
    assert largest >= middle * (1 - 1e-12)
    coarse = on_points(gram_of(points, chance, 2), 3)  # the mutated twin: too few points
    assert coarse < 0.9 * largest


@pytest.mark.parametrize("degree", [0, 1, 2, 3, 6])
def test_uniform_scores_by_hand(degree):
    gram = np.diag(1 / (2 * np.arange(degree + 1) + 1.0))
    assert largest_squares(np.stack([gram, 2 * gram])) == pytest.approx(
        [(degree + 1) ** 2, (degree + 1) ** 2 / 2]
    )


def test_a_cell_without_scores_has_no_maximum():
    gram = np.stack([np.zeros((2, 2)), np.ones((2, 2)), np.eye(2)])
    assert largest_squares(gram) == pytest.approx([math.inf, math.inf, 2.0])
