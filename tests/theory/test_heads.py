"""Several heads: the relations that hold on tokens, those that do not, and the functions that stay hidden."""

import itertools

import numpy as np
import pytest

from pairint.model import SplineSpace
from pairint.theory import head_ambiguities, power_relations

EYE, TURN = np.eye(2), np.array([[0.0, 1.0], [-1.0, 0.0]])
FLIP, SWAP = np.diag([1.0, -1.0]), np.array([[0.0, 1.0], [1.0, 0.0]])
QUARTET = np.array([EYE, TURN, FLIP, SWAP])


def span_two(n_heads, d=3, seed=0):
    """Return heads in the span of two matrices: the worst case of ridge functions."""
    one, two = np.random.default_rng(seed).standard_normal((2, d, d))
    angles = np.arange(n_heads) * np.pi / n_heads
    return np.cos(angles)[:, None, None] * one + np.sin(angles)[:, None, None] * two


def grid_of_rank_one(n_left, n_right, d=3, seed=0):
    """Return the heads u_i v_j' of a grid."""
    rng = np.random.default_rng(seed)
    u, v = rng.standard_normal((n_left, d)), rng.standard_normal((n_right, d))
    return np.array([np.outer(a, b) for a, b in itertools.product(u, v)])


def random_heads(n_heads, d=3, rank=2, seed=0):
    rng = np.random.default_rng([seed, n_heads])
    return rng.standard_normal((n_heads, d, rank)) @ rng.standard_normal((n_heads, rank, d))


FAMILIES = {
    "span of two": span_two(5),
    "quartet": QUARTET,
    "grid": grid_of_rank_one(2, 3),
    "flat grid": grid_of_rank_one(4, 1),
    "random in the plane": random_heads(7, d=2),
    "random": random_heads(5),
}


@pytest.mark.parametrize("heads", FAMILIES.values(), ids=FAMILIES)
def test_no_relation_above_the_degree_of_the_theorem(heads):
    n_heads = len(heads)
    for degree in range(max(1, n_heads - 1), n_heads + 3):
        assert power_relations(heads, degree, rng=degree) == 0


def test_the_degree_of_the_theorem_is_attained():
    """In a span of two, k-th powers are binary forms: their dimension is k + 1."""
    for n_heads in (3, 4, 5, 6):
        heads = span_two(n_heads)
        found = {k: power_relations(heads, k, rng=0) for k in range(1, n_heads)}
        assert found == {k: max(0, n_heads - k - 1) for k in range(1, n_heads)}
    assert head_ambiguities(span_two(5), 0).degree == 3


def test_a_relation_on_tokens_that_no_projection_pursuit_has():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 100, 2))
    squares = np.einsum("hab,na,nb->nh", QUARTET, x, y) ** 2
    np.testing.assert_allclose(squares @ [1, 1, -1, -1], 0.0, atol=1e-10)
    np.testing.assert_allclose(squares @ [1, 1, 0, 0], (x**2).sum(1) * (y**2).sum(1), rtol=1e-10)
    assert power_relations(QUARTET, 2, rng=0) == 1
    assert power_relations(QUARTET, 2, rng=0, everywhere=True) == 0
    # On all matrices the difference is four times the determinant: not zero.
    Z = rng.standard_normal((100, 2, 2))
    squares = np.einsum("hab,nab->nh", QUARTET, Z) ** 2
    np.testing.assert_allclose(squares @ [1, 1, -1, -1], 4 * np.linalg.det(Z), atol=1e-10)


@pytest.mark.parametrize("d", [2, 3])
def test_random_heads_have_the_relations_of_their_dimension(d):
    """k-th powers of scores are forms of degree k in x and in y: C(d + k - 1, k)^2 of them."""
    heads = random_heads(d**4, d=d, rank=d)
    for degree, dimension in ((1, d**2), (2, (d * (d + 1) // 2) ** 2)):
        assert power_relations(heads, degree, rng=1) == max(0, len(heads) - dimension)


def joint_kernel(heads, space, seed=0, n_points=4000):
    """Return how many directions of the coefficients of all heads no pair of tokens sees."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-1, 1, (2, n_points, heads.shape[1]))
    scores = np.einsum("hab,na,nb->hn", heads, x, y)
    reach = np.abs(scores).max(axis=1)
    design = np.concatenate([space.design(s / r) for s, r in zip(scores, reach, strict=True)], axis=1)
    seen = np.abs(design).sum(axis=0) > 0
    assert seen.all()
    singular = np.linalg.svd(design, compute_uv=False)
    return int((singular < 1e-9 * singular[0]).sum())


@pytest.mark.parametrize(
    ("heads", "expected"),
    [
        (random_heads(2), 1),
        (random_heads(3), 2),
        (span_two(3), 2 + 1),
        (span_two(4), 3 + 2 + 1),
        (span_two(5), 4 + 3 + 2 + 1),
        (QUARTET, 3 + 1),
        (np.concatenate([random_heads(2), random_heads(2)[:1]]), 2 + 5),
    ],
)
def test_splines_that_no_output_sees_are_the_polynomials_that_are_counted(heads, expected):
    """Cubic splines: constants move (H - 1 of them) and the relations of degree 1 to 3, nothing else."""
    space = SplineSpace(-1.0, 1.0, 4, 3)
    found = joint_kernel(heads, space)
    ambiguities = head_ambiguities(heads, 0)
    if not ambiguities.proportional:
        assert expected == len(heads) - 1 + sum(ambiguities.relations.values())
    else:
        # Proportional heads exchange the whole spline space: K + s functions, the constant among them.
        expected = 2 + space.dimension - 1
    assert found == expected


def test_functions_that_are_not_smooth_hide_behind_entangled_heads():
    rng = np.random.default_rng(0)
    u, v = rng.standard_normal((2, 3, 2))
    u[2], v[2] = -u[0] - u[1], -v[0] - v[1]
    x, y = rng.standard_normal((2, 200, 2))
    scores = np.array([(x @ a) * (y @ b) for a, b in itertools.product(u, v)])
    hidden = (scores * np.log(np.abs(scores))).sum(axis=0)
    np.testing.assert_allclose(hidden, 0.0, atol=1e-9)
    heads = np.array([np.outer(a, b) for a, b in itertools.product(u, v)])
    assert head_ambiguities(heads, 0).entangled == tuple(range(9))
    # Away from zero the logarithm itself, with four heads; on all matrices neither is hidden.
    pair = np.log(np.abs(scores.reshape(3, 3, -1)[:2, :2]))
    np.testing.assert_allclose(pair[0, 0] + pair[1, 1] - pair[0, 1] - pair[1, 0], 0.0, atol=1e-10)
    Z = rng.standard_normal((200, 2, 2))
    scores = np.einsum("hab,nab->hn", heads, Z)
    assert np.abs((scores * np.log(np.abs(scores))).sum(axis=0)).max() > 1.0
    # One vector shared is not enough.
    assert head_ambiguities(grid_of_rank_one(3, 1), 0).entangled == ()
    assert head_ambiguities(random_heads(4), 0).entangled == ()


def test_ambiguities_of_generic_heads():
    found = head_ambiguities(random_heads(4, d=4, rank=1), 0)
    assert (found.n_heads, found.proportional, found.entangled, found.degree) == (4, (), (), 0)
    assert found.unique
    twice = head_ambiguities([EYE, -3 * EYE, TURN], 0)
    assert twice.proportional == ((0, 1),) and not twice.unique
    assert head_ambiguities([EYE], 0).unique
    assert not head_ambiguities([EYE, TURN, EYE + TURN], 0).unique


@pytest.mark.parametrize(
    ("matrices", "message"),
    [
        (np.ones((2, 2)), "matrices must"),
        (np.ones((2, 2, 3)), r"shape \(H, d, d\)"),
        (np.zeros((2, 2, 2)), "must not be zero, got zero at index 0"),
        (np.full((1, 2, 2), np.nan), "matrices must be finite"),
    ],
)
def test_bad_input(matrices, message):
    with pytest.raises(ValueError, match=message):
        head_ambiguities(matrices, 0)
    with pytest.raises(ValueError, match="degree must be"):
        power_relations(QUARTET, 0, rng=0)
    with pytest.raises(ValueError, match="degree must be"):
        power_relations(QUARTET, 101, rng=0)
    with pytest.raises(ValueError, match="at most 102 heads, got 103"):
        head_ambiguities(random_heads(103), 0)
