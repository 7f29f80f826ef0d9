"""Small changes of a module are found, and made at their place; which tests call what is learnt."""

import ast
import os
import signal
import sys
import textwrap

import pytest

mutation_score = pytest.importorskip("mutation_score", reason="it limits processes, which takes POSIX")

TEXT = textwrap.dedent(
    '''
    """A module: 1 + 1."""

    LIMIT = 3


    def f(x: int = 2, *, é: str = "ü 1 + 1") -> float:
        """Say 1 < 2."""
        if x < LIMIT and not é:
            raise ValueError(f"x is {x + 1}")
        notes.append(x)
        total = 0.5
        total += min(x, -1)
        assert total > 0
        return total * 2 if isinstance(x, int | float) else x[0]
    '''
)


@pytest.fixture
def found():
    return mutation_score.mutants("estimation/base", TEXT)


def test_each_kind_of_change_is_found_and_only_in_what_runs(found):
    changes = {(mutant.old, mutant.new) for mutant in found}
    assert changes >= {
        ("2", "3"),
        ("x < LIMIT", "(x <= LIMIT)"),
        ("x < LIMIT and not é", "(x < LIMIT or not é)"),
        ("not é", "(é)"),
        ('raise ValueError(f"x is {x + 1}")', "pass"),
        ("notes.append(x)", "pass"),
        ("0.5", "1.0"),
        ("total += min(x, -1)", "pass"),
        ("min", "max"),
        ("total * 2", "(total / 2)"),
    }
    # Nothing outside functions, in texts, annotations, assertions, or the types asked for.
    old = [mutant.old for mutant in found]
    assert "3" not in old and "x + 1" not in old and "total > 0" not in old and "int | float" not in old
    assert "0" not in old


def test_each_change_is_one_change_and_a_program(found):
    assert len(found) == len({(mutant.start, mutant.new) for mutant in found})
    before = ast.dump(ast.parse(TEXT))
    for mutant in found:
        changed = mutation_score.apply(TEXT, mutant)
        assert ast.dump(ast.parse(changed)) != before, mutant
        assert TEXT.splitlines()[mutant.line - 1].find(mutant.old.splitlines()[0]) >= 0
        assert mutant.function == "f:7"


def test_changes_that_read_the_same_have_names_of_their_own(found):
    twice = mutation_score.mutants("engine/seeds", "def f(x):\n    return x + 1 - g(x + 1)\n")
    names = [mutant.name for mutant in twice]
    assert len(set(names)) == len(names)
    assert {"engine/seeds: f: x + 1 -> (x - 1)", "engine/seeds: f: x + 1 -> (x - 1) (number 2)"} <= set(names)


def test_the_core_is_where_it_is_said_to_be():
    for module in mutation_score.CORE:
        text = (mutation_score.ROOT / "pairint" / f"{module}.py").read_text(encoding="utf-8")
        assert len(mutation_score.mutants(module, text)) > 10, module
    assert all((mutation_score.ROOT / name).exists() for name in mutation_score.TESTS)


def test_what_is_listed_as_unnoticeable_is_a_change_of_the_core_with_a_reason():
    known = {
        mutant.name
        for module in mutation_score.CORE
        for mutant in mutation_score.mutants(
            module, (mutation_score.ROOT / "pairint" / f"{module}.py").read_text(encoding="utf-8")
        )
    }
    assert set(mutation_score.EQUIVALENT) <= known
    assert all(len(reason) > 10 for reason in mutation_score.EQUIVALENT.values())


def test_tests_that_call_a_function_come_first_and_the_shortest_of_them(found):
    learned = {
        "calls": {
            "a.py::long": ["estimation/base:f:7"],
            "a.py::short": ["estimation/base:f:7"],
            "a.py::other": [],
            "b.py::none": ["estimation/base:g:9"],
        },
        "seconds": {"a.py::long": 2.0, "a.py::short": 1.0, "a.py::other": 0.5, "b.py::none": 0.1},
    }
    assert mutation_score.tests_of(found[0], learned) == ["a.py::short", "a.py::long", "a.py::other"]


def test_calls_are_seen(tmp_path, monkeypatch):
    folder = tmp_path / "pairint" / "engine"
    folder.mkdir(parents=True)
    (folder / "seeds.py").write_text("def f():\n    return 1\n", encoding="utf-8")
    plugin = mutation_score.Calls(tmp_path)
    scope: dict = {}
    exec(compile("def f():\n    return 1\n", str(folder / "seeds.py"), "exec"), scope)
    plugin.pytest_runtest_logstart("a test")
    before = sys.gettrace()
    scope["f"]()
    plugin.pytest_runtest_logfinish("a test")
    assert before == plugin.trace and sys.gettrace() is None
    assert plugin.calls == {"a test": {"engine/seeds:f:1"}} and plugin.seconds["a test"] >= 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize(
    ("work", "code"),
    [
        (lambda: 0, 0),
        (lambda: 1, 1),
        (lambda: 1 / 0, 98),
        (lambda: sys.exit(0), 98),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), -9),
    ],
    ids=["passes", "fails", "raises", "leaves", "dies"],
)
def test_only_tests_that_pass_are_silent(tmp_path, work, code):
    """Whatever a change does to the process that runs the tests, it is noticed."""
    assert mutation_score.apart(tmp_path, work, 5) == code
