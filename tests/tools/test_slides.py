"""Which figures are shown: those that a plan for instructors names, in its order."""

import pytest
import slides


def test_a_plan_names_its_figures_once_in_its_order(tmp_path):
    (tmp_path / "book").mkdir()
    text = """# For instructors

## One lecture

{numref}`fig-b`, then {numref}`fig-a`, and {numref}`fig-b` again.

## No plan

Words.
"""
    (tmp_path / "book" / "instructors.md").write_text(text, encoding="utf-8")
    assert slides.plan("One lecture", tmp_path) == ["fig-b", "fig-a"]
    for name in ("No plan", "one lecture"):
        with pytest.raises(ValueError, match=f"--plan must be one of One lecture; got '{name}'"):
            slides.plan(name, tmp_path)


@pytest.mark.parametrize("name", ["One lecture", "One week"])
def test_the_plans_of_the_book_have_figures(name):
    assert len(slides.plan(name)) > 5


def test_without_a_book_it_says_so(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(slides, "chromium", lambda: "a browser")
    monkeypatch.setattr(slides, "find_spec", lambda name: object())
    assert slides.main([], tmp_path) == 2
    assert "make book" in capsys.readouterr().err
    monkeypatch.setattr(slides, "chromium", lambda: None)
    assert slides.main([], tmp_path) == 2
    assert "needs Chromium" in capsys.readouterr().err
