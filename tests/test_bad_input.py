"""Every argument of every public name, replaced by what somebody may hand over by mistake."""

import importlib
import inspect
import time

import numpy as np
import pytest
from bad_input import BAD, Call, failures
from valid_calls import RESULTS, TABLES

from pairint.validation import MOST_STEPS, check_floats, check_real

CALLS = {f"{package}.{name}": call for package, table in TABLES.items() for name, call in table().items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", CALLS)
def test_a_bad_value_is_refused_by_name_or_does_no_harm(name):
    call = CALLS[name]
    call.function(**call.arguments)  # rightly called, it answers
    assert failures(call) == []


@pytest.mark.parametrize("package", TABLES)
def test_no_public_name_is_forgotten(package):
    module = importlib.import_module(f"pairint.{package}")
    found = {name: getattr(module, name) for name in module.__all__}
    concrete = {
        name
        for name, value in found.items()
        if callable(value) and not (inspect.isabstract(value) or getattr(value, "_is_protocol", False))
    }
    assert concrete - RESULTS.get(package, set()) <= set(TABLES[package]())


def test_what_is_obscure_is_found():
    """The controls: a function for each way to answer badly, and one that answers well."""

    def sized(size):
        return size.shape

    def careless(size):
        return np.asarray(size, dtype=float)

    def broken(size):
        return {}[check_real("size", size)]

    def careful(size):
        return check_floats("size", size) * 0.0

    def problems(function, value):
        found = failures(Call(function, {"size": value}))
        return {line.removeprefix("size = ") for line in found}

    assert "None: AttributeError: 'NoneType' object has no attribute 'shape'" in problems(sized, np.ones(2))
    wrong = problems(careless, 1.0)
    assert {"NaN: a result that is not finite", "masked: the mask is dropped"} < wrong
    assert any(line.startswith("text: ValueError that does not name it") for line in wrong)
    assert problems(broken, 1.0) == {
        f"{label}: KeyError: {float(value)}" for label, value in BAD.items() if label in ("-1", "0", "10**12")
    }
    assert problems(careful, 1.0) == set()


@pytest.mark.skipif(not hasattr(__import__("signal"), "setitimer"), reason="nothing interrupts a call there")
def test_what_hangs_is_found(monkeypatch):
    monkeypatch.setattr("bad_input.HANGS", 0.05)

    def slow(x):
        end = time.monotonic() + (5.0 if x == -1 else 0.0)
        while time.monotonic() < end:
            pass

    assert "x = -1: hangs" in failures(Call(slow, {"x": 1}))


@pytest.mark.parametrize("name", ["amp", "untied_amp", "trace_penalised", "mismatched_state_evolution"])
def test_an_iteration_that_may_never_rest_is_asked_for_so_many_steps_at_most(name):
    call = CALLS[f"aim.{name}"]
    with pytest.raises(ValueError, match=rf"max_iter must be .*{MOST_STEPS}"):
        call.function(**{**call.arguments, "max_iter": MOST_STEPS + 1})
