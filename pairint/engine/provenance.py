"""Where and with what a number was computed: machine, versions, commit. No names, no addresses."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from pairint._version import __version__

__all__ = ["commit", "edited", "environment", "load", "machine", "measurement"]

#: The distributions whose versions can change a number.
LIBRARIES = (
    "numpy",
    "scipy",
    "scikit-learn",
    "pandas",
    "joblib",
    "threadpoolctl",
    "distributed",
    "torch",
    "numba",
)


@functools.cache
def environment() -> dict[str, Any]:
    """Return the versions of the package, of Python and of the libraries, and the machine."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "pairint": __version__,
        "commit": commit(),
        "python": platform.python_version(),
        "libraries": versions,
        "machine": machine(),
    }


@functools.cache
def machine() -> dict[str, Any]:
    """Return the processor, the number of cores this process may use, the memory and the system."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {
        "cpu": _cpu_model(),
        "cores": cores,
        "memory_gib": _memory_gib(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def load() -> float | None:
    """Return how many processes wanted a processor during the last minute, or ``None`` where unknown."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def measurement(benchmark: str, load_at_start: float | None, **content: Any) -> dict[str, Any]:
    """Return what a benchmark writes to its file: its content, the date, the load before it, the machine."""
    return {
        "benchmark": benchmark,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        **content,
        "load_at_start": load_at_start,
        "environment": environment(),
    }


@functools.cache
def commit() -> str | None:
    """Return the commit the package runs from (``+changes`` if edited since), or ``None`` outside git.

    Tables of results are no code: one that is stored does not make the next one a run of edited code.
    """
    package = Path(__file__).resolve().parents[1]
    if not (package.parent / ".git").exists():  # an installed copy, perhaps inside another repository
        return None
    head = _git(package, "rev-parse", "HEAD")
    if not head:
        return None
    results = (f":(exclude)experiments/{folder}" for folder in ("stored", "measured"))
    changed = _git(package, "status", "--porcelain", "--untracked-files=no", "--", ".", *results)
    return head + ("+changes" if changed else "")


def edited(commit: str | None) -> bool:
    """Say whether a recorded commit does not name the code: it had changes that nobody can check out."""
    return commit is not None and commit.endswith("+changes")


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _cpu_model() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    if sys.platform == "darwin":
        try:
            return subprocess.run(
                ["sysctl", "-n", "machdep.cpu.brand_string"],
                capture_output=True,
                text=True,
                timeout=5,
                check=True,
            ).stdout.strip()
        except (OSError, subprocess.SubprocessError):
            pass
    return platform.processor() or platform.machine()


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, OSError, ValueError):
        return None
