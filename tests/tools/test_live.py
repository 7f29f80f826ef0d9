"""What makes pages run in the browser: pinned files, a wheel that imports, a kernel for the cells."""

import gzip
import hashlib
import io
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import build_book
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


def wheel_of(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


BIG = b"x" * (vendor_live.PART_BYTES + 1)


def test_a_wheel_is_cut_where_it_is_imported():
    wheel = wheel_of(
        {
            "pack/__init__.py": b"",
            "pack/small/__init__.py": b"",
            "pack/big/__init__.py": BIG,
            "pack/big/deep/one.py": b"1",
            "pack/data/numbers.bin": BIG,  # not imported: it stays with the package
            "pack/big/header.h": b"",
            "pack-1.dist-info/METADATA": b"",
            "alone.py": b"",
        }
    )
    found = vendor_live.parts(wheel)
    assert {part: sorted(files) for part, files in found.items()} == {
        "pack": [
            "pack-1.dist-info/METADATA",
            "pack/__init__.py",
            "pack/data/numbers.bin",
            "pack/small/__init__.py",
        ],
        "pack.big": ["pack/big/__init__.py", "pack/big/deep/one.py"],
        "alone": ["alone.py"],
    }


def test_a_wheel_of_one_module():
    wheel = wheel_of({"six.py": b"", "six-1.dist-info/LICENSE": BIG})
    assert {part: sorted(files) for part, files in vendor_live.parts(wheel).items()} == {
        "six": ["six-1.dist-info/LICENSE", "six.py"]
    }


@pytest.fixture
def mirror(monkeypatch, tmp_path):
    """A folder with all package files, the interpreter at hand, no other source."""
    folder, assets = tmp_path / "mirror", tmp_path / "assets"
    folder.mkdir()
    lock = {"info": {"version": "1"}, **lock_of(*vendor_live.WANTED, "packaging")}
    for name in vendor_live.WANTED:
        module = name.replace("-", "_")
        content = wheel_of({f"{module}/__init__.py": b"", f"{module}/code.so": b"needs libopenblas.so"})
        (folder / f"{name}.whl").write_bytes(content)
        lock["packages"][name].update(sha256=hashlib.sha256(content).hexdigest(), package_type="package")

    def interpreter(archive, scratch):
        core = scratch / archive.name
        core.mkdir()
        for file in vendor_live.CORE:
            (core / file).write_bytes(CONTENT)
        (core / "pyodide-lock.json").write_text(json.dumps(lock))

    monkeypatch.setattr(vendor_live, "WHEELS", {})
    monkeypatch.setattr(vendor_live.vendor, "fetch", interpreter)
    monkeypatch.setenv("PAIRINT_MIRROR", str(folder))
    only = list(vendor_live.sources(tmp_path))[:1]
    monkeypatch.setattr(vendor_live, "sources", lambda scratch: only)
    return folder, assets


def test_a_mirror_fills_the_folder_once_and_mends_it(mirror):
    _, assets = mirror
    assert not vendor_live.whole(assets)
    assert vendor_live.fetch(assets) == len(vendor_live.WANTED)
    assert vendor_live.whole(assets) and vendor_live.fetch(assets) == 0
    (assets / "pyodide" / "numpy.zip").write_bytes(b"damaged")
    assert not vendor_live.whole(assets)
    assert vendor_live.fetch(assets) == len(vendor_live.WANTED) and vendor_live.whole(assets)
    files = json.loads((assets / "pyodide" / vendor_live.LOCK).read_text())["files"]
    modules = {name.replace("-", "_") for name in vendor_live.WANTED}
    assert set(files) == modules | set(vendor_live.CORE)
    assert files["scipy"]["needs"] == ["openblas"]
    packed = (assets / "pyodide" / files["pyodide.asm.wasm"]["file"]).read_bytes()
    assert gzip.decompress(packed) == CONTENT


def test_a_mirror_with_another_file_fails(mirror):
    folder, assets = mirror
    (folder / "scipy.whl").write_bytes(b"another")
    with pytest.raises(ValueError, match=r"scipy\.whl"):
        vendor_live.fetch(assets)
    assert not (assets / "pyodide").exists()


def test_a_book_is_live_where_the_files_are(mirror, monkeypatch, capsys):
    _, assets = mirror
    assert not build_book.choose_live("", assets)  # and nobody was asked
    assert not build_book.choose_live("0", assets)
    assert build_book.choose_live("1", assets)
    assert build_book.choose_live("", assets)
    assert not build_book.choose_live("0", assets)
    assert capsys.readouterr().out == ""
    (assets / "pyodide" / "numpy.zip").write_bytes(b"damaged")
    assert not build_book.choose_live("", assets)
    assert "anew" in capsys.readouterr().out


def test_a_book_is_built_without_what_cannot_be_fetched(mirror, capsys):
    folder, assets = mirror
    (folder / "scipy.whl").unlink()
    assert not build_book.choose_live("1", assets)
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and "scipy.whl" in said


def test_a_page_fetches_what_it_imports_and_no_more():
    parts = {"scipy": {}, "scipy.linalg": {}, "scipy.stats": {}, "numpy": {}}
    assert live.needs(["scipy.linalg.blas", "os", "scipy"], parts) == ["scipy", "scipy.linalg"]
    by_pandas = {"pandas": {}, "pytz": {}, "six": {}}  # by that of the browser, which is not the newest
    assert live.needs(["pandas"], by_pandas) == ["pandas", "pytz", "six"]


def test_only_a_build_that_asks_for_it_is_live(monkeypatch, tmp_path):
    lock = tmp_path / live.VENDORED / vendor_live.LOCK
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
    assert any("whose rows sum to zero" in cell["alt"] for cell in found)


def kernel():
    """Return the kernel's names, and a kernel that keeps what it is told."""
    names = {"__name__": "kernel"}
    source = ROOT / "book" / "assets" / "live" / "kernel.py"
    exec(compile(source.read_text(encoding="utf-8"), str(source), "exec"), names)
    told = []
    return names["Kernel"](lambda kind, content: told.append((kind, content))), told


def test_a_figure_has_a_name_of_its_own_and_draws_what_the_package_draws():
    """With the generator's seed given, the points are those of the figure itself."""
    import numpy as np

    import pairint as pi

    runner, told = kernel()
    figure = pi.FitExplorer(samples=100)
    for _ in range(2):
        runner.show(figure)
    assert [re.search(r'class="pairint-explorer" id="([^"]+)"', html)[1] for _, html in told] == [
        "live-1",
        "live-2",
    ]
    values = figure.values
    seen = []
    chosen = SimpleNamespace(to_py=lambda: values)
    with pytest.MonkeyPatch.context() as patch:
        seeded = np.random.default_rng
        patch.setattr(np.random, "default_rng", lambda seed=None: seeded(3 if seed is None else seed))
        further = runner.simulate("live-2", chosen, seen.append)
        points = []
        while (found := further()) is not None:
            points.append(json.loads(found))
    expected = list(figure.simulate(values, seeded(3), lambda fraction: None))
    assert len(points) == len(expected) == len(seen) > 1
    for here, there in zip(points, expected, strict=True):
        assert here == {key: {c: list(map(float, v)) for c, v in each.items()} for key, each in there.items()}


class Host:
    """Stands for the worker: the bytes of parts, and what was asked of it."""

    def __init__(self, contents):
        self.contents, self.accepted, self.made = contents, [], {}

    def provide(self, name):
        content = self.contents[name]
        if isinstance(content, Exception):
            raise content
        return type("Bytes", (), {"to_bytes": lambda self: content})()

    def accept(self, name):
        self.accepted.append(name)

    def compiled(self, name):
        if name not in self.made:
            return None
        return type("Bytes", (), {"to_bytes": lambda _: self.made[name]})()


@pytest.fixture
def parts(tmp_path, monkeypatch):
    """Return a function that gives a finder of the parts of a package ``pack_``, and its host."""
    names = {"__name__": "kernel"}
    for name in ("PAIRINT_STATIC", "MPLBACKEND"):
        monkeypatch.setenv(name, "")
    source = ROOT / "book" / "assets" / "live" / "kernel.py"
    exec(compile(source.read_text(encoding="utf-8"), str(source), "exec"), names)

    def forget():
        for name in [each for each in sys.modules if each.split(".")[0] == "pack_"]:
            del sys.modules[name]

    def make(folder, contents):
        forget()
        host = Host(contents)
        files = {
            name: {"sha256": hashlib.sha256(content).hexdigest()}
            for name, content in contents.items()
            if isinstance(content, bytes)
        }
        files |= {name: {"sha256": SHA256} for name in contents if name not in files}
        found = names["Parts"](files, host, str(tmp_path / folder))
        monkeypatch.setattr(sys, "meta_path", [*before, found])
        monkeypatch.setattr(sys, "path", [str(tmp_path / folder), *paths])
        return found, host

    before, paths = list(sys.meta_path), list(sys.path)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    yield make
    forget()


PACK = {
    "pack_": wheel_of({"pack_/__init__.py": b"x = 1\n"}),
    "pack_.sub": wheel_of(
        {"pack_/sub/__init__.py": b"from . import deep\n", "pack_/sub/deep.py": b"y = 2\n"}
    ),
    "pack_.other": wheel_of({"pack_/other/__init__.py": b""}),
}


def test_a_part_is_unpacked_when_it_is_imported(parts, tmp_path):
    _, host = parts("one", PACK)
    scope = {}
    exec("import pack_", scope)
    assert host.accepted == ["pack_"]
    exec("import pack_.sub.deep", scope)
    assert host.accepted == ["pack_", "pack_.sub"] and scope["pack_"].sub.deep.y == 2
    with pytest.raises(ModuleNotFoundError):
        exec("import pack_.nothing", scope)


def test_what_was_compiled_is_used_by_the_next_page(parts, tmp_path):
    first, _ = parts("one", PACK)
    exec("import pack_.sub", {})
    made = dict(first.compiled())
    assert set(made) == {"pack_", "pack_.sub"} and dict(first.compiled()) == {}
    second, host = parts("two", PACK)
    host.made = made
    exec("import pack_.sub", {})
    assert host.accepted == ["pack_", "pack_.sub"]
    assert dict(second.compiled()) == {}  # nothing had to be compiled again
    exec("import pack_.other", {})
    assert set(dict(second.compiled())) == {"pack_.other"}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (OSError("the download of pack_ was cut off"), "could not be fetched: the download"),
        (b"", "is not the file"),
    ],
)
def test_a_part_that_is_not_there_or_altered_is_an_import_error(parts, content, sentence):
    found, host = parts("one", {"pack_": content})
    found.files["pack_"]["sha256"] = SHA256
    with pytest.raises(ImportError, match=f"pack_ {sentence}"):
        exec("import pack_", {})
    assert host.accepted == [] and "pack_" in found.waiting  # asked for again the next time


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


def test_markdown_and_its_formulas_are_shown_without_ipython(monkeypatch):
    names = {"__name__": "kernel"}
    for name in ("PAIRINT_STATIC", "MPLBACKEND"):
        monkeypatch.setenv(name, "")
    source = ROOT / "book" / "assets" / "live" / "kernel.py"
    exec(compile(source.read_text(encoding="utf-8"), str(source), "exec"), names)
    for name in ("IPython", "IPython.display"):
        monkeypatch.setitem(sys.modules, name, None)  # put back afterwards
    names["stand_for_ipython"](print)
    scope = {}
    exec("from IPython import get_ipython\nfrom IPython.display import Markdown, display", scope)
    assert scope["get_ipython"]() is None and scope["display"] is print
    shown = scope["Markdown"]("| $a_1 < b$ | `$5` |\n|---|---|\n| **2** | *3* |")._repr_html_()
    assert '<span class="math notranslate nohighlight">\\(a_1 &lt; b\\)</span>' in shown
    assert "<table>" in shown and "<strong>2</strong>" in shown and "<code>$5</code>" in shown


def test_an_error_shows_the_readers_lines_only(cell):
    good, told = cell("def f():\n    return 1 / 0\n\nf()")
    assert not good and [kind for kind, _ in told] == ["error"]
    assert "return 1 / 0" in told[0][1] and "kernel.py" not in told[0][1]
    good, told = cell("if:")
    assert not good and "SyntaxError" in told[0][1]
    good, told = cell("raise SystemExit")
    assert not good and "SystemExit" in told[0][1]
