"""The network baseline against the direct estimator, the oracle, noise, and bad input."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
import rounding
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from pairint.estimation import InteractionRegressor, NetworkRegressor, OracleRegressor, interaction_error
from pairint.estimation.mlp import NetworkActivation
from pairint.model import AttentionModel, GaussianNoise, UniformCube, interaction_matrix, spline_activation
from pairint.model.splines import Spline

pytestmark = pytest.mark.slow

NEEDED = "PyTorch is not installed: pip install 'pairint[network]'"
SIGMA = 0.1


def small_model(d, rank=1, seed=0):
    rng = np.random.default_rng(seed)
    activation = spline_activation(3, rng, bound=3.0, n_intervals=6)
    return AttentionModel(
        activation, interaction_matrix(d, rank, rng, kind="coordinate"), UniformCube(d), GaussianNoise(SIGMA)
    )


def quick(**changes):
    options = {
        "n_intervals": 8,
        "batch_size": 256,
        "max_rounds": 20,
        "hidden": (24, 24),
        "network_steps": 40,
        "random_state": 0,
    } | changes
    return NetworkRegressor(**options)


def error_of(fit, model):
    return interaction_error(fit, model, n_pairs=50_000, rng=1).value


@pytest.fixture(scope="module")
def model():
    return small_model(4)


@pytest.fixture(scope="module")
def data(model):
    return model.sample(1000, 3, 5)


@pytest.fixture(scope="module")
def fitted(data):
    pytest.importorskip("torch", reason=NEEDED)
    return quick().fit(*data)


class TestRecovery:
    def test_as_good_as_the_direct_fit_and_near_the_oracle(self, model, data, fitted):
        assert fitted.converged_
        direct = error_of(InteractionRegressor(1, 3, 8).fit(*data), model)
        oracle = error_of(OracleRegressor(model.matrix, 3, 8).fit(*data), model)
        ours = error_of(fitted, model)
        # It stops one noise variance (tol) of risk above the minimum: of the 18 parameters' worth, by Cauchy,
        # an error larger by 1 + 2 / sqrt(18) at most, and there is the oracle's yardstick of 11 and 7 more.
        assert ours < (1 + 2 / np.sqrt(18) + 1 / 18) * direct
        assert ours < 3 * (oracle + SIGMA**2 * 6 * 2 / 3000)
        mlp = AttentionModel(fitted.network_, fitted.matrix_, model.tokens)
        assert error_of(mlp, model) < 1.5 * direct
        assert fitted.network_gap_ < 0.2 * direct

    def test_matrix_and_its_convention(self, model, fitted):
        matrix = fitted.matrix_
        assert np.linalg.norm(matrix) == pytest.approx(1.0)
        assert matrix.ravel()[np.argmax(np.abs(matrix))] > 0
        assert np.linalg.matrix_rank(matrix, tol=1e-9) == 1
        truth = model.matrix / np.linalg.norm(model.matrix)
        assert abs((matrix * truth).sum()) > 0.9995

    def test_risk_noise_and_history(self, data, fitted):
        X, Y = data
        rounded = 4 * rounding.gamma(Y.size) * np.mean(Y**2) / fitted.risk_  # a difference of sums of squares
        assert fitted.risk_ == pytest.approx(np.mean((Y - fitted.predict(X)) ** 2), rel=1e-9 + rounded)
        freedom = Y.size - fitted.dof_ - 6  # 4.5 standard errors, left once in 150,000
        assert abs(fitted.noise_std_ / SIGMA - 1) < 4.5 / np.sqrt(2 * freedom)
        assert fitted.n_iter_ == len(fitted.history_) >= 4
        assert fitted.history_[-1]["risk"] == pytest.approx(fitted.risk_, rel=1e-3)
        rates = [entry["learning_rate"] for entry in fitted.history_]
        assert rates == sorted(rates, reverse=True) and rates[-1] < rates[0] / 50

    def test_predict_score_interaction(self, data, fitted):
        X, Y = data
        assert fitted.score(X, Y) > 0.5
        by_hand = sum(fitted.interaction(X[:, 0], X[:, j]) for j in (1, 2)) / 2
        np.testing.assert_allclose(fitted.predict(X)[:, 0], by_hand, rtol=1e-12)

    def test_even_activation_rank_two_and_more_tokens(self):
        pytest.importorskip("torch", reason=NEEDED)
        # The linear start sees nothing of an even activation.
        matrix = interaction_matrix(5, 2, 3, kind="orthogonal")
        model = AttentionModel(np.cos, matrix, UniformCube(5), GaussianNoise(SIGMA))
        X, Y = model.sample(800, 4, 1)
        fit = quick(rank=2).fit(X, Y)
        assert error_of(fit, model) < 1.3 * error_of(InteractionRegressor(2, 3, 8).fit(X, Y), model)

    def test_one_dimension_has_no_matrix_to_learn(self):
        pytest.importorskip("torch", reason=NEEDED)
        model = small_model(1)
        X, Y = model.sample(500, 3, 1)
        fit = quick(n_intervals="auto", dtype="float64").fit(X, Y)
        oracle = OracleRegressor(np.eye(1), 3).fit(X, Y)
        assert fit.converged_ and fit.n_iter_ == 0
        assert fit.n_intervals_ == oracle.n_intervals_ == fit.selection_.n_intervals
        np.testing.assert_allclose(fit.predict(X), oracle.predict(X), atol=1e-9)


class TestNegativeControl:
    def test_shuffled_outputs_are_not_explained(self, model, data):
        pytest.importorskip("torch", reason=NEEDED)
        X, Y = data[0][:500], data[1][:500]
        shuffled = np.random.default_rng(0).permutation(Y.ravel()).reshape(Y.shape)
        fit = quick(epochs=1).fit(X, shuffled)
        # Chi-squared with 18 parameters over 1500 outputs, and three of its deviations.
        assert fit.score(X, shuffled) < (18 + 3 * np.sqrt(2 * 18)) / Y.size
        assert fit.score(*model.sample(1000, 3, 6)) < 0.05


class TestReportedActivation:
    def test_spline_by_default_network_on_request(self, data, fitted):
        assert isinstance(fitted.activation_, Spline) and fitted.activation_ is fitted.spline_
        X, Y = data[0][:400], data[1][:400]
        fit = quick(final="network").fit(X, Y)
        assert isinstance(fit.activation_, NetworkActivation) and fit.activation_ is fit.network_
        assert fit.risk_ == pytest.approx(np.mean((Y - fit.predict(X)) ** 2), rel=1e-9)
        assert fit.risk_ < 2 * SIGMA**2

    def test_derivatives(self, fitted):
        u, h = np.linspace(-2, 2, 40).reshape(5, 8), 1e-5
        for activation in (fitted.spline_, fitted.network_):
            numerical = (activation(u + h) - activation(u - h)) / (2 * h)
            np.testing.assert_allclose(activation.derivative(u), numerical, atol=1e-6)

    def test_network_activation_by_hand(self):
        weights = [np.array([[2.0, -1.0]]), np.array([[1.0], [3.0]])]
        network = NetworkActivation(weights, [np.array([0.5, 0.0]), np.array([0.25])])
        u = np.linspace(-1, 1, 7)
        np.testing.assert_allclose(network(u), np.tanh(2 * u + 0.5) + 3 * np.tanh(-u) + 0.25)
        np.testing.assert_allclose(network.scaled(2.0)(u), network(u / 2))
        np.testing.assert_allclose(network.mirrored()(u), network(-u))
        np.testing.assert_allclose(network.mirrored().derivative(u), -network.derivative(-u))

    def test_pickled_fit_needs_no_torch(self, data, fitted, monkeypatch):
        text = pickle.dumps(fitted)
        monkeypatch.setitem(sys.modules, "torch", None)
        copy = pickle.loads(text)
        np.testing.assert_array_equal(copy.predict(data[0]), fitted.predict(data[0]))
        np.testing.assert_array_equal(copy.network_(data[1]), fitted.network_(data[1]))


class TestDeterminism:
    def test_the_seed_decides_and_global_state_is_left_alone(self, data):
        torch = pytest.importorskip("torch", reason=NEEDED)
        X, Y = data[0][:200], data[1][:200]
        short = {"max_rounds": 1, "network_steps": 10, "hidden": (8,)}
        before, threads = torch.random.get_rng_state(), torch.get_num_threads()
        with pytest.warns(ConvergenceWarning, match="max_rounds = 1"):
            first = quick(**short).fit(X, Y)
        torch.manual_seed(3)
        with pytest.warns(ConvergenceWarning):
            again = quick(**short).fit(X, Y)
        with pytest.warns(ConvergenceWarning):
            other = quick(**short | {"random_state": 1}).fit(X, Y)
        assert not first.converged_
        np.testing.assert_array_equal(first.matrix_, again.matrix_)
        np.testing.assert_array_equal(first.network_(Y), again.network_(Y))
        assert not np.array_equal(first.matrix_, other.matrix_)
        assert torch.get_num_threads() == threads
        torch.random.set_rng_state(before)


class TestConventions:
    def test_parameters_and_clone(self):
        estimator = quick(rank=2, final="network")
        copy = clone(estimator)
        assert copy.get_params() == estimator.get_params()
        assert copy.set_params(hidden=(16,)).hidden == (16,)
        with pytest.raises(NotFittedError, match="NetworkRegressor"):
            copy.predict(np.zeros((2, 3, 4)))

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"rank": 0}, "rank must be"),
            ({"rank": 5}, "rank must be"),
            ({"degree": 0}, "degree must be"),
            ({"n_intervals": 0}, "n_intervals must be"),
            ({"n_intervals": 10_000}, "10000|samples"),
            ({"hidden": ()}, "hidden must list at least one"),
            ({"hidden": "64"}, "hidden must list at least one"),
            ({"hidden": (8, 0)}, "hidden must be"),
            ({"penalty": -1.0}, "penalty must be"),
            ({"start": "magic"}, "start must be one of"),
            ({"max_rounds": 0}, "max_rounds must be"),
            ({"epochs": 0}, "epochs must be"),
            ({"batch_size": 0}, "batch_size must be"),
            ({"learning_rate": 0.0}, "learning_rate must be"),
            ({"network_steps": 0}, "network_steps must be"),
            ({"tol": -1.0}, "tol must be"),
            ({"final": "both"}, "final must be one of"),
            ({"dtype": "float16"}, "dtype must be one of"),
        ],
    )
    def test_bad_parameters(self, data, changes, message):
        with pytest.raises(ValueError, match=message):
            quick(**changes).fit(*data)

    def test_bad_data(self, data):
        X, Y = data
        for bad_X, bad_Y, message in (
            (X[:, :1], Y[:, :1], "N >= 2"),
            (X, Y[:-1], "Y must have shape"),
            (np.where(X > 1.7, np.nan, X), Y, "X"),
            (X[:3], Y[:3], "samples give 9 outputs"),
        ):
            with pytest.raises(ValueError, match=message):
                quick().fit(bad_X, bad_Y)


class TestOptionalTorch:
    def test_missing_torch_says_what_to_install(self, data, monkeypatch):
        monkeypatch.setitem(sys.modules, "torch", None)
        with pytest.raises(ImportError, match=r"pip install 'pairint\[network\]'"):
            quick().fit(*data)

    def test_imported_only_by_a_fit(self):
        code = (
            "import sys, pairint.estimation, pairint.experiments.minimax.network\n"
            "pairint.estimation.NetworkRegressor(2).get_params()\n"
            "assert 'torch' not in sys.modules"
        )
        subprocess.run([sys.executable, "-c", code], check=True)
