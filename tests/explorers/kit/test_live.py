"""The live widget, without a front end."""

import re
import threading
import tomllib
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("anywidget")

from pairint.explorers.kit import bundle
from pairint.explorers.kit.explorer import Explorer, Numbers, Simulation
from pairint.explorers.kit.live import LiveExplorer
from pairint.explorers.kit.panels import Axis, Panel, Parameter, points

ROOT = Path(__file__).resolve().parents[3]


class Slow(Explorer):
    """Yields one point, then waits to be told to go on."""

    name = "rate"  # any figure's module will do
    title = "Slow"
    summary = "At {a}."
    simulation = Simulation("Simulate", "…", free=("b",))
    parameters = (Parameter("a", "a", 1.0, 0.0, 9.0, 1.0), Parameter("b", "b", 1.0, 0.0, 9.0, 1.0))
    panels = (Panel("p", "Panel", Axis("x"), Axis("y"), (points("simulated", "points"),)),)

    def __init__(self, **values):
        super().__init__(**values)
        self.go_on, self.one_point = threading.Event(), threading.Event()

    def compute(self, values):
        return Numbers({}, {})

    def simulate(self, values, rng, report):
        report(0.0)
        yield {"p.simulated": {"x": np.array([values["a"]]), "y": [values["b"]]}}
        self.one_point.set()
        assert self.go_on.wait(10)
        report(0.5)
        if values["b"] == 9:
            raise ValueError("no")
        yield {"p.simulated": {"x": [2.0], "y": [3.0]}}


@pytest.fixture
def slow():
    return Slow()


def press(widget: LiveExplorer, kind: str, **content: object) -> None:
    widget.receive(widget, {"type": kind, **content}, [])


def test_simulate_to_the_end(slow):
    widget = slow.widget
    press(widget, "simulate", values={"a": 1.0, "b": 5.0})
    assert slow.one_point.wait(10)
    assert widget.running
    assert widget.simulation["running"]
    press(widget, "simulate", values={"a": 7.0, "b": 7.0})  # one at a time
    press(widget, "clear")  # not while running
    slow.go_on.set()
    widget.wait(10)
    assert widget.simulated == {"p.simulated": {"x": [1.0, 2.0], "y": [5.0, 3.0]}}
    assert widget.simulation == {"running": False, "message": "Done."}

    # Points at other values of a free parameter are added, those at other values of a fixed one start afresh.
    press(widget, "simulate", values={"a": 1.0, "b": 6.0})
    widget.wait(10)
    assert widget.simulated["p.simulated"]["y"] == [5.0, 3.0, 6.0, 3.0]
    press(widget, "simulate", values={"a": 4.0, "b": 6.0})
    widget.wait(10)
    assert widget.simulated["p.simulated"]["x"] == [4.0, 2.0]
    assert widget.simulated_at == {"a": 4.0, "b": 6.0}
    press(widget, "clear")
    assert widget.simulated == {}


def test_cancel_keeps_what_was_drawn(slow):
    widget = slow.widget
    press(widget, "simulate", values={"a": 1.0, "b": 5.0})
    assert slow.one_point.wait(10)
    press(widget, "cancel")
    slow.go_on.set()
    widget.wait(10)
    assert widget.simulation["message"] == "Cancelled."
    assert widget.simulated == {"p.simulated": {"x": [1.0], "y": [5.0]}}


def test_an_error_is_shown(slow):
    slow.go_on.set()
    slow.widget.start({"a": 1.0, "b": 9.0})
    slow.widget.wait(10)
    assert slow.widget.simulation == {"running": False, "message": "ValueError: no"}


def test_python_sees_the_controls(slow):
    slow.widget.values = {"a": 3.0, "b": 1.0}
    assert slow.values == {"a": 3.0, "b": 1.0}
    assert slow.sentence() == "At 3."


def test_the_widget_carries_its_module_and_description(slow):
    assert "export default" in slow.widget._esm
    assert slow.widget.spec["parameters"][0]["key"] == "a"
    assert slow.widget.spec["simulation"]["label"] == "Simulate"


def test_the_scripts_ask_of_a_model_what_every_ipywidgets_offers():
    """Colab has ipywidgets 7: a model there has these methods, and anywidget hands them on."""
    offered = {"get", "set", "save_changes", "send", "on", "off"}
    folder = Path(bundle.__file__).parents[1]
    scripts = "".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.js"))
    scripts = re.sub(r"^\s*//.*$", "", scripts, flags=re.MULTILINE)
    used = set(re.findall(r"\bmodel\.(\w+)", scripts))
    assert used == offered
    events = set(re.findall(r'\bmodel\.o(?:n|ff)\("([^"]+)"', scripts))
    assert all(
        re.fullmatch(r"change:(\w+)", event)[1] in LiveExplorer.class_trait_names() for event in events
    )


def test_the_widget_asks_for_an_anywidget_that_shows_itself_under_ipywidgets_7():
    """Before anywidget 0.9.10 a widget has no ``_repr_mimebundle_`` if ipywidgets has none (7 has none)."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = project["optional-dependencies"]["widgets"]
    bounds = dict(requirement.split(">=") for requirement in asked)
    assert tuple(map(int, bounds["anywidget"].split("."))) >= (0, 9, 10)
    assert bounds["ipywidgets"].startswith("7.")


def test_what_a_cell_shows_is_the_widget(slow):
    data, _ = slow.widget._repr_mimebundle_()
    view = data["application/vnd.jupyter.widget-view+json"]
    assert view["model_id"] == slow.widget.model_id
    # The module comes with the widget and draws in an element: no front-end package of ours is needed.
    assert (slow.widget._model_module, slow.widget._view_module) == ("anywidget", "anywidget")
