"""The wheel, installed alone: whatever needs no repository runs without one."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.slow


def call(*command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel from the tracked files, offline."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    tracked = call("git", "ls-files", "-z", "pairint", "pyproject.toml", "README.md", "LICENSE", cwd=ROOT)
    for name in filter(None, tracked.split("\0")):
        if (ROOT / name).is_file():  # not one that an uncommitted change has removed
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    pip = (sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation")
    call(*pip, "-w", out, source)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Return how to run Python where the wheel is installed, far from the repository."""
    site, home = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("home")
    call(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", site, wheel)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PAIRINT")}
    environment |= {"PYTHONPATH": str(site), "MPLBACKEND": "agg"}

    def run(*arguments):
        return call(sys.executable, *arguments, cwd=home, env=environment)

    assert Path(run("-c", "import pairint; print(pairint.__file__)").strip()).is_relative_to(site)
    return run, home


def test_it_holds_every_file_of_the_package(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if name.startswith("pairint/")}
    tracked = call("git", "ls-files", "pairint", cwd=ROOT).splitlines()
    wanted = {name for name in tracked if (ROOT / name).is_file() and not Path(name).name.startswith(".git")}
    assert held == wanted
    assert {".pyi", ".cu", ".js", ".css", ".csv"} < {Path(name).suffix for name in held}


def test_the_snippet_of_the_readme(installed):
    run, _ = installed
    (snippet,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    run("-c", snippet)


def test_the_command_line(installed):
    run, home = installed
    assert "rough" in run("-m", "pairint.cli", "list")
    said = run("-m", "pairint.cli", "figure", "rough", "--out", "figure.svg")
    assert "stored table, preset full" in said
    assert (home / "figure.svg").stat().st_size > 10_000
    report = run("-m", "pairint.cli", "report", "--stored")
    assert "| Quantity |" in report and "Not computed" not in report


USE = """
import pairint as pi

assert len(pi.load_results("dimension")) == 1000
assert "samples.measured_fit" in pi.RateExplorer(measured="rough-1-5-auto").numbers().series
for name in ("AIM", "Coercivity", "Fit", "LowerBound", "Rate"):
    assert '<script type="module">' in getattr(pi, f"{name}Explorer")().to_html()
model = pi.AttentionModel(pi.Tanh(), pi.interaction_matrix(3, 1, 0), pi.UniformCube(3))
fit = pi.InteractionRegressor().fit(*model.sample(500, 3, 1))
assert pi.interaction_error(fit, model, rng=2).value < 1e-3
"""


def test_figures_and_fits(installed):
    run, _ = installed
    run("-c", USE)


def test_its_tables_stay_as_they_are(installed):
    run, home = installed
    command = "['run', 'rough', '--preset', 'full', '--store']"
    run("-c", f"from pairint.cli import main; raise SystemExit(main({command}) != 3)")
    assert not list(home.glob("results"))
