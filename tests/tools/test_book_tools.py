"""The tools that build the book: the cache's key, the notebooks' first cell, the pages' scripts, the pins."""

import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import book_extension
import build_book
import execute
import jupytext
import nbformat
import notebooks
import numpy as np
import pytest
import repository
import twins
from docutils import nodes
from jupyter_cache import get_cache
from numpy.typing import NDArray
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
USED = ("pairint/model/tokens.py", "pairint/experiments/stored/one/table.csv", "constraints.txt")

PAGE = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# A page

```{code-cell} ipython3
:tags: [hide-input]
1 + 1
```
"""


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "page.md"
    path.write_text(PAGE, encoding="utf-8")
    return path


def small_project(root: Path) -> None:
    for name in USED:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("first\n")


@pytest.mark.parametrize(
    "name", ["pairint/model/tokens.py", "pairint/experiments/stored/one/table.csv", "constraints.txt"]
)
def test_cache_key_follows_what_cells_use(tmp_path, name):
    small_project(tmp_path)
    before = build_book.sources_key(tmp_path)
    assert build_book.sources_key(tmp_path) == before
    (tmp_path / name).write_text("other\n")
    assert build_book.sources_key(tmp_path) != before


def test_cache_key_ignores_compiled_files(tmp_path):
    small_project(tmp_path)
    before = build_book.sources_key(tmp_path)
    compiled = tmp_path / "pairint" / "__pycache__" / "x.pyc"
    compiled.parent.mkdir()
    compiled.write_text("x")
    assert build_book.sources_key(tmp_path) == before


def test_cache_is_emptied_when_the_package_changes(tmp_path, monkeypatch):
    cache = tmp_path / ".jupyter_cache"
    monkeypatch.setattr(build_book, "BUILD", tmp_path)
    monkeypatch.setattr(build_book, "CACHE", cache)
    keys = iter(["a", "a", "b", "b"])
    monkeypatch.setattr(build_book, "sources_key", lambda: next(keys))
    kept = []
    for fresh in (False, False, False, True):
        cache.mkdir(exist_ok=True)
        build_book.prepare_cache(fresh)
        kept.append(cache.exists())
    assert kept == [False, True, False, False]


ADDRESS = "https://github.com/example/pairint"


def project_at(root: Path, address: str, version: str = "0.1.0") -> Path:
    """Write what says where a project is found, and in which version."""
    (root / "pyproject.toml").write_text(f'[project.urls]\nRepository = "{address}"\n', encoding="utf-8")
    (root / "pairint").mkdir()
    (root / "pairint" / "_version.py").write_text(f'__version__ = "{version}"\n', encoding="utf-8")
    return root


@pytest.fixture
def published(tmp_path):
    return project_at(tmp_path, ADDRESS)


def test_twin_has_no_output_and_all_tags(page):
    notebook = nbformat.reads(twins.text(twins.read(page)), as_version=4)
    markdown, code = notebook.cells
    assert code.outputs == [] and code.execution_count is None
    assert code.metadata["tags"] == ["hide-input"] and markdown.cell_type == "markdown"


def test_twin_is_the_same_every_time(page):
    assert twins.text(twins.read(page)) == twins.text(twins.read(page))


def test_twin_agrees_with_its_source(page):
    source = jupytext.read(page, fmt="md:myst")
    assert [cell.source for cell in twins.read(page).cells] == [cell.source for cell in source.cells]


def test_twin_of_a_published_book_fetches_the_package_first(page, published):
    first, *others = twins.read(page, published).cells
    assert f'"pairint[widgets] @ git+{ADDRESS}@v0.1.0"' in first.source
    assert first.metadata["tags"] == ["remove-cell"]
    assert [cell.source for cell in others] == [cell.source for cell in twins.read(page).cells]


def run_setup(present: bool, root: Path, monkeypatch, status: int = 0) -> list[list[str]]:
    """Run the first cell where the package is, or is not, importable; return the commands that it ran."""
    commands = []

    def run(command, **options):
        commands.append(command)
        return SimpleNamespace(returncode=status, stderr="no route to that host")

    monkeypatch.setattr("importlib.util.find_spec", lambda name: object() if present else None)
    monkeypatch.setattr(subprocess, "run", run)
    exec(twins.read(root / "page.md", root).cells[0].source, {})
    return commands


def test_setup_cell_is_silent_where_the_package_is(page, published, monkeypatch, capsys):
    assert run_setup(True, published, monkeypatch) == []
    assert capsys.readouterr().out == ""


def test_setup_cell_fetches_the_package_where_it_is_not(page, published, monkeypatch):
    ((python, *pip, package),) = run_setup(False, published, monkeypatch)
    assert [python, *pip] == [sys.executable, "-m", "pip", "install", "--quiet"]
    wanted = Requirement(package)
    assert (wanted.name, wanted.extras, wanted.url) == ("pairint", {"widgets"}, f"git+{ADDRESS}@v0.1.0")


def test_setup_cell_says_what_to_do_when_the_package_cannot_be_had(page, published, monkeypatch):
    words = f"could not be fetched from {ADDRESS}: check the network .* pip says:\nno route to that host"
    with pytest.raises(RuntimeError, match=words):
        run_setup(False, published, monkeypatch, status=1)


def test_a_version_in_development_has_no_tag(tmp_path):
    assert repository.release(project_at(tmp_path, ADDRESS, "0.2.0.dev0")) == "main"


def test_buttons_lead_to_the_commit_that_is_checked_out(published):
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b.invalid", "-C", str(published))
    assert repository.commit(published) == "v0.1.0"
    for command in (("init", "-q"), ("commit", "-q", "--allow-empty", "-m", "one")):
        subprocess.run([*git, *command], check=True)
    last = subprocess.run([*git, "log", "--format=%H"], capture_output=True, text=True, check=True)
    assert repository.commit(published) == last.stdout.strip()


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://nobody.invalid/pairint", {"use_repository_button": False, "repository_url": ""}),
        (ADDRESS, {"repository_url": ADDRESS, "binderhub_url": "b", "colab_url": "c"}),
        ("https://gitlab.com/a/b", {"repository_url": "https://gitlab.com/a/b", "binderhub_url": "b"}),
    ],
    ids=["none", "github", "gitlab"],
)
def test_buttons_are_those_that_the_host_allows(tmp_path, address, expected):
    app = SimpleNamespace(srcdir=project_at(tmp_path, address))
    options = {"launch_buttons": {"binderhub_url": "b", "colab_url": "c"}, "repository_url": "a default"}
    book_extension.choose_buttons(app, SimpleNamespace(html_theme_options=options))
    published = {"use_repository_button": True, "repository_branch": "v0.1.0"}
    got = options | options.pop("launch_buttons")
    assert got == (expected if "use_repository_button" in expected else published | expected)


def test_the_inventory_has_a_name_and_a_version(tmp_path):
    config = SimpleNamespace()
    book_extension.name_inventory(
        SimpleNamespace(srcdir=project_at(tmp_path, "https://x.invalid/a/b")), config
    )
    assert (config.project, config.version, config.release) == ("pairint", "0.1.0", "0.1.0")


@pytest.mark.parametrize("host", ["nobody.invalid", "github.com.invalid", "NOBODY.INVALID"])
def test_a_host_that_nobody_can_own_is_no_address(tmp_path, host):
    assert repository.address(project_at(tmp_path, f"https://{host}/pairint")) is None


@pytest.mark.parametrize(
    "address",
    [
        "http://github.com/a/b",
        "https://github.com/a",
        "git@github.com:a/b",
        "https://x.org/a/b'); exit('",
        "",
    ],
)
def test_an_address_that_does_not_fit_into_links_and_code_is_refused(tmp_path, address):
    with pytest.raises(ValueError, match="must be https://HOST/OWNER/NAME, got"):
        repository.address(project_at(tmp_path, address))


def test_twins_are_written_checked_and_removed(tmp_path, capsys):
    new, old, kept = (tmp_path / "made" / name for name in ("new", "old", "kept"))
    new.parent.mkdir()
    old.write_text("old")
    kept.write_text("kept")
    wanted = {new: "new", kept: "kept"}

    def step(check):
        status = twins.sync(wanted, new.parent.iterdir(), check, "make it", tmp_path)
        return status, capsys.readouterr().out.splitlines()

    words = "is out of step with its source: run `make it`"
    assert step(True) == (1, [f"made/new {words}", f"made/old {words}"])
    assert not new.exists() and old.exists()
    assert step(False) == (0, ["Wrote made/new", "Removed made/old"])
    assert new.read_text() == "new" and not old.exists()
    assert step(True) == (0, [])


def test_table_of_contents_is_read_in_order():
    toc = {"root": "a", "parts": [{"caption": "x", "chapters": [{"file": "b", "sections": [{"file": "c"}]}]}]}
    assert list(notebooks.pages(toc)) == ["a", "b", "c"]


def test_reference_page_has_every_public_name_once():
    text = (ROOT / "book" / "api.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"(?m)^% names of ([\w.]+): (.*)$", text))
    for package, names in listed.items():
        offered = set(importlib.import_module(package).__all__)
        assert set(names.split(", ")) == offered - {"is_cupy", "one_blas_thread"}, (
            package
        )  # of pairint.backend
        assert len(names.split(", ")) == len(set(names.split(", ")))
    packages = (
        *("model", "estimation", "theory", "aim", "experiments", "explorers", "explorers.small"),
        *("engine", "kernels", "pretrained", "estimation.channels"),
    )
    assert set(listed) == {f"pairint.{name}" for name in (*packages, "backend", "steps")}


def test_reference_page_lists_the_names():
    content = ["% names of pairint.theory: Setting, upper_bound\n"]
    book_extension.expand_api(None, "book/api", content)
    assert "\n   Setting\n   upper_bound\n" in content[0] and ".. autofunction" not in content[0]


def test_pages_of_the_reference_document_the_names_of_their_sections():
    """Each section of the first page has one page, which documents its names, and links to it."""
    noted = []
    app = SimpleNamespace(srcdir=ROOT, env=SimpleNamespace(note_dependency=noted.append))
    first = (ROOT / "book" / "api.md").read_text(encoding="utf-8")
    headings = re.findall(r"(?m)^## (.*)$", first)
    found = []
    for path in sorted((ROOT / "book").glob("api_*.md")):
        content = [path.read_text(encoding="utf-8")]
        heading = re.search(r"(?m)^% in full: (.*)$", content[0])[1]
        book_extension.expand_api(app, f"book/{path.stem}", content)
        part = book_extension.section(first, heading)
        assert f"{{doc}}`{path.stem}`" in part
        for package, names in book_extension.NAMES.findall(part):
            assert f".. currentmodule:: {package}\n" in content[0]
            for name in names.split(", "):
                assert re.search(rf"(?m)^\.\. auto(class|function):: {name}$", content[0])
        assert "% in full" not in content[0] and noted[-1] == str(ROOT / "book" / "api.md")
        found.append(heading)
    assert sorted(found) == sorted(headings)
    with pytest.raises(ValueError, match="no section 'Nothing'"):
        book_extension.section(first, "Nothing")


@pytest.mark.parametrize(
    ("target", "context", "owner", "found"),
    [
        ("pairint.aim.amp.amp", "pairint", None, "pairint.aim.amp.amp"),
        ("pairint.theory.Setting.budget", "pairint", None, "pairint.theory.setting.Setting.budget"),
        ("small_width_samples", "pairint.aim", None, "pairint.aim.state_evolution.small_width_samples"),
        ("budget", "pairint.theory", "Setting", "pairint.theory.setting.Setting.budget"),
        ("nothing_at_all", "pairint.theory", "Setting", None),
        ("pairint.theory.nothing", "pairint", None, None),
    ],
)
def test_names_in_docstrings_are_found(target, context, owner, found):
    item = book_extension.locate(target, context, owner)
    assert (item and f"{item.__module__}.{item.__qualname__}") == found


@pytest.mark.slow
def test_pages_are_executed_once_into_the_cache(tmp_path, page):
    wrong, words = tmp_path / "wrong.md", tmp_path / "words.md"
    wrong.write_text(PAGE.replace("1 + 1", "1 / 0"), encoding="utf-8")
    words.write_text("# No code", encoding="utf-8")
    cache = tmp_path / "cache"
    assert execute.execute([page, wrong, words], cache, jobs=2) == 1
    assert execute.execute([page, words], cache) == 0
    notebook, _ = execute.read(page)
    _, found = get_cache(str(cache)).merge_match_into_notebook(notebook)
    (cell,) = (cell for cell in found.cells if cell.cell_type == "code")
    assert cell.outputs[0]["data"]["text/plain"] == "2"
    assert "json" in execute.modules(page, cache) and execute.modules(words, cache) == []


def test_repeated_scripts_are_dropped():
    scripts = [
        SimpleNamespace(filename=None, attributes={"body": "const a = 1"}),
        SimpleNamespace(filename="", attributes={"body": "const a = 1"}),
        SimpleNamespace(filename="x.js", attributes={}),
        SimpleNamespace(filename="y.js", attributes={}),
    ]
    context = {"script_files": list(scripts)}
    book_extension.drop_repeated_scripts(None, "page", "page.html", context, None)
    assert context["script_files"] == [scripts[0], scripts[2], scripts[3]]


@pytest.mark.parametrize(
    ("output", "refused"),
    [("<Figure size 700x400 with 2 Axes>", True), ("<Axes: title='x'>", True), ("Figure size 3", False)],
)
def test_a_picture_by_name_only_is_refused(monkeypatch, output, refused):
    warnings = []
    logger = SimpleNamespace(warning=lambda *args, **where: warnings.append(args))
    monkeypatch.setattr(book_extension, "LOGGER", logger)
    page = nodes.container("", nodes.paragraph("", "words"), nodes.literal_block(output, output))
    book_extension.refuse_names_of_pictures(None, page, "page")
    assert bool(warnings) is refused


def pins(name):
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def bounds():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return dict(requirement.split(">=") for requirement in project["dependencies"])


def test_oldest_versions_are_the_bounds():
    oldest = pins("constraints-oldest.txt")
    assert set(oldest) == set(bounds())
    for name, bound in bounds().items():
        assert f"{oldest[name]}.".startswith(f"{bound}."), f"{name}: run `make constraints`"


def test_versions_of_colab_are_allowed_and_whole():
    """Colab's ipywidgets, and a pin for all that the package needs, none below its bound."""
    shipped = pins("constraints-colab.txt")
    assert shipped["ipywidgets"] == "7.7.1" and set(bounds()) | {"anywidget", "ipykernel"} <= set(shipped)
    for name, bound in bounds().items():
        assert Version(shipped[name]) >= Version(bound), name


def test_every_tool_is_pinned():
    newest = pins("constraints.txt")
    assert set(bounds()) <= set(newest)
    held = re.search(r"HELD +:= torch==(\S+)", (ROOT / "Makefile").read_text(encoding="utf-8"))[1]
    assert newest["torch"] == held and newest["jupyter-book"].startswith("1.")
    assert not any("+" in version for version in newest.values())


def test_no_line_begins_with_the_full_stop_of_a_formula():
    one = '<span class="math notranslate nohighlight">\\(a &lt; b\\)</span>'
    assert book_extension.held(f"So {one}. Or ({one}), or {one} alone.") == (
        f'So <span class="held">{one}.</span> Or <span class="held">({one}),</span> or {one} alone.'
    )
    assert book_extension.held("No formula (here).") == "No formula (here)."


@pytest.mark.parametrize(
    ("annotation", "written"),
    [
        (NDArray[np.float64], "~numpy.ndarray"),
        (NDArray[np.int64] | None, "~numpy.ndarray | None"),
        (tuple[NDArray[np.float64], ...], "tuple[~numpy.ndarray, ...]"),
        (tuple[np.ndarray, np.ndarray], "tuple[~numpy.ndarray, ~numpy.ndarray]"),
        (dict[str, list[int]], "dict[str, list[int]]"),
    ],
)
def test_an_array_is_called_an_array(annotation, written):
    assert book_extension.short_type(annotation, "smart") == written


SMALL_REFERENCE = """\
import sys
sys.path.insert(0, {tools!r})
import book_extension
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon"]
autodoc_typehints = "description"
def setup(app):
    if {plain}:
        book_extension.plain_reference(app)
"""
SMALL_MODULE = '''\
import numpy as np
from numpy.typing import NDArray

class Law:
    """A law."""

    @property
    def weights(self) -> NDArray[np.float64]:
        """Weights: they add to one."""
'''


@pytest.mark.slow
@pytest.mark.parametrize("plain", [True, False])
def test_the_reference_is_plain(tmp_path, plain):
    """The control: without it the first word is a type, and an array has one of forty letters."""
    (tmp_path / "small_law.py").write_text(SMALL_MODULE)
    (tmp_path / "conf.py").write_text(SMALL_REFERENCE.format(tools=str(ROOT / "tools"), plain=plain))
    (tmp_path / "index.rst").write_text("Law\n===\n\n.. autoclass:: small_law.Law\n   :members:\n")
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "text", ".", "out"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    text = (tmp_path / "out" / "index.txt").read_text(encoding="utf-8")
    assert ("Weights: they add to one." in text) == plain
    assert ("weights: ndarray\n" in text) == plain and ("dtype" in text) != plain
