"""The source archive, and the wheel made from it alone: whatever needs no repository runs without one.

``make test`` takes a few notebooks, ``make test-nightly`` all of them.
"""

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import nbclient
import nbformat
import pytest
from packaging.metadata import Metadata

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = {
    path.relative_to(ROOT / "book").with_suffix("").as_posix(): path
    for path in sorted((ROOT / "book").rglob("*.ipynb"))
    if not {"student", ".ipynb_checkpoints"} & set(path.parts)  # a student's stops at what is to be answered
}
#: They read stored tables, records of benchmarks, a trained encoder's matrices; and draw interactive figures.
USUAL = ("explorers", "intro", "performance", "whole_layer")

pytestmark = pytest.mark.slow


def call(*command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


#: What builds, tests and notes of one's own leave behind; none of it is tracked.
JUNK = (
    "_build/html/index.html",
    "_build/vendor/axe-core/axe.min.js",
    ".venv/lib/site.py",
    "book/.ipynb_checkpoints/intro-checkpoint.ipynb",
    "book/assets/vendor/mathjax/tex-chtml.js",
    "pairint/__pycache__/cli.cpython-311.pyc",
    "pairint/notes/idea.py",
    "pairint.egg-info/SOURCES.txt",
    "results/rough/table.csv",
    "tests/__pycache__/conftest.cpython-311.pyc",
)


def tracked(*folders):
    """Return the tracked files, without those that an uncommitted change has removed and those for git."""
    names = call("git", "ls-files", "-z", *folders, cwd=ROOT).split("\0")
    return {name for name in names if (ROOT / name).is_file() and not Path(name).name.startswith(".git")}


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Build the source archive from the tracked files and some that are not, offline."""
    if not (ROOT / ".git").exists():
        pytest.skip("which files are tracked is known in a checkout only")
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("archive")
    for name in tracked():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    for name in JUNK:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text("junk")
    build = "import sys; from setuptools.build_meta import build_sdist; build_sdist(sys.argv[1])"
    call(sys.executable, "-c", build, out, cwd=source)
    (built,) = out.glob("*.tar.gz")
    return built


@pytest.fixture(scope="module")
def wheel(archive, tmp_path_factory):
    """Build the wheel from the source archive, offline."""
    out = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation")
    call(*pip, "-w", out, archive)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def alone(wheel, tmp_path_factory):
    """Return the environment of a process for which the wheel is installed, and no repository is near."""
    site = tmp_path_factory.mktemp("site")
    call(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", site, wheel)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PAIRINT")}
    return environment | {"PYTHONPATH": str(site)}


@pytest.fixture(scope="module")
def installed(alone, tmp_path_factory):
    """Return how to run Python where the wheel is installed, far from the repository."""
    home, environment = tmp_path_factory.mktemp("home"), alone | {"MPLBACKEND": "agg"}

    def run(*arguments):
        return call(sys.executable, *arguments, cwd=home, env=environment)

    found = run("-c", "import pairint; print(pairint.__file__)").strip()
    assert Path(found).is_relative_to(environment["PYTHONPATH"])
    return run, home


def test_the_archive_is_the_repository(archive):
    """Tests, benchmarks, the sources of the book, the stored tables; and nothing that is not tracked."""
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames() if opened.getmember(name).isfile()}
    made = {name for name in names if name.startswith("pairint.egg-info/")} | {"PKG-INFO", "setup.cfg"}
    assert names - made == tracked()


def test_its_metadata_are_valid(archive, wheel):
    """By the standard, which an index checks when it takes an archive."""
    with tarfile.open(archive) as opened:
        (name,) = (name for name in opened.getnames() if re.fullmatch(r"[^/]+/PKG-INFO", name))
        source = opened.extractfile(name).read()
    with zipfile.ZipFile(wheel) as opened:
        (name,) = (name for name in opened.namelist() if name.endswith(".dist-info/METADATA"))
        built = opened.read(name)
    for text in (source, built):
        metadata = Metadata.from_email(text, validate=True)
        assert metadata.name == "pairint" and metadata.license_expression == "BSD-3-Clause"
        assert metadata.description_content_type == "text/markdown" and "pip install" in metadata.description
        assert set(metadata.project_urls) == {"Repository"}


def test_the_wheel_holds_every_file_of_the_package(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if not name.startswith("pairint-")}
    assert held == tracked("pairint")
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
for name in ("AIM", "Coercivity", "Curse", "Fit", "LowerBound", "Rate"):
    assert '<script type="module">' in getattr(pi, f"{name}Explorer")().to_html()
assert ".eaves .title{" in pi.Eavesdropper().to_html()
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


@pytest.mark.timeout(1800)  # seconds; the longest takes four minutes where nothing else runs
@pytest.mark.parametrize("name", NOTEBOOKS if os.environ.get("PAIRINT_TEST_SEED") == "random" else USUAL)
def test_a_notebook_needs_itself_and_the_wheel(alone, tmp_path, name):
    """It runs to its end in a folder that holds nothing else, and leaves nothing there."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "notebook.ipynb").write_bytes(NOTEBOOKS[name].read_bytes())
    notebook = nbformat.read(home / "notebook.ipynb", as_version=4)
    where = nbformat.v4.new_code_cell("import pairint; print(pairint.__file__)")
    notebook.cells.insert(0, where)
    environment = alone | {"IPYTHONDIR": str(tmp_path), "MPLCONFIGDIR": str(tmp_path)}
    client = nbclient.NotebookClient(notebook, timeout=1500, resources={"metadata": {"path": str(home)}})
    client.execute(env=environment)
    assert Path(where.outputs[0].text.strip()).is_relative_to(alone["PYTHONPATH"])
    assert [path.name for path in home.iterdir()] == ["notebook.ipynb"]
