import numpy as np
import pytest

from pairint.model import GaussianNoise, RademacherNoise, UniformCube, UniformNoise, interaction_matrix
from pairint.theory import games
from pairint.theory.bumps import BumpFamily
from pairint.theory.coercivity import product_density, product_moments
from pairint.theory.lower import gaussian_kl
from pairint.theory.setting import Setting

TOKENS = UniformCube(3)
MATRIX = interaction_matrix(3, 1, 0, kind="coordinate")
SETTING = Setting(beta=1.0, n_tokens=3, noise_std=1.0, holder_constant=4.0)
FAMILY = BumpFamily(beta=1.0, holder_constant=4.0, n_bumps=1, interval=(0.3, 2.0), odd=True)
BUMP = FAMILY.activation([1.0])
SIZES = [1, 3, 10, 30, 100]


def play(noise, n_samples):
    return games.guessing_game(BUMP, TOKENS, MATRIX, noise, 3, [n_samples])


def test_best_test_never_beats_the_bound_and_comes_close():
    game = games.guessing_game(BUMP, TOKENS, MATRIX, GaussianNoise(1.0), 3, SIZES, 2000, rng=1)
    assert np.all(game.error >= game.bound - 4 * game.standard_error - 1e-3)
    assert np.all(game.error <= game.bound + 0.06)
    assert game.error[0] > 0.3 > 0.1 > game.error[-1]


def test_divergence_of_the_game_is_the_exact_one():
    game = games.guessing_game(BUMP, TOKENS, MATRIX, GaussianNoise(1.0), 3, [100], 400, rng=2)
    exact = product_moments(BUMP, 3.0, 3, BUMP.family.knots).aggregated
    assert game.divergence[0] == pytest.approx(gaussian_kl(100, SETTING, exact), rel=0.02)


def test_uniform_noise_is_easier_than_the_gaussian_bound_allows():
    game = games.guessing_game(BUMP, TOKENS, MATRIX, UniformNoise(1.0), 3, SIZES, 2000, rng=3)
    assert game.error[2] < game.bound[2] - 5 * game.standard_error[2]


def test_equal_hypotheses_are_a_coin_toss():
    for noise in (GaussianNoise(1.0), UniformNoise(1.0)):
        game = games.guessing_game(np.zeros_like, TOKENS, MATRIX, noise, 3, [5], 2000, rng=4)
        assert game.error[0] == pytest.approx(0.5, abs=4 * game.standard_error[0])
        assert game.bound[0] == 0.5


def test_reduction_splits_the_error_and_loses_nothing_for_functions_of_the_score():
    rng = np.random.default_rng(5)
    x, y = rng.uniform(-1.7, 1.7, (2, 20_000))
    u = x * y
    truth = np.tanh(u)
    inside = games.score_reduction(np.tanh(0.8 * u), truth, u, 200)
    outside = games.score_reduction(np.tanh(u + 0.4 * x), truth, u, 200)
    assert inside.lost < 0.01 * inside.total
    assert outside.lost > 0.5 * outside.total
    for r in (inside, outside):
        assert r.reduced <= r.total
        assert r.total == pytest.approx(r.reduced + r.lost)
    assert len(outside.centres) == 200 and np.all(np.diff(outside.centres) > 0)
    assert np.abs(outside.spread).max() > 5 * np.abs(inside.spread).max()


def test_density_of_the_bump_matches_the_tokens():
    x = TOKENS.sample(200_000, 2, 6)
    u = np.einsum("mi,ij,mj->m", x[:, 0], MATRIX, x[:, 1])
    count, edges = np.histogram(u, bins=30, range=(0.1, 2.9))
    expected = product_density((edges[1:] + edges[:-1]) / 2, 3.0) * np.diff(edges) * len(u)
    assert np.all(np.abs(count - expected) < 5 * np.sqrt(expected) + 0.01 * expected)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: play(RademacherNoise(1.0), 1), "noise must be"),
        (lambda: play(GaussianNoise(0.0), 1), "noise must be"),
        (lambda: play(GaussianNoise(1.0), 0), "sample_sizes must be"),
        (lambda: games.score_reduction([1.0], [1.0, 2.0], [1.0, 2.0]), "estimate must have shape"),
        (lambda: games.score_reduction([1.0], [1.0], [1.0], 2), "n_bins must be"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
