"""How each public name is called rightly: the table that :mod:`bad_input` replaces arguments of."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from bad_input import Call


def model() -> dict[str, Call]:
    """Return right calls of :mod:`pairint.model`, methods as ``Class.method``."""
    from pairint import model as pm

    rng = np.random.default_rng(0)
    space = pm.SplineSpace(-1.0, 1.0, 4, 3)
    spline = space.spline(np.arange(7.0))
    cube = pm.UniformCube(2)
    attention = pm.AttentionModel(pm.Tanh(), np.eye(2), cube)
    X = rng.uniform(-1, 1, (3, 4, 2))
    u = np.linspace(-2, 2, 5)
    unit = X / np.linalg.norm(X, axis=2, keepdims=True)
    calls = {
        "AttentionModel": Call(
            pm.AttentionModel, {"activation": pm.Tanh(), "matrix": np.eye(2), "tokens": cube}
        ),
        "AttentionModel.sample": Call(attention.sample, {"n_samples": 3, "n_tokens": 2, "rng": 0}),
        "AttentionModel.scores": Call(attention.scores, {"X": X}),
        "AttentionModel.forward": Call(attention.forward, {"X": X}),
        "AttentionModel.predict": Call(attention.predict, {"X": X}),
        "AttentionModel.interaction": Call(attention.interaction, {"x": X[0], "y": X[1]}),
        "pair_average": Call(pm.pair_average, {"activation": pm.Tanh(), "X": X, "matrix": np.eye(2)}),
        "pair_scores": Call(pm.pair_scores, {"X": X, "matrix": np.eye(2)}),
        "Cosine": Call(pm.Cosine, {}),
        "Exponential": Call(pm.Exponential, {}),
        "ReLU": Call(pm.ReLU, {}),
        "Tanh": Call(pm.Tanh, {}),
        "RoughActivation": Call(pm.RoughActivation, {"beta": 1.5, "rng": 0}),
        "spline_activation": Call(pm.spline_activation, {"degree": 3, "rng": 0}),
        "interaction_matrix": Call(pm.interaction_matrix, {"d": 3, "rank": 2, "rng": 0}),
        "query_key_matrix": Call(pm.query_key_matrix, {"query": np.ones((3, 2)), "key": np.ones((3, 2))}),
        "Spline": Call(pm.Spline, {"space": space, "coefficients": np.arange(7.0)}),
        "Spline.scaled": Call(spline.scaled, {"factor": 2.0}),
        "SplineSpace": Call(
            pm.SplineSpace,
            {"lower": -1.0, "upper": 1.0, "n_intervals": 4, "degree": 3},
            names={"lower": "upper"},
        ),
        "SplineSpace.design": Call(space.design, {"u": u}),
        "SplineSpace.aggregate": Call(space.aggregate, {"scores": np.ones((2, 3, 3))}),
        "SplineSpace.difference_penalty": Call(space.difference_penalty, {}),
        "SplineSpace.coarsen": Call(space.coarsen, {"factor": 2}),
        "SplineSpace.scaled": Call(space.scaled, {"factor": 2.0}),
        "SplineSpace.spline": Call(space.spline, {"coefficients": np.arange(7.0)}),
        "Equicorrelated": Call(pm.Equicorrelated, {"dimension": 3}),
        "PermutedPoints": Call(pm.PermutedPoints, {"points": np.eye(3)}),
        "Sphere": Call(pm.Sphere, {"dimension": 3}),
        "TruncatedGaussian": Call(pm.TruncatedGaussian, {"dimension": 3}),
        "UniformCube": Call(pm.UniformCube, {"dimension": 3}),
        "distance_tokens": Call(pm.distance_tokens, {"X": X}),
        "distance_matrix": Call(pm.distance_matrix, {"d": 3}),
        "distance_rank": Call(pm.distance_rank, {"points": X[0]}),
        "sphere_flow": Call(pm.sphere_flow, {"X": unit, "activation": np.exp, "times": [0.0, 0.2]}),
        "tangential_velocity": Call(pm.tangential_velocity, {"X": unit, "activation": np.exp}),
        "tangent_weights": Call(pm.tangent_weights, {"X": unit}),
        "score_bound": Call(pm.score_bound, {"tokens": cube, "matrix": np.eye(2)}),
        "feature_count": Call(pm.feature_count, {"rank": 3, "degree": 2}),
        "monomial_features": Call(pm.monomial_features, {"X": X, "degree": 2}),
    }
    for form in (pm.linear_attention, pm.polynomial_attention):
        arguments = {"queries": X, "keys": X, "values": X, "coefficients": [9.0, 1.0, 1.0]}
        calls[form.__name__] = Call(form, arguments, names={"queries": "keys"})
    for noise in (pm.GaussianNoise, pm.RademacherNoise, pm.UniformNoise):
        calls[noise.__name__] = Call(noise, {"std": 1.0})
        calls[f"{noise.__name__}.sample"] = Call(noise(1.0).sample, {"shape": (2, 3), "rng": 0})
    laws = (cube, pm.Sphere(2), pm.Equicorrelated(2), pm.TruncatedGaussian(2), pm.PermutedPoints(np.eye(3)))
    for law in laws:
        name = f"{type(law).__name__}.sample"
        calls[name] = Call(law.sample, {"n_samples": 3, "n_tokens": 2, "rng": 0})
    activations = (pm.Cosine(), pm.Exponential(), pm.ReLU(), pm.Tanh(), pm.RoughActivation(1.5, 0), spline)
    for activation in activations:
        name = type(activation).__name__
        overflows = ("u",) if name == "Exponential" else ()
        calls[f"{name}.__call__"] = Call(activation.__call__, {"u": u}, open=overflows)
        calls[f"{name}.derivative"] = Call(activation.derivative, {"u": u}, open=overflows)
    return calls


def engine() -> dict[str, Call]:
    """Return right calls of what :mod:`pairint.engine` offers."""
    import pandas as pd

    from pairint import engine as pe

    y = np.array([[1.0, 1.1], [0.5, 0.6], [0.25, 0.3]])
    table = pd.DataFrame(
        [
            {"line": 1, "n_samples": m, "replicate": i, "error": value}
            for m, row in zip((1, 2, 4), y, strict=True)
            for i, value in enumerate(row)
        ]
    )
    presets = {"quick": {"n": 1}, "full": {"n": 2}}
    return {
        "Claim": Call(
            pe.Claim,
            {"name": "slope", "source": "here", "ours": 1.0, "published": 1.0, "tolerance": 0.1},
            spared=("name", "source", "command"),
            open=("ours", "interval", "published", "expected"),  # what could not be computed
        ),
        "Experiment": Call(
            pe.Experiment,
            {
                "name": "demo",
                "title": "A demonstration",
                "source": "here",
                "version": 1,
                "presets": presets,
                "cells": lambda settings: [],
                "compute": lambda cell: [],
                "plot": None,
                "claims": lambda table: [],
                "expected_seconds": {"quick": 1.0, "full": 2.0},
                "data_keys": ("n",),
            },
            spared=("title", "source", "plot"),
        ),
        "fit_slope": Call(pe.fit_slope, {"x": [1.0, 2.0, 4.0], "y": y}),
        "generator_for": Call(
            pe.generator_for, {"cell": {"n": 1, "replicate": 0}, "data_keys": ["n"]}, errors=(KeyError,)
        ),
        "grid": Call(pe.grid, {"n": [1, 2]}, spared=("n",)),  # cells may hold any value
        "mean_interval": Call(pe.mean_interval, {"values": [1.0, 2.0]}, open=("values",)),
        "slope_table": Call(pe.slope_table, {"table": table, "by": "line"}),
        "summarize": Call(pe.summarize, {"table": table, "by": ["line", "n_samples"]}),
    }


def theory() -> dict[str, Call]:
    """Return right calls of what computes in :mod:`pairint.theory`; containers of results are left out."""
    from pairint import theory as pt
    from pairint.model import SplineSpace, Tanh, UniformCube
    from pairint.theory.coercivity import exact_gram, product_density

    values = {
        "beta": 2.0,
        "n_tokens": 4,
        "noise_std": 0.5,
        "holder_constant": 1.0,
        "d": 5,
        "rank": 2,
        "score_bound": 3.0,
    }
    setting = pt.Setting(**values, sup_bound=1.0)
    gram = exact_gram(SplineSpace(-3.0, 3.0, 4, 2), 3.0, 4)
    unit = np.random.default_rng(0).normal(size=(5, 4, 3))
    unit /= np.linalg.norm(unit, axis=2, keepdims=True)

    def density(u):
        return product_density(u, 3.0)

    bound = {"n_samples": 1000, "setting": setting}
    space = SplineSpace(-3.0, 3.0, 4, 2)
    matrix = np.diag([1.0, 0.0, 0.0])
    draws = {"tokens": UniformCube(3), "matrix": matrix, "n_tokens": 3, "n_samples": 8}
    draws |= {"rng": 0, "n_batches": 4}
    return {
        "Setting": Call(pt.Setting, {**values, "sup_bound": 1.0}, open=("sup_bound",)),
        "Setting.budget": Call(setting.budget, {"n_samples": 1000, "n_intervals": 8}),
        "Setting.best_intervals": Call(setting.best_intervals, {"n_samples": 1000}),
        "Setting.best_budget": Call(setting.best_budget, {"n_samples": 1000}),
        "Setting.optimal_intervals": Call(setting.optimal_intervals, {"n_samples": 1000}),
        "Setting.samples_for_error": Call(setting.samples_for_error, {"error": 0.01}),
        "adaptive_upper_bound": Call(pt.adaptive_upper_bound, {**bound, "failure": 0.1}),
        "gap_bound": Call(
            pt.gap_bound, {"times": [0.0, 1.0], "gap": 0.5, "n_tokens": 4, "activation": np.exp}
        ),
        "information_bound": Call(
            pt.information_bound, {"gap": [0.1, 0.5], "n_tokens": 4, "degree": 2, "reference": 0.3}
        ),
        "snapshot_information": Call(
            pt.snapshot_information, {"X": unit, "degree": 1, "reference": np.linspace(-1, 1, 9)}
        ),
        "linearised_information": Call(
            pt.linearised_information,
            {"Y": unit, "degree": 1, "reference": np.linspace(-1, 1, 9), "decay": [0.5, 1.0]},
        ),
        "coercivity_constant": Call(pt.coercivity_constant, {"gram": gram}),
        "effective_activation": Call(
            pt.effective_activation,
            {"activation": np.tanh, "residual": np.array([-0.5, 0.5]), "weights": np.array([1.0, 2.0])},
        ),
        "equations_per_sample": Call(pt.equations_per_sample, {"n_tokens": 3, "seen": "softmax"}),
        "symmetric_dimension": Call(pt.symmetric_dimension, {"d": 5, "width": 2}),
        "elbow_samples": Call(
            pt.elbow_samples, {"numbers": 9.0, "setting": setting}, open=("numbers", "setting")
        ),  # infinity is an answer
        "elbow_numbers": Call(pt.elbow_numbers, {"n_samples": 900.0, "setting": setting}),
        "diagram_lines": Call(pt.diagram_lines, {"d": 5, "rank": 2, "setting": setting}),
        "attention_error_bound": Call(pt.attention_error_bound, {"oscillation": 1.0, "diameter": 2.0}),
        "weight_oscillation": Call(
            pt.weight_oscillation,
            {"weights": [1.0, 2.0], "others": [2.0, 1.0]},
            names={"weights": "others"},
        ),
        "taylor_coefficients": Call(pt.taylor_coefficients, {"degree": 3, "centre": 0.5}),
        "smallest_value": Call(
            pt.smallest_value, {"coefficients": [1.0, 0.0, 1.0]}, open=("coefficients",)
        ),  # minus infinity is an answer
        "head_ambiguities": Call(
            pt.head_ambiguities, {"matrices": [[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]], "rng": 0}
        ),
        "power_relations": Call(
            pt.power_relations,
            {
                "matrices": [[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]],
                "degree": 2,
                "rng": 0,
                "everywhere": False,
            },
        ),
        "plan": Call(
            pt.plan,
            {
                "d": 5,
                "rank": 2,
                "n_tokens": 3,
                "noise_std": 0.3,
                "target": 0.1,
                "beta": 2.0,
                "holder_constant": 1.0,
                "score_bound": 3.0,
                "n_intervals": 20,
                "degree": 3,
            },
        ),
        "lower_bound": Call(pt.lower_bound, {**bound, "interval": (0.5, 2.5), "density": density}),
        "matrix_lower_bound": Call(
            pt.matrix_lower_bound, {**bound, "token_bound": 4.0, "coordinate_bound": 1.8}, open=()
        ),
        "wave_lower_bound": Call(
            pt.wave_lower_bound,
            {**bound, "token_bound": 4.0, "variation": 1.0, "coordinate_bound": 1.8},
            open=(),
        ),
        "minimax_exponent": Call(pt.minimax_exponent, {"beta": 2.0}),
        "optimal_intervals": Call(pt.optimal_intervals, {"n_samples": 1000, "beta": 2.0}),
        "oracle_inequality": Call(
            pt.oracle_inequality,
            {**bound, "risk": 0.1, "log_cover": 5.0, "envelope": 2.0, "failure": 0.1},
        ),
        "oracle_upper_bound": Call(pt.oracle_upper_bound, {**bound, "density": density}),
        "pinsker_constant": Call(pt.pinsker_constant, {"beta": 2.0}),
        "pinsker_filter": Call(pt.pinsker_filter, {"price": 0.01, "beta": 2.0, "energy": 1.0}),
        "sobolev_bounds": Call(
            pt.sobolev_bounds,
            {"n_samples": 1000, "beta": 2.0, "energy": 1.0, "n_tokens": 3, "noise_std": 0.5},
        ),
        "samples_for_rank": Call(pt.samples_for_rank, {"rank_times_d": 4, "beta": 2.0}),
        "split_upper_bound": Call(pt.split_upper_bound, {**bound, "density": density, "n_intervals": 4}),
        "direction_price": Call(pt.direction_price, {"n_tokens": 4, "share": 0.5}),
        "hidden_directions": Call(pt.hidden_directions, {"d": 5, "rank": 2}),
        "cosine_query_share": Call(pt.cosine_query_share, {"frequency": 1.5}),
        "exponential_query_share": Call(pt.exponential_query_share, {"rate": 0.3}),
        "query_share": Call(pt.query_share, {"activation": Tanh(), "rank": 2}),
        "function_shares": Call(pt.function_shares, {"space": space}),
        "exact_information": Call(
            pt.exact_information, {"activation": Tanh(), "n_tokens": 4, "d": 3, "space": space}
        ),
        "learned_slope_factor": Call(
            pt.learned_slope_factor,
            {"activation": Tanh(), "n_tokens": 4, "space": space, "n_samples": 100, "noise_std": 0.1},
        ),
        "sampled_prices": Call(pt.sampled_prices, {"activation": Tanh(), "space": space, **draws}),
        "channel_prices": Call(
            pt.channel_prices, {"channel": "mean", "activation": Tanh(), "value": np.ones(3), **draws}
        ),
        "upper_bound": Call(pt.upper_bound, {**bound, "odd": True, "degree": 2, "n_intervals": 7}),
    }


def aim() -> dict[str, Call]:
    """Return right calls of what computes in :mod:`pairint.aim`; containers of results are left out."""
    from pairint import aim as pa

    teacher = pa.AIMTeacher(8, 0.5, rng=0)
    rng = np.random.default_rng(0)
    X, y = teacher.sample(60, 1)
    prior, spectrum = pa.WishartPrior(0.5), pa.NoisySpectrum(0.5, 0.1)
    data = {"X": X, "y": y}
    calls = {
        "AIMTeacher": Call(pa.AIMTeacher, {"d": 8, "rho": 0.5, "rng": 0}),
        "AIMTeacher.sample": Call(teacher.sample, {"n_samples": 5, "rng": 0}),
        "AIMTeacher.labels": Call(teacher.labels, {"X": X}),
        "AIMTeacher.error": Call(teacher.error, {"estimate": np.eye(8)}),
        "HardmaxChannel": Call(pa.HardmaxChannel, {}),
        "LinearChannel": Call(pa.LinearChannel, {}),
        "SoftmaxChannel": Call(pa.SoftmaxChannel, {}),
        "NoisySpectrum": Call(pa.NoisySpectrum, {"rho": 0.5, "delta": 0.1}),
        "NoisySpectrum.moment": Call(spectrum.moment, {"order": 2}),
        "NoisySpectrum.density": Call(spectrum.density, {"x": np.array([0.0, 1.0])}),
        "NoisySpectrum.denoise": Call(spectrum.denoise, {"x": np.array([0.0, 1.0])}),
        "WishartPrior": Call(pa.WishartPrior, {"rho": 0.5}),
        "WishartPrior.error": Call(prior.error, {"delta": 0.1}),
        "WishartPrior.dimension": Call(prior.dimension, {"delta": 0.1}),
        "WishartPrior.denoise": Call(prior.denoise, {"eigenvalues": np.array([0.0, 1.0]), "delta": 0.1}),
        "WishartPrior.draw": Call(prior.draw, {"d": 8, "rng": rng}),
        "SemicirclePrior": Call(pa.SemicirclePrior, {}),
        "AtomicPrior": Call(pa.AtomicPrior, {"values": np.array([0.0, 1.0]), "shares": np.array([0.6, 0.4])}),
        "PowerLawPrior": Call(pa.PowerLawPrior, {"exponent": 1.0, "condition": 10.0}),
        "UntiedPrior": Call(pa.UntiedPrior, {"rho": 0.5}),
        "haar_rotation": Call(pa.haar_rotation, {"d": 4, "rng": rng}),
        "student_error": Call(pa.student_error, {"truth": 0.5, "student": 0.7, "delta": 0.3}),
        "mismatched_state_evolution": Call(
            pa.mismatched_state_evolution,
            {"alpha": 0.1, "truth": 0.5, "student": 0.7},
            # Where the first step makes it worse without end, the error is infinite.
            open=("alpha", "truth", "student", "noise", "assumed_noise", "n_tokens"),
        ),
        "weight_decay": Call(pa.weight_decay, {"alpha": 0.1, "truth": 0.5, "decay": 0.1}),
        "weight_decay_threshold": Call(pa.weight_decay_threshold, {"rho": 0.5}),
        "trace_penalised": Call(pa.trace_penalised, {**data, "decay": 0.1, "max_iter": 3}),
        "UntiedLinearChannel": Call(pa.UntiedLinearChannel, {}),
        "UntiedSoftmaxChannel": Call(pa.UntiedSoftmaxChannel, {}),
        "untied_channel": Call(pa.untied_channel, {"channel": "softmax"}),
        "untied_amp": Call(pa.untied_amp, {**data, "rho": 0.5, "max_iter": 3}),
        "NoisyChannel": Call(pa.NoisyChannel, {"channel": "linear", "noise": 0.1}),
        "ThresholdChannel": Call(pa.ThresholdChannel, {"thresholds": np.array([0.0, 1.0])}),
        "SampledChannel": Call(pa.SampledChannel, {"function": np.sign, "n_draws": 50, "n_predictions": 50}),
        "amp": Call(pa.amp, {**data, "rho": 0.5, "max_iter": 3}),
        "check_channel": Call(pa.check_channel, {"channel": pa.SoftmaxChannel(), "n_samples": 100, "rng": 0}),
        "check_prior": Call(
            pa.check_prior,
            {"prior": prior, "d": 10, "n_draws": 10, "rng": 0},
            # The moments are compared without a noise: its column holds NaN there.
            open=("prior", "d", "n_draws", "rng", "false_alarm"),
        ),
        "gradient_descent": Call(
            pa.gradient_descent, {**data, "width": 4, "max_iter": 3, "rng": 0}, errors=(FloatingPointError,)
        ),
        "exact_recovery_threshold": Call(pa.exact_recovery_threshold, {"rho": 0.5}),
        "weak_recovery_threshold": Call(pa.weak_recovery_threshold, {}),
        "large_alpha_error": Call(pa.large_alpha_error, {"alpha": 5.0, "rho": 0.5}),
        "make_channel": Call(pa.make_channel, {"channel": "softmax"}),
        "small_width_limit": Call(pa.small_width_limit, {"alpha_bar": 1.0}),
        # The potential of zero error is minus infinity.
        "fixed_points": Call(pa.fixed_points, {"alpha": 0.1, "rho": 0.5}, open=("alpha", "rho", "n_tokens")),
        "state_evolution": Call(
            pa.state_evolution,
            {"alpha": 0.1, "rho": 0.5},
            # After exact recovery the precision is infinite; the overlap is for a matrix of infinite mean.
            open=("alpha", "rho", "n_tokens"),
        ),
    }
    for channel in (pa.HardmaxChannel(), pa.LinearChannel(), pa.SoftmaxChannel()):
        name = type(channel).__name__
        h = np.array([[[1.0, 0.5], [0.5, -1.0]]])
        labels = channel.output(h)
        calls[f"{name}.kappa"] = Call(channel.kappa, {"tau": 0.5})
        calls[f"{name}.kappa_error"] = Call(channel.kappa_error, {"tau": 0.5})
        calls[f"{name}.output"] = Call(channel.output, {"h": h})
        calls[f"{name}.observe"] = Call(channel.observe, {"y": labels})
    return calls


def estimation() -> dict[str, Call]:
    """Return right calls of what fits in :mod:`pairint.estimation`, a regressor and its fit as one."""
    from pairint import estimation as pe
    from pairint import model as pm

    truth = pm.AttentionModel(pm.Tanh(), np.eye(2) / 2, pm.UniformCube(2), pm.GaussianNoise(0.1))
    X, Y = truth.sample(60, 3, 0)
    problem = pe.LeastSquaresProblem(X, Y, 2, 0.1)
    apart = X[:, None] - X[:, :, None]
    seen = np.ones(X.shape[:2], dtype=bool)
    term = {
        "name": "pull",
        "scores": np.linalg.norm(apart, axis=3),
        "weights": apart,
        "space": pm.SplineSpace(0.0, 5.0, 2, 1),
    }

    def fitted(kind: type, **options: Any) -> Call:
        weighted = "sample_weight" in inspect.signature(kind.fit).parameters

        def fit_weighted(X: Any, Y: Any, sample_weight: Any, **options: Any) -> Any:
            return kind(**options).fit(X, Y, sample_weight).predict(problem.X)

        def fit_plain(X: Any, Y: Any, **options: Any) -> Any:
            return kind(**options).fit(X, Y).predict(problem.X)

        fit = fit_weighted if weighted else fit_plain

        declared = inspect.signature(kind).parameters.values()
        defaults = {p.name: p.default for p in declared if p.default is not p.empty}
        weight = {"sample_weight": np.ones(len(Y))} if weighted else {}
        arguments = {"X": X, "Y": Y, **weight, **defaults, **options}
        return Call(fit, arguments, sources=(kind, kind.fit))

    fitted_once = pe.InteractionRegressor(n_intervals=2, n_starts=0, random_state=0).fit(X, Y)
    calls = {
        "InteractionRegressor": fitted(pe.InteractionRegressor, max_iter=3, random_state=0),
        "OracleRegressor": fitted(pe.OracleRegressor, matrix=np.eye(2) / 2),
        "LeastSquaresProblem": Call(pe.LeastSquaresProblem, {"X": X, "Y": Y, "degree": 2, "penalty": 0.1}),
        "fit_polynomial": Call(
            pe.fit_polynomial,
            {"scores": X @ X.swapaxes(1, 2), "values": X, "degree": 2, "outputs": None, "positive": False},
            spared=("outputs",),
        ),
        "score_truncation": Call(
            pe.score_truncation, {"queries": X, "keys": X, "rank": 1}, names={"queries": "keys"}
        ),
        "KernelTerm": Call(pe.KernelTerm, term),
        "motion_sums": Call(
            pe.motion_sums,
            {
                "answers": X,
                "terms": [pe.KernelTerm(**term)],
                "own": X[..., None],
                "seen": seen,
                "answered": seen,
            },
        ),
        "adam_fit": Call(
            pe.adam_fit,
            {
                "X": X,
                "Y": Y,
                "rank": 1,
                "activation": 4,
                "n_steps": 3,
                "learning_rate": 0.02,
                "batch_size": 16,
                "start": (np.ones((2, 1)), np.ones((2, 1))),
                "rng": 0,
            },
        ),
        "adam_search": Call(
            pe.adam_search,
            {"X": X, "Y": Y, "rank": 1, "learning_rates": (0.02, 0.1), "share": 0.2, "rng": 0, "n_steps": 3},
        ),
        "risk_and_gradient": Call(
            pe.risk_and_gradient,
            {
                "left": np.ones((2, 1)),
                "right": np.ones((2, 1)),
                "activation": problem.space(np.ones((2, 1)), np.ones((2, 1)), 2).spline(np.arange(4.0)),
                "X": X,
                "Y": Y,
            },
        ),
        "block_weights": Call(pe.block_weights, {"n_frames": 9, "length": 3, "n_draws": 2, "rng": 0}),
        "choose_intervals": Call(
            pe.choose_intervals,
            {"problem": problem, "left": np.eye(2) / 2, "right": np.eye(2), "weight": 1.4, "early": True},
        ),
        "interaction_bands": Call(
            pe.interaction_bands,
            {
                "fit": fitted_once,
                "X": X,
                "Y": Y,
                "weight": np.ones(Y.shape),
                "refinement": 2,
                "matrix_known": False,
            },
        ),
        "interaction_error": Call(
            pe.interaction_error,
            {"fit": pe.OracleRegressor(np.eye(2) / 2).fit(X, Y), "model": truth, "n_pairs": 100, "rng": 0},
        ),
    }
    if importlib.util.find_spec("torch") is not None:
        network = {"hidden": (4,), "max_rounds": 1, "epochs": 1, "network_steps": 1}
        calls["NetworkRegressor"] = fitted(pe.NetworkRegressor, **network, random_state=0)
    return calls


def channels() -> dict[str, Call]:
    """Return right calls of what :mod:`pairint.estimation.channels` offers."""
    from pairint.estimation import channels as pc
    from pairint.model import SplineSpace

    spline = SplineSpace(-1.0, 1.0, 2, 1).spline(np.ones(3))
    kinds = ("ScoreChannel", "LinearScoreChannel", "Mean", "Sum")
    calls = {name: Call(getattr(pc, name), {"diagonal": True}) for name in kinds}
    calls["Normalised"] = Call(pc.Normalised, {"diagonal": True, "guard": 0.1})
    calls["LogSpline"] = Call(pc.LogSpline, {"log": spline})
    X = np.random.default_rng(0).standard_normal((6, 3, 2))
    calls["channel_information"] = Call(
        pc.channel_information,
        {
            "X": X,
            "heads": [(np.eye(2), spline)],
            "channel": "mean",
            "values": np.ones((6, 3)),
            "pairs": None,
            "relative": False,
        },
    )
    return calls


def kernels() -> dict[str, Call]:
    """Return right calls of :mod:`pairint.kernels`."""
    from pairint import kernels as pk

    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (3, 4, 2))
    scores, cells = rng.uniform(-1, 1, (3, 4, 4)), {"lower": -1.0, "upper": 1.0}
    polynomials = rng.uniform(-1, 1, (4, 3))
    ends = {"lower": "upper"}  # of an empty interval one end is as wrong as the other
    system = {"X": X, "Y": X[..., 0], "left": np.eye(2), "right": np.eye(2), "coefficients": np.arange(6.0)}
    return {
        "bspline_pieces": Call(pk.bspline_pieces, {"degree": 3}),
        "evaluate_pieces": Call(
            pk.evaluate_pieces,
            {"u": scores, "polynomials": polynomials, **cells},
            names=ends,
            open=("u",),
        ),
        "pair_basis_sum": Call(
            pk.pair_basis_sum, {"scores": scores, **cells, "n_intervals": 4, "degree": 2}, names=ends
        ),
        "pair_mean": Call(pk.pair_mean, {"scores": scores, "polynomials": polynomials, **cells}, names=ends),
        "pair_moments": Call(
            pk.pair_moments, {"scores": scores, "X": X, "polynomials": polynomials, **cells}, names=ends
        ),
        "piecewise_coefficients": Call(
            pk.piecewise_coefficients, {"coefficients": np.arange(6.0), "degree": 2}
        ),
        "refinement_matrix": Call(pk.refinement_matrix, {"n_intervals": 4, "degree": 2, "factor": 2}),
        "system_products": Call(pk.system_products, {**system, **cells, "degree": 2}, names=ends),
        "spline_products": Call(
            pk.spline_products,
            {"projected": X[..., :2], "Y": X[..., 0], **cells, "n_intervals": 4, "degree": 2},
            names=ends,
        ),
        "factor_pulls": Call(
            pk.factor_pulls,
            {"projected": X[..., :2], "Y": X[..., 0], "polynomials": polynomials, **cells},
            names=ends,
        ),
    }


def experiments() -> dict[str, Call]:
    """Return right calls of :mod:`pairint.experiments`; the experiment that runs has one quick cell."""
    from pairint import experiments as px
    from pairint.engine import Experiment
    from pairint.engine.store import ResultsError
    from pairint.engine.workers import SchedulerError

    one = Experiment(
        name="one",
        title="One cell",
        source="here",
        version=1,
        presets={"quick": {"n": 1}, "full": {"n": 2}},
        cells=lambda settings: [{"n": settings["n"], "replicate": 0}],
        compute=lambda cell: [{"error": 1.0}],
        plot=lambda table: None,
        claims=lambda table: [],
        expected_seconds={"quick": 1.0, "full": 2.0},
        data_keys=("n",),
    )
    stored, of = (ResultsError,), {"name": "stored results", "folder": "stored results"}
    options = {"jobs": 1, "scheduler": None, "out": None, "overrides": {"n": 3}, "progress": False}
    return {
        "get": Call(px.get, {"name": "dimension"}),
        "load_provenance": Call(px.load_provenance, {"name": "one_line"}, errors=stored, names=of),
        "load_results": Call(px.load_results, {"name": "one_line"}, errors=stored, names=of),
        "run": Call(
            px.run,
            {"experiment": one, "preset": "quick", **options, "timeout": 1.0},
            spared=("out",),  # any text is a folder, and would be made
            errors=(SchedulerError,),
        ),
    }


def explorers() -> dict[str, Call]:
    """Return right calls of :mod:`pairint.explorers`: a figure, and what it shows."""
    from pairint import explorers as px

    return _figures(px)


def small_explorers() -> dict[str, Call]:
    """Return right calls of :mod:`pairint.explorers.small`."""
    from pairint.explorers import small

    return _figures(small)


def _figures(package: Any) -> dict[str, Call]:
    def call(kind: Any) -> Call:
        def show(**values: Any) -> Any:
            return kind(**values).numbers().series

        told = {}
        for p in kind.parameters:
            number = "int" if p.integer else "float"
            text = f"in [{p.minimum}, {p.maximum}]" if p.minimum is not None else ""
            told[p.key] = (number if text else "", text)
        return Call(show, {p.key: p.value for p in kind.parameters}, documented=told)

    return {name: call(getattr(package, name)) for name in package.__all__}


#: Containers of results: nobody makes one by hand.
RESULTS = {
    "aim": {
        "AMPResult",
        "FixedPoint",
        "GradientDescentResult",
        "HardPhaseWarning",
        "MismatchedStateEvolution",
        "TracePenalised",
        "WeightDecay",
        "NoisyLaw",
        "StateEvolution",
        "StudentError",
    },
    # The network is in the table where PyTorch is.
    "estimation": {
        "AdamFit",
        "Diagnosis",
        "Finding",
        "FitWarning",
        "InteractionBands",
        "InteractionError",
        "IntervalChoice",
        "MotionSums",
        "NetworkRegressor",
        "PolynomialFit",
        "RankChoice",
        "RowSums",
    },
    # What is in the second has been checked by the fit that hands it to a channel.
    "estimation.channels": {"FittedHead", "PairData"},
    "experiments": {"UnknownExperiment", "names", "register"},
    "theory": {
        "DiagramLines",
        "HeadAmbiguities",
        "Information",
        "PinskerFilter",
        "SampledPrice",
        "Plan",
        "SobolevBounds",
        "AdaptiveUpperBound",
        "ErrorTerms",
        "LowerBound",
        "MatrixLowerBound",
        "WaveLowerBound",
        "OracleInequality",
        "OracleUpperBound",
        "SnapshotInformation",
        "SplitUpperBound",
        "UpperBound",
    },
}

#: The packages whose public names answer to every bad value.
TABLES: dict[str, Callable[[], dict[str, Call]]] = {
    "model": model,
    "engine": engine,
    "theory": theory,
    "aim": aim,
    "estimation": estimation,
    "estimation.channels": channels,
    "kernels": kernels,
    "experiments": experiments,
    "explorers": explorers,
    "explorers.small": small_explorers,
}
