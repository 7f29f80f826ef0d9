"""Films of moving tokens: where they come from, velocities and answers by differences, a simulated school."""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "FILE_SHA256",
    "FRAMES_PER_SECOND",
    "Film",
    "arena",
    "film_from",
    "planted",
    "read_film",
    "simulate",
]

Floats = NDArray[np.float64]

#: The film of 100 fish in trajectorytools 0.4.2, under the GNU General Public License 3.
FILE_SHA256 = "8830115a29a03cc395790984e8c9535ccc9ade3b136ae398d30649c1b2f3835c"
#: As the package's own description says of this film; the file does not.
FRAMES_PER_SECOND = 32.0
_HELP = (
    "no film of fish: `pip install --no-deps trajectorytools==0.4.2` brings one (GPL 3, nothing of it "
    "is run), or name a file with --set data=FILE.npy; --set data=simulated needs none"
)


@dataclass(frozen=True, eq=False)
class Film:
    """Positions of tokens, frame by frame.

    Attributes
    ----------
    positions : ndarray, shape (frames, N, 2)
        In units of the median distance to the nearest neighbour (a simulation: in its own); NaN where a token
        was lost.
    unit : float
        That unit, in the unit of the file.
    center : ndarray, shape (2,)
    radius : float
        Of the smallest disc about the centre that holds all positions.
    sha256 : str
        Of the file; empty for a simulation.
    """

    positions: Floats
    unit: float
    center: Floats
    radius: float
    sha256: str = ""


def film_from(data: str, rng: np.random.Generator, n_tokens: int = 100, n_frames: int = 300) -> Film:
    """Return the film that a setting names: ``"simulated"``, ``"trajectorytools"`` or the path of a file.

    Raises
    ------
    ModuleNotFoundError
        If the package is not installed.
    FileNotFoundError, ValueError
        If there is no such file, or it holds something else.
    """
    if data == "simulated":
        return Film(*arena(simulate(n_tokens, n_frames, rng), 1.0))
    if data != "trajectorytools":
        return read_film(Path(data))
    found = importlib.util.find_spec("trajectorytools")  # finds it, and runs nothing of it
    if found is None or found.origin is None:
        raise ModuleNotFoundError(_HELP)
    film = read_film(Path(found.origin).parent / "data" / "test_trajectories.npy")
    if film.sha256 != FILE_SHA256:
        raise ValueError(
            f"data must be the film of trajectorytools 0.4.2 with the SHA-256 {FILE_SHA256}, "
            f"got {film.sha256}"
        )
    return film


def read_film(path: Path) -> Film:
    """Read positions of shape (frames, tokens, 2) from a file of NumPy. Nothing is unpickled."""
    if not path.is_file():
        raise FileNotFoundError(f"data must be a file, got {str(path)!r}: {_HELP}")
    try:
        positions = np.load(path)
    except (ValueError, EOFError) as error:
        raise ValueError(
            f"data must be an array of numbers in NumPy's format, got {str(path)!r} ({error})"
        ) from error
    wanted = getattr(positions, "ndim", 0) == 3 and positions.shape[2] == 2 and positions.dtype.kind == "f"
    if not wanted or positions.shape[0] < 40 or positions.shape[1] < 3:
        shape = getattr(positions, "shape", ())
        raise ValueError(
            f"data must hold positions of shape (frames >= 40, tokens >= 3, 2), got shape {shape}"
        )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Film(*arena(np.asarray(positions, dtype=float)), digest)


def arena(positions: Floats, unit: float | None = None) -> tuple[Floats, float, Floats, float]:
    """Return positions in a unit (by default the median distance to the nearest), unit, centre and radius.

    The centre is the middle of the box that holds all positions, as for a round arena.
    """
    if unit is None:
        some = positions[:: max(1, len(positions) // 60)]  # sixty frames are enough for a unit
        distance = np.linalg.norm(some[:, :, None] - some[:, None], axis=3)
        diagonal = np.arange(positions.shape[1])
        distance[:, diagonal, diagonal] = np.inf
        nearest = np.nanmin(np.where(np.isnan(distance), np.inf, distance), axis=2)
        unit = float(np.median(nearest[np.isfinite(nearest)]))
    present = positions[np.isfinite(positions).all(axis=2)]
    center = (present.min(axis=0) + present.max(axis=0)) / 2
    radius = float(np.linalg.norm(present - center, axis=1).max())
    return positions / unit, unit, center / unit, radius / unit


def planted(term: str, distance: Any) -> Any:
    """Return the functions of the simulated school, of distance.

    ``"position"``: along the line to the partner, repulsive below and attractive above about six units.
    ``"velocity"``: alignment.
    """
    r = np.asarray(distance, dtype=float)
    return 10 * np.exp(-((r / 3) ** 2)) if term == "velocity" else 6 * np.exp(-r / 12) - 40 * np.exp(-r / 2.5)


def simulate(n_tokens: int, n_frames: int, rng: np.random.Generator) -> Floats:
    """Return the positions of a school in a round arena whose kernels are :func:`planted`.

    Accelerations are those of the model with friction about a preferred speed, a soft wall and white noise;
    Euler steps of a frame, of which the first 400 are dropped. The arena holds one token in two square units.
    """
    step, radius, speed = 1 / FRAMES_PER_SECOND, float(np.sqrt(2 * n_tokens)), 3.5
    angle, place = rng.uniform(0, 2 * np.pi, (2, n_tokens))
    away = radius * np.sqrt(rng.uniform(0, 0.8, n_tokens))
    x = away[:, None] * np.stack([np.cos(place), np.sin(place)], axis=1)
    v = speed * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    film = np.empty((n_frames, n_tokens, 2))
    diagonal = np.arange(n_tokens)
    for k in range(-400, n_frames):
        to = x[None] - x[:, None]
        distance = np.linalg.norm(to, axis=2)
        distance[diagonal, diagonal] = 1.0
        pull = planted("position", distance) / distance
        align = planted("velocity", distance)
        pull[diagonal, diagonal] = align[diagonal, diagonal] = 0.0
        social = (np.einsum("ij,ijv->iv", pull, to) + align @ v - align.sum(axis=1)[:, None] * v) / (
            n_tokens - 1
        )
        pace = np.linalg.norm(v, axis=1, keepdims=True)
        rho = np.linalg.norm(x, axis=1, keepdims=True) / radius
        force = social + 1.5 * v * (1 - pace / speed) - 12 * x / radius * rho**8
        v = v + step * force + np.sqrt(step) * 2.0 * rng.standard_normal(v.shape)
        x = x + step * v
        if k >= 0:
            film[k] = x
    return film
