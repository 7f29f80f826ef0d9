"""Rate explorer: the three terms of the error, the oracle, the condition on rd, the samples needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pairint.estimation import InteractionRegressor, OracleRegressor
from pairint.estimation.error import interaction_error
from pairint.explorers.kit.explorer import Explorer, Numbers, Simulation
from pairint.explorers.kit.panels import Axis, Panel, Parameter, Series, fill, line, points, rule
from pairint.explorers.measured import measured_lines
from pairint.model.activations import RoughActivation
from pairint.model.attention import AttentionModel
from pairint.model.matrices import interaction_matrix
from pairint.model.noise import GaussianNoise
from pairint.model.tokens import UniformCube
from pairint.theory import Setting, matrix_lower_bound, samples_for_rank
from pairint.theory.rates import holder_degree

__all__ = ["RateExplorer"]

_SCORE_BOUND = 3.0
_SAMPLES = (1e2, 1e10)
_N_SAMPLES = 121
_INTERVALS = (1.0, 3000.0)
_N_INTERVALS = 81
#: The line of the theorem's slope is drawn this far above the errors it is compared with.
_SHIFT = 10.0
_WORDS = {
    "little": "<\u00a00.1",
    "most": ">\u00a099.9",
    "matrix": "Most of it is the price of the matrix, which falls like 1/M; the other terms fall like M to "
    "the power −{exponent}, and rule in the end",
    "activation": "Most of it is the price of the activation, which falls like M to the power −{exponent}",
}
_TERMS = ("bias", "variance", "parametric", "total")


#: Largest rd and M, and largest number of pairs, for which a fit takes seconds.
_LARGEST_RD, _LARGEST_M, _MOST_PAIRS = 400, 10_000, 1_000_000
_REPLICATES = 3


@dataclass(frozen=True)
class _Scaled:
    """A rough activation within the Hölder ball of a given radius."""

    activation: RoughActivation
    factor: float

    @property
    def smoothness(self) -> float:
        return self.activation.smoothness

    def __call__(self, u: Any) -> Any:
        return self.factor * self.activation(u)

    def derivative(self, u: Any) -> Any:
        return self.factor * self.activation.derivative(u)


class RateExplorer(Explorer):
    """How the error falls with the number of samples, and what each term costs.

    Book: :doc:`/book/upper_bound`.

    The terms are those of :meth:`pairint.theory.Setting.budget` (heuristic: leading order, no logarithms),
    with scores in [-3, 3] and at each M the best number of cells. What the matrix costs from
    below is :func:`pairint.theory.matrix_lower_bound` for tokens uniform on the cube: a theorem.
    """

    name = "rate"
    title = "Where the error comes from"
    summary = (
        "At M = {samples} samples the error budget is {total}, with K = {intervals} cells: "
        "{bias_share} % bias, {variance_share} % variance of the activation, "
        "{parametric_share} % of the matrix. "
        "An error of {error} needs M = {needed} samples. {fall}; the"
        " condition rd ≤ (M / log M)^(1/(2β+1)) holds from M = {condition} on."
    )
    simulation = Simulation(
        "Simulate",
        "Draw data at these parameters (M at most 10,000), fit them, and add the errors",
        free=("samples", "error", "measured"),
    )
    parameters = (
        Parameter("beta", "smoothness β", 2.0, 0.5, 7.0, 0.05),
        Parameter("d", "dimension d", 30, 1, 1000, scale="log", integer=True),
        Parameter("rank", "rank r", 1, 1, 100, scale="log", integer=True, at_most="d"),
        Parameter("tokens", "tokens N", 3, 2, 128, scale="log", integer=True),
        Parameter("noise", "noise σ", 0.1, 0.01, 3.0, scale="log"),
        Parameter("holder", "Hölder radius L", 1.0, 0.05, 20.0, scale="log"),
        Parameter("samples", "samples M", 10_000, 100, 10**10, scale="log", integer=True),
        Parameter("error", "wanted error ε", 1e-3, 1e-8, 1.0, scale="log"),
    )
    panels = (
        Panel(
            "samples",
            "Error against samples",
            Axis("number of samples M", "log", _SAMPLES),
            Axis("squared L²(ρ) error", "log", (1e-9, 10.0)),
            (
                line("bias", "bias", "first", "dash"),
                line("variance", "variance: activation", "second", "dashdot"),
                line("parametric", "variance: matrix", "matrix", "dot", 2.8),
                line("floor", "price of the matrix, proved from below", "bound", width=1.0),
                line("total", "total", "bound", width=3.0),
                line("oracle", "matrix known", "oracle", width=1.4),
                line("slope", "slope −2β/(2β+1) = −{exponent}, height arbitrary", "muted", "dash", 1.6),
                rule("condition", "condition on rd: from M = {condition} on", "x", "muted", "dot", 1.8),
                rule("error", "wanted error ε", "y", "third", "dash", 1.8),
                points("needed", "samples needed", "third", "diamond", 5.0),
                points("here", "chosen M", "ink", "circle", 5.5),
                points("measured_fit", "measured, ± 2 standard errors", "fit", "square", 4.0),
                points("measured_oracle", "measured, matrix known", "oracle", "diamond", 3.0),
                points("simulated", "simulated fits", "fit", "cross", 4.5),
                points("simulated_oracle", "simulated, matrix known", "oracle", "triangle", 3.5),
            ),
            height=330,
            grow=1.4,
        ),
        Panel(
            "intervals",
            "Error against cells, at M = {samples}",
            Axis("number of cells K", "log", _INTERVALS),
            Axis("squared L²(ρ) error", "log"),
            (
                line("bias", "bias", "first", "dash"),
                line("variance", "variance: activation", "second", "dashdot"),
                line("parametric", "variance: matrix", "matrix", "dot", 2.8),
                line("total", "total", "bound", width=3.0),
                rule("theory", "(M/log M)^(1/(2β+1)), whole part", "x", "muted", "dot", 1.8),
                points("best", "best K = {intervals}", "ink", "circle", 5.5),
            ),
            height=330,
        ),
    )

    def __init__(self, **values: Any) -> None:
        lines = measured_lines()
        if lines:
            choice = Parameter(
                "measured",
                "measured points (sets the sliders)",
                "none",
                scale="choice",
                choices=("none", *(measured.key for measured in lines)),
                names=("none", *(measured.name for measured in lines)),
                presets={measured.key: measured.values for measured in lines},
            )
            self.parameters = (choice, *type(self).parameters)  # type: ignore[misc, assignment]
        super().__init__(**values)

    def data(self) -> dict[str, Any]:
        return {
            "measured": {measured.key: measured.points for measured in measured_lines()},
            "score_bound": _SCORE_BOUND,
            "words": _WORDS,
            "shift": _SHIFT,
            "samples": [*_SAMPLES, _N_SAMPLES],
            "intervals": [*_INTERVALS, _N_INTERVALS],
        }

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        setting = Setting(
            beta=values["beta"],
            n_tokens=values["tokens"],
            noise_std=values["noise"],
            holder_constant=values["holder"],
            d=values["d"],
            rank=values["rank"],
            score_bound=_SCORE_BOUND,
        )
        exponent = setting.exponent
        condition = samples_for_rank(values["rank"] * values["d"], setting.beta)

        grid = np.geomspace(*_SAMPLES, _N_SAMPLES)
        best = [setting.best_budget(round(m)) for m in grid]
        columns = {key: [getattr(t, key) for t in best] for key in _TERMS}
        oracle = [t.bias + t.variance for t in best]
        series: Series = {f"samples.{key}": {"x": grid, "y": column} for key, column in columns.items()}
        law = UniformCube(values["d"])
        floor = [
            matrix_lower_bound(
                round(m), setting, token_bound=law.radius, coordinate_bound=law.coordinate_bound
            ).value
            for m in grid
        ]
        series["samples.floor"] = {"x": grid, "y": floor}
        series["samples.oracle"] = {"x": grid, "y": oracle}
        series["samples.slope"] = {"x": grid, "y": _SHIFT * oracle[-1] * (grid / grid[-1]) ** -exponent}
        series["samples.condition"] = {"at": condition}
        series["samples.error"] = {"at": values["error"]}

        samples = values["samples"]
        intervals = setting.best_intervals(samples)
        here = setting.budget(samples, intervals)
        needed = setting.samples_for_error(values["error"])
        series["samples.here"] = {"x": [samples], "y": [here.total]}
        series["samples.needed"] = {"x": [needed], "y": [values["error"]]}

        for measured in measured_lines():
            if measured.key == values["measured"]:
                series |= {f"samples.measured_{key}": part for key, part in measured.points.items()}

        ks = np.unique(np.round(np.geomspace(*_INTERVALS, _N_INTERVALS)))
        terms = [setting.budget(samples, int(k)) for k in ks]
        for key in _TERMS:
            series[f"intervals.{key}"] = {"x": ks, "y": [getattr(t, key) for t in terms]}
        series["intervals.theory"] = {"at": setting.optimal_intervals(samples)}
        series["intervals.best"] = {"x": [intervals], "y": [here.total]}
        facts = {
            "total": here.total,
            "intervals": intervals,
            "bias_share": _percent(here.bias / here.total),
            "variance_share": _percent(here.variance / here.total),
            "parametric_share": _percent(here.parametric / here.total),
            "fall": fill(
                _WORDS["matrix" if 2 * here.parametric > here.total else "activation"], {"exponent": exponent}
            ),
            "needed": needed,
            "exponent": exponent,
            "condition": condition,
        }
        return Numbers(series, facts)

    def simulate(
        self, values: Mapping[str, Any], rng: np.random.Generator, report: Callable[[float], None]
    ) -> Iterator[Series]:
        beta, d, rank, n_tokens = values["beta"], values["d"], values["rank"], values["tokens"]
        if beta > 5:
            raise ValueError(f"choose β at most 5 to simulate, got {beta}")
        if rank * d > _LARGEST_RD:
            raise ValueError(f"choose rd at most {_LARGEST_RD} to simulate, got {rank * d}")
        n_samples = min(values["samples"], _LARGEST_M, _MOST_PAIRS // (n_tokens * (n_tokens - 1)))
        degree = max(1, holder_degree(beta))
        for replicate in range(_REPLICATES):
            report(replicate / _REPLICATES)
            truth = RoughActivation(beta, rng)
            model = AttentionModel(
                _Scaled(truth, values["holder"] / truth.holder_constant()),
                interaction_matrix(d, rank, rng, kind="orthogonal"),
                UniformCube(d),
                GaussianNoise(values["noise"]),
            )
            X, Y = model.sample(n_samples, n_tokens, rng)
            fits = {"simulated_oracle": OracleRegressor(model.matrix, degree)}
            fits["simulated"] = InteractionRegressor(rank, degree, random_state=rng)
            for key, fit in fits.items():
                report((replicate + 0.3 * (key == "simulated")) / _REPLICATES)
                error = interaction_error(fit.fit(X, Y), model, rng=rng).value
                yield {f"samples.{key}": {"x": [n_samples], "y": [error]}}


def _percent(share: float) -> float | str:
    """Return a share in percent; of what is hardly anything, or nearly all, only that."""
    percent = 100 * share
    return _WORDS["little"] if percent < 0.1 else _WORDS["most"] if percent > 99.9 else percent
