"""What a longer context buys: closed forms, quadrature, sampling, and a fit, each against another."""

import itertools
import math

import fake_cupy
import numpy as np
import pytest
from cuda_tools import compiler
from scipy import integrate

from pairint.estimation import InteractionRegressor
from pairint.model import (
    AttentionModel,
    Cosine,
    Exponential,
    GaussianNoise,
    ReLU,
    SplineSpace,
    Tanh,
    TruncatedGaussian,
    UniformCube,
    interaction_matrix,
)
from pairint.model.tangent import Information, measured_information, tangent_basis
from pairint.theory.information import (
    CHANNELS,
    channel_prices,
    cosine_query_share,
    direction_price,
    exact_information,
    exponential_query_share,
    function_shares,
    hidden_directions,
    learned_slope_factor,
    query_share,
    sampled_prices,
)

SPACE = SplineSpace(-4.0, 4.0, 6, 3)
#: Gaussian tokens: the ball holds all but 1e-13 of them.
GAUSS = TruncatedGaussian(8, 4.0)


@pytest.fixture
def rank_one():
    return interaction_matrix(8, 1, 3)


class Powers:
    """``u**k``, whose moments are known by hand."""

    def __init__(self, k):
        self.k = k

    def __call__(self, u):
        return u**self.k

    def derivative(self, u):
        return self.k * u ** (self.k - 1)


class TestShares:
    @pytest.mark.parametrize("c", [1e-3, 0.3, 1.5, 3.0])
    def test_of_a_cosine(self, c):
        assert query_share(Cosine(c)) == pytest.approx(cosine_query_share(c), rel=1e-7)
        assert query_share(Cosine(1.0), scale=c) == pytest.approx(cosine_query_share(c), rel=1e-7)

    @pytest.mark.parametrize("c", [-0.3, 0.1, 0.4])
    def test_of_an_exponential(self, c):
        assert query_share(Exponential(c)) == pytest.approx(exponential_query_share(c), rel=1e-7)

    def test_of_powers_by_hand(self):
        """Of u^2: E (2ab b)^2 = 12, and m = 2a; the others by moments too."""
        assert query_share(Powers(2)) == pytest.approx(4 / 12, rel=1e-9)
        # phi' = 4 u^3: E[phi'(ab) b | a] = 4 a^3 E b^4 = 12 a^3; E phi'^2 b^2 = 16 E a^6 E b^8.
        assert query_share(Powers(4)) == pytest.approx(144 * 15 / (16 * 15 * 105), rel=1e-9)
        # Rank 2: E[phi'(tZ) Z] = 2t; E phi'^2 (Z^2 + 1) = 4 E t^2 (3 + 1).
        assert query_share(Powers(2), rank=2) == pytest.approx(1 / 4, rel=1e-9)

    def test_of_a_kink(self):
        assert query_share(ReLU()) == pytest.approx(1 / math.pi, rel=1e-9)

    def test_on_the_cube(self):
        """u^2 with uniform coordinates: m = 2a, and E (2ab)^2 b^2 = 4 * 9/5."""
        assert query_share(Powers(2), law="cube") == pytest.approx(5 / 9, rel=1e-9)

    @pytest.mark.parametrize("law", ["gaussian", "cube"])
    def test_of_an_odd_function_is_zero_and_of_no_other(self, law):
        assert query_share(Tanh(1.5), law=law) < 1e-20
        assert query_share(Powers(3), law=law) < 1e-20
        for phi in (ReLU(), Cosine(1.5), Exponential(0.3)):
            assert query_share(phi, law=law) > 0.01

    def test_a_second_moment_that_does_not_exist_is_refused(self):
        with pytest.raises(ValueError, match="second moment exists"):
            query_share(Exponential(0.5))
        with pytest.raises(ValueError, match="rate must be"):
            exponential_query_share(0.5)
        assert 0 < query_share(Exponential(0.5), law="cube") < 1

    def test_of_functions(self):
        """Constants are known, odd functions are not; of the even ones all are, a little."""
        shares = function_shares(SPACE)
        assert shares[0] == pytest.approx(1.0, rel=1e-9)
        assert np.sum(shares < 1e-12) == SPACE.dimension // 2  # nine: five even, four odd
        assert shares[SPACE.dimension - SPACE.dimension // 2 - 1] > 1e-4

    def test_of_the_function_u_squared(self):
        """E U^4 = 9, E[U^2 | a] = a^2: the share of u^2 - 1 is (3 - 1) / (9 - 1)."""
        share = 2 / 8
        square = SplineSpace(-60.0, 60.0, 1, 2)  # all parabolas
        found = function_shares(square)
        assert found[:2] == pytest.approx([1.0, share], rel=1e-6)


class TestPrices:
    def test_two_tokens_have_one_price(self):
        assert direction_price(2, [0.0, 0.3, 1.0]) == pytest.approx([0.5] * 3)

    def test_limits(self):
        n = np.array([10.0, 100.0, 1e6])
        assert direction_price(n) == pytest.approx((n - 1) / n)
        assert direction_price(n, 1.0) == pytest.approx(1 / n)
        assert 1e6 * direction_price(1e6, 0.25) == pytest.approx(4, rel=1e-5)

    @pytest.mark.parametrize("law", ["gaussian", "cube"])
    def test_exact_information_has_them(self, law):
        for n_tokens, phi in itertools.product((2, 7, 60), (Cosine(1.5), Tanh(1.0))):
            found = exact_information(phi, n_tokens, d=5, space=SPACE, law=law)
            share = min(max(query_share(phi, law=law), 0.0), 1.0)
            assert found.price("queries") == pytest.approx(direction_price(n_tokens, share), rel=1e-9)
            assert found.price("keys") == pytest.approx((n_tokens - 1) / n_tokens, rel=1e-9)
            expected = np.mean(direction_price(n_tokens, function_shares(SPACE, law=law)))
            assert found.price("function") == pytest.approx(expected, rel=1e-5)
            assert found.matrix_price() == pytest.approx(
                4 * (found.price("queries") + found.price("keys")), rel=1e-9
            )

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("law", "phi"),
        [
            ("gaussian", Cosine(1.5)),
            ("gaussian", Tanh(1.5)),
            ("gaussian", ReLU()),
            ("cube", Exponential(0.5)),
        ],
    )
    @pytest.mark.parametrize("n_tokens", [2, 8, 40])
    def test_sampling_agrees(self, law, phi, n_tokens, rank_one):
        """Within five standard errors, which are small; another exponent would be far away."""
        tokens, matrix = GAUSS, rank_one
        if law == "cube":
            tokens, matrix = UniformCube(8), np.eye(8)[[1]].T @ np.eye(8)[[4]]
        n_samples = 80_000 // n_tokens
        found = sampled_prices(
            tokens, matrix, phi, n_tokens=n_tokens, n_samples=n_samples, rng=1, n_batches=40
        )
        exact = exact_information(phi, n_tokens, d=8, law=law)
        for block in ("queries", "keys"):
            price = found[block]
            assert price.standard_error < 0.04 * price.value
            assert abs(price.value - exact.price(block)) < 5 * price.standard_error

    @pytest.mark.slow
    def test_odd_activations_pay_for_queries_as_for_keys(self, rank_one):
        """The control: what holds for a cosine must not hold here."""
        options = {"n_tokens": 32, "n_samples": 2000, "rng": 0}
        odd = sampled_prices(GAUSS, rank_one, Tanh(1.5), **options)
        even = sampled_prices(GAUSS, rank_one, Cosine(1.5), **options)
        assert abs(odd["queries"].value - 31 / 32) < 5 * odd["queries"].standard_error
        assert even["queries"].value + 5 * even["queries"].standard_error < 0.15

    def test_jackknife_is_the_spread_of_repetitions(self, rank_one):
        runs = [
            sampled_prices(GAUSS, rank_one, Cosine(1.5), n_tokens=4, n_samples=400, rng=seed)["keys"]
            for seed in range(40)
        ]
        spread = np.std([run.value for run in runs], ddof=1)
        error = np.sqrt(np.mean([run.standard_error**2 for run in runs]))
        assert 0.6 < spread / error < 1.6  # 40 runs: a tenth, and four of them to either side


def conditional_mean(phi, matrix, direction, x, order=60):
    """E[phi'(x'AY) x' Delta Y] for Gaussian Y by Hermite's rule along x'A and the best other direction."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(order)
    weights = weights / weights.sum()
    q, v = matrix.T @ x, direction.T @ x
    size = np.linalg.norm(q)
    return (q @ v) / size * (weights @ (phi.derivative(size * nodes) * nodes))


class TestRotations:
    @pytest.mark.parametrize(("d", "rank"), [(4, 1), (4, 2), (5, 3), (3, 3)])
    def test_hidden_directions_are_counted(self, d, rank):
        """The rank of what one token knows, over all directions and many tokens, is what is left."""
        matrix = interaction_matrix(d, rank, 1)
        basis = tangent_basis(matrix)
        directions = [*itertools.chain.from_iterable(basis.directions(b) for b in basis.sizes)]
        directions.append(matrix / np.linalg.norm(matrix))  # the scale, which the basis leaves out
        X = np.random.default_rng(0).standard_normal((120, d))
        known = [[conditional_mean(Cosine(0.7), matrix, each, x) for each in directions] for x in X]
        seen = np.linalg.matrix_rank(np.array(known), tol=1e-9 * np.linalg.norm(known, 2))
        assert len(directions) - seen == hidden_directions(d, rank)
        odd = [[conditional_mean(Tanh(0.7), matrix, each, x) for each in directions] for x in X[:20]]
        assert np.abs(odd).max() < 1e-12

    def test_rotations_of_keys_are_hidden(self):
        rng = np.random.default_rng(1)
        matrix, turn, x = interaction_matrix(5, 2, 1), rng.standard_normal((5, 5)), rng.standard_normal(5)
        turned = matrix @ (turn - turn.T)
        assert abs(conditional_mean(Cosine(0.7), matrix, turned, x)) < 1e-12
        assert abs(conditional_mean(Cosine(0.7), matrix, matrix @ turn, x)) > 1e-3

    def test_stein_for_one_direction(self):
        """The integral over all of Y, and not only along x'A, by brute force."""
        matrix, delta = np.array([[1.0, 0.4], [0.0, 0.0]]), np.array([[0.3, -1.0], [0.8, 0.2]])
        x = np.array([0.9, -0.5])
        phi = Cosine(1.1)

        def integrand(b, a):
            y = np.array([a, b])
            return phi.derivative(x @ matrix @ y) * (x @ delta @ y) * math.exp(-(y @ y) / 2) / (2 * math.pi)

        found, _ = integrate.dblquad(integrand, -8, 8, -8, 8, epsabs=1e-7, epsrel=1e-7)
        assert found == pytest.approx(conditional_mean(phi, matrix, delta, x), abs=1e-6)

    @pytest.mark.slow
    def test_prices_of_rank_two(self):
        """Queries have the share of the radial formula, for equal singular values; keys have none."""
        law = TruncatedGaussian(6, 4.0)
        matrix = interaction_matrix(6, 2, 1, kind="orthogonal")
        found = sampled_prices(law, matrix, Cosine(1.5), n_tokens=12, n_samples=6000, rng=0)
        assert found["queries"].standard_error < 0.02 * found["queries"].value
        for block, share in (("queries", query_share(Cosine(1.5), rank=2)), ("keys", 0.0)):
            expected = direction_price(12, share)
            assert abs(found[block].value - expected) < 5 * found[block].standard_error


class TestTangent:
    @pytest.mark.parametrize(("d", "rank"), [(4, 1), (5, 2), (3, 3)])
    def test_directions_keep_the_rank_and_are_orthonormal(self, d, rank):
        matrix = interaction_matrix(d, rank, 0)
        basis = tangent_basis(matrix)
        directions = np.array([*itertools.chain.from_iterable(basis.directions(b) for b in basis.sizes)])
        assert len(directions) == rank * (2 * d - rank) - 1 == sum(basis.sizes.values())
        flat = directions.reshape(len(directions), -1)
        assert np.allclose(flat @ flat.T, np.eye(len(flat)), atol=1e-12)
        assert np.abs(flat @ matrix.ravel()).max() < 1e-12
        for delta in directions:  # to first order: the (r+1)st singular value is of second order
            if rank < d:
                singular = np.linalg.svd(matrix + 1e-5 * delta, compute_uv=False)
                assert singular[rank] < 1e-8

    def test_products_are_those_of_the_directions(self):
        rng = np.random.default_rng(0)
        basis = tangent_basis(interaction_matrix(4, 2, 0))
        x, z = rng.standard_normal((2, 7, 4))
        directions = np.array([*itertools.chain.from_iterable(basis.directions(b) for b in basis.sizes)])
        assert np.allclose(basis.products(x, z), np.einsum("ni,kij,nj->nk", x, directions, z), atol=1e-12)

    @pytest.mark.parametrize(
        ("matrix", "message"),
        [(np.zeros((3, 3)), "square and not zero"), (np.ones((2, 3)), "matrix must be square")],
    )
    def test_bad_matrices(self, matrix, message):
        with pytest.raises(ValueError, match=message):
            tangent_basis(matrix)

    def test_a_rank_that_the_matrix_has_not(self):
        with pytest.raises(ValueError, match="rank must be"):
            tangent_basis(np.diag([1.0, 1.0, 0.0]), 3)

    def test_chunks_change_nothing(self, monkeypatch):
        X = GAUSS.sample(20, 3, 0)
        whole = measured_information(X, interaction_matrix(8, 2, 0), Tanh(), space=SPACE)
        slices = [slice(0, 7), slice(7, 19), slice(19, 20)]
        monkeypatch.setattr("pairint.model.tangent.sample_chunks", lambda n_samples, entries: slices)
        parts = measured_information(X, interaction_matrix(8, 2, 0), Tanh(), space=SPACE)
        assert np.allclose(whole.aggregated, parts.aggregated, atol=1e-12)
        assert np.allclose(whole.pair, parts.pair, atol=1e-12)

    @pytest.mark.parametrize("space", [None, SPACE])
    def test_on_the_device(self, monkeypatch, space):
        if space is not None and compiler() is None:
            pytest.skip("no C++ compiler to emulate CUDA with")
        cupy = fake_cupy.install(monkeypatch)
        X, matrix = GAUSS.sample(20, 3, 0), interaction_matrix(8, 2, 0)
        there = measured_information(cupy.asarray(X), matrix, Tanh(), space=space)
        here = measured_information(X, matrix, Tanh(), space=space)
        assert isinstance(there.aggregated, np.ndarray)
        assert np.allclose(there.aggregated, here.aggregated, atol=1e-10)
        assert np.allclose(there.pair, here.pair, atol=1e-10)


class TestAlgebra:
    def information(self):
        rng = np.random.default_rng(0)
        square = rng.standard_normal((6, 6))
        blocks = {"function": slice(0, 2), "queries": slice(2, 4), "keys": slice(4, 6)}
        return Information(square @ square.T, np.eye(6), 3, 10, 0.5, blocks)

    def test_what_is_efficient_is_the_inverse_of_a_block_of_the_inverse(self):
        info = self.information()
        inverse = np.linalg.inv(info.matrix)
        for name, part in info.blocks.items():
            assert np.allclose(np.linalg.inv(info.efficient(name)), inverse[part, part], rtol=1e-6)
            assert np.all(np.linalg.eigvalsh(info.block(name) - info.efficient(name)) > -1e-9)
        assert np.allclose(info.block("function", "keys"), info.matrix[:2, 4:])

    def test_prices_add_up(self):
        info = self.information()
        inverse = np.linalg.inv(info.aggregated)
        assert info.price() == pytest.approx(np.trace(inverse) / 18)
        assert sum(2 * info.price(name) for name in info.blocks) == pytest.approx(6 * info.price())
        alone = np.trace(np.linalg.inv(info.aggregated[:2, :2]))
        assert info.matrix_price() == pytest.approx((np.trace(inverse) - alone) / 3)

    def test_the_spectrum_is_that_of_both_matrices(self):
        info = self.information()
        values = np.linalg.eigvals(np.linalg.solve(info.aggregated, info.pair)).real
        assert info.spectrum() == pytest.approx(np.sort(values)[::-1] / 3, rel=1e-6)
        assert info.spectrum().mean() == pytest.approx(info.price())

    def test_what_nobody_sees_is_left_out(self):
        info = self.information()
        hidden = info.aggregated.copy()
        hidden[1] = hidden[:, 1] = 0
        less = Information(hidden, info.pair, 3, 10, 0.5, info.blocks)
        assert np.isfinite(less.price())
        seen = [0, 2, 3, 4, 5]
        expected = np.trace(np.linalg.inv(info.aggregated[np.ix_(seen, seen)])) / 18
        assert less.price() == pytest.approx(expected)

    def test_an_unknown_block(self):
        with pytest.raises(ValueError, match="block must be one of"):
            self.information().price("values")


@pytest.fixture(scope="module")
def fit():
    model = AttentionModel(Cosine(1.2), interaction_matrix(5, 2, 2), UniformCube(5), GaussianNoise(0.1))
    X, Y = model.sample(400, 4, 0)
    return InteractionRegressor(2, 3, 8, random_state=0).fit(X, Y), X, model


class TestOfAFit:
    def test_against_finite_differences(self, fit):
        """Outputs at a moved matrix, and at moved coefficients, and nothing else."""
        from pairint.model import Spline, pair_average

        fit, X, _ = fit
        X = X[:50]
        found = fit.information(X)
        basis = tangent_basis(fit.matrix_)
        spline, step = fit.activation_, 1e-5
        columns = []
        for k in range(spline.space.dimension):
            move = step * np.eye(spline.space.dimension)[k]
            up, down = (Spline(spline.space, spline.coefficients + sign * move) for sign in (1, -1))
            columns.append((pair_average(up, X, fit.matrix_) - pair_average(down, X, fit.matrix_)).ravel())
        for block in basis.sizes:
            for delta in basis.directions(block):
                up, down = (pair_average(spline, X, fit.matrix_ + sign * step * delta) for sign in (1, -1))
                columns.append((up - down).ravel())
        J = np.array(columns).T / (2 * step)
        # Cubic splines: the third derivative jumps, and central differences are wrong by step^2.
        assert np.allclose(J.T @ J / len(J), found.aggregated, atol=1e-7 * np.abs(found.aggregated).max())
        assert np.allclose(found.matrix, J.T @ J / fit.noise_std_**2, rtol=1e-5, atol=1e-3)
        assert list(found.blocks) == ["function", "core", "queries", "keys"]

    @pytest.mark.slow
    def test_against_the_theory(self):
        """Gaussian tokens, rank one: a fit to many samples has the prices of the truth."""
        model = AttentionModel(Cosine(1.5), interaction_matrix(8, 1, 3), GAUSS, GaussianNoise(0.1))
        X, Y = model.sample(3000, 10, 0)
        found = InteractionRegressor(1, 3, 24, random_state=0).fit(X, Y).information(X)
        for block, share in (("queries", cosine_query_share(1.5)), ("keys", 0.0)):
            # A mean over seven directions and 30 000 outputs: the shares above vary by a few percent.
            assert found.price(block) == pytest.approx(direction_price(10, share), rel=0.1)
        wrong = direction_price(10, cosine_query_share(1.5))
        assert abs(found.price("keys") / wrong - 1) > 1

    def test_not_fitted_and_bad_input(self, fit):
        from sklearn.exceptions import NotFittedError

        fit, X, _ = fit
        with pytest.raises(NotFittedError, match="call fit"):
            InteractionRegressor().information(X)
        with pytest.raises(ValueError, match="X must have shape"):
            fit.information(X[:, :, :3])
        with pytest.raises(ValueError, match="X"):
            fit.information(X[:, :1])
        bad = X.copy()
        bad[0, 0, 0] = np.nan
        with pytest.raises(ValueError, match="X"):
            fit.information(bad)


class TestChannels:
    MATRIX = np.eye(6)[[0]].T @ np.eye(6)[[1]]

    def prices(self, channel, n_tokens, phi=None, **options):
        return channel_prices(
            channel,
            UniformCube(6),
            self.MATRIX,
            phi or Exponential(0.4),
            n_tokens=n_tokens,
            n_samples=max(400, 20_000 // n_tokens),
            rng=0,
            **options,
        )

    def test_the_mean_is_the_one_of_the_theory(self):
        exact = exact_information(Exponential(0.4), 8, d=6, law="cube")
        found = self.prices("mean", 8)
        for block in ("queries", "keys"):
            # A direction of norm one has the square E h^2 in L2(rho).
            expected = exact.price(block) / exact.pair[0, 0]
            assert abs(found[block].value - expected) < 5 * found[block].standard_error

    @pytest.mark.parametrize("channel", ["mean, vector", "softmax, vector"])
    def test_with_vector_values_both_fall(self, channel):
        few, many = (self.prices(channel, n) for n in (8, 64))
        for block in ("queries", "keys"):
            assert 4 < few[block].value / many[block].value < 10

    def test_an_odd_mean_with_vector_values_falls_too(self):
        few, many = (self.prices("mean, vector", n, Tanh()) for n in (8, 64))
        assert few["keys"].value > 4 * many["keys"].value
        few, many = (self.prices("mean", n, Tanh()) for n in (8, 64))
        assert few["queries"].value < 1.3 * many["queries"].value

    def test_a_scalar_value_decides_for_a_softmax(self):
        """Along the key the queries become cheap; across it one key direction of five does."""
        along = [self.prices("softmax", n)["queries"].value for n in (8, 64)]
        across = [self.prices("softmax", n, value=np.eye(6)[2])["queries"].value for n in (8, 64)]
        assert along[0] > 4 * along[1]
        assert across[0] < 2 * across[1]

    @pytest.mark.parametrize("channel", CHANNELS)
    def test_against_finite_differences(self, channel):
        """The information is that of outputs at moved matrices."""
        X = UniformCube(3).sample(4, 4, 0)
        matrix, value = interaction_matrix(3, 1, 0), np.array([0.5, -1.0, 0.3])
        phi = Exponential(0.7)

        def outputs(A):
            weights = phi(X @ A @ X.swapaxes(1, 2)) * (1 - np.eye(4))
            if channel.startswith("softmax"):
                weights = weights / weights.sum(axis=2, keepdims=True)
            else:
                weights = weights / 3
            if channel.endswith("vector"):
                return weights @ X
            return weights @ (X @ value)[:, :, None] if channel == "softmax" else weights.sum(axis=2)

        basis = tangent_basis(matrix)
        directions = [*basis.directions("queries"), *basis.directions("keys")]
        moved = [outputs(matrix + 1e-5 * each) - outputs(matrix - 1e-5 * each) for each in directions]
        J = np.array([each.ravel() / 2e-5 for each in moved])
        variances = np.diag(np.linalg.inv(J @ J.T / 4))

        class Given(UniformCube):
            def sample(self, n_samples, n_tokens, rng=None):
                return X

        found = channel_prices(
            channel, Given(3), matrix, phi, n_tokens=4, n_samples=16, value=value, rng=0, n_batches=4
        )
        assert found["queries"].value == pytest.approx(variances[:2].mean(), rel=1e-5)
        assert found["keys"].value == pytest.approx(variances[2:].mean(), rel=1e-5)

    def test_a_softmax_needs_weights(self):
        with pytest.raises(ValueError, match="activation must be positive"):
            self.prices("softmax", 3, Tanh())


SLOPE = {"n_samples": 500, "noise_std": 0.2}


class TestLearnedSlope:
    @pytest.mark.parametrize(("law", "phi"), [("gaussian", Tanh(1.0)), ("cube", Exponential(0.5))])
    def test_against_draws_of_the_noise(self, law, phi):
        """Mean square of noisy slopes less multiples of the slope, over its own: five standard errors."""
        rng = np.random.default_rng(0)
        space, n_tokens, penalty = SplineSpace(-3.0, 3.0, 8, 3), 6, 0.5
        rows = SLOPE["n_samples"] * n_tokens
        gram = exact_information(phi, n_tokens, d=2, space=space, law=law).aggregated
        gram = gram[: space.dimension, : space.dimension]
        inverse = np.linalg.inv(gram + penalty / rows * space.difference_penalty())
        root = np.linalg.cholesky(inverse @ gram @ inverse) * 0.2 / np.sqrt(rows)
        draws = (
            rng.standard_normal if law == "gaussian" else (lambda size: rng.uniform(-(3**0.5), 3**0.5, size))
        )
        x, y = draws((2, 20_000))
        noise = [
            space.spline(root @ rng.standard_normal(space.dimension)).derivative(x * y) for _ in range(400)
        ]
        slope = phi.derivative(x * y)
        true = np.mean(slope**2 * x**2)
        multiples = np.mean(np.asarray(noise) * slope * x**2, axis=1) / true
        ratios = np.mean(np.square(noise - multiples[:, None] * slope) * x**2, axis=1) / true
        found = learned_slope_factor(phi, n_tokens, space=space, penalty=penalty, law=law, **SLOPE)
        # The pairs are shared by all draws: their part of the error is that of twenty thousand of them.
        error = np.hypot(ratios.std() / 20, ratios.mean() * 6 / np.sqrt(20_000))
        assert abs(found - 1 - ratios.mean()) < 5 * error

    def test_a_slope_that_is_known_up_to_a_factor_costs_nothing(self):
        """Lines through a linear activation: all of the noise of the slope is a multiple of it."""
        options = {"law": "cube", "penalty": 0.0} | SLOPE
        line, bent = SplineSpace(-3.0, 3.0, 1, 1), SplineSpace(-3.0, 3.0, 2, 1)
        # Rounding of a difference of two equal numbers below one.
        assert learned_slope_factor(Powers(1), 8, space=line, **options) == pytest.approx(1, abs=1e-12)
        assert learned_slope_factor(Powers(1), 8, space=bent, **options) > 1 + 1e-6  # the control

    def test_it_falls_with_the_samples_and_grows_with_cells_and_noise(self):
        def factor(cells=16, **other):
            space = SplineSpace(-3.0, 3.0, cells, 3)
            options = {"penalty": 0.0, "law": "cube"} | SLOPE | other
            return learned_slope_factor(Exponential(0.5), 16, space=space, **options) - 1

        assert factor() == pytest.approx(4 * factor(n_samples=2000), rel=1e-6)
        assert factor(noise_std=0.4) == pytest.approx(4 * factor(), rel=1e-6)
        assert factor(cells=4) < factor() / 8 < factor(cells=32) / 16
        assert factor(noise_std=0.0) == 0.0 < factor(penalty=1e3) < factor()

    def test_a_fit_that_is_not_determined_has_no_price(self):
        space = SplineSpace(-40.0, 40.0, 100, 3)  # no score reaches most of these cells
        options = {"space": space, "law": "cube", **SLOPE}
        assert learned_slope_factor(Tanh(1.0), 4, penalty=0.0, **options) == np.inf
        assert np.isfinite(learned_slope_factor(Tanh(1.0), 4, **options))

    def test_bad_input(self):
        with pytest.raises(ValueError, match="degree of space must be >= 1"):
            learned_slope_factor(Tanh(1.0), 4, space=SplineSpace(-1.0, 1.0, 4, 0), **SLOPE)
        with pytest.raises(TypeError, match="derivative"):
            learned_slope_factor(np.sin, 4, space=SPACE, **SLOPE)
        with pytest.raises(ValueError, match="activation must have a slope that is not zero"):
            learned_slope_factor(Powers(0), 4, space=SPACE, **SLOPE)
