"""Searches over integers."""

import math

import pytest

from pairint.theory.integers import best_integer, first_true


@pytest.mark.parametrize("best", [1, 2, 3, 7, 100, 511, 512, 513, 700, 4096, 5000])
def test_the_valley_is_found_below_and_beyond_the_first_powers(best):
    assert best_integer(lambda k: (k - best) ** 2, 512, 2**13) == (best, False)


@pytest.mark.parametrize("most", [512, 2048])
def test_a_loss_that_only_falls_ends_at_the_limit(most):
    assert best_integer(lambda k: 1 / k, 512, most) == (most, True)


def test_no_more_is_tried_than_needed():
    tried = []

    def loss(k):
        tried.append(k)
        return (k - 90) ** 2

    assert best_integer(loss, 512, 2**52) == (90, False)
    assert max(tried) == 512
    assert len(tried) == len(set(tried)) < 40


def test_a_plateau_does_not_stop_the_search():
    """A bound that underflows to zero up to some K is flat there, and not the best."""
    for best in (300, 3000):
        assert best_integer(lambda k, b=best: min(1.0, abs(k / b - 1)), 512, 2**13) == (best, False)
        assert best_integer(lambda k, b=best: float(k < b / 2), 64, 2**13)[0] >= best / 2
    assert best_integer(lambda k: 0.0, 512, 2**13) == (1, True)


def test_first_true_is_the_threshold():
    for threshold in (1, 2, 3, 1000, 12_345):
        assert first_true(lambda k, t=threshold: k >= t) == threshold
    assert first_true(lambda k: math.log(k) > 2, start=3) == 8
