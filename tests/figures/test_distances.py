"""Colours of the book can be told apart, light and dark, with usual vision and the three deficiencies.

Distances are CIEDE2000 (Sharma, Wu, Dalal 2005). What somebody with a deficiency sees is simulated after
Machado, Oliveira and Fernandes (2009) at full severity. The threshold comes from a published set: the
nearest two of the eight colours of Okabe and Ito are `e` apart by this measure. As many colours as here,
spread as evenly over the half of the space that has the contrast which letters need, have their nearest at

    e * (8 / count * 1 / 2) ** (1 / dimension),

in three dimensions for usual vision; in two with a deficiency, which leaves lightness and one hue.
"""

import itertools

import numpy as np
import pytest

from pairint.figures.style import CYCLE, DARK, INK, MUTED, ROLES

OKABE_ITO = ("#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
BOOK = (*CYCLE, *dict.fromkeys((*ROLES.values(), MUTED)))
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
VISIONS = {
    "usual": np.eye(3),
    "no red": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no green": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.01182, 0.04294, 0.968881],
    ],
    "no blue": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.3039],
    ],
}


def lab(color: str, vision: str) -> tuple[float, ...]:
    """CIELAB (D65) of a colour as it is seen."""
    rgb = np.array([int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.asarray(VISIONS[vision]) @ linear, 0.0, 1.0)
    t = XYZ @ seen / (XYZ @ np.ones(3))
    x, y, z = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def distance(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    """CIEDE2000."""
    (l1, a1, b1), (l2, a2, b2) = first, second
    c7 = ((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2) ** 7
    stretch = 1.5 - 0.5 * np.sqrt(c7 / (c7 + 25**7))
    c1, c2 = np.hypot(stretch * a1, b1), np.hypot(stretch * a2, b2)
    h1, h2 = (np.degrees(np.arctan2(b, stretch * a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = (h2 - h1 + 180) % 360 - 180 if c1 * c2 else 0.0
    hue = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2))
    light, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    mean = h1 + turn / 2 if c1 * c2 else h1 + h2
    waves = ((1, -30, -0.17), (2, 0, 0.24), (3, 6, 0.32), (4, -63, -0.20))
    t = 1 + sum(size * np.cos(np.radians(n * mean + shift)) for n, shift, size in waves)
    s_l = 1 + 0.015 * (light - 50) ** 2 / np.sqrt(20 + (light - 50) ** 2)
    s_c, s_h = 1 + 0.045 * chroma, 1 + 0.015 * chroma * t
    bent = 2 * np.sqrt(chroma**7 / (chroma**7 + 25**7))
    bent *= -np.sin(np.radians(60 * np.exp(-(((mean % 360 - 275) / 25) ** 2))))
    dl, dc, dh = (l2 - l1) / s_l, (c2 - c1) / s_c, hue / s_h
    return float(np.sqrt(dl**2 + dc**2 + dh**2 + bent * dc * dh))


def nearest(colors, vision):
    seen = {color: lab(color, vision) for color in colors}
    return min((distance(seen[a], seen[b]), a, b) for a, b in itertools.combinations(seen, 2))


def threshold(count, vision):
    dimension = 3 if vision == "usual" else 2
    worst = min(
        nearest(OKABE_ITO, other)[0] for other in VISIONS if (other == "usual") == (vision == "usual")
    )
    return worst * (len(OKABE_ITO) / count / 2) ** (1 / dimension)


@pytest.mark.parametrize(
    ("first", "second", "published"),
    [  # of the test data of Sharma, Wu and Dalal
        ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
        ((50.0, 0.0, 0.0), (50.0, -1.0, 2.0), 2.3669),
        ((50.0, 2.49, -0.001), (50.0, -2.49, 0.0009), 7.1792),
        ((50.0, 2.49, -0.001), (50.0, -2.49, 0.0011), 7.2195),
        ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_the_distance_is_the_published_one(first, second, published):
    assert distance(first, second) == pytest.approx(published, abs=5e-5)  # printed with four digits
    assert distance(second, first) == pytest.approx(distance(first, second))


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_two_colours_are_near(scheme, vision, monkeypatch):
    from drawings import darkened

    ink = INK if scheme == "light" else darkened(INK)
    colors = (*BOOK, ink) if scheme == "light" else (*(darkened(color) for color in BOOK), ink)
    found, *pair = nearest(colors, vision)
    assert found >= threshold(len(set(colors)), vision), pair


def test_the_old_way_is_refused(monkeypatch):
    """Mixed with white until it is light enough, grey meets grey, and the dark red the pink of the matrix."""
    import drawings

    monkeypatch.setattr(drawings, "DARK", {})
    dark = [drawings.darkened(color) for color in BOOK]
    assert nearest(dark, "usual")[0] < threshold(len(dark), "usual") / 2
    assert nearest(dark, "no green")[0] < threshold(len(dark), "no green") / 2


def test_every_colour_has_its_partner():
    assert {color.upper() for color in BOOK} - {INK.upper()} == {color.upper() for color in DARK}
