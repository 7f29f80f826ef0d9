"""How soon an interactive figure answers, and what it weighs.

    python benchmarks/explorers.py [--moves 60] [--slow-down 1] [--executable chromium]
                                   [--output benchmarks/results/explorers.json] [--check]

Each figure is opened from disk in a headless Chromium; its sliders are moved at random, one input event at a
time, as a hand does. Columns, in milliseconds, median and 95 % quantile over the moves:

- work: computing the numbers and replacing the drawing (the figure's own code);
- shown: from the input event until the frame that holds the new drawing has been laid out and painted. It
  contains the wait for the browser's next frame, up to 17 ms at 60 frames a second.

Target: shown at most 50 ms at the 95 % quantile. ``--slow-down 4`` imitates a phone by slowing the browser's
processor. The weight is that of the figure in a page, script, data and printed picture together, as a server
compresses it (gzip). Target: 60 kB.

The numbers are written to a JSON file, with the machine, its load when the run began, and whether each target
is met. With ``--check`` the exit status is 1 if one is missed. Times are those of the machine: run it where
nothing else runs.
"""

from __future__ import annotations

import argparse
import gzip
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import pairint.explorers
from pairint.engine import provenance
from pairint.engine.store import write_atomic

OUTPUT = Path(__file__).resolve().parent / "results" / "explorers.json"
TARGETS = {"shown_ms_q95": 50.0, "kB_gzip": 60.0}

MOVE = """async ([selector, count, seed]) => {
    const root = document.querySelector(selector).shadowRoot;
    const figure = document.querySelector(selector).pairint;
    const controls = [...root.querySelectorAll("input[type=range], select")];
    const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
    const painted = () => new Promise(done => requestAnimationFrame(() => {
        const channel = new MessageChannel();
        channel.port1.onmessage = () => done(performance.now());
        channel.port2.postMessage(null);
    }));
    const times = [];
    for (let i = 0; i < count; i += 1) {
        const control = controls[Math.floor(random() * controls.length)];
        if (control.tagName === "SELECT") control.selectedIndex = Math.floor(random() * control.length);
        else control.value = Number(control.min) + random() * (control.max - control.min);
        const before = figure.updates;
        const start = performance.now();
        control.dispatchEvent(new Event("input", {bubbles: true}));
        const end = await painted();
        if (figure.updates !== before + 1) throw new Error("the figure did not answer within a frame");
        times.push({work: figure.timings.at(-1).compute_and_draw, shown: end - start});
        await new Promise(done => setTimeout(done, 20 * random()));
    }
    return times;
}"""


def measure(page: Any, selector: str, n_moves: int) -> dict[str, np.ndarray]:
    """Return the times of single moves, after some that are not counted."""
    page.wait_for_function("selector => document.querySelector(selector)?.pairint?.updates > 0", arg=selector)
    page.evaluate(MOVE, [selector, 15, 11])
    times = page.evaluate(MOVE, [selector, n_moves, 12345])
    return {key: np.array([t[key] for t in times]) for key in ("work", "shown")}


def missed(figures: dict[str, dict[str, float]]) -> list[str]:
    """Say which targets are missed, and by which figure."""
    return [
        f"{name}: {key} is {row[key]:g}, target {target:g}"
        for name, row in figures.items()
        for key, target in TARGETS.items()
        if not row[key] <= target
    ]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--moves", type=int, default=60)
    parser.add_argument(
        "--slow-down", type=float, default=1.0, help="factor by which the processor is slowed"
    )
    parser.add_argument("--executable", default=shutil.which("chromium") or shutil.which("google-chrome"))
    parser.add_argument("--output", type=Path, default=OUTPUT, help="JSON file to write")
    parser.add_argument("--check", action="store_true", help="exit with status 1 if a target is missed")
    arguments = parser.parse_args()
    from playwright.sync_api import sync_playwright

    load = provenance.load()
    figures: dict[str, dict[str, float]] = {}
    print(f"{'figure':>11} {'work':>13} {'shown':>13} {'kB gzip':>8} {'kB':>6}")
    flags = ["--headless", "--no-sandbox", "--disable-gpu"]
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        chromium = playwright.chromium.launch(executable_path=arguments.executable, args=flags)
        for name in pairint.explorers.__all__:
            figure = getattr(pairint.explorers, name)()
            text = figure.to_html(f"pairint-{figure.name}")
            address = figure.save(Path(folder) / f"{figure.name}.html").as_uri()
            page = chromium.new_page(viewport={"width": 1100, "height": 900})
            page.goto(address)
            if arguments.slow_down != 1:
                session = page.context.new_cdp_session(page)
                session.send("Emulation.setCPUThrottlingRate", {"rate": arguments.slow_down})
            times = measure(page, f"#pairint-{figure.name}", arguments.moves)
            page.close()
            weights = len(gzip.compress(text.encode())) / 1000, len(text.encode()) / 1000
            row = {
                f"{key}_ms_{name}": round(float(np.quantile(t, q)), 2)
                for key, t in times.items()
                for name, q in (("median", 0.5), ("q95", 0.95))
            }
            figures[figure.name] = row | {"kB_gzip": weights[0], "kB": weights[1]}
            columns = [f"{np.median(t):6.1f} {np.quantile(t, 0.95):6.1f}" for t in times.values()]
            print(
                f"{figure.name:>11} {columns[0]} {columns[1]} {weights[0]:8.1f} {weights[1]:6.0f}", flush=True
            )
        version = chromium.version
        chromium.close()
    failures = missed(figures)
    record = provenance.measurement(
        "explorers",
        load,
        targets=TARGETS,
        met=not failures,
        figures=figures,
        moves=arguments.moves,
        slow_down=arguments.slow_down,
        browser=version,
    )
    write_atomic(arguments.output, json.dumps(record, indent=1) + "\n")
    print(f"written to {arguments.output}")
    for failure in failures:
        print(f"missed: {failure}")
    return int(arguments.check and bool(failures))


if __name__ == "__main__":
    sys.exit(main())
