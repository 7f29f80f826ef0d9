"""How each public name is called rightly: the table that :mod:`bad_input` replaces arguments of."""

from __future__ import annotations

from collections.abc import Callable

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
        "score_bound": Call(pm.score_bound, {"tokens": cube, "matrix": np.eye(2)}),
    }
    for noise in (pm.GaussianNoise, pm.RademacherNoise, pm.UniformNoise):
        calls[noise.__name__] = Call(noise, {"std": 1.0})
        calls[f"{noise.__name__}.sample"] = Call(noise(1.0).sample, {"shape": (2, 3), "rng": 0})
    laws = (cube, pm.Sphere(2), pm.Equicorrelated(2), pm.TruncatedGaussian(2), pm.PermutedPoints(np.eye(3)))
    for law in laws:
        name = f"{type(law).__name__}.sample"
        calls[name] = Call(law.sample, {"n_samples": 3, "n_tokens": 2, "rng": 0})
    activations = (pm.Exponential(), pm.ReLU(), pm.Tanh(), pm.RoughActivation(1.5, 0), spline)
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
        "generator_for": Call(pe.generator_for, {"cell": {"n": 1, "replicate": 0}, "data_keys": ["n"]}),
        "grid": Call(pe.grid, {"n": [1, 2]}, spared=("n",)),  # cells may hold any value
        "mean_interval": Call(pe.mean_interval, {"values": [1.0, 2.0]}),
        "slope_table": Call(pe.slope_table, {"table": table, "by": "line"}),
        "summarize": Call(pe.summarize, {"table": table, "by": ["line", "n_samples"]}),
    }


#: The packages whose public names answer to every bad value.
TABLES: dict[str, Callable[[], dict[str, Call]]] = {"model": model, "engine": engine}
