"""The Chromium that prints and tests the pages."""

from __future__ import annotations

import os
import shutil

#: Without a screen, without a network of its own.
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str | None:
    """Return the Chromium of this machine: PAIRINT_CHROMIUM, or the first one on the path.

    The one that has no windows comes first: it needs less of a processor for the same page.
    """
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    return os.environ.get("PAIRINT_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
