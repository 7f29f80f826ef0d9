"""The lines of the diagram against the budget, the counts against ranks and against the other paper."""

import math
from dataclasses import replace

import numpy as np
import pytest

from pairint.aim import exact_recovery_threshold
from pairint.theory import (
    Setting,
    diagram_lines,
    elbow_numbers,
    elbow_samples,
    equations_per_sample,
    symmetric_dimension,
)
from pairint.theory.rates import matrix_dimension

SETTING = Setting(beta=2.0, n_tokens=3, noise_std=0.1, holder_constant=1.0, score_bound=3.0)


@pytest.mark.parametrize("beta", [0.5, 1.0, 1.7, 2.0, 4.0])
@pytest.mark.parametrize("numbers", [200.0, 2000.0])
def test_on_the_line_both_parts_of_the_budget_are_equal(beta, numbers):
    """With the best integer K; near the minimum a real K gains less than (1/K)^2 (1 + 2 beta) beta."""
    setting = replace(SETTING, beta=beta)
    m = elbow_samples(numbers, setting)
    cells = numbers / ((setting.degree + 1) * (1 + 1 / (2 * beta)))
    scaled = 1e-6 * m  # budgets take integers: fewer samples with less noise are the same
    terms = replace(setting, noise_std=1e-3 * setting.noise_std).best_budget(
        max(1, round(scaled)), matrix_known=True
    )
    price = setting.noise_std**2 * 2 / (3 * m)
    off = (2 * beta + 1) * beta / cells**2 + 1 / max(1.0, scaled)
    assert terms.bias + terms.variance == pytest.approx(numbers * price, rel=2 * off)


def test_inverse_and_power():
    m = elbow_samples(70.0, SETTING)
    assert elbow_numbers(m, SETTING) == pytest.approx(70.0)
    assert elbow_samples(140.0, SETTING) == pytest.approx(2**5 * m)
    assert elbow_samples(1e80, replace(SETTING, beta=4.0)) == math.inf


@pytest.mark.parametrize(("d", "width"), [(5, 1), (6, 3), (4, 4), (4, 9)])
def test_the_count_of_a_symmetric_matrix_is_a_rank(d, width):
    """The derivative of W W' in W has it as rank."""
    rng = np.random.default_rng(0)
    W = rng.standard_normal((d, width))
    columns = []
    for place in np.ndindex(W.shape):
        step = np.zeros_like(W)
        step[place] = 1.0
        columns.append((step @ W.T + W @ step.T).ravel())
    assert np.linalg.matrix_rank(np.array(columns)) == symmetric_dimension(d, width)


@pytest.mark.parametrize("n_tokens", [2, 3, 6])
@pytest.mark.parametrize("seen", ["softmax", "linear"])
def test_equations_of_a_sample_are_a_rank(n_tokens, seen):
    """Of the map from symmetric scores to labels."""
    rng = np.random.default_rng(1)
    h = rng.standard_normal((n_tokens, n_tokens))
    h = h + h.T
    upper = np.triu_indices(n_tokens)
    rows = []
    for a, b in zip(*upper, strict=True):
        step = np.zeros_like(h)
        step[a, b] = step[b, a] = 1.0
        if seen == "softmax":
            p = np.exp(h - h.max(axis=1, keepdims=True))
            p /= p.sum(axis=1, keepdims=True)
            step = p * (step - (p * step).sum(axis=1, keepdims=True))
        rows.append(step.ravel())
    assert np.linalg.matrix_rank(np.array(rows)) == equations_per_sample(n_tokens, seen)


@pytest.mark.parametrize("channel", ["softmax", "linear"])
@pytest.mark.parametrize("rho", [0.1, 0.5, 1.0, 2.0])
def test_the_threshold_of_the_indexed_models_is_the_count(channel, rho):
    """p / (d^2 equations) tends to alpha_c, with a difference of order 1/d."""
    for n_tokens in (2, 5):
        threshold = exact_recovery_threshold(rho, channel, n_tokens)
        for d in (100, 10_000):
            count = symmetric_dimension(d, round(rho * d)) / equations_per_sample(n_tokens, channel) / d**2
            assert count / threshold == pytest.approx(1, abs=11 / d)
        # A matrix that is not symmetric has more numbers: the count tells the two apart.
        wrong = matrix_dimension(1000, min(1000, round(rho * 1000)))
        assert wrong / equations_per_sample(n_tokens, channel) / 1e6 > 1.5 * threshold


def test_lines_of_a_matrix():
    lines = diagram_lines(30, 2, SETTING)
    assert lines.numbers == 2 * 58 - 1
    assert lines.counted == pytest.approx(115 / 3)
    assert lines.unique == 231
    assert lines.elbow == elbow_samples(115, SETTING)
    with pytest.raises(ValueError, match="d must"):
        diagram_lines(1, 1, SETTING)
    with pytest.raises(ValueError, match="seen"):
        equations_per_sample(3, "hardmax")
    with pytest.raises(ValueError, match="score_bound"):
        elbow_samples(3, replace(SETTING, score_bound=None))


def test_two_matrices_share_all_outputs_where_numbers_are_more_than_equations():
    """The theorem of the page: along the kernel of the derivative the outputs stand still.

    With as many equations as numbers, or more, the derivative has no kernel (negative control).
    """
    rng = np.random.default_rng(2)
    d, numbers = 6, 11
    u, v = rng.standard_normal((2, d))

    def ranks(n_samples):
        X = rng.standard_normal((n_samples, 2, d))
        rows = []
        for sample in X:
            x, y = sample  # both outputs of a pair are phi of two scores
            for a, b in ((x, y), (y, x)):
                slope = 1 - np.tanh(a @ u * (v @ b)) ** 2
                rows.append(slope * np.concatenate([a * (v @ b), (a @ u) * b]))
        return np.linalg.matrix_rank(np.array(rows))

    assert ranks(4) == 8 < numbers
    assert ranks(8) == numbers == matrix_dimension(d, 1)


def rank_of_outputs(d, rank, n_tokens, n_samples, slope, seed=0):
    """In how many directions do the outputs move with a matrix of a rank, at a random one?"""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_samples, n_tokens, d))
    U, V = rng.standard_normal((2, d, rank))
    slopes = slope(np.einsum("mid,mjd->mij", X @ U, X @ V) / d)
    slopes[:, range(n_tokens), range(n_tokens)] = 0
    moves = np.einsum("mij,mia,mjb->miab", slopes, X, X)  # of an output with an entry of the matrix
    by_left, by_right = moves @ V, moves.swapaxes(-1, -2) @ U
    rows = np.concatenate([each.reshape(n_samples * n_tokens, -1) for each in (by_left, by_right)], axis=1)
    return np.linalg.matrix_rank(rows)


def of_tanh(scores):
    return 1 / np.cosh(scores) ** 2


@pytest.mark.parametrize(("d", "rank"), [(3, 1), (3, 3), (4, 2), (5, 1), (5, 3), (5, 5)])
@pytest.mark.parametrize("n_tokens", [3, 5])
def test_equations_are_independent_from_the_count_on(d, rank, n_tokens):
    """What the conjecture of the page rests on: three tokens or more, an activation that is not linear."""
    p = rank * (2 * d - rank)
    samples = -(-p // n_tokens)
    assert rank_of_outputs(d, rank, n_tokens, samples, of_tanh) == p


def test_the_count_does_not_decide_for_pairs_nor_for_linear_activations():
    """Why the conjecture leaves them out: enough outputs, and directions that none of them shows."""
    assert rank_of_outputs(4, 4, 2, 9, of_tanh) == 15 < 4 * 4 <= 2 * 9
    assert rank_of_outputs(4, 4, 17, 1, np.ones_like) == 13 < 4 * 4 <= 17
