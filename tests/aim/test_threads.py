"""Algorithms on small matrices keep the linear algebra to one thread: more cost ten times the work."""

import sys
import warnings

import numpy as np
import pytest
from threads import blas_threads

import pairint as pi
from pairint import aim, backend
from pairint.aim import posterior

TEACHER = pi.AIMTeacher(8, 0.5, rng=0)
X, y = TEACHER.sample(120, rng=1)


def untied(n_iter):
    A = np.random.default_rng(2).standard_normal((8, 8))
    tokens = np.random.default_rng(3).standard_normal((150, 2, 8))
    labels = np.einsum("mad,de,mbe->mab", tokens, A, tokens) / np.sqrt(8)
    aim.untied_amp(tokens, labels, aim.UntiedPrior(0.5), "linear", max_iter=n_iter)


CALLS = {
    "amp": lambda: pi.amp(X, y, 0.5, max_iter=3),
    "gradient_descent": lambda: pi.gradient_descent(X, y, 4, max_iter=3, rng=2),
    "untied": lambda: untied(3),
    "posterior": lambda: posterior.posterior_weights(X[:5], y[:5], TEACHER.W, n_draws=2, rng=2),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CALLS)
def test_small_matrices_take_one_thread_and_wide_ones_all(name, allowed, monkeypatch):
    seen = []

    def noting(items, *words, **options):
        for item in items:
            seen.append(blas_threads())
            yield item

    module = sys.modules[f"pairint.aim.{name}"]
    monkeypatch.setattr(module, "counted" if name == "posterior" else "steps", noting)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # three steps end nowhere
        CALLS[name]()
        assert seen and all(set(counts) == {1} for counts in seen)
        assert blas_threads() == allowed
        monkeypatch.setattr(backend, "WIDE", 1)
        seen.clear()
        CALLS[name]()
        assert seen and all(counts == allowed for counts in seen)
