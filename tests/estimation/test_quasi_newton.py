"""L-BFGS on the projected risk: its gradient, where it ends, and the fits that it makes."""

import itertools
import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from pairint.estimation import InteractionRegressor, choose_intervals, interaction_error, quasi_newton
from pairint.estimation.gauss_newton import balanced_factors, levenberg_marquardt, projected_system
from pairint.estimation.initial import lean_linear_start, linear_start
from pairint.estimation.problem import LeastSquaresProblem
from pairint.estimation.quasi_newton import lbfgs, projected_gradient, solved
from pairint.model import AttentionModel, Cosine, GaussianNoise, Tanh, UniformCube, interaction_matrix


def model_of(d, rank, activation=None, noise=0.1, seed=0):
    rng = np.random.default_rng(seed)
    matrix = interaction_matrix(d, rank, rng)
    return AttentionModel(activation or Tanh(2.0), matrix, UniformCube(d), GaussianNoise(noise))


def draw(d=4, rank=2, n_samples=150, n_tokens=3, n_intervals=6, weighted=False, penalty=0.3):
    """Data, and a state well away from the optimum."""
    rng = np.random.default_rng([d, rank])
    X, Y = model_of(d, rank).sample(n_samples, n_tokens, rng)
    weight = rng.exponential(size=Y.shape) if weighted else None
    problem = LeastSquaresProblem(X, Y, 3, penalty, weight=weight)
    factors = balanced_factors(rng.standard_normal((d, rank)), rng.standard_normal((d, rank)))
    return problem, problem.solve(*factors, problem.space(*factors, n_intervals))


@pytest.fixture(params=["few factors", "many factors"])
def width(request, monkeypatch):
    """Both metrics, on small problems."""
    if request.param == "many factors":
        monkeypatch.setattr(quasi_newton, "NARROW", 0)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("rank", "n_intervals"), [(1, 6), (3, 6), (2, 200)])
def test_gradient_and_solution_are_those_of_the_system(rank, n_intervals, weighted):
    problem, state = draw(rank=rank, n_intervals=n_intervals, weighted=weighted)
    _, half = projected_system(problem, state)
    gradient = projected_gradient(problem, state)
    size = np.abs(gradient).max()
    assert size > 1.0
    assert np.abs(gradient + 2 * half).max() < 1e-10 * size
    again = solved(problem, state.left, state.right, state.space)
    assert again.inner.objective == pytest.approx(state.inner.objective, rel=1e-10)
    assert again.inner.dof == pytest.approx(state.inner.dof, rel=1e-6)
    # Another matrix has another gradient: the comparison sees a difference.
    other = problem.solve(state.right, state.left, state.space)
    assert np.abs(projected_gradient(problem, other) - gradient).max() > 0.1 * size


@pytest.mark.parametrize("weighted", [False, True])
def test_ends_where_gauss_newton_does(weighted, width):
    problem, state = draw(n_samples=600, weighted=weighted)
    # From the valley's edge, so that both end in it.
    near = levenberg_marquardt(problem, state.left, state.right, state.space, 6, 1e-10)
    dense = levenberg_marquardt(problem, near.left, near.right, state.space, 100, 1e-9)
    ours = lbfgs(problem, near.left, near.right, state.space, 1000, 1e-9)
    assert dense.converged and ours.converged
    noise = dense.inner.objective / problem.n_rows
    assert ours.inner.objective == pytest.approx(dense.inner.objective, abs=1e-5 * noise)
    np.testing.assert_allclose(ours.left @ ours.right.T, dense.left @ dense.right.T, atol=1e-4)
    assert np.linalg.norm(ours.left @ ours.right.T) == pytest.approx(1.0, abs=1e-12)
    start = np.linalg.norm(projected_gradient(problem, state))
    assert np.linalg.norm(projected_gradient(problem, ours)) < 1e-4 * start


def test_every_step_lowers_the_objective(width):
    problem, state = draw(n_samples=400)
    fit = lbfgs(problem, state.left, state.right, state.space, 200, 1e-3)
    assert len(fit.history) > 2
    risks = [fit.history[0]["risk_before"], *(entry["risk"] for entry in fit.history)]
    # The risk may rise by what the penalty falls: here by next to nothing.
    assert all(after < before + 1e-3 * before for before, after in itertools.pairwise(risks))
    assert fit.inner.objective < 0.9 * state.inner.objective
    assert [entry["iteration"] for entry in fit.history] == list(range(len(fit.history)))


def test_stops_at_the_largest_number_of_steps_and_where_that_is_enough(width):
    problem, state = draw(n_samples=400)
    cut = lbfgs(problem, state.left, state.right, state.space, 2, 1e-6)
    assert len(cut.history) == 2 and not cut.converged
    end = lbfgs(problem, state.left, state.right, state.space, 200, 1e-6)
    level = (1.2 * end.inner.residual, 0.1 * end.inner.residual)
    early = lbfgs(problem, state.left, state.right, state.space, 200, 1e-6, enough=level)
    assert early.inner.residual <= level[0] and len(early.history) < len(end.history)


def test_one_dimension_has_nothing_to_descend():
    rng = np.random.default_rng(0)
    X, Y = model_of(1, 1).sample(100, 3, rng)
    problem = LeastSquaresProblem(X, Y, 3, 0.1)
    one = np.ones((1, 1))
    fit = lbfgs(problem, one, one, problem.space(one, one, 5), 10, 1e-2)
    assert fit.converged and fit.history == []


def test_lean_start_is_the_linear_start_with_fewer_steps():
    X, Y = model_of(6, 2).sample(500, 4, np.random.default_rng(1))
    for ours, theirs in zip(lean_linear_start(X, Y, 2, 3), linear_start(X, Y, 2, 3), strict=True):
        np.testing.assert_allclose(np.abs(ours), np.abs(theirs), rtol=1e-6, atol=1e-9)


# ------------------------------------------------------------------------------------------ the regressor


def both(X, Y, *args, sample_weight=None, **kwargs):
    return [
        InteractionRegressor(*args, solver=solver, random_state=0, **kwargs).fit(X, Y, sample_weight)
        for solver in ("gauss-newton", "lbfgs")
    ]


@pytest.mark.parametrize(
    ("d", "rank", "n_tokens", "n_samples"),
    [(1, 1, 3, 200), (5, 2, 2, 2000), (8, 1, 3, 1500), (12, 3, 4, 3000), (4, 2, 20, 400)],
)
def test_both_solvers_find_the_same_fit(d, rank, n_tokens, n_samples):
    """With the cells given predictions differ by less than one parameter's worth of noise.

    Risks may differ by more: the interval is that of the scores before the last stage.
    """
    X, Y = model_of(d, rank).sample(n_samples, n_tokens, np.random.default_rng(2))
    dense, ours = both(X, Y, rank, 3, 8)
    assert dense.converged_ and ours.converged_
    assert ours.n_intervals_ == dense.n_intervals_ == 8
    distance = np.mean((ours.predict(X) - dense.predict(X)) ** 2)
    assert distance < dense.risk_ / Y.size


@pytest.mark.parametrize("rank", [1, 2])
def test_chooses_cells_as_well(rank):
    model = model_of(6, rank, Cosine(3.0))
    X, Y = model.sample(4000, 3, np.random.default_rng(3))
    dense, ours = both(X, Y, rank)
    errors = [interaction_error(fit, model, rng=0).value for fit in (dense, ours)]
    assert ours.selection_.candidates[-1] >= 60
    assert errors[1] < 1.3 * errors[0]


def test_rank_weights_and_outliers():
    model = model_of(5, 2)
    rng = np.random.default_rng(4)
    X, Y = model.sample(3000, 3, rng)
    weight = rng.exponential(size=len(X))
    dense, ours = both(X, Y, 2, 3, 8, sample_weight=weight)
    assert np.mean((ours.predict(X) - dense.predict(X)) ** 2) < dense.risk_ / Y.size
    wrong = rng.uniform(size=Y.shape) < 0.02
    dense, ours = both(X, np.where(wrong, Y + 5.0, Y), 2, 3, 8, loss="huber")
    # Less than the standard error of a standard deviation: cells may begin elsewhere.
    assert abs(ours.noise_std_ - dense.noise_std_) < dense.noise_std_ / np.sqrt(2 * Y.size)
    assert np.mean((ours.predict(X) - dense.predict(X)) ** 2) < 0.01 * dense.noise_std_**2
    found = InteractionRegressor("auto", n_intervals=8, solver="lbfgs", random_state=0).fit(X, Y)
    assert found.rank_ == 2


def test_many_cells():
    """More cells than the entries of a row: the design is sparse."""
    X, Y = model_of(3, 1, Cosine(8.0)).sample(3000, 3, np.random.default_rng(5))
    dense, ours = both(X, Y, 1, 3, 150)
    assert ours.converged_ and ours.n_intervals_ == 150
    # Cells that begin elsewhere: with P, Q the projections on both spaces of splines, noise moves the fits
    # apart by |Pe - Qe|^2 = 2 (dof - tr PQ) sigma^2 on average: all of it, if nothing is shared; half is.
    assert np.mean((ours.predict(X) - dense.predict(X)) ** 2) < dense.dof_ * dense.risk_ / Y.size


@pytest.mark.parametrize("start", ["auto", "linear", "quadratic"])
@pytest.mark.parametrize("direction", [(1.0, 1.0), (2.0, 0.0, -1.0, 0.5)])
def test_tokens_on_a_line_leave_no_matrix_to_learn(direction, start, width):
    """The gradient is zero to rounding, and so is the Hessian: the fit is that of one dimension."""
    X, Y = model_of(1, 1).sample(400, 3, np.random.default_rng(7))
    expected = InteractionRegressor(1, n_intervals=8).fit(X, Y)
    fit = InteractionRegressor(1, n_intervals=8, start=start, solver="lbfgs", random_state=0)
    fit.fit(X * np.array(direction), Y)
    assert fit.risk_ < expected.risk_ + 11 * 0.1**2 / Y.size


def test_layout_and_order_of_the_tokens_do_not_matter():
    X, Y = model_of(3, 1).sample(500, 3, np.random.default_rng(8))
    settings = {"n_intervals": 10, "n_starts": 0, "tol": 1e-6, "solver": "lbfgs"}
    expected = InteractionRegressor(1, **settings).fit(X, Y)
    for order in ([2, 0, 1], [1, 2, 0]):
        fit = InteractionRegressor(1, **settings).fit(X[:, order], Y[:, order])
        assert np.mean((fit.predict(X) - expected.predict(X)) ** 2) < 0.01 * expected.risk_ / Y.size
    fit = InteractionRegressor(1, **settings).fit(np.asfortranarray(X), Y)
    assert np.mean((fit.predict(X) - expected.predict(X)) ** 2) < 1e-6 * expected.risk_ / Y.size


def test_refuses_another_solver_and_warns_when_cut_short():
    X, Y = model_of(4, 1).sample(300, 3, np.random.default_rng(6))
    with pytest.raises(ValueError, match=r"solver must be .*'lbfgs'.* got 'newton'"):
        InteractionRegressor(solver="newton").fit(X, Y)
    with pytest.raises(ValueError, match="solver must be"):  # in a channel too, which has its own way
        InteractionRegressor(solver="newton", channel="sum").fit(X, Y)
    noise = np.random.default_rng(7).standard_normal(Y.shape)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit = InteractionRegressor(2, 3, 6, start="linear", max_iter=1, tol=1e-12).fit(X, noise)
    assert not fit.converged_
    assert any(issubclass(entry.category, ConvergenceWarning) for entry in caught)


def test_a_search_that_stops_early_agrees_on_its_candidates():
    model = model_of(2, 1, Tanh(2.0))
    X, Y = model.sample(5000, 3, np.random.default_rng(8))
    problem = LeastSquaresProblem(X, Y, 3, 0.1)
    u, s, vt = np.linalg.svd(model.matrix)
    factors = u[:, :1] * s[0], vt[:1].T
    whole = choose_intervals(problem, *factors)
    early = choose_intervals(problem, *factors, early=True)
    assert set(early.candidates) < set(whole.candidates)
    assert len(early.candidates) < len(whole.candidates) / 1.2
    shared = dict(zip(whole.candidates, whole.criterion, strict=True))
    for cells, value in zip(early.candidates, early.criterion, strict=True):
        assert value == pytest.approx(shared[cells], rel=1e-9)
    # A truth that needs more than a third of the first grid has it refined.
    rough = AttentionModel(Cosine(60.0), model.matrix, UniformCube(2), GaussianNoise(0.1))
    Y = rough.forward(X) + 0.1 * np.random.default_rng(9).standard_normal(Y.shape)
    fine = choose_intervals(LeastSquaresProblem(X, Y, 3, 0.1), *factors, early=True)
    assert fine.candidates[-1] > 60 and fine.n_intervals > early.n_intervals
