"""The first thing a stranger meets: what `make` says when the machine lacks something, and what it reuses."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import environment
import pytest

ROOT = Path(__file__).resolve().parents[2]


def make(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(["make", *arguments], cwd=cwd, env=clean, capture_output=True, text=True)


def fake_python(folder: Path, prelude: str) -> str:
    """Write a program that is this Python after some changes to it."""
    program = folder / "fake-python"
    runner = (
        f"import sys, runpy; {prelude}; del sys.argv[0]; runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{runner}" "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return str(program)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
class TestMake:
    def test_old_python_gets_a_sentence(self, tmp_path):
        python = fake_python(tmp_path, "sys.version_info = (3, 9, 1)")
        answer = make("environment", f"PYTHON={python}", f"VENV={tmp_path / 'venv'}")
        assert answer.returncode != 0
        assert "needs Python 3.11 or later" in answer.stderr and "make PYTHON=" in answer.stderr
        assert "Traceback" not in answer.stderr and not (tmp_path / "venv").exists()

    @pytest.mark.parametrize("module", ["venv", "ensurepip"])
    def test_missing_venv_gets_a_sentence(self, tmp_path, module):
        python = fake_python(tmp_path, f"sys.modules['{module}'] = None")
        answer = make("environment", f"PYTHON={python}", f"VENV={tmp_path / 'venv'}")
        assert answer.returncode != 0
        assert "has no venv module" in answer.stderr and "apt install" in answer.stderr
        assert "Traceback" not in answer.stderr and not (tmp_path / "venv").exists()

    def test_help_lists_every_target(self):
        answer = make("help")
        assert answer.returncode == 0
        for target in (
            "book",
            "test",
            "browser-test",
            "notebooks",
            "notebooks-check",
            "constraints",
            "lint",
            "clean",
        ):
            assert f"\n  {target} " in answer.stdout

    def test_every_step_of_ci_is_a_target(self):
        commands = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
        for target in ("book", "test", "browser-test"):
            assert f"\nmake {target}" in commands
        assert "set -euo pipefail" in commands and os.access(ROOT / ".ci" / "run", os.X_OK)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Return a folder that looks like a finished environment, and the list of commands run since."""
    commands = []
    monkeypatch.setattr(environment, "call", commands.append)
    monkeypatch.setattr(environment, "version_of", lambda python: environment.VERSION)
    environment.main(str(tmp_path), [])
    (tmp_path / ".pairint-installed").write_text(f"{environment.key()}\nbook test\n")
    commands.clear()
    return tmp_path, commands


def test_a_right_environment_is_reused(installed):
    folder, commands = installed
    environment.main(str(folder), ["book", "test"])
    environment.main(str(folder), ["test"])
    assert commands == []


def test_a_new_extra_is_added_to_the_others(installed):
    folder, commands = installed
    environment.main(str(folder), ["test", "network"])
    assert [command[-1] for command in commands] == [".[book,network,test]"]
    assert "constraints.txt" in commands[0]
    environment.main(str(folder), ["network"])
    assert len(commands) == 1


def test_changed_pins_are_installed(installed, monkeypatch):
    folder, commands = installed
    monkeypatch.setattr(environment, "key", lambda: "another")
    environment.main(str(folder), ["test"])
    assert len(commands) == 1 and commands[0][1:4] == ["-m", "pip", "install"]


def test_another_python_makes_a_new_environment(installed, monkeypatch):
    folder, commands = installed
    monkeypatch.setattr(environment, "version_of", lambda python: None)
    environment.main(str(folder), ["test"])
    assert commands[0][1:] == ["-m", "venv", "--clear", str(folder)]
    assert commands[1][-1] == ".[test]"


def test_the_key_changes_with_the_pins(tmp_path, monkeypatch):
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    monkeypatch.setattr(environment, "ROOT", str(tmp_path))
    before = environment.key()
    with open(tmp_path / "constraints.txt", "a") as file:
        file.write("one-more==1\n")
    assert environment.key() != before
