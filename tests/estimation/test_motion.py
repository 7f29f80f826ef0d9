"""Kernels of motion: sums against loops, planted kernels found, controls that must fail, block bootstrap."""

import numpy as np
import pytest

from pairint.estimation import KernelTerm, block_weights, motion, motion_sums
from pairint.model import SplineSpace

SPACE = SplineSpace(0.0, 6.0, 6, 2)


def film(m=30, n=7, seed=0):
    rng = np.random.default_rng(seed)
    x, v = rng.uniform(-2, 2, (2, m, n, 2))
    to = x[:, None] - x[:, :, None]
    distance = np.linalg.norm(to, axis=3)
    return x, v, distance, to, v[:, None] - v[:, :, None]


def answers_of(distance, to, dv, pull, align):
    n = distance.shape[1]
    return (pull(distance)[..., None] * to + align(distance)[..., None] * dv).sum(axis=2) / (n - 1)


def terms_of(distance, to, dv):
    return [KernelTerm("pull", distance, to, SPACE), KernelTerm("align", distance, dv, SPACE)]


def test_sums_are_those_of_loops(monkeypatch):
    """With gaps: partners that are not seen, tokens that do not answer, one alone; in chunks of one frame."""
    _, v, distance, to, dv = film(4, 5)
    rng = np.random.default_rng(1)
    seen, answered = rng.random((2, 4, 5)) < 0.7
    seen[3] = False
    answers, own = rng.normal(size=(4, 5, 2)), v[..., None]
    terms = terms_of(distance, to, dv)
    found = motion_sums(answers, terms, own=own, seen=seen, answered=answered)
    p = 1 + 2 * SPACE.dimension
    gram, moment, pairs = np.zeros((4, p, p)), np.zeros((4, p)), np.zeros((4, p, p))
    energy, count, partners = np.zeros(4), np.zeros(4), 0
    for m in range(4):
        for i in range(5):
            others = [j for j in range(5) if j != i and seen[m, j]]
            if not answered[m, i] or not others:
                continue
            each = []
            for j in others:
                basis = SPACE.design(np.array([distance[m, i, j]]))[0]
                each.append(
                    np.hstack([np.zeros((2, 1)), np.outer(to[m, i, j], basis), np.outer(dv[m, i, j], basis)])
                )
            f = np.mean(each, axis=0)
            f[:, 0] = v[m, i]
            gram[m] += f.T @ f
            moment[m] += f.T @ answers[m, i]
            pairs[m] += np.mean([e.T @ e for e in each], axis=0)
            energy[m] += answers[m, i] @ answers[m, i]
            count[m] += 1
            partners += len(others)
    for single in (False, True):
        if single:
            monkeypatch.setattr(
                motion, "sample_chunks", lambda n, entries: (slice(i, i + 1) for i in range(n))
            )
        found = motion_sums(answers, terms, own=own, seen=seen, answered=answered)
        for name, wanted in (
            ("gram", gram),
            ("moment", moment),
            ("pairs", pairs),
            ("energy", energy),
            ("count", count),
        ):
            np.testing.assert_allclose(getattr(found, name), wanted, atol=1e-12, err_msg=name)
        assert found.partners == pytest.approx(partners / count.sum())


def test_kernels_of_the_space_are_found_exactly():
    _, v, distance, to, dv = film()
    rng = np.random.default_rng(2)
    pull, align = (SPACE.spline(rng.normal(size=SPACE.dimension)) for _ in range(2))
    answers = answers_of(distance, to, dv, pull, align) + 0.7 * v
    sums = motion_sums(answers, terms_of(distance, to, dv), own=v[..., None])
    theta = sums.coefficients(ridge=0)
    assert theta[sums.places["own"]] == pytest.approx([0.7], abs=1e-8)
    u = np.linspace(0.5, 5, 40)
    np.testing.assert_allclose(sums.kernel("pull", theta)(u), pull(u), atol=1e-7)
    np.testing.assert_allclose(sums.kernel("align", theta)(u), align(u), atol=1e-7)
    assert sums.explained(theta) == pytest.approx(1, abs=1e-9)
    only = sums.coefficients(terms=["own", "pull"])
    assert not only[sums.places["align"]].any()
    assert sums.explained(only) < 0.999


def test_held_out_frames_and_the_control_of_shuffled_answers():
    """With answers of another token nothing of held-out frames is explained; with its own nearly all."""
    x, _, distance, to, dv = film(200, 6, 3)
    rng = np.random.default_rng(4)
    answers = answers_of(distance, to, dv, np.cos, lambda r: np.exp(-r)) + 0.05 * rng.normal(size=x.shape)
    half = (np.arange(200) < 100).astype(float)
    right = motion_sums(answers, terms_of(distance, to, dv))
    assert right.explained(right.coefficients(half), 1 - half) > 0.95
    wrong = motion_sums(rng.permuted(answers, axis=1), terms_of(distance, to, dv))
    assert wrong.explained(wrong.coefficients(half), 1 - half) < 0.05


def test_weights_count_frames():
    """A frame of weight two is a frame that is there twice."""
    x, _, distance, to, _ = film(5, 6)
    answers = np.random.default_rng(5).normal(size=x.shape)
    twice = np.array([0, 1, 2, 3, 4, 4])
    space = SplineSpace(0.0, 6.0, 1, 1)
    one = motion_sums(answers, [KernelTerm("pull", distance, to, space)])
    two = motion_sums(answers[twice], [KernelTerm("pull", distance[twice], to[twice], space)])
    np.testing.assert_allclose(one.coefficients([1, 1, 1, 1, 2]), two.coefficients(), rtol=1e-9)


def test_coercivity_of_independent_partners_is_one_and_of_a_hidden_function_zero():
    """Given a token, vectors that are independent of it with mean zero: (N - 1) E|mean|^2 = E|one|^2.

    The relative error of 4 x 4 moments from 40,000 answers is below 0.1.
    """
    rng = np.random.default_rng(6)
    scores = rng.uniform(0, 6, (5000, 8, 8))
    weights = rng.normal(size=(5000, 8, 8, 2))
    space = SplineSpace(0.0, 6.0, 3, 1)
    sums = motion_sums(np.zeros((5000, 8, 2)), [KernelTerm("pull", scores, weights, space)])
    assert sums.coercivity() == pytest.approx(1, abs=0.1)
    weights[..., 1::2, :] = -weights[..., ::2, :]  # partners cancel in pairs where scores agree
    scores[..., 1::2] = scores[..., ::2]
    hidden = motion_sums(np.zeros((5000, 8, 2)), [KernelTerm("pull", scores, weights, space)])
    assert hidden.coercivity() < 0.5  # but for the one whose partner is the token itself


def test_block_bootstrap_draws_whole_blocks():
    weights = block_weights(40, 10, 500, 0)
    assert weights.shape == (500, 40)
    assert (weights.sum(axis=1) == 40).all()
    # Frames inside of blocks rise and fall together; those at the ends of the film are in fewer blocks.
    correlation = np.corrcoef(weights[:, 20], weights[:, 21])[0, 1]
    assert correlation > 0.7 > abs(np.corrcoef(weights[:, 10], weights[:, 30])[0, 1])
    assert weights[:, 0].mean() < 0.5 < weights[:, 20].mean()
    np.testing.assert_array_equal(block_weights(7, 7, 3, 0), np.ones((3, 7)))


@pytest.mark.slow
def test_block_intervals_cover_where_errors_have_a_memory_and_short_blocks_do_not():
    """Noise that lasts ten frames: blocks of 40 of 400 frames cover about 95 %; blocks of one frame far less.

    Of 60 films at least 45 are covered (were the level 90 %, fewer would have probability 3e-4).
    """
    rng = np.random.default_rng(7)
    scores = np.ones((400, 2, 2))
    space = SplineSpace(0.0, 2.0, 1, 0)
    covered = {40: 0, 1: 0}
    for _ in range(60):
        weights = np.broadcast_to(
            np.repeat(rng.choice([-1.0, 1.0], 40), 10)[:, None, None, None], (400, 2, 2, 1)
        )
        noise = np.repeat(rng.normal(size=40), 10)[:, None, None]
        sums = motion_sums(2 * weights[:, 0] + noise, [KernelTerm("pull", scores, weights, space)])
        for length in covered:
            draws = [sums.coefficients(w)[0] for w in block_weights(400, length, 200, rng)]
            low, high = np.quantile(draws, [0.025, 0.975])
            covered[length] += low <= 2 <= high
    assert covered[40] >= 45 > 40 > covered[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"answers": np.zeros((3, 7, 2))}, "terms must have weights of shape"),
        ({"own": np.zeros((30, 7, 2))}, "own must have"),
        ({"seen": np.zeros((30, 7), dtype=bool)}, "at least one token with a partner"),
        ({"seen": np.zeros((30, 7))}, "seen must be true or false"),
        ({"answered": np.ones((3, 7), dtype=bool)}, "answered must be true or false"),
    ],
)
def test_bad_input(change, message):
    x, _, distance, to, dv = film()
    arguments = {"answers": x, "terms": terms_of(distance, to, dv)} | change
    with pytest.raises(ValueError, match=message):
        motion_sums(arguments.pop("answers"), arguments.pop("terms"), **arguments)


def test_bad_requests():
    x, _, distance, to, _ = film()
    term = KernelTerm("pull", distance, to, SPACE)
    sums = motion_sums(x, [term])
    with pytest.raises(ValueError, match="terms must be among pull"):
        sums.coefficients(terms=["push"])
    with pytest.raises(ValueError, match="name must be one of pull"):
        sums.kernel("push", sums.coefficients())
    with pytest.raises(ValueError, match="weights must be >= 0"):
        sums.coefficients(-np.ones(30))
    with pytest.raises(ValueError, match="distinct names"):
        motion_sums(x, [term, term])
    with pytest.raises(ValueError, match="distinct names"):
        motion_sums(x, [KernelTerm("own", distance, to, SPACE)])
    with pytest.raises(ValueError, match="scores must have shape"):
        KernelTerm("pull", np.ones((2, 3, 4)), np.ones((2, 3, 4, 2)), SPACE)
    with pytest.raises(TypeError, match="terms must be a list of at least one"):
        motion_sums(x, [])
    with pytest.raises(TypeError, match="name must be a text"):
        KernelTerm("", distance, to, SPACE)
    with pytest.raises(ValueError, match="length must be"):
        block_weights(5, 6, 1, 0)
