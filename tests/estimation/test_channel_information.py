"""The information in the outputs of channels: against differences, closed forms, and what cannot be seen."""

import numpy as np
import pytest

from pairint.estimation.channels import LogSpline, Normalised, Sum, channel_information
from pairint.estimation.channels.channel import PairData
from pairint.model import SplineSpace, Tanh
from pairint.model.tangent import measured_information, tangent_basis

RNG = np.random.default_rng(0)
M, N, D = 300, 4, 3
X = RNG.standard_normal((M, N, D))
A = np.outer(RNG.standard_normal(D), RNG.standard_normal(D)) / 2
B = RNG.standard_normal((D, D)) / 3
VALUES = RNG.standard_normal((M, N))
SPACE = SplineSpace(-4.0, 4.0, 4, 3)
PHI = SPACE.spline(np.sin(np.arange(SPACE.dimension)))


def test_one_head_of_the_mean_is_the_information_of_the_book():
    ours = channel_information(X, [(A, PHI)])
    book = measured_information(X, A, PHI, space=SPACE)
    n = SPACE.dimension
    np.testing.assert_allclose(ours.aggregated[:n, :n], book.aggregated[:n, :n], atol=1e-12)
    # The directions are the same, in the same order: core (none for rank one), queries, keys.
    np.testing.assert_allclose(ours.aggregated, book.aggregated, atol=1e-12)
    np.testing.assert_allclose(ours.pair, book.pair, atol=1e-12)
    assert ours.blocks == {"function 1": slice(0, n), "matrix 1": slice(n, n + 2 * (D - 1))}
    assert ours.price() == pytest.approx(book.price(), rel=1e-8)


def outputs(channel, matrices, splines, data):
    total = 0.0
    for matrix, phi in zip(matrices, splines, strict=True):
        total = total + channel.outputs(phi(X @ matrix @ X.swapaxes(1, 2)), data)
    return total


@pytest.mark.parametrize("name", ["normalised", "told", "two heads"])
def test_derivatives_against_differences(name):
    """The information is the mean product of central differences of the outputs."""
    mask = np.ones((1, N, N))
    log = LogSpline(SPACE.spline(np.cos(np.arange(SPACE.dimension))))
    given = {"values": VALUES}
    if name == "normalised":
        channel, matrices, functions = Normalised(), [B], [log]
    elif name == "told":
        channel, matrices, functions = Sum(diagonal=True), [A], [log]
        given = {"pairs": VALUES[:, None, :] / RNG.uniform(1, 2, (M, N, 1))}
    else:
        channel, matrices, functions = Sum(diagonal=True), [A, B], [PHI, PHI]
    data = PairData(mask, given.get("values"), given.get("pairs"))
    found = channel_information(X, list(zip(matrices, functions, strict=True)), channel=channel, **given)
    step, rows = 1e-5, []
    for h, (matrix, phi) in enumerate(zip(matrices, functions, strict=True)):
        spline = phi.log if isinstance(phi, LogSpline) else phi
        for k in range(SPACE.dimension):
            ends = []
            for sign in (1, -1):
                moved = SPACE.spline(spline.coefficients + sign * step * np.eye(SPACE.dimension)[k])
                changed = list(functions)
                changed[h] = LogSpline(moved) if isinstance(phi, LogSpline) else moved
                ends.append(outputs(channel, matrices, changed, data))
            rows.append((ends[0] - ends[1]).ravel() / (2 * step))
        basis = tangent_basis(matrix)
        blocks = [basis.directions(block) for block, size in basis.sizes.items() if size]
        for direction in np.concatenate(blocks):
            ends = []
            for sign in (1, -1):
                changed = list(matrices)
                changed[h] = matrix + sign * step * direction
                ends.append(outputs(channel, changed, functions, data))
            rows.append((ends[0] - ends[1]).ravel() / (2 * step))
    J = np.array(rows)
    expected = J @ J.T / (M * N)
    np.testing.assert_allclose(found.aggregated, expected, atol=1e-5 * np.abs(expected).max())


def test_flat_weights_have_the_closed_form():
    """Uniform attention over n partners: a direction costs n/(n-1) times E eta^2 over E Var(eta | x)."""
    n_samples, n_tokens = 40_000, 5
    rng = np.random.default_rng(1)
    tokens = rng.standard_normal((n_samples, n_tokens, 1))
    values = rng.standard_normal((n_samples, n_tokens))
    space = SplineSpace(-8.0, 8.0, 1, 1)  # two functions: the level, and the score itself
    flat = LogSpline(space.spline(np.zeros(2)))
    unknown, told = (
        channel_information(tokens, [(np.eye(1), flat)], channel=channel, **given).aggregated
        for channel, given in (
            (Normalised(diagonal=False), {"values": values}),
            (Sum(), {"values": values / (n_tokens - 1)}),
        )
    )
    eta = np.array([-8.0, 8.0])  # the coefficients of the score: eta = x y, Var(eta | x) = x^2
    ratio = (eta @ told @ eta) / (eta @ unknown @ eta)
    n = n_tokens - 1
    assert ratio == pytest.approx(n / (n - 1), rel=0.05)  # E eta^2 = E Var(eta | x) = 1
    level = np.ones(2)
    assert abs(level @ unknown @ level) < 1e-12 < level @ told @ level


def test_proportional_heads_are_one_head():
    apart = channel_information(X, [(A, Tanh()), (B, Tanh())]).aggregated
    together = channel_information(X, [(A, Tanh()), (A, Tanh())]).aggregated
    assert np.linalg.matrix_rank(apart) == len(apart) == 4 + 8
    assert np.linalg.matrix_rank(together) == 4 < len(together)
    # Of learned functions of two heads the level alone is shared, if the matrices are not proportional.
    C = np.outer(RNG.standard_normal(D), RNG.standard_normal(D)) / 2
    small = SplineSpace(-1.0, 1.0, 1, 3)  # one cell, so that each direction is seen
    cubic = small.spline(np.array([1.0, -1.0, 2.0, 0.5]))
    found = channel_information(X, [(A, cubic), (C, cubic)])
    values = np.linalg.eigvalsh(found.aggregated / np.sqrt(np.outer(*[np.diag(found.aggregated)] * 2)))
    assert (values > 1e-9).sum() == len(values) - 1


def test_relative_error_does_not_count_a_factor():
    log = LogSpline(SPACE.spline(np.cos(np.arange(SPACE.dimension))))
    plain, relative = (
        channel_information(X, [(A, log)], channel="normalised", values=VALUES, relative=choice)
        for choice in (False, True)
    )
    level = np.zeros(len(plain.pair))
    level[: SPACE.dimension] = 1.0
    assert level @ plain.pair @ level > 0.1
    assert abs(level @ relative.pair @ level) < 1e-10
    assert abs(level @ plain.aggregated @ level) < 1e-10


def test_chunks_do_not_matter(monkeypatch):
    import pairint.estimation.channels.information as module

    whole = channel_information(X, [(A, PHI), (B, PHI)])
    monkeypatch.setattr(module, "sample_chunks", lambda n, width: [slice(i, i + 7) for i in range(0, n, 7)])
    cut = channel_information(X, [(A, PHI), (B, PHI)])
    np.testing.assert_allclose(cut.aggregated, whole.aggregated, atol=1e-11)


@pytest.mark.parametrize(
    ("heads", "settings", "error", "message"),
    [
        ([], {}, ValueError, "heads must be a list of pairs"),
        ([A], {}, ValueError, "heads must"),
        ([(np.zeros((D, D)), PHI)], {}, ValueError, "matrices that are not zero"),
        ([(np.eye(2), PHI)], {}, ValueError, "heads must have shape"),
        ([(A, np.tanh)], {}, TypeError, "method derivative"),
        ([(A, PHI), (B, PHI)], {"relative": True}, ValueError, "relative must be False"),
        ([(A, PHI)], {"channel": "normalised"}, ValueError, "values must be given"),
    ],
)
def test_bad_input(heads, settings, error, message):
    with pytest.raises(error, match=message):
        channel_information(X, heads, **settings)


def test_values_may_be_given_as_lists():
    rng = np.random.default_rng(4)
    X, values = rng.standard_normal((3, 4, 2)), rng.standard_normal((3, 4))
    head = (np.eye(2), SplineSpace(-9.0, 9.0, 2, 1).spline(np.ones(3)))
    settings = [{"values": given} for given in (values, values.tolist())]
    array, listed = (channel_information(X, [head], channel="sum", **each).aggregated for each in settings)
    np.testing.assert_array_equal(array, listed)
