"""JupyterLab in the browser, beside the book: a notebook runs to its end, and asks no other host."""

import json

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
