"""The sources of the book: complete, in step with their notebooks, the same on every machine."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import jupytext
import live
import notebooks
import pytest
import repository
import yaml
from narrow_integers import narrow

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [path for path in notebooks.page_files() if notebooks.is_notebook(path)]


def tracked_files() -> list[Path]:
    """Return the text files under version control, or all text files outside of a repository."""
    answer = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if answer.returncode == 0:
        paths = [ROOT / name for name in answer.stdout.split("\0") if name]
    else:
        paths = [
            path
            for path in ROOT.rglob("*")
            if not path.relative_to(ROOT).parts[0].startswith((".", "_build", "PKG-INFO", "pairint.egg-info"))
        ]
    suffixes = {".md", ".py", ".toml", ".yml", ".cff", ".js", ".css", ".cu", ".ipynb", ".txt", ".json", ""}
    return [path for path in paths if path.is_file() and path.suffix in suffixes]


def test_every_page_is_in_the_table_of_contents():
    listed = set(notebooks.page_files())
    written = set((ROOT / "book").glob("*.md"))
    assert {path.name for path in written - listed} == set()


def test_pages_are_listed_once():
    files = notebooks.page_files()
    assert len(files) == len(set(files))


@pytest.mark.slow
def test_notebooks_are_in_step(capsys):
    assert notebooks.main(["--check"]) == 0, capsys.readouterr().out


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_source_has_a_full_header_and_no_setup(path):
    header = notebooks.front_matter(path)
    assert header["jupytext"]["text_representation"]["format_name"] == "myst"
    assert header["kernelspec"]["name"] == "python3"
    code = [cell.source for cell in jupytext.read(path, fmt="md:myst").cells if cell.cell_type == "code"]
    assert not any("pip install" in source or "git clone" in source for source in code)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_no_cell_is_folded_by_the_theme(path):
    """A name of its own for the theme's switch hides the words on it: a cell is shown, or it is removed."""
    cells = jupytext.read(path, fmt="md:myst").cells
    tags = {tag for cell in cells for tag in cell.metadata.get("tags", [])}
    assert not any(tag.startswith("hide-") for tag in tags)


def processes(source):
    """Return the numbers of processes that are asked for: all there are, or none, is said by -1 and 1."""
    keywords = [
        key for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) for key in node.keywords
    ]
    return [
        word for key in keywords if key.arg == "jobs" and (word := ast.unparse(key.value)) not in ("1", "-1")
    ]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_cells_of_a_page_run_where_it_says(path):
    """A table of the book once had 11,877,323,163 samples, and in the reader's browser -1,007,578,725."""
    code = [cell.source for cell in jupytext.read(path, fmt="md:myst").cells if cell.cell_type == "code"]
    assert [each for source in code for each in narrow(source)] == []
    if path.relative_to(ROOT).with_suffix("").as_posix() not in live.CANNOT:
        assert [each for source in code for each in processes(source)] == []


def test_a_number_of_processes_is_found():
    assert processes("run('rough', jobs=2); run('rough', jobs=-1); f(jobs=n); jobs = 3") == ["2", "n"]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_formulas_in_results_are_set_as_formulas(path):
    """Markdown that a cell shows is read without them, unless the cell asks: dollars would be printed."""
    for cell in jupytext.read(path, fmt="md:myst").cells:
        if cell.cell_type == "code" and re.search(r"(?s)\bMarkdown\(.*\$", cell.source):
            assert cell.metadata.get("mystnb", {}).get("markdown_format") == "myst", cell.source


def drawn_cells(path: Path) -> list[dict]:
    """Return what the cells that draw a figure say of it: those with a text for who cannot see it."""
    cells = jupytext.read(path, fmt="md:myst").cells
    said = [cell.metadata.get("mystnb", {}) for cell in cells if cell.cell_type == "code"]
    return [each for each in said if "image" in each]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_figures_are_numbered_and_captioned(path):
    """The caption says where to look; what is seen is the other text's business."""
    for said in drawn_cells(path):
        if path.stem == "intro" and "figure" not in said:
            continue  # the cover's picture stands before the first number
        caption, name = said["figure"]["caption"], said["figure"]["name"]
        assert name.startswith(f"fig-{path.stem.replace('_', '-')}-")
        assert caption.endswith((".", "?")) and 8 <= len(caption.split()) <= 60
        assert caption != said["image"]["alt"]


def test_each_figure_is_referred_to_by_its_number():
    text = "\n".join(path.read_text(encoding="utf-8") for path in notebooks.page_files())
    referred = set(re.findall(r"\{numref\}`(?:[^`<]*<)?([\w-]+)>?`", text))
    names = {said["figure"]["name"] for path in SOURCES for said in drawn_cells(path) if "figure" in said}
    assert len(names) > 100
    assert names - referred == set()


def test_names_of_figures_are_unique():
    names = [said["figure"]["name"] for path in SOURCES for said in drawn_cells(path) if "figure" in said]
    assert len(names) > 50 and len(names) == len(set(names))


def test_pages_load_nothing_from_elsewhere():
    """A link may lead out; an image, a script, a style sheet or a frame may not come from outside."""
    loads = re.compile(
        r"""(?:src\s*=\s*["']?|!\[[^\]]*\]\(|@import\s+["']?|url\(\s*["']?|(?:image|figure)\}\s*)https?://"""
    )
    folders = [ROOT / "book", ROOT / "pairint" / "explorers"]
    for path in tracked_files():
        if any(folder in path.parents for folder in folders):
            found = loads.search(path.read_text(encoding="utf-8"))
            assert found is None, f"{path.relative_to(ROOT)} loads {found[0]}"


def test_the_address_of_the_repository_is_written_once():
    """Not even the notebooks hold a placeholder; they may hold a real address, being made from it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    address = urlsplit(project["urls"]["Repository"])
    placeholder = repository.address() is None
    holders = {
        path.relative_to(ROOT).as_posix()
        for path in tracked_files()
        if (placeholder or path.suffix != ".ipynb")
        and (address.hostname if placeholder else address.netloc + address.path)
        in path.read_text(encoding="utf-8")
    }
    assert holders == {"pyproject.toml"}


def test_no_file_names_a_place_on_one_machine():
    places = re.compile(r"(?<![\w.])/(?:work|home|root|Users|tmp)/[\w.]+")
    for path in tracked_files():
        found = places.search(path.read_text(encoding="utf-8"))
        assert found is None, f"{path.relative_to(ROOT)} names {found[0]}"


def test_binder_installs_what_the_project_declares():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pip = next(item["pip"] for item in environment["dependencies"] if isinstance(item, dict))
    assert pip[0] == "--constraint constraints.txt"
    editable = re.fullmatch(r"--editable \.\[([\w,-]+)\]", pip[1])
    assert len(pip) == 2 and set(editable[1].split(",")) <= set(project["optional-dependencies"])
    python = next(item for item in environment["dependencies"] if str(item).startswith("python="))
    oldest = project["requires-python"].removeprefix(">=")
    assert tuple(map(int, python.removeprefix("python=").split("."))) >= tuple(map(int, oldest.split(".")))


def test_references_lead_to_what_they_name():
    """An identifier stands in its field, from which the link is made; a title holds no raw formula."""
    text = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    entries = re.findall(r"(?ms)^@\w+\{([^,]+),\n(.*?)\n\}$", text)
    assert len(entries) > 70
    for key, fields in entries:
        loose = re.sub(r"(?m)^\s*(?:eprint|doi|archiveprefix|url)\s*=.*$", "", fields)
        assert not re.search(r"\$|arxiv|doi\.org", loose, re.IGNORECASE), key
        assert bool(re.search(r"(?m)^\s*eprint\s*=", fields)) == ("archiveprefix" in fields), key
    linked = [key for key, fields in entries if re.search(r"(?m)^\s*(?:eprint|doi|url)\s*=", fields)]
    assert len(linked) >= 73


def test_references_are_sorted():
    text = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    keys = re.findall(r"(?m)^@\w+\{([^,]+),", text)
    assert keys == sorted(keys) and len(keys) == len(set(keys))


def said_plainly(source):
    """Yield what a cell gives tables as captions, with a zero for each number that it computes."""
    tree = ast.parse("\n".join(line for line in source.splitlines() if not line.startswith((":", "%"))))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "captioned" and len(node.args) > 1:
            parts = [
                str(part.value) if isinstance(part, ast.Constant) else "0"
                for part in getattr(node.args[1], "values", [node.args[1]])
            ]
            yield "".join(parts)


def test_captions_of_tables_are_found():
    assert list(said_plainly('captioned(rows, f"Fits of {n} samples. *Held*: memory.")')) == [
        "Fits of 0 samples. *Held*: memory."
    ]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_captions_of_tables_have_no_markup(path):
    cells = [cell.source for cell in jupytext.read(path).cells if cell.cell_type == "code"]
    captions = [words for cell in cells for words in said_plainly(cell)]
    assert [words for words in captions if re.search(r"\*\w[^*]*\*|`|\$|\\[a-z]", words)] == []
