"""JupyterLab in the browser: what its notebooks begin with, and which there are."""

import ast
import asyncio
import re
import sys

import assignments
import lite
import live
import nbformat
import pytest

pytest.importorskip("nbgrader", reason="nbgrader is not installed: pip install pairint[classroom]")


def test_first_cell_gets_the_package_in_a_browser_and_does_nothing_elsewhere():
    hidden = nbformat.v4.new_code_cell("import subprocess", metadata={"tags": ["remove-cell"]})
    kept = nbformat.v4.new_code_cell("1 + 1", metadata={"nbgrader": {"grade_id": "a"}})
    notebook = lite.in_browser(nbformat.v4.new_notebook(cells=[hidden, kept]))
    nbformat.validate(notebook)
    first, second = notebook.cells
    assert second == kept  # marks of an assignment stay
    names: dict = {}
    code = compile(first.source, "first", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    asked = []

    class Piplite:
        @staticmethod
        async def install(name):
            asked.append(name)

    async def run():
        result = eval(code, names)
        if result is not None:
            await result

    asyncio.run(run())
    assert asked == [] and "piplite" not in names
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "platform", "emscripten")
        patch.setitem(sys.modules, "piplite", Piplite)
        patch.setenv("PAIRINT_STATIC", "")
        asyncio.run(run())
    assert asked == ["pairint"]


def test_pages_that_run_and_student_versions_are_there():
    found = lite.sources()
    assert all(path.is_file() for path in found.values())
    assert not any(f"{page}.ipynb" in found for page in live.CANNOT)
    names = [path.parent.name for path in assignments.sources()]
    assert [place for place in found if place.startswith("assignments/")] == [
        f"assignments/{name}.ipynb" for name in names
    ]
    assert not any("solution" in path.parts for path in found.values())


def test_each_student_version_has_a_link_that_opens_it(tmp_path):
    page = tmp_path / "book" / "assignments" / "index.html"
    page.parent.mkdir(parents=True)
    link = '<a href="../../_downloads/e0/{}.ipynb"><code><span>{}</span> <span>{}</span></code></a>'
    text = link.format("coercivity", "Student", "version") + ": the questions. "
    text += link.format("coercivity", "Solution", "") + " " + link.format("lower_bound", "Student", "version")
    page.write_text(text)
    assert lite.offer_assignments(tmp_path) == 2
    opened = re.findall(r'<a href="\.\./\.\./lite/lab/index\.html\?path=(.*?)">', page.read_text())
    assert opened == ["assignments/coercivity.ipynb", "assignments/lower_bound.ipynb"]
    lite.forms.withdraw("lite", tmp_path)
    assert page.read_text() == text


def test_without_a_book_or_the_tools_it_says_so(tmp_path, capsys, monkeypatch):
    assert lite.main(tmp_path) == 2
    assert "make book" in capsys.readouterr().err
    (tmp_path / "_build" / "html" / "book").mkdir(parents=True)
    (tmp_path / "_build" / "html" / "index.html").touch()
    monkeypatch.setattr(lite, "kernel_extension", lambda: tmp_path / "nowhere")
    assert lite.main(tmp_path) == 2
    assert "make lite" in capsys.readouterr().err
