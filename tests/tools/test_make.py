"""The first thing a stranger meets: what `make` says when the machine lacks something, and what it reuses."""

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def make(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess:
    ours = ("MAKE", "EXTRAS", "VENV", "PYTHON", "JOBS")  # of the `make test` that runs this
    clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return subprocess.run(["make", *arguments], cwd=cwd, env=clean, capture_output=True, text=True)


def fake_python(folder: Path, shell: str) -> str:
    """Write a program that is this Python, but for what the shell code does with its arguments first."""
    program = folder / "fake-python"
    program.write_text(f'#!/bin/sh\n{shell}\nexec "{sys.executable}" "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return str(program)


@pytest.fixture
def checkout(tmp_path):
    """A folder with the Makefile, what it looks at, and an environment whose pip only takes notes."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    home = tmp_path / "venv" / "bin"
    home.mkdir(parents=True)
    notes = tmp_path / "installed"
    script = (
        f'if [ "$2" = pip ]; then test ! -e {tmp_path}/broken && echo "$@" >> {notes}; exit $?; fi\n'
        'if [ "$2" = pytest ]; then exit 0; fi'
    )
    shutil.move(fake_python(home, script), home / "python")
    return tmp_path


def installed(checkout: Path) -> list[str]:
    """Return the extras of each installation so far."""
    notes = checkout / "installed"
    return re.findall(r"\.\[(.*)\]", notes.read_text()) if notes.exists() else []


@pytest.mark.slow
class TestEnvironment:
    def test_it_is_made_once_for_each_set_of_extras(self, checkout):
        for _ in range(2):
            assert make("test", "VENV=venv", cwd=checkout).returncode == 0
        assert installed(checkout) == ["book,classroom,test"]
        for _ in range(2):
            assert make("test", "VENV=venv", "EXTRAS=network", cwd=checkout).returncode == 0
        assert installed(checkout)[1:] == ["book,classroom,network,test"]
        assert make("test", "VENV=venv", cwd=checkout).returncode == 0
        assert len(installed(checkout)) == 2

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
    def test_it_follows_what_it_is_made_from(self, checkout, name):
        make("test", "VENV=venv", cwd=checkout)
        later = (checkout / name).stat().st_mtime + 100
        os.utime(checkout / name, (later, later))
        make("test", "VENV=venv", cwd=checkout)
        assert len(installed(checkout)) == 2

    def test_what_was_installed_earlier_follows_too(self, checkout):
        """An extra of an earlier call would stay at its old pins beside the new ones."""
        for extras in ("EXTRAS=network", "EXTRAS="):
            make("test", "VENV=venv", extras, cwd=checkout)
        later = (checkout / "constraints.txt").stat().st_mtime + 100
        os.utime(checkout / "constraints.txt", (later, later))
        assert make("test", "VENV=venv", cwd=checkout).returncode == 0
        assert installed(checkout)[-1] == "book,classroom,network,test"

    @pytest.mark.slow
    def test_an_installation_that_failed_is_done_again(self, checkout):
        (checkout / "broken").touch()
        assert make("test", "VENV=venv", cwd=checkout).returncode != 0
        (checkout / "broken").unlink()
        assert make("test", "VENV=venv", cwd=checkout).returncode == 0
        assert installed(checkout) == ["book,classroom,test"]

    def test_another_python_gets_another_environment(self, checkout):
        make("test", "VENV=venv", cwd=checkout)
        other = fake_python(checkout, 'case "$2" in *version_info*) echo 3.99; exit 0;; esac; exit 7')
        answer = make("test", "VENV=venv", f"PYTHON={other}", cwd=checkout)
        assert answer.returncode != 0 and "Creating the environment venv with Python 3.99" in answer.stdout


class TestWords:
    def test_old_python_gets_a_sentence(self, tmp_path):
        code = "import sys; sys.version_info = (3, 9, 1); exec(sys.argv.pop(1))"
        python = fake_python(
            tmp_path, f'if [ "$1" = -c ]; then shift; exec "{sys.executable}" -c "{code}" "$@"; fi'
        )
        answer = make("environment", f"PYTHON={python}", f"VENV={tmp_path / 'venv'}")
        assert answer.returncode != 0
        assert "needs Python 3.11 or later" in answer.stderr and "make PYTHON=" in answer.stderr
        assert "Traceback" not in answer.stderr and not (tmp_path / "venv").exists()

    def test_missing_venv_gets_a_sentence(self, tmp_path):
        python = fake_python(
            tmp_path, f'if [ "$2" = venv ]; then mkdir -p {tmp_path}/venv; echo no >&2; exit 1; fi'
        )
        answer = make("environment", f"PYTHON={python}", f"VENV={tmp_path / 'venv'}")
        assert answer.returncode != 0
        assert f"apt install python{VERSION}-venv" in answer.stderr and "make PYTHON=" in answer.stderr
        assert "Traceback" not in answer.stderr and not (tmp_path / "venv").exists()

    def test_help_lists_every_target(self):
        answer = make("help")
        assert answer.returncode == 0
        targets = re.search(r"\.PHONY: (.*?)\n\n", (ROOT / "Makefile").read_text(), re.DOTALL)[1]
        for target in set(targets.replace("\\", "").split()):
            assert re.search(rf"^  {target}\s+\S", answer.stdout, re.MULTILINE), target

    def test_every_step_of_ci_is_a_target(self):
        commands = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
        assert re.findall(r"(?m)^make ([\w-]+)", commands) == ["lint", "book", "test", "browser-test"]
        assert "set -euo pipefail" in commands and os.access(ROOT / ".ci" / "run", os.X_OK)
