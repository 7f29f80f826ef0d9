"""Drawn values for the arguments of every public name; :mod:`fuzz` says what is drawn and how it is judged.

`make test` draws about a thousand cases, the same at every run: another Hypothesis would draw others, so that
only the pinned one is asked there. `make test-nightly` draws twelve times as many, and others each time.
"""

import collections
import os
import re
import signal
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from bad_input import Call, Hangs
from fuzz import FAULTS, Documented, Range, cases, describe, documented, judge, range_of, strategies, tally
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample
from valid_calls import TABLES

from pairint.validation import check_floats, check_real

ROOT = Path(__file__).resolve().parents[1]
NIGHTLY = os.environ.get("PAIRINT_TEST_SEED") == "random"
#: Cases for each public name.
EXAMPLES = 70 if NIGHTLY else 6
CALLS = {f"{package}.{name}": call for package, table in TABLES.items() for name, call in table().items()}


def faults(call: Call, examples: int) -> tuple[list[str], collections.Counter[str]]:
    """Return what went wrong, and how many answers there were of each class."""
    counts: collections.Counter[str] = collections.Counter()
    found = {}

    # All cases are seen, and none is shrunk: one that hangs would hang again and again.
    @settings(
        max_examples=examples,
        derandomize=not NIGHTLY,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases(call))
    def run(replaced):
        kind, what = judge(call, replaced)
        counts[kind] += 1
        if kind in FAULTS:
            found.setdefault(what, f"{kind}: {what}: {describe(replaced)}")

    run()
    return list(found.values()), counts


PINNED = re.search(
    r"^hypothesis==(\S+)", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE
)[1]


@pytest.mark.slow
@pytest.mark.skipif(
    not NIGHTLY and hypothesis.__version__ != PINNED,
    reason=f"the cases of `make test` are those that Hypothesis {PINNED} draws: see make test-nightly",
)
@pytest.mark.parametrize("name", CALLS)
def test_each_answer_is_finite_or_names_an_argument(name, record_property):
    found, counts = faults(CALLS[name], EXAMPLES)
    record_property("answers", tally(counts))
    assert found == []


# ------------------------------------------------------------------------------------------ the fuzzer


def controls():
    """Return functions that answer badly, each in one way, and the class of fault."""

    def vague(x):
        """Answer.

        Parameters
        ----------
        x : float
            x > 0.
        """
        return 1.0 / float(x)

    def silent(x):
        return np.asarray(check_floats("x", x, finite=False))

    def scribbles(x):
        x = check_floats("x", x)
        if x.size:
            x.flat[0] = 7.0
        return 0.0

    def drops(x):
        return float(np.asarray(x, dtype=float).size)

    def endless(x):
        while check_real("x", x) >= 0:
            pass

    array = np.array([1.0, 2.0])
    return [
        (Call(vague, {"x": 1.0}), "obscure"),
        (Call(silent, {"x": array}), "silent"),
        (Call(scribbles, {"x": array}), "changed"),
        (Call(drops, {"x": array}), "mask"),
        (Call(endless, {"x": 1.0}), "hang"),
    ]


@pytest.mark.parametrize(
    ("call", "fault"), controls(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_each_fault_is_found(call, fault, monkeypatch):
    if fault == "hang" and not hasattr(signal, "setitimer"):
        pytest.skip("nothing ends a call that hangs on this system")
    monkeypatch.setattr("bad_input.HANGS", 0.2)
    found, counts = faults(call, 60)
    assert counts[fault] > 0
    assert any(line.startswith(fault) for line in found)


def test_a_careful_function_has_no_fault():
    def careful(x, y):
        x = check_real("x", x, 0.0, exclusive_minimum=True)
        return x * check_floats("y", y)

    assert faults(Call(careful, {"x": 1.0, "y": np.ones((2, 3))}), 200)[0] == []


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("int", "N >= 2.", Range(2)),
        ("float", "sigma > 0.", Range(0, open_low=True)),
        ("float", r"Smoothness :math:`\beta > 0` of it.", Range(0, open_low=True)),
        ("float", r":math:`\sigma \ge 0`; its square", Range(0)),
        ("int", "N, at least 2.", Range(2)),
        ("int", "``s`` from 0 to 12.", Range(0, 12)),
        ("float", "Probability, in (0, 1).", Range(0, 1, True, True)),
        ("float in (0, 1]", "Weight", Range(0, 1, True, False)),
        ("float, positive", "", Range(0, open_low=True)),
        ("int", "``1 <= rank <= d``", Range(1)),
        ("float", "> 0, at most 100", Range(0, 100, True)),
        ("int", "Any.", Range()),
    ],
)
def test_ranges_are_read_from_docstrings(kind, text, expected):
    assert range_of(Documented(kind, text)) == expected


def test_docstrings_are_read_for_most_arguments():
    """Otherwise only their usual values would be varied."""
    known = total = 0
    for call in CALLS.values():
        told = {**documented(*(call.sources or (call.function,))), **call.documented}
        total += len(call.parameters)
        known += sum(name in told for name in call.parameters)
    assert known > 0.7 * total


def test_values_of_both_sides_of_a_bound_are_drawn():
    def f(n):
        """Do it.

        Parameters
        ----------
        n : int
            n >= 3.
        """

    drawn = strategies(Call(f, {"n": 4}))["n"]
    for wanted in (3, 2, 10**400, 3.5):
        assert (
            find(drawn, lambda value, wanted=wanted: type(value) is type(wanted) and value == wanted)
            == wanted
        )
    with pytest.raises(NoSuchExample):
        find(st.one_of(drawn), lambda value: isinstance(value, int) and 10**3 < value < 10**11)


def test_a_hang_is_no_ordinary_exception():
    assert not issubclass(Hangs, Exception)
