"""The interactive figures without a browser: numbers, HTML, notebook output, simulation."""

import gzip
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

import pairint.explorers
import pairint.explorers.small
from pairint.explorers.kit import bundle
from pairint.explorers.kit.explorer import Numbers, kernel_is_live
from pairint.explorers.setting import PARAMETERS as SETTING
from pairint.explorers.small.base import SmallFigure

LARGE = [getattr(pairint.explorers, name) for name in pairint.explorers.__all__]
SMALL = [getattr(pairint.explorers.small, name) for name in pairint.explorers.small.__all__]
ALL = LARGE + SMALL


@pytest.fixture(scope="module", params=ALL, ids=lambda cls: cls.name)
def explorer(request):
    return request.param()


@pytest.fixture(scope="module")
def html(explorer):
    return explorer.to_html("figure")


def test_numbers_are_finite_and_drawn_by_a_mark(explorer):
    numbers = explorer.numbers()
    known = {f"{panel.key}.{mark.key}" for panel in explorer.panels for mark in panel.marks}
    assert set(numbers.series) <= known
    for key, series in numbers.series.items():
        for column in series.values():
            assert np.all(np.isfinite(np.asarray(column, dtype=float))), key
    assert "{" not in explorer.sentence()
    for panel in explorer.panels:
        for text in (panel.title, panel.x.label, panel.y.label, *(mark.label for mark in panel.marks)):
            assert "{" not in pairint.explorers.kit.panels.fill(text, numbers.facts)


def test_marks_of_a_panel_differ_by_more_than_colour(explorer):
    for panel in explorer.panels:
        looks = [(m.kind, m.dash, m.symbol, m.width) for m in panel.marks if m.kind != "words"]
        assert len(set(looks)) == len(looks), panel.key


@pytest.mark.slow
def test_every_parameter_matters_to_the_numbers(explorer):
    def summary(numbers: Numbers) -> str:
        return str({k: [np.asarray(c).tolist() for c in v.values()] for k, v in numbers.series.items()})

    first = summary(explorer.numbers())
    for p in explorer.parameters:
        values = p.choices or (p.minimum, p.maximum)
        assert any(summary(explorer.numbers(**{p.key: v})) != first for v in values), p.key


def test_what_is_shared_with_the_book_means_the_same(explorer):
    """A number of samples over d^2 must not become the M of other pages."""
    ours = {p.key: p.label.split()[-1] for p in SETTING}
    for p in explorer.parameters:
        if p.key in explorer.shared:
            assert ours[p.key] in p.label.split(), p.label
            assert all(isinstance(value, int | float) for value in p.choices)


class Checker(HTMLParser):
    def __init__(self):
        super().__init__()
        self.addresses, self.ids, self.open = [], [], []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.addresses += [given[a] for a in ("src", "href") if a in given]
        self.ids += [given["id"]] if "id" in given else []
        if tag not in ("img", "meta", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.slow
def test_html_is_whole_and_needs_nothing_else(explorer, html):
    checker = Checker()
    checker.feed(html)
    assert checker.open == []
    assert checker.ids == ["figure"]
    assert all(address.startswith("data:") for address in checker.addresses)
    assert not re.search(r"https?://(?!www\.w3\.org/)", html)
    assert len(gzip.compress(html.encode())) < 60_000
    # Letters stay letters: outlines would be scaled to nothing, since numbers in tags have one decimal.
    assert "<text" in unquote(explorer.picture())
    assert explorer.sentence().replace("′", "′") in html


@pytest.mark.slow
def test_html_is_the_same_each_time():
    figure = pairint.explorers.RateExplorer()
    assert figure.picture() == figure.picture()
    assert figure.spec() == pairint.explorers.RateExplorer().spec()


def test_no_text_can_end_the_script(monkeypatch, no_picture):
    cls = pairint.explorers.RateExplorer
    monkeypatch.setattr(cls, "title", "</script><b>&")
    html = cls().to_html("figure")
    state = re.search(r'<script type="application/json">(.*?)</script>', html, re.DOTALL)[1]
    assert json.loads(state)["spec"]["title"] == "</script><b>&"
    assert 'alt="&lt;/script&gt;&lt;b&gt;&amp;' in html


def test_bundle_has_no_module_syntax_left(explorer):
    text = bundle.widget_module(explorer.module)
    assert not re.search(r"^\s*import\b", text, re.MULTILINE)
    assert re.findall(r"^export .*", text, re.MULTILINE) == [
        "export default { render: ({ model, el }) => mount({ model, el, compute }) };"
    ]


def test_a_module_comes_once_and_after_what_it_imports(explorer):
    names = bundle.sources(explorer.module)
    assert len(set(names)) == len(names)
    assert names[-1] == explorer.module
    direct = {name: re.findall(r'^import .* from "(.*)";$', bundle.read_source(name), re.M) for name in names}
    assert any(direct[name] for name in names if name.startswith("kit/"))  # some are imported by the imported
    for position, name in enumerate(names):
        for other in direct[name]:
            path = Path(os.path.normpath(Path(name).parent / other)).as_posix()
            assert path in names[:position], (name, other)


def test_modules_declare_different_names(explorer):
    texts = [bundle.read_source(name) for name in bundle.sources(explorer.module)]
    names = [
        n for text in texts for n in re.findall(r"^(?:export )?(?:function|const|let) (\w+)", text, re.M)
    ]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.name)
def test_each_figure_stands_among_all_and_in_a_chapter(cls):
    book = Path(__file__).resolve().parents[2] / "book"
    shown = {
        path.stem
        for path in book.glob("*.md")
        if re.search(rf"^{cls.__name__}\(.*\)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    if cls in LARGE:
        assert "explorers" in shown
        assert len(shown) > 1
    else:
        assert len(shown) == 1


@pytest.fixture
def no_picture(monkeypatch):
    """Pictures take most of the time; not every test looks at them."""
    monkeypatch.setattr(pairint.explorers.kit.explorer.Explorer, "picture", lambda self: "data:,")


def test_identifiers_in_a_page_are_different(no_picture):
    cls = pairint.explorers.RateExplorer
    ids = [re.search(r'id="([^"]+)"', cls().to_html())[1] for _ in range(2)]
    assert ids[0] != ids[1]


@pytest.mark.parametrize(
    "element_id", ['x" onmouseover="alert(1)', "", "a b", "7", "a?b", "a#b", "<b>", "a\n"]
)
def test_an_identifier_that_a_page_or_a_link_cannot_hold_is_refused(element_id, no_picture):
    with pytest.raises(ValueError, match="element_id must be a letter"):
        pairint.explorers.RateExplorer().to_html(element_id)


@pytest.mark.slow
def test_save_writes_a_page(explorer, tmp_path, no_picture):
    path = explorer.save(tmp_path / "figure.html")
    text = path.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert f'id="pairint-{explorer.name}"' in text


def test_arguments_are_checked():
    with pytest.raises(TypeError, match=r"has no parameter 'gamma'; it has .*beta, d"):
        pairint.explorers.RateExplorer(gamma=1)
    with pytest.raises(ValueError, match="beta must be"):
        pairint.explorers.RateExplorer(beta=7.5)


def test_values_limited_by_another_follow_it():
    assert pairint.explorers.RateExplorer(d=3, rank=10).numbers().facts["rank"] == 3


def test_repr_makes_the_same_figure():
    figure = pairint.explorers.RateExplorer(beta=1.5, d=7)
    assert eval(repr(figure), {"RateExplorer": pairint.explorers.RateExplorer}).values == figure.values


def test_without_a_kernel_the_output_is_html(monkeypatch, no_picture):
    monkeypatch.delenv("PAIRINT_STATIC", raising=False)
    assert not kernel_is_live()
    output = pairint.explorers.RateExplorer()._repr_mimebundle_()
    assert set(output) == {"text/plain", "text/html"}


class Shell:
    kernel = object()


def test_with_a_kernel_the_output_is_a_widget_unless_a_book_is_built(monkeypatch, no_picture):
    pytest.importorskip("anywidget")
    monkeypatch.setattr("IPython.get_ipython", Shell)
    monkeypatch.delenv("PAIRINT_STATIC", raising=False)
    assert kernel_is_live()
    monkeypatch.setenv("PAIRINT_STATIC", "1")
    assert not kernel_is_live()
    assert "text/html" in pairint.explorers.RateExplorer()._repr_mimebundle_()
    monkeypatch.setenv("PAIRINT_STATIC", "0")
    assert kernel_is_live()


#: Small settings at which a simulation takes a fraction of a second.
QUICK = {
    "aim": {"alpha": 0.05},
    "coercivity": {"tokens": 4},
    "fit": {"samples": 100, "d": 1},
    "lower": {"samples": 100},
    "rate": {"samples": 200, "d": 1, "rank": 1},
}


SIMULATED = pytest.mark.parametrize(
    "explorer", [cls for cls in ALL if cls.simulation], indirect=True, ids=lambda cls: cls.name
)


@SIMULATED
@pytest.mark.slow
def test_simulation_adds_points_and_reports(explorer):
    if explorer.simulation is None:
        pytest.skip("nothing to simulate")
    fractions = []
    values = explorer.numbers(**QUICK[explorer.name]).facts
    values = {p.key: values[p.key] for p in explorer.parameters}
    added = list(explorer.simulate(values, np.random.default_rng(0), fractions.append))
    assert fractions == sorted(fractions)
    assert fractions[0] == 0
    assert fractions[-1] < 1
    known = {f"{panel.key}.{mark.key}" for panel in explorer.panels for mark in panel.marks}
    for series in added:
        assert set(series) <= known
        for key, columns in series.items():
            assert "simulated" in key
            assert all(np.all(np.isfinite(c)) for c in columns.values())


class Stop(Exception):
    pass


@SIMULATED
def test_simulation_can_be_stopped(explorer):
    if explorer.simulation is None:
        pytest.skip("nothing to simulate")

    def report(fraction: float) -> None:
        raise Stop

    with pytest.raises(Stop):
        list(explorer.simulate(explorer.values, np.random.default_rng(0), report))


def test_a_small_figure_is_small():
    panels, controls = pairint.explorers.RateExplorer.panels, pairint.explorers.FitExplorer.parameters

    def define(**given):
        type("Wide", (SmallFigure,), given)

    with pytest.raises(TypeError, match=r"Wide.parameters must hold 1 to 2, got \d"):
        define(parameters=controls, panels=panels)
    with pytest.raises(TypeError, match=r"Wide.panels must hold 1 to 2, got 3"):
        define(parameters=controls[:2], panels=(*panels[:1], *panels[:2]))
    with pytest.raises(TypeError, match=r"Wide.play must be the key of one of its sliders, got 'time'"):
        define(parameters=controls[:2], panels=panels[:2], play="time")
    define(parameters=controls[:2], panels=panels[:2])
