"""JupyterLab in the browser, beside the book: a notebook runs to its end, and asks no other host."""

import json

import assignments
import forms
import lite
import pytest

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


#: Put an answer into the cell that holds an answer's head, and run all cells until one fails.
ANSWER = """async ([head, answer]) => {
    const notebook = window.jupyterapp.shell.currentWidget.content;
    const cell = notebook.widgets.find(each => each.model.sharedModel.getSource().startsWith(head));
    cell.model.sharedModel.setSource(answer);
    await window.jupyterapp.commands.execute("notebook:run-all-cells");
    const broken = notebook.widgets.filter(each => each.model.type === "code")
        .map(each => [each.model.sharedModel.getSource(),
            each.model.sharedModel.toJSON().outputs.find(output => output.output_type === "error")])
        .find(each => each[1]);
    return [broken[0], broken[1].ename, broken[1].evalue];
}"""


def test_an_assignment_answers_at_once(site_with_lite, visit):
    """A wrong answer fails at its test, with words; a right one passes, and the next question is asked."""
    seen = visit(f"{site_with_lite}/{lite.FOLDER}/lab/index.html?path=assignments/read_a_head.ipynb")
    page = seen.page
    page.set_default_timeout(20 * MINUTES)
    page.wait_for_function(f"({STATE})().code > 10")
    page.wait_for_function(
        "window.jupyterapp.shell.currentWidget.context.sessionContext.session?.kernel?.status === 'idle'"
    )
    source = assignments.read(assignments.FOLDER / "read_a_head" / "source.md")
    (right,) = (cell.source for cell in source.cells if cell.source.startswith("def attention("))
    right = assignments.MARKER.sub("", right)
    wrong = right.replace("= -np.inf", "= 0.0")
    assert wrong != right
    test, kind, words = page.evaluate(ANSWER, ["def attention(", wrong])
    assert test.startswith("# Tests: every weight") and "AssertionError" in kind
    assert "weights 1/5 and 4/5; got" in words
    test, kind, _ = page.evaluate(ANSWER, ["def attention(", right])
    assert test.startswith("# Tests: what changes") and "NotImplementedError" in kind  # the next question
    assert seen.foreign == []
