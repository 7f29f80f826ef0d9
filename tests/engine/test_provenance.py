"""What a result says of the code that made it."""

import shutil
import subprocess

import pytest

from pairint.engine import provenance

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Return a repository with a package in which `provenance` believes to lie."""
    for name in (
        "engine/provenance.py",
        "experiments/stored/demo/table.csv",
        "experiments/measured/demo.json",
    ):
        file = tmp_path / "package" / name
        file.parent.mkdir(parents=True)
        file.write_text("1\n")
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "First"]):
        who = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", str(tmp_path), *who, *arguments], check=True)
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "package" / "engine" / "provenance.py"))
    return tmp_path / "package"


def test_edited_code_is_said_and_stored_results_are_no_code(checkout):
    commit = provenance.commit.__wrapped__
    clean = commit()
    assert len(clean) == 40 and not provenance.edited(clean)
    for result in ("experiments/stored/demo/table.csv", "experiments/measured/demo.json"):
        (checkout / result).write_text("2\n")
    assert commit() == clean
    (checkout / "engine" / "provenance.py").write_text("2\n")
    assert commit() == f"{clean}+changes" and provenance.edited(commit())


def test_outside_of_a_repository_there_is_no_commit(checkout):
    shutil.rmtree(checkout.parent / ".git")
    assert provenance.commit.__wrapped__() is None
