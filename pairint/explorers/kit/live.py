"""An interactive figure in a live kernel: the same picture, and a button that draws fresh data."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import anywidget
import numpy as np
import traitlets

from pairint.explorers.kit import bundle
from pairint.explorers.kit.panels import Series

__all__ = ["LiveExplorer"]


class Cancelled(Exception):
    """Raised inside a simulation whose result nobody wants any more."""


class Simulated(Protocol):
    """What the widget needs of an explorer."""

    @property
    def module(self) -> str:
        """File name of the figure's ES module."""

    def spec(self) -> dict[str, Any]:
        """Return the description of the figure and its data."""

    def simulate(
        self, values: Mapping[str, Any], rng: np.random.Generator, report: Callable[[float], None]
    ) -> Iterator[Series]:
        """Draw fresh data at the given values; yield points to add."""


class LiveExplorer(anywidget.AnyWidget):
    """The widget of an explorer.

    Parameters
    ----------
    explorer : Simulated
        The figure: its module, description and simulation.

    Attributes
    ----------
    values : dict
        Values of the parameters; set here or by the controls.
    simulated : dict
        Series added by simulations.
    simulated_at : dict
        The values of the parameters at which they were drawn.
    simulation : dict
        ``running``, ``done``, ``total`` and ``message``.
    """

    _esm = traitlets.Unicode().tag(sync=True)
    spec = traitlets.Dict().tag(sync=True)
    live = traitlets.Bool(True).tag(sync=True)
    values = traitlets.Dict().tag(sync=True)
    simulated = traitlets.Dict().tag(sync=True)
    simulated_at = traitlets.Dict().tag(sync=True)
    simulation = traitlets.Dict().tag(sync=True)

    def __init__(self, explorer: Simulated) -> None:
        self._explorer = explorer
        self._rng = np.random.default_rng()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        spec = explorer.spec()
        super().__init__(_esm=bundle.widget_module(explorer.module), spec=spec, values=dict(spec["values"]))
        self.on_msg(self.receive)

    def receive(self, _widget: Any, content: dict[str, Any], _buffers: Any) -> None:
        """Do what the page asks: simulate, cancel or clear."""
        kind = content.get("type")
        if kind == "simulate":
            self.start(content["values"])
        elif kind == "cancel":
            self.cancel()
        elif kind == "clear" and not self.running:
            self.simulated = {}
            self.simulation = {"running": False, "message": ""}

    @property
    def running(self) -> bool:
        """Whether a simulation is going on."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, values: dict[str, Any]) -> None:
        """Simulate at the given values in the background; does nothing if one is running."""
        if self.running:
            return
        self._stop.clear()
        if not self._same_setting(values):
            self.simulated = {}
        self.simulated_at = dict(values)
        self.simulation = {"running": True, "done": 0.0, "total": 1.0, "message": "Simulating…"}
        self._thread = threading.Thread(target=self._run, args=(dict(values),), daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        """Ask a running simulation to stop."""
        self._stop.set()

    def wait(self, timeout: float | None = None) -> None:
        """Wait for a running simulation."""
        if self._thread is not None:
            self._thread.join(timeout)

    def _same_setting(self, values: dict[str, Any]) -> bool:
        simulation = self.spec["simulation"]
        free = simulation["free"] if simulation else ()
        return all(self.simulated_at.get(key) == value for key, value in values.items() if key not in free)

    def _run(self, values: dict[str, Any]) -> None:
        message = "Done."
        try:
            for added in self._explorer.simulate(values, self._rng, self._report):
                self.simulated = _joined(self.simulated, added)
        except Cancelled:
            message = "Cancelled."
        except Exception as error:  # shown to the reader: a thread has no other place to say it
            message = f"{type(error).__name__}: {error}"
        self.simulation = {"running": False, "message": message}

    def _report(self, fraction: float) -> None:
        if self._stop.is_set():
            raise Cancelled
        message = f"Simulating… {100 * fraction:.0f} %"
        self.simulation = {"running": True, "done": float(fraction), "total": 1.0, "message": message}


def _joined(before: Series, added: Series) -> Series:
    """Return the series with the new points after the old ones."""
    joined = dict(before)
    for key, new in added.items():
        old = before.get(key, {})
        joined[key] = {c: [*old.get(c, []), *np.asarray(v, dtype=float).tolist()] for c, v in new.items()}
    return joined
