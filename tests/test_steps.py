"""A long call says how far it is, a short one nothing; nothing that is computed depends on it."""

import dataclasses
import io
import sys
import types
import warnings

import numpy as np
import pytest
from engine_demo import demo
from valid_calls import TABLES

import pairint as pi
from pairint import steps as module
from pairint.engine import sweep
from pairint.steps import progress, steps


class Stream(io.StringIO):
    def __init__(self, terminal):
        super().__init__()
        self._terminal = terminal

    def isatty(self):
        return self._terminal


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands until a test turns it."""
    here = types.SimpleNamespace(now=100.0)
    monkeypatch.setattr(module.time, "monotonic", lambda: here.now)
    return here


@pytest.fixture
def heard(monkeypatch):
    """Return a function that makes standard error a terminal, or a log, and returns it."""

    def listen(terminal):
        stream = Stream(terminal)
        monkeypatch.setattr(sys, "stderr", stream)
        return stream

    return listen


def wait(clock, items, seconds):
    for _ in items:
        clock.now += seconds


def test_a_short_call_says_nothing(clock, heard):
    stream = heard(True)
    wait(clock, steps(range(19), "steps"), 0.1)
    with progress():
        wait(clock, steps(range(19), "steps"), 0.1)
    assert stream.getvalue() == ""


def test_a_long_call_writes_one_line_over_and_over(clock, heard):
    stream = heard(True)
    wait(clock, steps(range(800), "steps", most=True), 0.125)
    lines = stream.getvalue().split("\r\x1b[K")
    assert lines[1] == "steps 16 of at most 800 (2 s)" and lines[-2] == "steps 800 of at most 800 (100 s)"
    assert lines[-1] == ""  # it is gone
    assert len(lines) == 1 + 393 + 1  # from the 16th step on each second one, a quarter of a second apart


def test_a_log_hears_nothing_unless_asked(clock, heard):
    stream = heard(False)
    wait(clock, steps(range(100), "draws"), 1.0)
    assert stream.getvalue() == ""
    with progress():
        wait(clock, steps(range(22), "draws"), 1.0)
    assert stream.getvalue().splitlines() == [
        "pairint: draws 2 of 22 (2 s)", "pairint: draws 12 of 22 (12 s)", "pairint: draws 22 of 22 (22 s)",
        "pairint: done (22 s)",
    ]  # fmt: skip


def test_a_terminal_is_silent_where_asked(clock, heard):
    stream = heard(True)
    with progress(False):
        wait(clock, steps(range(100), "draws"), 1.0)
        with progress():
            pass
        wait(clock, steps(range(100), "draws"), 1.0)
    assert stream.getvalue() == ""


def test_loops_inside_of_loops_are_one_line(clock, heard):
    stream = heard(False)
    with progress():
        for _ in steps(range(3), "starts"):
            wait(clock, steps(iter("abcde"), "steps"), 0.5)
    assert stream.getvalue().splitlines()[0] == "pairint: starts 0 of 3, steps 4 (2 s)"


def test_a_loop_that_is_left_is_forgotten(clock, heard):
    stream = heard(False)
    with progress():
        for _ in steps(range(9), "starts"):
            for _ in steps(range(9), "steps"):
                clock.now += 1.5
                break
            inner = iter(steps(range(9), "rounds"))
            next(inner)  # and kept
            with pytest.raises(ZeroDivisionError):
                for _ in steps(range(9), "descents"):
                    1 / 0  # noqa: B018
            clock.now += 1.5
    assert stream.getvalue().splitlines()[0] == "pairint: starts 1 of 9, rounds 0 of 9 (3 s)"
    assert stream.getvalue().splitlines()[-1] == "pairint: done (27 s)"


def test_a_stream_that_nobody_reads_does_not_stop_the_work(clock, heard):
    stream = heard(True)
    stream.close()
    wait(clock, steps(range(9), "steps"), 1.0)


def test_what_is_not_yes_or_no_is_refused():
    with pytest.raises(TypeError, match="show must be True or False"):
        progress("loudly")


MODEL = pi.AttentionModel(pi.Tanh(), pi.interaction_matrix(3, 1, rng=0), pi.UniformCube(3))
X, Y = MODEL.sample(400, 3, rng=1)


def blocks():
    return iter([(X[:200], Y[:200]), (X[200:], Y[200:])])


FITS = {
    "data in memory": lambda: pi.InteractionRegressor(random_state=0).fit(X, Y),
    "data in blocks": lambda: pi.InteractionRegressor(random_state=0).fit(blocks),
    "systems": lambda: pi.InteractionRegressor(solver="gauss-newton", random_state=0).fit(X, Y),
    "robust": lambda: pi.InteractionRegressor(loss="huber", random_state=0).fit(X, Y),
}
#: What may last longer than two seconds on data that somebody may have, beside fits and runs of experiments.
LONG = {
    "aim": ("amp", "gradient_descent", "untied_amp"),
    "estimation": ("adam_fit", "fit_polynomial"),
    "theory": ("channel_prices", "sampled_prices"),
}


@pytest.fixture
def said(heard, monkeypatch):
    """Return a function that calls another and returns what it said, with no silence at the beginning."""

    def call(function):
        monkeypatch.setattr(module, "SILENT", 0.0)
        stream = heard(False)
        with progress(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # calls of tests are short: some do not end where they should
            found = function()
        return found, stream.getvalue()

    return call


@pytest.mark.slow
@pytest.mark.parametrize("name", FITS)
def test_a_fit_says_how_far_it_is_and_is_the_same(name, said):
    silent = FITS[name]()
    found, text = said(FITS[name])
    assert "pairint: " in text and text.endswith(" s)\n")
    np.testing.assert_array_equal(found.matrix_, silent.matrix_)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("package", "name"), [(room, name) for room, names in LONG.items() for name in names]
)
def test_what_may_last_says_how_far_it_is(package, name, said):
    call = TABLES[package]()[name]
    assert "pairint: " in said(lambda: call.function(**call.arguments))[1]


def test_a_cell_of_a_run_says_nothing(heard, monkeypatch):
    """The run has its own line."""
    monkeypatch.setattr(module, "SILENT", 0.0)
    stream = heard(True)

    def compute(cell):
        return [{"estimator": "none", "error": float(sum(steps(range(9), "steps")))}]

    table = sweep.run(dataclasses.replace(demo(), compute=compute))
    assert set(table["error"]) == {36.0} and stream.getvalue() == ""
