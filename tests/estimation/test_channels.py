"""Channels: products with the Jacobian against complex steps, fits against the truth, and what must fail."""

import warnings
from dataclasses import replace

import fake_cupy
import numpy as np
import pytest
from bad_input import Call, failures
from rounding import UNIT, gamma
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from pairint.backend import is_cupy
from pairint.estimation import InteractionRegressor
from pairint.estimation.channels import (
    LinearScoreChannel,
    LogSpline,
    Mean,
    Normalised,
    PairData,
    ScoreChannel,
    Sum,
)
from pairint.estimation.channels.activation import KnownFamily, SplineFamily
from pairint.estimation.channels.channel import as_channel
from pairint.estimation.channels.solver import descend, solve_coefficients
from pairint.estimation.channels.system import ChannelProblem, HeadState, Linearised, pack, unpack
from pairint.estimation.gauss_newton import levenberg_marquardt
from pairint.estimation.problem import LeastSquaresProblem
from pairint.model import Exponential, SplineSpace, Tanh
from pairint.model import attention as attention_module


class FreeEnergy(ScoreChannel):
    """A reader's own channel: the logarithm of the sum over partners."""

    positive = True

    def outputs(self, H, data):
        return np.log((H * data.mask).sum(axis=-1))

    def jvp(self, H, dH, data):
        return (dH * data.mask).sum(axis=-1) / (H * data.mask).sum(axis=-1)

    def vjp(self, H, bar, data):
        return data.mask * (bar / (H * data.mask).sum(axis=-1))[:, :, None]


class FromLeft(LinearScoreChannel):
    """Another: the sum over the tokens before the own one. Two methods, as it is linear."""

    def outputs(self, H, data):
        return np.tril(H, -1).sum(axis=-1)

    def vjp(self, H, bar, data):
        return np.tril(np.broadcast_to(bar[:, :, None], (*bar.shape, bar.shape[1])), -1)


# ------------------------------------------------------------------ a second computation, of complex numbers

M, N, D, RANK, V = 3, 4, 3, 2, 2


def reference(channel, S, phi, data, values):
    """The outputs by loops over samples and pairs: a second opinion, that takes complex numbers."""
    n_samples, n_tokens = S.shape[:2]
    mask = np.broadcast_to(data.mask, S.shape)
    outputs = []
    for m in range(n_samples):
        for i in range(n_tokens):
            partners = [j for j in range(n_tokens) if mask[m, i, j]]
            weights = [phi(S[m, i, j]) for j in partners]
            if isinstance(channel, FreeEnergy):
                outputs.append(np.log(sum(weights)))
                continue
            if isinstance(channel, FromLeft):
                outputs.append(sum((phi(S[m, i, j]) for j in range(i)), 0.0 * S[m, i, i]))
                continue
            total = {Mean: len(partners), Sum: 1.0}.get(type(channel), sum(weights))
            handed = [
                data.pairs[m, i, j] if data.pairs is not None else 1.0 if values is None else values[m, j]
                for j in partners
            ]
            outputs.append(sum(w * h for w, h in zip(weights, handed, strict=True)) / total)
    return np.array(outputs).reshape(n_samples, n_tokens, *np.shape(outputs[0]))


def functions(family, c):
    """phi of a complex number: a cubic (a spline of one cell), its exponential, or what is known."""
    if isinstance(family, KnownFamily):
        return np.tanh if isinstance(family.activation, Tanh) else np.exp
    # One cell: the local polynomial is the spline wherever scores lie inside.
    from pairint.kernels import bspline_pieces

    def cubic(u):
        t = (u - family.space.lower) / (family.space.upper - family.space.lower)
        return sum(c @ bspline_pieces(3)[:, p] * t**p for p in range(4))

    return (lambda u: np.exp(cubic(u))) if family.log else cubic


FAMILIES = {
    "spline": SplineFamily(SplineSpace(-40.0, 40.0, 1, 3)),
    "log-spline": SplineFamily(SplineSpace(-40.0, 40.0, 1, 3), True),
    "exp": KnownFamily(Exponential()),
    "tanh": KnownFamily(Tanh()),
}
READOUTS = ("one", "values", "vectors", "pairs", "vector pairs", "learn")
CASES = [
    (channel, family, readout)
    for channel in ("mean", "sum", "normalised")
    for family in FAMILIES
    for readout in READOUTS
    if not (channel == "normalised" and (readout == "one" or family == "tanh"))
] + [
    ("free", "log-spline", "one"),
    ("free", "exp", "one"),
    ("left", "spline", "one"),
    ("left", "tanh", "one"),
]


def small(channel, family, readout, n_heads=1, weighted=True, n_samples=M):
    """A problem and heads well away from any optimum."""
    rng = np.random.default_rng([len(family), len(readout), n_heads])
    channel = {"free": FreeEnergy(), "left": FromLeft()}.get(channel) or as_channel(channel)
    X = rng.standard_normal((n_samples, N, D))
    mask = (rng.random((n_samples, N, N)) < 0.6) | np.roll(np.eye(N, dtype=bool), 1, axis=1)
    mask = mask & (channel.diagonal | ~np.eye(N, dtype=bool))
    shape = () if readout in ("one", "values", "pairs") else (V,)
    values = rng.standard_normal((n_samples, N, *shape)) if readout in ("values", "vectors") else None
    pairs = rng.standard_normal((n_samples, N, N, *shape)) if "pairs" in readout else None
    family = FAMILIES[family]
    heads = []
    for _ in range(n_heads):
        c = 0.3 * rng.standard_normal(family.size) + (1.0 if not family.log else 0.0)
        W = rng.standard_normal((D, V)) if readout == "learn" else None
        heads.append(
            HeadState(0.4 * rng.standard_normal((D, RANK)), rng.standard_normal((D, RANK)), family, c, W)
        )
    Y = rng.standard_normal((n_samples, N, *shape))
    root = rng.uniform(0.5, 1.5, (n_samples, N)) if weighted else None
    data = PairData(mask.astype(float), values, pairs)
    return ChannelProblem(X, Y, data, channel, root, 0.1, readout == "learn"), heads


def dense_jacobian(problem, heads):
    """The Jacobian by complex steps, exact to rounding: a column for each parameter."""
    base = pack(heads).astype(complex)
    columns = []
    for k in range(len(base)):
        moved = base.copy()
        moved[k] += 1e-40j
        total = 0.0
        for head, (left, right, c, *rest) in zip(heads, unpack(moved, heads), strict=True):
            S = (problem.X @ left) @ np.swapaxes(problem.X @ right, 1, 2)
            values = problem.X @ rest[0] if rest else problem.data.values
            total = total + reference(problem.channel, S, functions(head.family, c), problem.data, values)
        columns.append(problem.rooted(total.imag / 1e-40).reshape(-1))
    return np.array(columns).T


@pytest.mark.parametrize("n_heads", [1, 2])
@pytest.mark.parametrize(("channel", "family", "readout"), CASES)
def test_products_against_complex_steps(channel, family, readout, n_heads):
    problem, heads = small(channel, family, readout, n_heads)
    model = Linearised(problem, heads)
    J = dense_jacobian(problem, heads)
    # A product of sums of fewer than 200 terms, none much larger than the largest entry.
    atol = 1e3 * gamma(200) * max(1.0, np.abs(J).max())
    size = J.shape[1]
    ours = np.array([model.jvp(np.eye(size)[k]).reshape(-1) for k in range(size)]).T
    np.testing.assert_allclose(ours, J, atol=atol)
    bar = np.random.default_rng(1).standard_normal(problem.Y.shape)
    np.testing.assert_allclose(model.vjp(bar), J.T @ bar.reshape(-1), atol=10 * atol)
    outputs = problem.outputs(heads)
    np.testing.assert_allclose(model.outputs, outputs, atol=atol)
    np.testing.assert_allclose(model.residual, problem.rooted(problem.Y - outputs), atol=atol)


@pytest.mark.parametrize(("channel", "family", "readout"), CASES)
def test_the_transpose_is_one(channel, family, readout):
    problem, heads = small(channel, family, readout, 2, n_samples=5)
    model = Linearised(problem, heads)
    rng = np.random.default_rng(2)
    vector, bar = rng.standard_normal(len(pack(heads))), rng.standard_normal(problem.Y.shape)
    image, back = model.jvp(vector), model.vjp(bar)
    bound = (
        100
        * gamma(500)
        * (np.linalg.norm(image) * np.linalg.norm(bar) + np.linalg.norm(vector) * np.linalg.norm(back))
    )
    assert abs(float((image * bar).sum()) - float(vector @ back)) < bound


@pytest.mark.parametrize("channel", ["mean", "normalised"])
def test_heads_with_values_of_their_own_mixed_into_the_sum(channel):
    """What a layer emits: the products against complex steps, for known values of each head and a matrix."""
    problem, heads = small(channel, "log-spline", "vectors", 2)
    rng = np.random.default_rng(9)
    mixes = [rng.standard_normal((size, V)) for size in (2, 3)]
    values = [rng.standard_normal((M, N, len(mix))) for mix in mixes]
    heads = [replace(h, values=v, mix=m) for h, v, m in zip(heads, values, mixes, strict=True)]
    base, columns, outputs = pack(heads).astype(complex), [], 0.0
    for k in range(len(base)):
        moved = base.copy()
        moved[k] += 1e-40j
        total = 0.0
        for head, (left, right, c) in zip(heads, unpack(moved, heads), strict=True):
            S = (problem.X @ left) @ np.swapaxes(problem.X @ right, 1, 2)
            own = reference(problem.channel, S, functions(head.family, c), problem.data, head.values)
            total = total + own @ head.mix
        columns.append(problem.rooted(total.imag / 1e-40).reshape(-1))
        outputs = total.real
    J = np.array(columns).T
    model = Linearised(problem, heads)
    atol = 1e3 * gamma(200) * max(1.0, np.abs(J).max())
    np.testing.assert_allclose(model.outputs, outputs, atol=atol)
    ours = np.array([model.jvp(np.eye(len(base))[k]).reshape(-1) for k in range(len(base))]).T
    np.testing.assert_allclose(ours, J, atol=atol)
    bar = rng.standard_normal(problem.Y.shape)
    np.testing.assert_allclose(model.vjp(bar), J.T @ bar.reshape(-1), atol=10 * atol)


@pytest.mark.parametrize(("channel", "family"), [("mean", "spline"), ("normalised", "log-spline")])
@pytest.mark.parametrize("readout", ["vectors", "learn"])
def test_a_design_that_is_not_kept_changes_nothing(channel, family, readout, monkeypatch):
    """Products, blocks and coefficients with and without the design in memory; without it none is formed."""
    problem, heads = small(channel, family, readout, 2, n_samples=7)
    vector = np.random.default_rng(0).standard_normal(len(pack(heads)))
    kept = Linearised(problem, heads)
    solved = solve_coefficients(problem, heads)
    monkeypatch.setattr(attention_module, "_CHUNK_ENTRIES", 1)
    monkeypatch.setattr("pairint.estimation.channels.system.KEPT_ENTRIES", 0)
    free = Linearised(problem, heads)
    assert free.designs == [None, None] and kept.designs[0].shape[1] == heads[0].family.size
    atol = 1e3 * gamma(200) * np.abs(kept.jvp(vector)).max()
    np.testing.assert_allclose(free.jvp(vector), kept.jvp(vector), atol=atol)
    np.testing.assert_allclose(free.vjp(kept.residual), kept.vjp(kept.residual), atol=10 * atol)
    for blocks in zip(
        *(model.blocks(np.random.default_rng(1)) for model in (free, kept)), strict=True
    ):  # of the factors they hold random signs, drawn chunk by chunk: those of coefficients do not
        np.testing.assert_allclose(blocks[0][2], blocks[1][2], atol=10 * atol)
    # The levels of two heads are one number to the outputs: only these are determined.
    again = problem.outputs(solve_coefficients(problem, heads))
    np.testing.assert_allclose(again, problem.outputs(solved), atol=1e-6 * np.abs(again).max())


def test_products_do_not_depend_on_chunks_nor_on_what_is_kept(monkeypatch):
    problem, heads = small("normalised", "log-spline", "learn", 2, n_samples=7)
    vector = np.random.default_rng(0).standard_normal(len(pack(heads)))
    whole = Linearised(problem, heads)
    monkeypatch.setattr(attention_module, "_CHUNK_ENTRIES", 1)
    monkeypatch.setattr("pairint.estimation.channels.system.KEPT_ENTRIES", 0)
    cut, calls = Linearised(problem, heads), []
    activated = ChannelProblem.activated
    monkeypatch.setattr(ChannelProblem, "activated", lambda *a: calls.append(a[2]) or activated(*a))
    assert len(list(problem.chunks(0))) == 7
    atol = 1e3 * gamma(200) * np.abs(whole.jvp(vector)).max()
    np.testing.assert_allclose(cut.jvp(vector), whole.jvp(vector), atol=atol)
    assert len(calls) == 2 * 7  # each head on each sample was computed again; where it was kept, never
    np.testing.assert_allclose(cut.vjp(cut.residual), whole.vjp(whole.residual), atol=10 * atol)


@pytest.mark.parametrize("log", [False, True])
def test_designs_over_many_cells(log):
    """The linear design for phi: its columns are those of the spline space, also outside of the interval."""
    family = SplineFamily(SplineSpace(-0.5, 0.7, 5, 3), log)
    scores = np.linspace(-1.0, 1.0, 41).reshape(1, 1, 41)
    columns = np.array([column[0, 0] for column in family.columns(scores)]).T
    np.testing.assert_allclose(columns, family.space.design(scores.ravel()), atol=100 * gamma(50))
    # A linear function is its own coefficients at the Greville points.
    line = family.space.spline(2.0 * family.greville() - 1.0)
    np.testing.assert_allclose(line(scores), 2.0 * scores - 1.0, atol=100 * gamma(50))


def test_the_dense_fit_is_the_oracle():
    """On cubics of one interval, which all scores fill, both descents end at one minimum."""
    rng = np.random.default_rng(5)
    X = rng.uniform(-1, 1, (200, 4, 3)) * 3**0.5
    u, v = np.array([1.0, 0.5, -0.5]), np.array([0.3, -1.0, 0.4])
    S = X @ np.outer(u, v) @ X.swapaxes(1, 2)
    Y = (np.tanh(S) * (1 - np.eye(4))).sum(-1) / 3 + 0.1 * rng.standard_normal((200, 4))
    space = SplineSpace(-8.0, 8.0, 1, 3)
    left, right = (a[:, None] + 0.1 * rng.standard_normal((3, 1)) for a in (u, v))
    root = (np.linalg.norm(left) * np.linalg.norm(right)) ** 0.5
    left, right = left / root, right / root
    tol = 1e-11
    state = LeastSquaresProblem(X, Y, 3, 0.0)
    dense = levenberg_marquardt(state, left, right, space, 100, tol)
    problem = ChannelProblem(X, Y, PairData((1 - np.eye(4))[None]), Mean())
    start = HeadState(left, right, SplineFamily(space), np.array([0.0, 0.5, 1.0, 1.5]))
    free = descend(problem, [start], 100, tol, rng)
    assert dense.converged and free.converged
    noise = dense.inner.residual / 800
    # Both converge linearly, and stop at a predicted fall below tol variances: the rest of the way is less
    # than a thousand times that, unless a step gains less than a thousandth of what is left. Coefficients
    # come from normal equations with a ridge, and of one fit the residual too.
    gram, total = state.equations(dense.left, dense.right, space).gram, float((Y**2).sum())
    gap = 1e3 * tol * noise + (1e-12 + 2 * UNIT * np.linalg.cond(gram)) * total
    assert free.residual == pytest.approx(dense.inner.residual, abs=gap)
    ours, theirs = free.heads[0].matrix, dense.left @ dense.right.T
    # Twice the root of the gap over the smallest curvature that 800 outputs with slopes of some 0.1 have.
    np.testing.assert_allclose(ours, theirs, atol=2 * (gap / (800 * 0.1**2)) ** 0.5 + 1e-9)


# ------------------------------------------------------------------------------------------ fits of the truth

OFF = 1.0 - np.eye(5)


def truth(n_samples, seed=0, d=4, n_tokens=5, rank=2, size=1.2):
    rng = np.random.default_rng(seed)
    A = np.random.default_rng(77).standard_normal((d, rank)) @ np.random.default_rng(78).standard_normal(
        (rank, d)
    )
    A *= size / np.linalg.norm(A)
    X = rng.standard_normal((n_samples, n_tokens, d))
    return X, A, X @ A @ X.swapaxes(1, 2), rng


def softmax(S):
    H = np.exp(S - S.max(-1, keepdims=True))
    return H / H.sum(-1, keepdims=True)


def cosine(a, b):
    return float(abs((a * b).sum()) / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("start", ["linear", "random"])
def test_softmax_with_exp_known(start, dtype):
    X, A, S, rng = truth(300)
    values = rng.standard_normal((300, 5, 3))
    Y = softmax(S) @ values
    fit = InteractionRegressor(2, channel="normalised", activation="exp", start=start, random_state=0)
    fit.fit(X.astype(dtype), Y.astype(dtype), values=values.astype(dtype))
    # Without noise the Gauss-Newton iteration ends at rounding of the residual, times the condition of J.
    np.testing.assert_allclose(fit.matrix_, A, atol=1e-6 if dtype == "float64" else 1e-4)
    np.testing.assert_allclose(fit.left_ @ fit.right_.T, fit.matrix_, atol=1e-12)
    assert fit.predict(X.astype(dtype), values=values).dtype == dtype
    assert fit.score(X, Y, values=values) > 1 - 1e-6 and fit.converged_


def test_softmax_with_nothing_known():
    """Matrix, activation and values: exp comes out, a straight line of its logarithm."""
    X, A, S, rng = truth(600)
    W = rng.standard_normal((4, 3))
    Y = softmax(S) @ (X @ W)
    fit = InteractionRegressor(2, n_intervals=5, channel="normalised", random_state=0).fit(
        X, Y, values="learn"
    )
    assert isinstance(fit.activation_, LogSpline) and fit.activation_(np.zeros(1))[0] == pytest.approx(1.0)
    assert cosine(fit.matrix_, A) > 1 - 1e-6
    u = np.linspace(-2, 2, 21)
    scale = np.linalg.norm(A) * np.sign(A.ravel()[np.abs(A).argmax()])
    np.testing.assert_allclose(np.log(fit.activation_(u)), scale * u, atol=1e-3)
    np.testing.assert_allclose(fit.value_matrix_, W, atol=1e-3)
    X2, _, S2, _ = truth(50, seed=1)
    assert fit.score(X2, softmax(S2) @ (X2 @ W)) > 1 - 1e-6


@pytest.mark.parametrize("readout", ["one", "values", "vectors", "pairs", "vector pairs", "learn"])
def test_mean_of_everything(readout):
    """A smooth activation, that splines on cells of a half or less approximate to some 1e-3."""
    X, A, S, rng = truth(800)

    def phi(u):
        return np.tanh(1.5 * u) + 0.5 * u**2 / (1 + u**2)

    shape = () if readout in ("one", "values", "pairs") else (2,)
    W = rng.standard_normal((4, 2))
    given = {}
    if readout in ("values", "vectors"):
        given = {"values": rng.standard_normal((800, 5, *shape))}
    if "pairs" in readout:
        given = {"pairs": rng.standard_normal((800, 5, 5, *shape))}
    data = PairData(OFF[None], given.get("values", X @ W if readout == "learn" else None), given.get("pairs"))
    Y = Mean().outputs(phi(S), data)
    if readout == "learn":
        given = {"values": "learn"}
    fit = InteractionRegressor(2, n_intervals=40, channel=Mean(), random_state=0).fit(X, Y, **given)
    known = {} if readout == "learn" else given
    assert fit.score(X, Y, **known) > 1 - 1e-4
    assert cosine(fit.matrix_, A) > 1 - 1e-4
    assert np.linalg.norm(fit.matrix_) == pytest.approx(1.0)
    if readout == "learn":
        assert np.linalg.norm(fit.value_matrix_) == pytest.approx(1.0)
        assert cosine(fit.value_matrix_, W) > 1 - 1e-4


def test_masks_and_the_diagonal():
    """Causal attention, each token among its own partners; a sum without it."""
    X, A, S, rng = truth(300)
    values = rng.standard_normal((300, 5, 3))
    causal = np.tril(np.ones((5, 5), dtype=bool))
    Y = softmax(np.where(causal, S, -np.inf)) @ values
    fit = InteractionRegressor(2, channel="normalised", activation="exp", random_state=0)
    fit.fit(X, Y, values=values, mask=causal)
    np.testing.assert_allclose(fit.matrix_, A, atol=1e-6)
    np.testing.assert_allclose(fit.predict(X, values=values, mask=causal), Y, atol=1e-6)
    wrong = clone(fit).set_params(max_iter=5)
    with pytest.warns(ConvergenceWarning):
        wrong.set_params(tol=1e-30).fit(X, Y, values=values)
    assert wrong.score(X, Y, values=values) < 0.9  # without the mask there is no fit
    each = np.random.default_rng(3).random((300, 5, 5)) < 0.7
    each |= np.roll(np.eye(5, dtype=bool), 1, axis=1)
    Y = (np.exp(S) * OFF * each).sum(-1)
    fit = InteractionRegressor(2, channel=Sum(), activation="exp", random_state=0).fit(X, Y, mask=each)
    np.testing.assert_allclose(fit.matrix_, A, atol=1e-5)


def test_a_channel_of_ones_own():
    X, A, S, _ = truth(400)
    Y = np.log((np.exp(S) * OFF).sum(-1))
    fit = InteractionRegressor(2, channel=FreeEnergy(), activation="exp", random_state=0).fit(X, Y)
    np.testing.assert_allclose(fit.matrix_, A, atol=1e-5)
    fit = InteractionRegressor(2, n_intervals=4, channel=FreeEnergy(), random_state=0).fit(X, Y)
    assert cosine(fit.matrix_, A) > 1 - 1e-6 and fit.score(X, Y) > 1 - 1e-6
    with pytest.raises(ValueError, match="needs a channel with values_vjp"):
        InteractionRegressor(2, channel=FreeEnergy()).fit(X, Y[:, :, None], values="learn")


def test_a_start_at_the_truth_stays_there():
    X, A, S, rng = truth(200)
    values = rng.standard_normal((200, 5, 3))
    left, singular, right = np.linalg.svd(A)
    start = left[:, :2] * singular[:2], right[:2].T
    fit = InteractionRegressor(2, channel="normalised", activation="exp", start=start)
    fit.fit(X, softmax(S) @ values, values=values)
    assert fit.n_iter_ <= 1 and len(fit.start_risks_) == 1
    np.testing.assert_allclose(fit.matrix_, A, atol=1e-8)


def test_weights_leave_out_and_weigh():
    X, A, S, rng = truth(300)
    values = rng.standard_normal((300, 5, 3))
    Y = softmax(S) @ values
    weight = np.ones((300, 5))
    weight[:, 2] = 0.0
    Y[:, 2] += 10.0
    fit = InteractionRegressor(2, channel="normalised", activation="exp", random_state=0)
    fit.fit(X, Y, weight, values=values)
    np.testing.assert_allclose(fit.matrix_, A, atol=1e-6)
    assert fit.score(X, Y, weight, values=values) > 1 - 1e-9 > fit.score(X, Y, values=values)


def test_a_common_shift_of_a_row_is_not_seen():
    """Tokens (x, 1): another matrix with the same outputs has the same normal form."""
    X, _, _, rng = truth(300)
    X = np.concatenate([X, np.ones((300, 5, 1))], axis=-1)
    A = np.random.default_rng(7).standard_normal((5, 5)) / 4
    shifted = A + np.outer(rng.standard_normal(5), np.eye(5)[4])
    values = rng.standard_normal((300, 5, 3))
    Y = softmax(X @ A @ X.swapaxes(1, 2)) @ values
    np.testing.assert_allclose(softmax(X @ shifted @ X.swapaxes(1, 2)) @ values, Y, atol=1e-12)
    fit = InteractionRegressor(5, channel="normalised", activation="exp", random_state=0).fit(
        X, Y, values=values
    )
    mean = X.mean(axis=(0, 1))
    expected = A - np.outer(A @ mean, np.eye(5)[4])
    np.testing.assert_allclose(fit.matrix_, expected, atol=1e-6)
    np.testing.assert_allclose(fit.matrix_ @ mean, 0.0, atol=1e-9)


def test_two_heads():
    """Different activations, found by deflation and refined together."""
    rng = np.random.default_rng(11)
    X = rng.standard_normal((1500, 3, 5))
    vectors = [v / np.linalg.norm(v) for v in rng.standard_normal((4, 5))]
    first, second = np.outer(vectors[0], vectors[1]), np.outer(vectors[2], vectors[3])
    S = [X @ A @ X.swapaxes(1, 2) for A in (first, second)]
    off = 1 - np.eye(3)
    Y = ((np.tanh(1.5 * S[0]) + np.exp(-2 * S[1] ** 2)) * off).sum(-1) / 2
    fit = InteractionRegressor(1, n_intervals=16, n_heads=2, random_state=0).fit(X, Y)
    assert fit.score(X, Y) > 1 - 2e-3
    matrices = [head.matrix for head in fit.heads_]
    found = np.array([[cosine(a, b) for b in (first, second)] for a in matrices])
    assert found.max(axis=0).min() > 1 - 1e-3 and set(found.argmax(axis=0)) == {0, 1}
    # The level belongs to the first head.
    assert fit.heads_[1].activation(np.zeros(1))[0] == pytest.approx(0.0, abs=1e-9)


def test_two_heads_of_attention_with_values_of_their_own():
    """What a layer emits: the sum of two softmax heads, all matrices unknown."""
    X, A, S, rng = truth(600, d=5)
    B = rng.standard_normal((5, 2)) @ rng.standard_normal((2, 5)) / 4
    W = rng.standard_normal((2, 5, 3))
    Y = softmax(S) @ (X @ W[0]) + softmax(X @ B @ X.swapaxes(1, 2)) @ (X @ W[1])
    fit = InteractionRegressor(2, channel="normalised", activation="exp", n_heads=2, random_state=0)
    fit.fit(X, Y, values="learn")
    assert fit.score(X, Y) > 1 - 1e-6
    order = fit.heads_ if cosine(fit.heads_[0].matrix, A) > 0.9 else fit.heads_[::-1]
    for head, matrix, values in zip(order, (A, B), W, strict=True):
        np.testing.assert_allclose(head.matrix, matrix, atol=1e-3)
        np.testing.assert_allclose(head.value_matrix, values, atol=1e-3)


def test_cells_are_chosen():
    X, A, S, rng = truth(1500)
    Y = (np.cos(2 * S) * OFF).sum(-1) / 4 + 0.05 * rng.standard_normal((1500, 5))
    start = np.linalg.svd(A)
    start = start[0][:, :2] * start[1][:2], start[2][:2].T
    fit = InteractionRegressor(2, channel=Mean(), start=start).fit(X, Y)
    assert fit.n_intervals_ > 8 and fit.noise_std_ == pytest.approx(0.05, rel=0.2)
    assert fit.dof_ == fit.n_intervals_ + 3


# ----------------------------------------------------------------------------------------- what must go wrong


def test_shuffled_outputs_give_no_head():
    X, _, S, rng = truth(400)
    values = rng.standard_normal((400, 5, 3))
    Y = rng.permuted(softmax(S) @ values, axis=0)
    fit = InteractionRegressor(1, channel="normalised", activation="exp", random_state=0).fit(
        X, Y, values=values
    )
    # Nothing is learned of the shuffled outputs, and nothing of the head: uniform attention does as well.
    X2, _, S2, rng = truth(400, seed=9)
    values = rng.standard_normal((400, 5, 3))
    Y = softmax(S2) @ values
    assert fit.score(X2, rng.permuted(Y, axis=0), values=values) < 0.05
    uniform = 1 - ((Y - values.mean(axis=1, keepdims=True)) ** 2).sum() / ((Y - Y.mean((0, 1))) ** 2).sum()
    assert fit.score(X2, Y, values=values) < uniform + 0.05


def test_the_guard_refuses_denominators_that_cross_zero():
    """A linear activation 1 + c u: a step along c that crosses zero lowers the squares, and means nothing."""
    X, _, S, rng = truth(50, size=0.5)
    values = rng.standard_normal((50, 5))
    family = SplineFamily(SplineSpace(-4.0, 4.0, 1, 3))
    left, singular, right = np.linalg.svd(truth(50, size=0.5)[1])
    steep = HeadState(left[:, :2] * singular[:2], right[:2].T, family, 1.0 + 3.0 * family.greville())
    data = PairData(np.ones((1, 5, 5)), values)
    guarded, open_ = (ChannelProblem(X, values, data, Normalised(guard=g)) for g in (1e-3, -np.inf))
    H = 1.0 + 3.0 * S
    assert (H.sum(axis=-1) < 0).any() and not Normalised().admissible(H, data)
    assert guarded.outputs([steep]) is None and guarded.objective([steep]) == (np.inf, np.inf)
    assert np.isfinite(open_.objective([steep])[0])


def test_a_fit_without_guard_is_nonsense():
    """The control: a free spline on few tokens. Without the guard a denominator crosses zero, for good."""
    X, _, S, rng = truth(60, size=3.0)
    values = rng.standard_normal((60, 5))
    Y = (softmax(S) @ values[:, :, None])[:, :, 0] + 0.1 * rng.standard_normal((60, 5))
    lowest, risk = {}, {}
    for guard in (1e-3, -np.inf):
        channel = Normalised(guard=guard)
        fit = InteractionRegressor(
            2, n_intervals=8, channel=channel, activation="spline", penalty=0.0, random_state=3, max_iter=20
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            fit.fit(X, Y, values=values)
        H = fit.activation_(fit.scores(X))
        lowest[guard], risk[guard] = float((H.sum(axis=-1) / np.abs(H).sum(axis=-1)).min()), fit.risk_
    assert lowest[1e-3] > 0 > lowest[-np.inf]
    assert risk[1e-3] < 2 * 0.1**2


GOOD = {"rank": 1, "channel": "normalised", "activation": "exp"}
X0 = np.random.default_rng(0).standard_normal((30, 4, 3))
V0 = np.random.default_rng(1).standard_normal((30, 4, 2))


@pytest.mark.parametrize(
    ("settings", "given", "error", "message"),
    [
        ({"channel": "median"}, {}, ValueError, "channel must be one of 'mean', 'sum', 'normalised'"),
        ({"channel": Normalised}, {}, TypeError, "an instance"),
        ({"activation": Tanh()}, {}, ValueError, "activation must be positive at all scores"),
        ({"activation": np.tanh}, {}, TypeError, "have a method derivative"),
        ({"activation": "relu"}, {}, ValueError, "activation must be"),
        ({"loss": "huber"}, {}, ValueError, 'loss must be "squared_error"'),
        ({"n_heads": 0}, {}, ValueError, "n_heads must be >= 1"),
        ({"n_heads": 80}, {}, ValueError, r"n_heads must be at most \d+ to be identifiable"),
        ({"start": (np.ones((3, 2)), np.ones((3, 2)))}, {}, ValueError, r"start must have shape \(3, 1\)"),
        ({"start": (np.ones((3, 1)),)}, {}, ValueError, r"two factors \(U, V\), got 1"),
        ({}, {"values": None}, ValueError, "Y must have shape"),
        ({}, {"values": V0[:, :, :1]}, ValueError, r"values must have shape \(30, 4, 2\)"),
        ({}, {"values": V0[:-1]}, ValueError, r"values must have shape \(30, 4, 2\)"),
        ({}, {"values": np.full_like(V0, np.nan)}, ValueError, "values must be finite"),
        ({}, {"values": "guess"}, ValueError, "values must be one of 'learn'"),
        ({}, {"pairs": np.ones((30, 4, 4, 2))}, ValueError, "values and pairs must not be given both"),
        (
            {},
            {"values": None, "pairs": np.ones((30, 4, 2))},
            ValueError,
            r"pairs must have shape \(30, 4, 4, 2\)",
        ),
        (
            {},
            {"values": "learn", "pairs": np.ones((30, 4, 4, 2))},
            ValueError,
            "pairs must not be given where",
        ),
        ({}, {"mask": np.ones((4, 4))}, TypeError, "mask must hold True and False"),
        (
            {},
            {"mask": np.ones((4, 3), dtype=bool)},
            ValueError,
            r"mask must have shape \(4, 4\) or \(30, 4, 4\)",
        ),
        ({}, {"mask": np.arange(4)[:, None] > np.arange(4)}, ValueError, "token 0 of sample 0"),
        ({"channel": Mean()}, {"mask": np.eye(4, dtype=bool)}, ValueError, "the diagonal not counting"),
    ],
)
def test_bad_input(settings, given, error, message):
    given = {"values": V0, **given}
    with pytest.raises(error, match=message):
        InteractionRegressor(**{**GOOD, **settings}).fit(X0, np.ones((30, 4, 2)), **given)


def test_whatever_is_handed_over_is_refused_by_name_or_does_no_harm():
    def fit(values, pairs, mask, channel, activation, start, n_heads):
        settings = {"channel": channel, "activation": activation, "start": start, "n_heads": n_heads}
        fit = InteractionRegressor(1, max_iter=2, **settings).fit(
            X0, Y, values=values, pairs=pairs, mask=mask
        )
        return fit.risk_

    rng = np.random.default_rng(0)
    Y = rng.standard_normal((30, 4, 2))
    good = {"channel": "normalised", "activation": "exp", "start": "linear", "n_heads": 1}
    mask = np.ones((4, 4), dtype=bool)
    given = {"values": V0, "pairs": None, "mask": mask, **good}
    # What contradicts what is given is called by the name of either.
    names = {"values": "Y"}
    assert failures(Call(fit, given, names)) == []
    given = {"values": None, "pairs": rng.standard_normal((30, 4, 4, 2)), "mask": mask, **good}
    assert failures(Call(fit, given, {"pairs": "Y"})) == []


def test_bad_input_of_outputs_and_after_a_fit():
    with pytest.raises(ValueError, match="values must be given in a row-normalised channel"):
        InteractionRegressor(**GOOD).fit(X0, np.ones((30, 4)))
    with pytest.raises(ValueError, match="guard must be"):
        Normalised(guard=2.0)
    with pytest.raises(TypeError, match="diagonal must be True or False"):
        Mean(diagonal=1)
    with pytest.raises(NotFittedError):
        InteractionRegressor(**GOOD).predict(X0, values=V0)
    with pytest.raises(NotImplementedError):
        ScoreChannel().outputs(np.ones((1, 2, 2)), PairData(np.ones((1, 2, 2))))
    rng = np.random.default_rng(0)
    plain = InteractionRegressor(n_intervals=2, n_starts=0).fit(X0, rng.standard_normal((30, 4)))
    with pytest.raises(ValueError, match="mask must not be given after a fit without it"):
        plain.predict(X0, mask=np.ones((4, 4), dtype=bool))
    with pytest.raises(ValueError, match="values must not be given after a fit without it"):
        plain.score(X0, np.ones((30, 4)), values=V0)
    learned = InteractionRegressor(**GOOD).fit(X0, softmax(X0 @ X0.swapaxes(1, 2)) @ V0, values="learn")
    with pytest.raises(ValueError, match="values must not be given where they were learned"):
        learned.predict(X0, values=V0)


def test_a_plain_fit_forgets_the_channel():
    X, _, S, _ = truth(200)
    Y = (np.tanh(S) * OFF).sum(-1) / 4
    fit = InteractionRegressor(2, n_intervals=4, channel=Mean(), n_starts=0).fit(X, Y)
    assert hasattr(fit, "heads_")
    fit.set_params(channel="mean").fit(X, Y)
    assert not hasattr(fit, "heads_") and fit.predict(X).shape == (200, 5)


# ------------------------------------------------------------------------------------------ the device


@pytest.fixture
def cupy(monkeypatch):
    return fake_cupy.install(monkeypatch)


@pytest.mark.parametrize(("channel", "family", "readout"), [c for c in CASES if c[0] not in ("free", "left")])
def test_products_on_the_device(cupy, channel, family, readout):
    problem, heads = small(channel, family, readout, 2)
    expected = Linearised(problem, heads)

    def put(array):
        return None if array is None else cupy.asarray(array)

    data = PairData(*map(put, (problem.data.mask, problem.data.values, problem.data.pairs)))
    device = replace(problem, X=put(problem.X), Y=put(problem.Y), data=data, root=put(problem.root))
    model = Linearised(device, [head.moved([put(part) for part in head.parts]) for head in heads])
    vector = np.random.default_rng(0).standard_normal(len(pack(heads)))
    image, back = expected.jvp(vector), expected.vjp(expected.residual)
    atol = 1e3 * gamma(200) * max(1.0, np.abs(image).max())
    assert is_cupy(model.jvp(put(vector)))
    np.testing.assert_allclose(model.jvp(put(vector)).get(), image, atol=atol)
    np.testing.assert_allclose(model.vjp(model.residual).get(), back, atol=10 * atol)


@pytest.mark.parametrize("activation", ["exp", None])
def test_a_fit_on_the_device(cupy, activation):
    X, _, S, rng = truth(200)
    values = rng.standard_normal((200, 5, 3))
    Y = softmax(S) @ values
    settings = {"channel": "normalised", "activation": activation, "n_intervals": 3, "random_state": 0}
    expected = InteractionRegressor(2, **settings).fit(X, Y, values=values)
    x, y, v = (cupy.asarray(a) for a in (X, Y, values))
    mask = cupy.asarray(np.ones((5, 5), dtype=bool))
    fit = InteractionRegressor(2, **settings).fit(x, y, values=v, mask=mask)
    assert is_cupy(fit.matrix_) and is_cupy(fit.predict(x, values=v))
    np.testing.assert_allclose(fit.matrix_.get(), expected.matrix_, atol=1e-5)
    np.testing.assert_allclose(fit.predict(X, values=values), Y, atol=1e-5)
    assert fit.score(x, y, values=v) > 1 - 1e-6
    with pytest.raises(TypeError, match="values must be of the library of X"):
        InteractionRegressor(2, **settings).fit(x, y, values=values)
