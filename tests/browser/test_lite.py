"""JupyterLab in the browser, beside the book: a notebook runs to its end, and asks no other host."""

import json
import os
import re

import forms
import lite
import pytest

pytest.importorskip("nbgrader", reason="nbgrader is not installed: pip install pairint[classroom]")

import assignments
import for_otter
from assignment_answers import ANSWERS
from loaded_assignments import NAMES, load

ALL = os.environ.get("PAIRINT_LIVE_PAGES") == "all"

FOLDER = forms.BUILT / lite.FOLDER
NOTEBOOK = "book/particles"
MINUTES = 60_000  # milliseconds

pytestmark = pytest.mark.timeout(1500)  # seconds; it starts in 30 where nothing else runs

#: How far the notebook is: its cells of code, those that have run, and what went wrong.
STATE = """() => {
    const notebook = window.jupyterapp?.shell.currentWidget?.content;
    const cells = [...(notebook?.widgets ?? [])].filter(cell => cell.model.type === "code");
    const outputs = cell => cell.model.sharedModel.toJSON().outputs;
    return {
        code: cells.length,
        ran: cells.filter(cell => cell.model.executionCount !== null).length,
        shown: cells.filter(cell => outputs(cell).length).length,
        errors: cells.flatMap(outputs).filter(each => each.output_type === "error").map(each => each.evalue),
    };
}"""


@pytest.fixture
def site_with_lite(site, skip_or_fail):
    if not (FOLDER / "lab" / "index.html").is_file():
        pytest.skip("JupyterLite was not built: run `make lite`")
    return site


def test_a_notebook_runs_to_its_end(site_with_lite, visit):
    seen = visit(f"{site_with_lite}/{lite.FOLDER}/lab/index.html?path={NOTEBOOK}.ipynb")
    page = seen.page
    page.set_default_timeout(20 * MINUTES)
    expected = sum(
        cell["cell_type"] == "code"
        for cell in json.loads((FOLDER / "files" / f"{NOTEBOOK}.ipynb").read_text(encoding="utf-8"))["cells"]
    )
    page.wait_for_function(f"({STATE})().code === {expected}")
    page.wait_for_function(
        "window.jupyterapp.shell.currentWidget.context.sessionContext.session?.kernel?.status === 'idle'"
    )
    page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_function(f"(s => s.errors.length || s.ran === s.code)(({STATE})())")
    state = page.evaluate(STATE)
    assert state["errors"] == []
    assert state["shown"] > expected / 2
    assert seen.foreign == []


def test_what_is_not_there_is_said(site_with_lite):
    """The lock file names what the build holds: nothing else is asked of the host, or of another."""
    lock = json.loads((FOLDER / "static" / "pyodide" / "pyodide-lock.json").read_text(encoding="utf-8"))
    held = {path.name for path in (FOLDER / "static" / "pyodide").iterdir()}
    assert {entry["file_name"] for entry in lock["packages"].values()} <= held
    config = json.loads((FOLDER / "jupyter-lite.json").read_text(encoding="utf-8"))["jupyter-config-data"]
    settings = config["litePluginSettings"]["@jupyterlite/pyodide-kernel-extension:kernel"]
    assert settings["disablePyPIFallback"] is True and settings["pyodideUrl"].startswith("./static/")


def test_pages_offer_it(site_with_lite, visit):
    page = visit(f"{site_with_lite}/{NOTEBOOK}.html").page
    link = page.get_by_role("link", name="in your browser", include_hidden=True)
    address = link.get_attribute("href")
    assert address == f"../{lite.FOLDER}/lab/index.html?path={NOTEBOOK}.ipynb"
    assert (FOLDER / "files" / f"{NOTEBOOK}.ipynb").is_file()
    page = visit(f"{site_with_lite}/book/assignments/index.html").page
    links = page.get_by_role("main").get_by_role("link", name="in your browser", exact=True).all()
    opened = [re.search(r"path=(assignments/\w+\.ipynb)$", link.get_attribute("href"))[1] for link in links]
    assert sorted(opened) == sorted(f"assignments/{name}.ipynb" for name in NAMES)
    assert all((FOLDER / "files" / path).is_file() for path in opened)


#: Put answers into the cells that hold their heads, run all cells, and return the first that fails.
ANSWER = """async (answers) => {
    const notebook = window.jupyterapp.shell.currentWidget.content;
    for (const [head, answer] of answers) {
        const found = notebook.widgets.filter(each => each.model.type === "code"
            && each.model.sharedModel.getSource().includes(head));
        found[0].model.sharedModel.setSource(answer);
    }
    await window.jupyterapp.commands.execute("notebook:run-all-cells");
    const broken = notebook.widgets.filter(each => each.model.type === "code")
        .map(each => [each.model.sharedModel.getSource(),
            each.model.sharedModel.toJSON().outputs.find(output => output.output_type === "error")])
        .find(each => each[1]);
    return broken ? [broken[0], broken[1].ename, broken[1].evalue] : null;
}"""


def head(source):
    """Return the first line that defines something: it tells an answer from others."""
    return re.search(r"(?m)^(?:def|class) .*", source)[0]


def seen_at_once(name):
    """Return a mistake that a visible test notices: the changed answer, the test, what it says."""
    assignment = load(name)
    shown = {grade_id: for_otter.HIDDEN.sub("", source) for grade_id, source in assignment.tests.items()}
    for _, answer, old, new, _ in ANSWERS[name].MISTAKES:
        wrong = assignment.answers[answer].replace(old, new)
        space = {"__name__": "student"}
        for source in [*assignment.given.values(), *(assignment.answers | {answer: wrong}).values()]:
            exec(source, space)
        for source in shown.values():
            try:
                exec(source, space)
            except AssertionError as error:
                if str(error):
                    return answer, wrong, source, str(error)
            except Exception:
                break
    raise LookupError(f"no visible test of {name} says anything about a mistake")


@pytest.mark.parametrize("name", NAMES if ALL else ["read_a_head"])
@pytest.mark.filterwarnings("ignore")  # whatever a wrong answer computes
def test_an_assignment_answers_at_once(site_with_lite, visit, name):
    """Blank, it says what to write; a wrong answer fails at its test, with words; the right ones pass."""
    seen = visit(f"{site_with_lite}/{lite.FOLDER}/lab/index.html?path=assignments/{name}.ipynb")
    page = seen.page
    page.set_default_timeout(20 * MINUTES)
    page.wait_for_function(f"({STATE})().code > 10")
    page.wait_for_function(
        "window.jupyterapp.shell.currentWidget.context.sessionContext.session?.kernel?.status === 'idle'"
    )
    _, kind, _ = page.evaluate(ANSWER, [])
    assert "NotImplementedError" in kind
    clean = {key: assignments.MARKER.sub("", source) for key, source in load(name).answers.items()}
    places = {key: head(source) for key, source in clean.items()}
    answer, wrong, test, words = seen_at_once(name)
    answers = clean | {answer: assignments.MARKER.sub("", wrong)}
    source, kind, said = page.evaluate(ANSWER, [[places[key], answers[key]] for key in answers])
    assert "AssertionError" in kind and said.strip() == words.strip()
    assert source.split() == test.split()
    assert page.evaluate(ANSWER, [[places[answer], clean[answer]]]) is None  # all visible tests pass
    assert seen.foreign == []
