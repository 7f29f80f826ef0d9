"""The recipe for conda-forge says what pyproject.toml says, of the archive that it is given."""

import hashlib
import tarfile
import tomllib
from pathlib import Path

import conda_recipe
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "pairint-9.8.7.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(ROOT / "pyproject.toml", "pairint-9.8.7/pyproject.toml")
    return path


def test_it_follows_the_archive(archive, capsys):
    assert conda_recipe.main([str(archive), "--maintainer", "somebody"]) == 0
    recipe = yaml.safe_load(capsys.readouterr().out)
    assert recipe["context"]["version"] == "9.8.7"
    assert recipe["source"]["sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()
    run = recipe["requirements"]["run"]
    bounds = dict(line.split(" ", 1) for line in run[1:])
    assert len(bounds) == len(PROJECT["dependencies"])
    for wanted in PROJECT["dependencies"]:
        name, bound = wanted.split(">=")
        assert bounds[conda_recipe.NAMES.get(name, name)] == f">={bound}"
    assert f">={recipe['context']['python_min']}" == PROJECT["requires-python"]
    assert recipe["build"]["python"]["entry_points"] == ["pairint = pairint.cli:main"]
    assert recipe["extra"]["recipe-maintainers"] == ["somebody"]
    assert recipe["about"]["license"] == PROJECT["license"]
    assert ".invalid" not in str(recipe)  # an address that is nobody's is not handed on


@pytest.mark.parametrize("name", ["other-1.0.tar.gz", "pairint-1.0-py3-none-any.whl", "pairint-1.0.tar.gz"])
def test_what_is_no_archive_of_it_is_refused(tmp_path, name, capsys):
    (tmp_path / name).write_bytes(b"no archive")
    assert conda_recipe.main([str(tmp_path / name)]) == 2
    assert capsys.readouterr().err.startswith("No recipe: ")
