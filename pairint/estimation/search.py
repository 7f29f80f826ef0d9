"""The search of a fit: from several starts to the lowest valley, and from coarse splines to fine ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pairint.backend import array_namespace, to_device
from pairint.estimation.base import fit_threads, matrix_parameters
from pairint.estimation.diagnosis import excess_of_second
from pairint.estimation.gauss_newton import grown_factors, levenberg_marquardt
from pairint.estimation.initial import (
    deviating_start,
    lean_linear_start,
    moments_left,
    random_start,
    truncated_factors,
)
from pairint.estimation.inner import factor_average
from pairint.estimation.problem import LeastSquaresProblem, OuterState
from pairint.estimation.quasi_newton import Metric, lbfgs
from pairint.estimation.rivals import SAME_FUNCTION, function_distance
from pairint.estimation.robust import RobustFit, huber_fit
from pairint.estimation.selection import (
    SELECTION_WEIGHT,
    IntervalChoice,
    RankChoice,
    choose_intervals,
    coarse_intervals,
    nearly_equal,
    rank_criterion,
)
from pairint.model.splines import SplineSpace
from pairint.steps import steps

__all__ = ["SOLVERS", "Found", "Search", "Valley", "choose_rank"]

#: Samples that the coarse fits see (more for many parameters).
_N_COARSE = 2000
#: Outputs that the coarse fits see at most: with many tokens fewer samples tell as much.
_N_COARSE_OUTPUTS = 6000
#: Gauss-Newton steps spent on each start to order them, and on each that is followed after the first.
_TRIAL_STEPS, _FOLLOWED_STEPS = 2, 20
#: Two coarse fits that differ by a smaller share of the outputs' variance are taken for neighbours.
_SAME_VALLEY = 0.02
#: From how many starts the lowest valley must be reached: normally, and if its residuals look like signal;
#: with L-BFGS, whose starts are cheap, if they do or hardly anything is explained.
_REACHED, _REACHED_SUSPECT, _REACHED_BY_LBFGS = 2, 4, 6
#: From how many starts, at least, if a fit that is finished gives reason for doubt.
_REACHED_AGAIN = 10
#: Fewer samples than this, however long, hold few averages over partners.
_FEW_SAMPLES = 20
#: Hardly anything is explained: a share of the variance that is less than so many times what noise explains.
_HARDLY = 4.0
#: A restart through higher rank: norm of the random push (the matrix has norm one), added rank, steps.
_PUSH, _ADDED_RANK, _LIFTED_STEPS = 0.5, 2, 10
#: Rounds of choosing K.
_N_CHOICES = 4
#: The ways down that a search may take; the first is the default.
SOLVERS = ("lbfgs", "gauss-newton")
#: Steps of L-BFGS for one of Gauss-Newton: at most so many in a stage, and in one that only looks.
_MORE_STEPS, _MORE_LOOKS = 10, 3
#: Starts that L-BFGS puts in order before it follows one; the others wait until they are needed.
_ORDERED = 2
#: With L-BFGS: outputs for each parameter of the matrix, and at least, that the starts are computed from.
_START_OUTPUTS, _LEAST_START_OUTPUTS = 60, 10_000
#: A number of cells is much larger than another from so many times it on: K is chosen again.
_MUCH_LARGER = 2
#: Each stage of L-BFGS on more data sees so many times as many as the one before.
_MORE_DATA = 8
#: Samples that they are computed from otherwise.
_N_START = 10_000
#: Restarts of L-BFGS for one that is asked for: its ways are short, and only doubt takes them.
_MORE_RESTARTS = 2
#: Tolerance of a way whose end is in doubt, over that of others; an end is deeper from so many tolerances on.
_CAREFUL, _DEEPER = 0.1, 2.0
#: Fits of other functions that noise may have put behind the best: so many are followed to their end.
_MOST_RIVALS = 2
#: Outputs that vary by a smaller share of their squares are constant, to rounding.
_ROUNDING = 1e-14
#: Share of the variance of g by which one rank more must change it if it is to count.
LEAST_GAIN = 0.03
#: Times that a fit in doubt is tried against one of a rank more.
_MOST_LIFTS = 3
#: Starts from which outputs in random order are fitted.
_SHUFFLED_STARTS = 3


@dataclass(frozen=True)
class Valley:
    """The lowest of the coarse fits, the risks of all of them, and whether they settle which is lowest."""

    state: OuterState
    risks: list[float]
    settled: bool
    #: Whether there was reason to look from more starts than two.
    doubted: bool = False
    #: Fits of other functions whose risk is hardly higher.
    rivals: tuple[OuterState, ...] = ()
    #: Share of the outputs' variance that is explained, and what it must be above if it is not to be noise;
    #: nan, if there is no question.
    explained: tuple[float, float] = (math.nan, math.nan)


@dataclass(frozen=True)
class Search:
    """The way to the minimum: coarse on a subsample, then fine on all the data."""

    problem: LeastSquaresProblem
    #: Number of cells, or ``None`` if the data are to choose it.
    n_intervals: int | None
    max_iter: int
    tol: float
    #: One of :data:`SOLVERS`.
    solver: str = SOLVERS[0]
    #: What a coefficient counts for in the choice of the number of cells.
    weight: float = SELECTION_WEIGHT

    @property
    def quasi_newton(self) -> bool:
        """Whether the way down is that of L-BFGS."""
        return self.solver == "lbfgs"

    def minimise(
        self,
        problem: LeastSquaresProblem,
        left: Any,
        right: Any,
        space: SplineSpace,
        steps: int,
        tol: float,
        metric: Metric | None = None,
        enough: tuple[float, float] = (-math.inf, 0.0),
        needed: float = math.inf,
    ) -> OuterState:
        """Descend by so many Gauss-Newton steps at most, or as many of L-BFGS as cost about the same."""
        if self.quasi_newton:
            more = _MORE_STEPS if steps >= self.max_iter else _MORE_LOOKS
            return lbfgs(problem, left, right, space, more * steps, tol, metric, enough, needed)
        return levenberg_marquardt(problem, left, right, space, steps, tol)

    def start_sample(self) -> LeastSquaresProblem:
        """Return the samples that the starts are computed from."""
        if not self.quasi_newton:
            return self.subsample(_N_START)
        outputs = max(_LEAST_START_OUTPUTS, _START_OUTPUTS * self.problem.n_matrix)
        return self.problem.sample(math.ceil(outputs / self.problem.n_tokens))

    @property
    def loose(self) -> float:
        """Tolerance of all stages but the last."""
        return max(self.tol, 0.05 * self.problem.n_matrix)

    @property
    def coarse_cells(self) -> int:
        """Number of cells of the first stage."""
        cells = coarse_intervals(self.problem.n_rows, self.problem.degree)
        return min(cells, self.n_intervals or cells)

    def fit(self, starts: list[tuple[Any, Any]], n_restarts: int, rng: np.random.Generator) -> Found:
        """Find the lowest valley, and go on from there with all the data."""
        valley = self.coarse(starts, n_restarts, rng)
        return Found(self, valley, *self.refine(valley.state))

    @property
    def hurried(self) -> Search:
        """The same, with the tolerance and the patience of a first look."""
        return replace(self, tol=self.loose, max_iter=min(self.max_iter, _LIFTED_STEPS))

    def grow(self, smaller: Found, criterion: float = math.inf) -> Found:
        """Go on from a fit with one rank more, on the same cells of the same interval.

        The classes are nested, and the residual falls by what the rank is good for, and by nothing else. Not
        further than to see that it does not come below a criterion.
        """
        old, problem = smaller.state, self.problem
        grown = grown_factors(problem, old)
        steps = min(self.max_iter, _FOLLOWED_STEPS)
        # The criterion is the residual times a number; one coefficient less is more than a step changes.
        unit = rank_criterion(1.0, max(old.inner.dof - 1.0, 0.0), problem.n_matrix, problem.n_rows)
        state = self.minimise(
            problem, *grown, old.space, steps, self.tol, needed=criterion / unit if unit > 0.0 else math.inf
        )
        return Found(self, smaller.valley, [*smaller.stages, state], smaller.selection)

    def settle(
        self, found: Found, starts: list[tuple[Any, Any]], n_restarts: int, rng: np.random.Generator
    ) -> Found:
        """Look for the lowest valley from other starts too; keep the fit unless another is lower."""
        sample = self.subsample(_N_COARSE, _N_COARSE_OUTPUTS)
        here = self._descent(sample, found.state.left, found.state.right, _FOLLOWED_STEPS)
        valley = self.coarse([(here.left, here.right), *starts], n_restarts, rng)
        if self.lower(sample, valley.state, here):
            return Found(self, valley, *self.refine(valley.state))
        return replace(found, valley=valley)

    def lower(self, problem: LeastSquaresProblem, state: OuterState, other: OuterState) -> bool:
        """Say whether a coarse fit lies in a lower valley than another."""
        lowest = min(state.inner.residual, other.inner.residual)
        return state.inner.residual < other.inner.residual - self._margin(problem, lowest)

    def subsample(self, n_samples: int, n_outputs: float = math.inf) -> LeastSquaresProblem:
        """Return the first samples: so many samples and outputs at most, but enough for the parameters."""
        n_tokens = self.problem.n_tokens
        if n_samples * n_tokens > n_outputs:
            n_samples = math.ceil(n_outputs / n_tokens)
        return self.problem.sample(max(n_samples, self._samples(30, self.coarse_cells)))

    def coarse(self, starts: list[tuple[Any, Any]], n_restarts: int, rng: np.random.Generator) -> Valley:
        """Descend with few cells until the lowest valley has been reached from several starts.

        A few steps order the starts, and the most promising is followed first. To be low after a few steps is
        not to end low: another start must end there too, and more of them if the residuals look like signal.
        When the starts run out, restarts are followed. A valley is lower if noise and the few cells do not
        explain the difference.
        """
        problem = self.subsample(_N_COARSE, _N_COARSE_OUTPUTS)
        if len(starts) == 1:
            only = self._descent(problem, *starts[0], self.max_iter)
            explained = self._explained(problem, only, rng)
            return Valley(only, [only.inner.residual / problem.n_rows], True, explained=explained)
        if self.quasi_newton:
            return self._coarse_by_function(problem, starts, n_restarts, rng)
        trials = [self._descent(problem, *start, _TRIAL_STEPS) for start in starts]
        trials.sort(key=lambda trial: trial.inner.residual)
        best = self._follow(problem, trials[0], self.max_iter)
        risks = [best.inner.residual]
        reached, needed = 1, self._times_to_reach(problem, best)
        for number in steps(range(1, len(starts) + n_restarts), "starts", most=True):
            if reached >= needed:
                break
            if number < len(trials):
                trial = trials[number]
            else:
                start = self._restart(problem, best, number % 2 == 0, rng)
                trial = self._descent(problem, *start, _TRIAL_STEPS)
            end = self._follow(problem, trial, _FOLLOWED_STEPS)
            risks.append(end.inner.residual)
            margin = self._margin(problem, min(best.inner.residual, end.inner.residual))
            if end.inner.residual < best.inner.residual - margin:
                best, reached, needed = end, 1, self._times_to_reach(problem, end)
            elif end.inner.residual <= best.inner.residual + margin:
                reached += 1
        return Valley(best, [risk / problem.n_rows for risk in risks], reached >= _REACHED)

    def _coarse_by_function(
        self,
        problem: LeastSquaresProblem,
        starts: list[tuple[Any, Any]],
        n_restarts: int,
        rng: np.random.Generator,
        least: int = 0,
    ) -> Valley:
        """Do so where ways are short: two of them meet if they end at one function, not at one risk.

        Averages over many partners are explained for the most part by what one token tells: there fits of
        nearly one risk are often fits of different functions, and agree in nothing that matters. The lowest
        must be reached from at least so many starts.
        """
        trials = [self._descent(problem, *start, _TRIAL_STEPS) for start in starts[:_ORDERED]]
        trials.sort(key=lambda trial: trial.inner.residual)
        best = self._follow(problem, trials[0], self.max_iter)
        needed = max(least, self._times_to_reach(problem, best))
        if needed > _REACHED:
            best = self._further(problem, best, best.space, self.tol)
        risks = [best.inner.residual]
        # Functions found so far, and by how many starts: the lowest fit of each.
        found: list[tuple[OuterState, int]] = [(best, 1)]
        for number in range(1, len(starts) + _MORE_RESTARTS * n_restarts):
            if found[0][1] >= needed:
                break
            if number < len(trials):
                trial = trials[number]
            else:
                waiting = number < len(starts)
                start = starts[number] if waiting else self._restart(problem, best, number % 2 == 0, rng)
                trial = self._descent(problem, *start, _TRIAL_STEPS)
            end = self._follow(problem, trial, _FOLLOWED_STEPS, best)
            if needed > _REACHED and not self.lower(problem, best, end):
                end = self._further(problem, end, end.space, max(self.tol, _CAREFUL * self.loose))
            end, place = self._place(problem, found, end)
            risks.append(end.inner.residual)
            if place is None:
                found.append((end, 1))
            else:
                known, times = found[place]
                deeper = end.inner.residual < known.inner.residual - self._step_down(problem, known)
                lowest = min(known, end, key=lambda way: way.inner.residual)
                # Who ends deeper has not come to where the others are, but shown that they had not arrived.
                found[place] = (lowest, 1 if deeper else times + 1)
            found.sort(key=lambda entry: entry[0].inner.residual)
            if found[0][0] is not best:
                if self.lower(problem, found[0][0], best):
                    needed = max(least, self._times_to_reach(problem, found[0][0]))
                best = found[0][0]
        risks[int(np.argmin(risks))] = best.inner.residual
        rivals = [way for way, _ in found[1:] if not self.lower(problem, best, way)]
        return Valley(
            best,
            [risk / problem.n_rows for risk in risks],
            found[0][1] >= _REACHED,
            needed > _REACHED or len(risks) > _REACHED,
            tuple(rivals[:_MOST_RIVALS]),
            self._explained(problem, best, rng),
        )

    def _place(
        self, problem: LeastSquaresProblem, found: list[tuple[OuterState, int]], end: OuterState
    ) -> tuple[OuterState, int | None]:
        """Return the end of a way, and the number of the function that it found, if that is known.

        A way that stopped early, because it was as low as the best, goes on if its function is another.
        """
        followed = False
        while True:
            place = next((k for k, (way, _) in enumerate(found) if self.same(problem, way, end)), None)
            near = not self.lower(problem, found[0][0], end)
            higher = place is not None and self._higher(problem, found[place][0], end)
            if followed or not near or (place is not None and not higher):
                return end, place
            end = self._further(problem, end, found[0][0].space, self.loose)
            followed = True

    def same(self, problem: LeastSquaresProblem, way: OuterState, end: OuterState) -> bool:
        """Say whether two ways ended in one valley: near to one risk, and at one function."""
        if self.lower(problem, end, way) or self.lower(problem, way, end):
            return False
        return function_distance(problem, way, end) < SAME_FUNCTION

    def _higher(self, problem: LeastSquaresProblem, way: OuterState, end: OuterState) -> bool:
        """Say whether a way has not come as low as another, of which noise explains no such difference."""
        residuals = way.inner.residual, end.inner.residual
        n_parameters = self.problem.n_matrix + self.coarse_cells + problem.degree
        return residuals[1] > residuals[0] and (
            excess_of_second(residuals, n_parameters, problem.n_rows) is not None
        )

    def _further(
        self, problem: LeastSquaresProblem, state: OuterState, space: SplineSpace, tol: float
    ) -> OuterState:
        """Go on: where a loose tolerance has stopped, perhaps on a plateau; or on the cells of another way.

        On its own cells the same matrix has another risk.
        """
        args = problem, state.left, state.right, space, self.max_iter, tol, state.metric
        more = self.minimise(*args)
        return replace(more, history=state.history + more.history)

    def _step_down(self, problem: LeastSquaresProblem, state: OuterState) -> float:
        """Return by how much a way must end below another to have found what that one had not."""
        return _DEEPER * self.loose * state.inner.residual / problem.n_rows

    def _explained(
        self, problem: LeastSquaresProblem, best: OuterState, rng: np.random.Generator
    ) -> tuple[float, float]:
        """Return the explained share of the variance, and the least that noise does not explain.

        Where little is explained the same search fits the same outputs in random order, which tokens explain
        by chance only. What it explains so is like a share of a sum of squares of so many normal numbers as
        are fitted, the nonlinear search included; three of its standard deviations are added.
        """
        spread = self._spread(problem)
        if not self.quasi_newton or not spread > _ROUNDING * problem.total_square:
            return math.nan, math.nan
        share = max(1.0 - best.inner.residual / spread, 0.0)
        if share > self._hardly(problem):
            return math.nan, math.nan
        order = rng.permutation(problem.Y.size)
        xp = array_namespace(problem.Y)

        def mixed(values: Any) -> Any:
            return None if values is None else values.reshape(-1)[xp.asarray(order)].reshape(values.shape)

        noise = replace(problem, Y=mixed(problem.Y), weight=mixed(problem.weight))
        rank = best.left.shape[1]
        starts = [lean_linear_start(noise.X, noise.weighted_outputs(), rank)]
        while len(starts) < (_SHUFFLED_STARTS if problem.d > 1 else 1):
            starts.append(deviating_start(noise.X, rank, rng))
        lowest = min(self._descent(noise, *start, _FOLLOWED_STEPS).inner.residual for start in starts)
        by_noise = max(1.0 - lowest / spread, 0.0)
        return share, by_noise + 3.0 * math.sqrt(2.0 * by_noise / problem.n_rows)

    def _spread(self, problem: LeastSquaresProblem) -> float:
        """Return the weighted sum of the squared deviations of the outputs from their mean."""
        return float(problem.weighted((problem.Y - problem.mean_output) ** 2).sum())

    def _hardly(self, problem: LeastSquaresProblem) -> float:
        """Return the share of the variance up to which noise may explain it."""
        n_parameters = self.problem.n_matrix + self.coarse_cells + problem.degree
        return min(0.5, _HARDLY * n_parameters / problem.n_rows)

    def _descent(
        self,
        problem: LeastSquaresProblem,
        left: Any,
        right: Any,
        steps: int,
        metric: Metric | None = None,
        enough: tuple[float, float] = (-math.inf, 0.0),
    ) -> OuterState:
        space = problem.space(left, right, self.coarse_cells)
        return self.minimise(problem, left, right, space, steps, self.loose, metric, enough)

    def _follow(
        self,
        problem: LeastSquaresProblem,
        trial: OuterState,
        steps: int,
        best: OuterState | None = None,
    ) -> OuterState:
        """Go on from a trial, on the interval that its scores fill by now.

        With L-BFGS not further than to see that it ends where the best does.
        """
        enough = (-math.inf, 0.0)
        if best is not None:
            margin = self._margin(problem, best.inner.residual)
            enough = (best.inner.residual + margin, margin / 2)
        end = self._descent(problem, trial.left, trial.right, steps, trial.metric, enough)
        return replace(end, history=trial.history + end.history)

    def _times_to_reach(self, problem: LeastSquaresProblem, state: OuterState) -> int:
        """Return from how many starts a valley must be reached before it is taken for the lowest."""
        average = factor_average(state.spline, problem.X, state.left, state.right)
        residual = problem.weighted(problem.Y - average)
        suspect = moments_left(problem.X, residual) >= 1.0
        if not self.quasi_newton:
            return _REACHED_SUSPECT if suspect else _REACHED
        # Most of the many valleys explain next to nothing, and the moments of what is left may show nothing.
        # And of few samples functions of one token explain nearly all, whatever that of two is.
        suspect = suspect or (problem.n_samples < _FEW_SAMPLES and problem.n_tokens > 2)
        suspect = suspect or state.inner.residual > (1.0 - self._hardly(problem)) * self._spread(problem)
        return _REACHED_BY_LBFGS if suspect else _REACHED

    def _restart(
        self, problem: LeastSquaresProblem, best: OuterState, lifted: bool, rng: np.random.Generator
    ) -> tuple[Any, Any]:
        """Return a random start, or one that leaves the best valley through matrices of higher rank.

        With more rank than needed there are fewer valleys to be caught in; the way back truncates.
        """
        d, rank = best.left.shape
        if not lifted:
            if self.quasi_newton:
                return deviating_start(problem.X, rank, rng)
            return random_start(d, rank, rng, problem.X)
        push = rng.standard_normal((d, d))
        push = to_device(push * (_PUSH / np.linalg.norm(push)), problem.X)
        start = truncated_factors(best.left @ best.right.T + push, min(d, rank + _ADDED_RANK))
        state = self._descent(problem, *start, _LIFTED_STEPS)
        return truncated_factors(state.left @ state.right.T, rank)

    def _margin(self, problem: LeastSquaresProblem, lowest: float) -> float:
        """Return by how much the residual sums of squares of fits in one valley may differ."""
        n_parameters = self.problem.n_matrix + self.coarse_cells + problem.degree
        return max(2.0 * n_parameters / problem.n_rows * lowest, _SAME_VALLEY * self._spread(problem))

    def refine(
        self, state: OuterState, arrived: Callable[[OuterState], bool] | None = None
    ) -> tuple[list[OuterState], IntervalChoice | None]:
        """Go on with all the data and the final number of cells; return the stages and the choice.

        A better matrix can ask for another ``K``: it is chosen again, until the choice stands. No stages, if
        with L-BFGS one with the cells of the coarse fit says that the way has arrived and need not go on.
        """
        if self.quasi_newton:
            return self._refine_once(state, arrived)
        selection = None
        stages: list[OuterState] = []
        for _ in range(_N_CHOICES):
            lower, upper = self.problem.interval(state.left, state.right)
            if self.n_intervals is None:
                selection = self._choice(state, (lower, upper))
                target = selection.n_intervals
            else:
                target = self.n_intervals
            if stages and nearly_equal(target, state.space.n_intervals):
                break
            stages.extend(self.descend(state, lower, upper, target))
            state = stages[-1]
            if self.problem.d == 1 or self.n_intervals is not None:
                break
        return stages, selection

    def _choice(
        self, state: OuterState, interval: tuple[float, float], *, early: bool = False
    ) -> IntervalChoice:
        """Choose the number of cells for the matrix of a fit."""
        return choose_intervals(
            self.problem, state.left, state.right, interval, weight=self.weight, early=early
        )

    def _refine_once(
        self, state: OuterState, arrived: Callable[[OuterState], bool] | None = None
    ) -> tuple[list[OuterState], IntervalChoice | None]:
        """Choose K where all the data have settled the matrix, and again only if it is much larger."""
        stages: list[OuterState] = []
        if self.n_intervals is not None or self.problem.d > 1:
            # With more cells than these the matrix would fit noise by them, and the criterion, which takes
            # the matrix as given, would ask for as many.
            search = self if self.n_intervals is not None else replace(self, tol=self.loose)
            for stage in search._nested(state, self.n_intervals or state.space.n_intervals):
                stages.append(stage)
                if arrived is not None and arrived(stage):
                    return [], None
            state = stages[-1]
        if self.n_intervals is not None:
            return stages, None
        for _ in range(_N_CHOICES):
            interval = self.problem.interval(state.left, state.right)
            selection = self._choice(state, interval, early=True)
            target, before = selection.n_intervals, state.space.n_intervals
            space = SplineSpace(*interval, target, self.problem.degree)
            args = self.problem, state.left, state.right, space, self.max_iter, self.tol, state.metric
            state = self.minimise(*args)
            stages.append(state)
            if self.problem.d == 1 or target <= _MUCH_LARGER * before:
                break
        return stages, selection

    def _nested(self, state: OuterState, target: int) -> Iterator[OuterState]:
        """Double ``K`` on few data up to the target, and then the data: most of the way is short."""
        lower, upper = self.problem.interval(state.left, state.right)
        n_samples, n_all = 0, self.problem.n_samples
        cells, tol = state.space.n_intervals, self.loose
        while n_samples < n_all or cells < target:
            before, cells = cells, target if self.problem.d == 1 else min(target, 2 * cells)
            # So many outputs a parameter that the matrix resolves the next cells; then more and more.
            n_samples = max(self._samples(200, cells), _MORE_DATA * n_samples if before == target else 0)
            if self.problem.d == 1 or (cells == target and 2 * n_samples > n_all):
                n_samples = n_all
            problem = self.problem if n_samples >= n_all else self.problem.first(n_samples)
            if n_samples >= n_all and cells == target:
                tol = self.tol
            space = SplineSpace(lower, upper, cells, problem.degree)
            args = problem, state.left, state.right, space, self.max_iter, tol, state.metric
            state = self.minimise(*args)
            yield state

    def descend(self, state: OuterState, lower: float, upper: float, target: int) -> Iterator[OuterState]:
        """Double ``K`` up to the target, so that no fine structure meets a matrix too crude to resolve it."""
        cells = state.space.n_intervals
        while True:
            cells = target if self.problem.d == 1 else min(target, 2 * cells)
            final = cells == target
            # On the way, so many outputs a parameter that the matrix resolves the next cells.
            problem = self.problem if final else self.problem.first(self._samples(200, cells))
            space = SplineSpace(lower, upper, cells, problem.degree)
            tol = self.tol if final else self.loose
            state = self.minimise(problem, state.left, state.right, space, self.max_iter, tol)
            yield state
            if final:
                return

    def _samples(self, per_parameter: int, n_intervals: int) -> int:
        """Return how many samples hold so many outputs a parameter."""
        n_parameters = self.problem.n_matrix + n_intervals + self.problem.degree
        return math.ceil(per_parameter * n_parameters * self.problem.n_samples / self.problem.n_rows)


@dataclass(frozen=True)
class Found:
    """A fit of one rank: the valley, the stages of the way down, and the choice of K."""

    search: Search
    valley: Valley
    stages: list[OuterState]
    selection: IntervalChoice | None
    #: Of another fit that noise may have put behind this one: its function's distance, over the variance.
    rival: float | None = None
    #: Whether one rank more explains what noise does not, by another function.
    poor: bool = False

    @property
    def state(self) -> OuterState:
        """Where the way ends."""
        return self.stages[-1]

    @property
    def rank(self) -> int:
        """The rank."""
        return int(self.state.left.shape[1])

    @property
    def criterion(self) -> float:
        """The criterion for the rank."""
        problem, inner = self.search.problem, self.state.inner
        return rank_criterion(inner.residual, inner.dof, problem.n_matrix, problem.n_rows)

    def reweighted(self, Y: Any) -> RobustFit:
        """Go on with Huber's loss of the outputs."""
        search = self.search

        def step(problem: LeastSquaresProblem, state: OuterState, n_intervals: int) -> OuterState:
            space = state.space
            if n_intervals != space.n_intervals:
                space = problem.space(state.left, state.right, n_intervals)
            return search.minimise(
                problem, state.left, state.right, space, search.max_iter, search.tol, state.metric
            )

        with fit_threads(self.state.left.size * 2):
            problem = replace(search.problem, Y=Y)
            return huber_fit(problem, self.state, step, search.n_intervals, search.tol, search.weight)

    def contended(self, n_restarts: int, rng: np.random.Generator) -> Found:
        """Look again where the finished fit gives reason for doubt, and take the better by its criterion."""
        if not self.search.quasi_newton or not self.valley.doubted:
            return self
        found = self.against_rivals()
        share, least = self.valley.explained
        if n_restarts == 0 or not (found.poor or found.rival is not None or share < least):
            return found
        search = self.search
        sample = search.subsample(_N_COARSE, _N_COARSE_OUTPUTS)
        here = [(found.state.left, found.state.right)]
        valley = search._coarse_by_function(sample, here, n_restarts, rng, _REACHED_AGAIN)
        again = Found(search, valley, *search.refine(valley.state)).against_rivals()
        better = again if again.criterion < found.criterion else found
        risks = self.valley.risks + valley.risks
        return replace(better, valley=replace(better.valley, risks=risks, settled=valley.settled))

    def against_rivals(self) -> Found:
        """Follow the rivals to their ends too, take the best by its criterion, and note what remains open.

        A rival remains if it is another function, and its criterion higher by no more than what fits of
        noise differ by: two noise variances for each parameter. And if there was doubt, the fit is tried
        against one of a rank more, from which it may also come down deeper.
        """
        sample = self.search.subsample(_N_COARSE, _N_COARSE_OUTPUTS)

        def arrived(stage: OuterState) -> bool:
            # Where the best way has been, with as many cells: others are another function, if not by much.
            cells = stage.space.n_intervals
            been = (way for way in self.stages if way.space.n_intervals == cells)
            return any(function_distance(sample, way, stage) < SAME_FUNCTION for way in been)

        ends = [self]
        for rival in self.valley.rivals:
            stages, selection = self.search.refine(rival, arrived)
            if stages:  # else more data have shown it to be no other function
                ends.append(Found(self.search, replace(self.valley, state=rival), stages, selection))
        poor = False
        for _ in range(_MOST_LIFTS):
            ends.sort(key=lambda end: end.criterion)
            lifted = ends[0].lifted(ends[0].criterion)
            if lifted is None or not lifted.criterion < ends[0].criterion:
                poor = False
                break
            # What one rank more gains may be significant, and next to nothing in g.
            poor = function_distance(sample, ends[0].state, lifted.state) > LEAST_GAIN
            state = lifted.state
            lower = truncated_factors(state.left @ state.right.T, self.rank)
            ends.append(self._through(self.search._descent(self.search.problem, *lower, _FOLLOWED_STEPS)))
            if ends[-1].criterion >= ends[0].criterion:
                break
        ends.sort(key=lambda end: end.criterion)
        best = ends[0]
        n_parameters = self.search.problem.n_matrix + best.state.inner.dof
        limit = best.criterion * (1.0 + 2.0 * n_parameters / self.search.problem.n_rows)
        distances = [
            function_distance(sample, best.state, end.state) for end in ends[1:] if end.criterion <= limit
        ]
        furthest = max(distances, default=0.0)
        return replace(best, rival=furthest if furthest >= SAME_FUNCTION else None, poor=poor)

    def _through(self, state: OuterState) -> Found:
        """Go on from another coarse fit."""
        return Found(self.search, replace(self.valley, state=state), *self.search.refine(state))

    def lifted(self, criterion: float = math.inf) -> Found | None:
        """Return the fit with a rank more, on the same cells; none, if there is no room for it.

        Not further than to see that it does not come below a criterion.
        """
        problem, rank = self.search.problem, self.rank + 1
        n_matrix = matrix_parameters(problem.d, rank)
        if rank > problem.d or n_matrix + self.state.space.dimension >= problem.n_rows:
            return None
        larger = replace(self.search, problem=replace(problem, n_matrix=n_matrix))
        return larger.grow(self, criterion)

    def refined(self, search: Search) -> Found:
        """Choose K again, and go on with the tolerance of the search."""
        stages, selection = search.refine(self.state)
        return Found(search, self.valley, [*self.stages, *stages], selection)


def choose_rank(
    search_of: Callable[[int], Search],
    starts_of: Callable[[Search, int], list[tuple[Any, Any]]],
    d: int,
    largest: int,
    n_restarts: int,
    rng: np.random.Generator,
) -> tuple[Found, RankChoice]:
    """Raise the rank one by one while the criterion falls.

    On the way tolerances are loose: where the rank is too low, valleys are many and flat. If the criterion
    does not fall, the fit is finished and one rank more is tried again, with care and from other starts too.
    At the rank that is chosen the starts must agree, as for a known one; if a restart finds a lower valley,
    the search goes on from it.
    """
    criterion: dict[int, tuple[float, int]] = {}

    def note(found: Found) -> Found:
        criterion[found.rank] = (found.criterion, found.state.space.n_intervals)
        return found

    with fit_threads(2 * d):
        search = search_of(1)
        if largest == 1:
            best = note(search.fit(starts_of(search, 1), n_restarts, rng))
            return best, _rank_choice(best.rank, criterion, False)
        best = note(search.hurried.fit(starts_of(search, 1), 0, rng))
    restarted: set[int] = set()
    while True:
        rank = best.rank + 1
        with fit_threads(2 * d * rank):
            if rank <= largest:
                larger = search_of(rank)
                trial = larger.hurried.grow(best)
                if trial.criterion < best.criterion:
                    best = note(trial.refined(larger.hurried))
                    continue
            search = search_of(best.rank)
            best = note(best.refined(search))
            if rank <= largest:
                trial = note(larger.settle(larger.grow(best), starts_of(larger, rank), 0, rng))
                if trial.criterion < best.criterion:
                    best = note(trial.refined(larger.hurried))
                    continue
            if best.rank in restarted:
                break
            restarted.add(best.rank)
            before = best.state
            best = note(search.settle(best, starts_of(search, best.rank), n_restarts, rng))
            if best.state is before:
                break
    return best, _rank_choice(best.rank, criterion, best.rank == largest < d)


def _rank_choice(rank: int, criterion: dict[int, tuple[float, int]], at_limit: bool) -> RankChoice:
    ranks = sorted(criterion)
    values, cells = zip(*(criterion[rank] for rank in ranks), strict=True)
    return RankChoice(rank, np.array(ranks, np.intp), np.array(values), np.array(cells, np.intp), at_limit)
