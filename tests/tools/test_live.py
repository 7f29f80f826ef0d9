"""What makes pages run in the browser: pinned files, a wheel that imports, a kernel for the cells."""

import hashlib
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import live
import pytest
import vendor
import vendor_live

ROOT = Path(__file__).resolve().parents[2]
CONTENT = b"a package"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def lock_of(*names):
    entry = {"depends": [], "sha256": SHA256, "version": "1"}
    return {"packages": {name: {**entry, "name": name, "file_name": f"{name}.whl"} for name in names}}


def test_what_a_package_needs_comes_with_it():
    lock = lock_of(*vendor_live.WANTED, "packaging", "openblas", "unused")
    lock["packages"]["scipy"]["depends"] = ["openblas"]
    found = vendor_live.needed(lock)
    assert "openblas" in found and "unused" not in found
    assert found["joblib"]["sha256"] == vendor_live.WHEELS["joblib"][1]


def test_a_package_that_the_lock_lacks_is_named():
    with pytest.raises(ValueError, match="does not know"):
        vendor_live.needed(lock_of("numpy"))


def test_the_first_source_that_has_the_file_gives_it():
    asked = []

    def source(name, content):
        return name, lambda file: (asked.append(name), content)[1]

    found = vendor_live.get("a.whl", SHA256, [source("x", None), source("y", CONTENT), source("z", b"other")])
    assert found == CONTENT and asked == ["x", "y"]


def test_other_bytes_are_refused():
    with pytest.raises(ValueError, match=r"a\.whl of somewhere is not the file pinned"):
        vendor_live.get("a.whl", SHA256, [("somewhere", lambda file: CONTENT + b"!")])


def test_nobody_has_it():
    with pytest.raises(vendor.Unreachable, match=r"a\.whl was asked of here, there"):
        vendor_live.get("a.whl", SHA256, [("here", lambda file: None), ("there", lambda file: None)])


def test_a_silent_address_is_asked_once(monkeypatch):
    asked = []

    def urlopen(address, timeout):
        asked.append(address)
        raise OSError("no route")

    monkeypatch.setattr(vendor_live.urllib.request, "urlopen", urlopen)
    read = vendor_live.at_address("https://mirror.invalid/files/")
    assert read("a.whl") is None and read("b.whl") is None
    assert asked == ["https://mirror.invalid/files/a.whl"]


@pytest.fixture
def mirror(monkeypatch, tmp_path):
    """A folder with all package files, the lock in place, no other source."""
    folder, assets = tmp_path / "mirror", tmp_path / "assets"
    folder.mkdir()
    (assets / "pyodide").mkdir(parents=True)
    lock = {"info": {}, **lock_of(*vendor_live.WANTED, "packaging")}
    (assets / "pyodide" / "pyodide-lock.json").write_text(json.dumps(lock))
    monkeypatch.setattr(vendor_live, "WHEELS", {})
    monkeypatch.setattr(vendor_live.vendor, "fetch", lambda archive, folder: False)
    monkeypatch.setenv("PAIRINT_MIRROR", str(folder))
    only = list(vendor_live.sources(tmp_path))[:1]
    monkeypatch.setattr(vendor_live, "sources", lambda scratch: only)
    for name in vendor_live.WANTED:
        (folder / f"{name}.whl").write_bytes(CONTENT)
    return folder, assets


def test_a_mirror_fills_the_folder_once_and_mends_it(mirror):
    _, assets = mirror
    assert vendor_live.fetch(assets) == len(vendor_live.WANTED)
    assert vendor_live.fetch(assets) == 0
    (assets / "pyodide" / "numpy.whl").write_bytes(b"damaged")
    assert vendor_live.fetch(assets) == 1
    assert sorted(json.loads((assets / "pyodide" / "live-lock.json").read_text())["packages"]) == sorted(
        vendor_live.WANTED
    )


def test_a_mirror_with_another_file_fails(mirror):
    folder, assets = mirror
    (folder / "scipy.whl").write_bytes(b"another")
    with pytest.raises(ValueError, match=r"scipy\.whl"):
        vendor_live.fetch(assets)
    assert not (assets / "pyodide" / "scipy.whl").exists()


def test_only_a_build_that_asks_for_it_is_live(monkeypatch, tmp_path):
    lock = tmp_path / live.VENDORED / "live-lock.json"
    for wish, there, expected in (
        ("1", False, False),
        ("0", True, False),
        ("", True, False),
        ("1", True, True),
    ):
        monkeypatch.setenv("PAIRINT_LIVE", wish)
        if there and not lock.exists():
            lock.parent.mkdir(parents=True)
            lock.write_text("{}")
        assert live.wanted(tmp_path) == expected


@pytest.mark.slow
def test_the_wheel_is_reproducible_complete_and_imports(tmp_path):
    name, content = live.wheel(ROOT)
    assert (name, content) == live.wheel(ROOT)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        inside = set(archive.namelist())
        archive.extractall(tmp_path)
    assert {"pairint/explorers/fit.js", "pairint/kernels/pair_sum.py"} <= inside
    assert any(each.startswith("pairint/experiments/stored/") for each in inside)
    assert not any("__pycache__" in each for each in inside)
    code = (
        "import importlib.metadata, pairint; print(pairint.__file__, importlib.metadata.version('pairint'))"
    )
    path = {"PYTHONPATH": str(tmp_path), "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=path, capture_output=True, text=True, check=True
    )
    assert str(tmp_path) in done.stdout and done.stdout.split()[-1] == name.split("-")[1]


def test_cells_hold_what_the_page_does_not_show():
    found = live.cells(ROOT / "book" / "coercivity_limits.md")
    hidden = [cell for cell in found if not cell["shown"]]
    assert len(hidden) == 1 and "CoercivityExplorer" in hidden[0]["source"]
    assert any("zero row sums" in cell["alt"] for cell in found)


def kernel():
    """Return the kernel's names, and a kernel that keeps what it is told."""
    names = {"__name__": "kernel"}
    source = ROOT / "book" / "assets" / "live" / "kernel.py"
    exec(compile(source.read_text(encoding="utf-8"), str(source), "exec"), names)
    told = []
    return names["Kernel"](lambda kind, content: told.append((kind, content))), told


@pytest.fixture
def cell(monkeypatch):
    """Return a function that runs a cell and returns whether it ended well, and what it showed."""
    for name in ("PAIRINT_STATIC", "MPLBACKEND"):
        monkeypatch.setenv(name, "")
    made = told = None

    def run(source):
        nonlocal made, told
        if made is None:
            monkeypatch.setattr(sys, "stdout", sys.stdout)  # put back afterwards
            monkeypatch.setattr(sys, "stderr", sys.stderr)
            made, told = kernel()
        told.clear()
        return made.run(source, "cell 1"), list(told)

    return run


def test_the_kernel_shows_the_last_value_and_keeps_names(cell):
    assert cell("x = 3\nprint('a')\nx + 1") == (True, [("stdout", "a"), ("stdout", "\n"), ("text", "4")])
    assert cell("x;") == (True, [])
    assert cell("None") == (True, [])


def test_the_kernel_shows_tables_and_one_picture_of_a_figure(cell):
    good, told = cell("import pandas\npandas.DataFrame({'a': [1]})")
    assert good and [kind for kind, _ in told] == ["html"] and "<table" in told[0][1]
    source = "import matplotlib.pyplot as plt\nfigure, axes = plt.subplots()\nfigure"
    good, told = cell(source)
    assert good and [kind for kind, _ in told] == ["png"]
    good, told = cell("plt.plot([1, 2]);")
    assert good and [kind for kind, _ in told] == ["png"]


@pytest.mark.slow
def test_an_interactive_figure_is_its_html(cell, monkeypatch):
    monkeypatch.setenv("PAIRINT_STATIC", "1")
    good, told = cell("from pairint.explorers import CoercivityExplorer\nCoercivityExplorer()")
    assert good and [kind for kind, _ in told] == ["html"] and "pairint-explorer" in told[0][1]


def test_an_error_shows_the_readers_lines_only(cell):
    good, told = cell("def f():\n    return 1 / 0\n\nf()")
    assert not good and [kind for kind, _ in told] == ["error"]
    assert "return 1 / 0" in told[0][1] and "kernel.py" not in told[0][1]
    good, told = cell("if:")
    assert not good and "SyntaxError" in told[0][1]
    good, told = cell("raise SystemExit")
    assert not good and "SystemExit" in told[0][1]
