"""A kernel of motion and the metric that it depends on, learned together from vectors."""

import numpy as np
import pytest

from pairint import InteractionRegressor

TURN = np.array([[np.cos(0.6), -np.sin(0.6)], [np.sin(0.6), np.cos(0.6)]])
Q = TURN @ np.diag([1.0, 0.3]) @ TURN.T
N = 6


def swarm(n_frames, rng):
    """Return tokens (x, products, 1), what each pair hands over, true scores, and answers without noise."""
    x = rng.uniform(-1.5, 1.5, (n_frames, N, 2))
    products = np.stack(
        [x[..., 0] ** 2, x[..., 0] * x[..., 1], x[..., 1] ** 2, np.ones(x.shape[:2])], axis=-1
    )
    to = x[:, None] - x[:, :, None]
    scores = np.einsum("mijk,kl,mijl->mij", to, Q, to)
    handed = to / (N - 1)
    clean = ((np.exp(-scores) - 0.4)[..., None] * handed).sum(axis=2)
    return np.concatenate([x, products], axis=-1), handed, scores, clean


def test_a_metric_is_a_score_of_rank_four():
    """In these tokens; and of no lower rank."""
    A = np.zeros((6, 6))
    A[:2, :2] = -2 * Q
    square = np.array([Q[0, 0], 2 * Q[0, 1], Q[1, 1]])
    A[2:5, 5] = A[5, 2:5] = square
    Z, _, scores, _ = swarm(5, np.random.default_rng(0))
    np.testing.assert_allclose(np.einsum("mia,ab,mjb->mij", Z, A, Z), scores, atol=1e-12)
    assert np.linalg.matrix_rank(A) == 4


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_kernel_and_metric_come_out_together():
    """Cold, with noise; negative controls: answers of the frame before, and tokens without products."""
    rng = np.random.default_rng(2)
    Z, handed, _, clean = swarm(300, rng)
    sigma = 0.05
    Y = clean + sigma * rng.standard_normal(clean.shape)
    new, new_handed, scores, truth = swarm(200, rng)

    def fit(tokens, answers):
        model = InteractionRegressor(rank=4, n_intervals=8, channel="sum", random_state=0)
        return model.fit(tokens, answers, pairs=handed)

    found = fit(Z, Y)
    # By counting: matrix and spline are numbers, and there are Y.size outputs. Four times that share of
    # the noise is a good fit; the spline's own error for exp on eight cells is far below.
    numbers = 4 * (12 - 4) - 1 + 11
    wrong = np.mean((found.predict(new, pairs=new_handed) - truth) ** 2)
    assert wrong < 4 * numbers / Y.size * sigma**2
    off = ~np.eye(N, dtype=bool)
    alike = np.corrcoef(found.scores(new)[:, off].ravel(), scores[:, off].ravel())[0, 1]
    assert abs(alike) > 0.99
    nothing = fit(Z, np.roll(Y, 1, axis=0))
    assert nothing.score(new, truth, pairs=new_handed) < 0.05
    without = np.delete(Z, 3, axis=2), np.delete(new, 3, axis=2)  # no product of two coordinates: no turn
    straight = fit(without[0], Y)
    miss = np.mean((straight.predict(without[1], pairs=new_handed) - truth) ** 2)
    assert miss > 4 * wrong
