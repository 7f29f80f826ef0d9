"""Progress: a bar on a terminal, plain lines elsewhere."""

import io

import pytest

from pairint.engine import progress
from pairint.engine.progress import Progress, duration


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.04 s"), (8, "8 s"), (9.97, "10 s"), (59.4, "59 s"), (59.6, "1 min"), (200, "3 min 20 s"),
     (3599.7, "1 h"), (7500, "2 h 05 min"), (61, "1 min 01 s")],
)  # fmt: skip
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_plain_lines(clock):
    """One line at most every ten seconds, and one at the end; the time left weighs cells by their cost."""
    stream = io.StringIO()
    with Progress("demo", [3.0, 1.0, 1.0, 1.0], True, stream) as shown:
        for cost, time in [(3.0, 12.0), (1.0, 13.0), (1.0, 14.0), (1.0, 15.0)]:
            clock[0] = time
            shown.advance(cost)
    assert stream.getvalue().splitlines() == [
        "demo: 1 of 4 cells after 12 s, about 12 s left",
        "demo: 4 of 4 cells after 15 s",
    ]


def test_a_bar_on_a_terminal():
    stream = Terminal()
    with Progress("demo", [1.0, 1.0], True, stream) as shown:
        shown.advance(1.0)
        shown.advance(1.0)
    assert "100%" in stream.getvalue()
    assert "2/2 cells" in stream.getvalue()
    assert "left" in stream.getvalue()


@pytest.mark.parametrize(("costs", "show"), [([1.0], False), ([], True)])
def test_silence(costs, show):
    stream = Terminal()
    with Progress("demo", costs, show, stream) as shown:
        for cost in costs:
            shown.advance(cost)
    assert stream.getvalue() == ""
