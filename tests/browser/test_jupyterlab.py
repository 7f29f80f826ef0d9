"""The interactive figures in a real JupyterLab with a kernel: run a cell, move a slider, simulate, cancel."""

import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

import pairint.explorers

TOKEN = "figures"
CELL = "from pairint.explorers import RateExplorer\nfigure = RateExplorer(d=2, rank=1, samples=300)\nfigure"


#: Small settings, at which a simulation takes a fraction of a second.
ALL = """from pairint.explorers import *
figures = [
    RateExplorer(d=2, samples=200),
    FitExplorer(samples=100, d=1),
    CoercivityExplorer(tokens=4),
    LowerBoundExplorer(samples=100),
    AIMExplorer(alpha=0.05),
    CurseExplorer(d=10),
    Eavesdropper(d=3),
]
for figure in figures:
    display(figure)"""
NOTEBOOKS = {
    "figure": (CELL, "print('beta is', figure.values['beta'])"),
    "all": (
        ALL,
        "import json\nprint('values:', json.dumps({figure.name: figure.values for figure in figures}))",
    ),
}


def notebook(sources: tuple[str, ...]) -> dict[str, Any]:
    cells = [
        {
            "cell_type": "code",
            "id": f"cell{i}",
            "metadata": {},
            "source": source,
            "outputs": [],
            "execution_count": None,
        }
        for i, source in enumerate(sources)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


@pytest.fixture(scope="module")
def lab(tmp_path_factory, skip_or_fail):
    """Address of a JupyterLab of its own, with nothing of this user's settings."""
    for module in ("jupyterlab", "anywidget", "jupyterlab_widgets"):
        if importlib.util.find_spec(module) is None:
            skip_or_fail(f"{module} is not installed")
    home = tmp_path_factory.mktemp("lab")
    for name, sources in NOTEBOOKS.items():
        (home / f"{name}.ipynb").write_text(json.dumps(notebook(sources)))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folders = (
        "JUPYTER_CONFIG_DIR",
        "JUPYTER_RUNTIME_DIR",
        "JUPYTERLAB_SETTINGS_DIR",
        "JUPYTERLAB_WORKSPACES_DIR",
    )
    environment = os.environ | {name: str(home / name.lower()) for name in folders}
    environment.pop("PAIRINT_STATIC", None)
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"]
    command += [f"--port={port}", f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={home}"]
    command += ["--LabApp.news_url=None", "--ServerApp.port_retries=0"]
    with (home / "log").open("w") as log:
        server = subprocess.Popen(command, cwd=home, env=environment, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for_server(f"{address}/api?token={TOKEN}", server, home / "log")
        yield address
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
        shutil.rmtree(home, ignore_errors=True)


def wait_for_server(address: str, server: subprocess.Popen, log: Path) -> None:
    for _ in range(300):
        if server.poll() is not None:
            break
        try:
            urllib.request.urlopen(address, timeout=2).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")


def run(page: Any, cell: Any) -> None:
    """Run a cell; a request made while the kernel is still connecting is lost, so ask until it is taken."""
    for _ in range(12):
        cell.locator(".cm-content").click()
        page.keyboard.press("Control+Enter")
        for _ in range(20):
            if "[ ]" not in cell.locator(".jp-InputArea-prompt").inner_text():
                return
            page.wait_for_timeout(250)
    pytest.fail("JupyterLab does not run the cell")


def answer_dialogs(page: Any) -> None:
    """Accept what JupyterLab asks on its own account (which kernel to use, say); close what it reports."""
    dialog = page.locator("dialog.jp-Dialog")

    def accept() -> None:
        print("JupyterLab asks:", dialog.first.inner_text())
        accepting = dialog.locator("button.jp-mod-accept")
        (accepting if accepting.count() else dialog.locator("button.jp-Dialog-button")).last.click()

    page.add_locator_handler(dialog.first, accept)


def open_notebook(visit: Any, lab: str, name: str) -> tuple[Any, Any]:
    """Open a notebook, wait for its kernel and run the first cell; return the visit and the cells."""
    seen = visit(f"{lab}/lab/tree/{name}.ipynb?token={TOKEN}&reset")
    page = seen.page
    answer_dialogs(page)
    cells = page.locator(".jp-CodeCell")
    cells.first.wait_for(timeout=90_000)
    page.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']").wait_for(timeout=90_000)
    run(page, cells.first)
    return seen, cells


def test_every_figure_in_a_kernel(lab, visit):
    """All: drawn, moved by one arrow key, simulated where they can be; Python knows the values."""
    seen, cells = open_notebook(visit, lab, "all")
    page = seen.page
    values = {}
    for name in pairint.explorers.__all__:
        cls = getattr(pairint.explorers, name)
        figure = page.locator(f"[data-pairint-explorer={cls.name}]")
        figure.wait_for(timeout=90_000)
        charts = 0 if cls is pairint.explorers.Eavesdropper else len(cls.panels)  # it draws a scene
        assert figure.locator(".chart svg").count() == charts
        before = figure.evaluate("e => [e.pairint.values, e.pairint.updates]")
        figure.locator("input[type=range]").first.press("ArrowRight")
        page.wait_for_function(
            "([name, n]) => document.querySelector(`[data-pairint-explorer=${name}]`).pairint.updates > n",
            arg=[cls.name, before[1]],
        )
        values[cls.name] = figure.evaluate("e => e.pairint.values")
        assert values[cls.name] != before[0]
        if cls.simulation is None:
            continue
        figure.get_by_role("button", name=cls.simulation.label).click()
        figure.get_by_text("Done.").wait_for(timeout=120_000)
        series = figure.evaluate("e => e.pairintSeries")
        drawn = [key for key in series if "simulated" in key]
        assert drawn and all(len(series[key]["x"]) for key in drawn), cls.name
    run(page, cells.last)
    printed = page.get_by_text(re.compile(r"^values: "))
    printed.wait_for(timeout=60_000)
    assert json.loads(printed.inner_text().removeprefix("values: ")) == values
    ours = [error for error in seen.errors if "pairint" in error.lower() or "anywidget" in error.lower()]
    assert ours == []
    assert seen.foreign == []


def test_figure_in_a_kernel(lab, visit):
    seen, cells = open_notebook(visit, lab, "figure")
    page = seen.page
    figure = page.locator("[data-pairint-explorer=rate]")
    figure.wait_for(timeout=90_000)
    slider = figure.get_by_label("smoothness β", exact=True)

    # By keyboard: JupyterLab must not take the arrow keys for itself, nor letters as commands.
    slider.focus()
    for _ in range(10):
        slider.press("ArrowRight")
    slider.press("b")
    slider.press("d")
    slider.press("d")
    page.wait_for_function("document.querySelector('[data-pairint-explorer]').pairint.values.beta === 2.5")
    assert cells.count() == 2
    assert figure.evaluate("e => e.pairint.facts.total") == pytest.approx(budget(beta=2.5), rel=1e-6)

    # Python knows the slider's value.
    run(page, cells.nth(1))
    page.get_by_text("beta is 2.5").wait_for(timeout=30_000)

    # Fresh data, with progress; then again, cancelled.
    figure.get_by_role("button", name="Simulate").click()
    figure.get_by_text("Done.").wait_for(timeout=120_000)
    drawn = figure.evaluate("e => e.pairintSeries['samples.simulated']")
    assert drawn["x"] == [300, 300, 300]
    assert all(0 < y < 1 for y in drawn["y"])
    # With many samples there is time to watch the progress and to cancel.
    figure.get_by_label("samples M", exact=True).press("End")
    figure.get_by_role("button", name="Simulate").click()
    figure.get_by_text(re.compile(r"Simulating… \d+ %")).wait_for(timeout=30_000)
    assert figure.locator("progress").is_visible()
    assert figure.get_by_role("button", name="Simulate").is_disabled()
    figure.get_by_role("button", name="Cancel").click()
    figure.get_by_text("Cancelled.").wait_for(timeout=60_000)
    kept = figure.evaluate("e => e.pairintSeries['samples.simulated'].x")
    assert kept[:3] == [300, 300, 300]
    assert len(kept) < 6  # the points of a finished simulation would be three more
    figure.get_by_role("button", name="Clear points").click()
    page.wait_for_function(
        "!('samples.simulated' in document.querySelector('[data-pairint-explorer]').pairintSeries)"
    )

    # The theme of the application reaches the figure.
    assert figure.evaluate("e => e.pairint.scheme") == "light"
    page.evaluate("document.body.dataset.jpThemeLight = 'false'")
    page.wait_for_function("document.querySelector('[data-pairint-explorer]').pairint.scheme === 'dark'")
    ours = [error for error in seen.errors if "pairint" in error.lower() or "anywidget" in error.lower()]
    assert ours == []
    assert seen.foreign == []


def budget(**changes: float) -> float:
    from pairint.explorers import RateExplorer

    return RateExplorer(d=2, rank=1, samples=300).numbers(**changes).facts["total"]
