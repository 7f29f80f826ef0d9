"""The eavesdropper in Chromium, network cut: moved, drawn on and listened to; its fit is the package's."""

import gzip
import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pairint.estimation.gauss_newton import levenberg_marquardt
from pairint.estimation.initial import linear_start
from pairint.estimation.problem import LeastSquaresProblem
from pairint.explorers import Eavesdropper
from pairint.explorers.eavesdropper import secret_model
from pairint.model.splines import SplineSpace

AXE = Path(__file__).resolve().parents[2] / "_build" / "vendor" / "axe-core" / "axe.min.js"
TOLERANCE = 1e-6
FIGURE = "document.querySelector('#pairint-eavesdropper').pairint"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
DESK = {"viewport": {"width": 1280, "height": 800}}
WIRE_LIMIT = 60_000


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return Eavesdropper().save(tmp_path_factory.mktemp("eavesdropper") / "figure.html")


@pytest.fixture
def figure(saved, visit):
    """Return a function that opens the figure, at rest, and returns the visit."""

    def opened(fragment: str = "", **options: Any) -> Any:
        seen = visit(saved.as_uri() + fragment, **{"reduced_motion": "reduce", **options})
        seen.page.wait_for_function(f"{FIGURE}?.settled && {FIGURE}.updates > 0")
        return seen

    return opened


def state(page: Any, name: str) -> Any:
    return page.evaluate(f"{FIGURE}.{name}")


def settle(page: Any) -> None:
    """Wait until what was asked for has been drawn."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def told(page: Any) -> None:
    page.wait_for_function(f"{FIGURE}.phase === 'told'")
    settle(page)


def drawn(page: Any) -> list[float]:
    return [h for h in state(page, "guess") if h is not None]


def widths_of_lines(page: Any) -> set[str]:
    return set(
        page.locator(".line path:nth-child(2)").evaluate_all(
            "all => all.map(p => p.getAttribute('stroke-width'))"
        )
    )


def move_by_mouse(page: Any, box: dict[str, float], path: list[tuple[float, float]]) -> None:
    """Draw through points given as shares of a box; they may lie outside."""
    points = [(box["x"] + u * box["width"], box["y"] + v * box["height"]) for u, v in path]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=4)
    page.mouse.up()
    settle(page)


def move_by_finger(page: Any, box: dict[str, float], path: list[tuple[float, float]]) -> None:
    """The same by touch, as the browser itself receives it."""
    session = page.context.new_cdp_session(page)
    kinds = ["touchStart", *["touchMove"] * (len(path) - 1)]
    for kind, (u, v) in zip(kinds, path, strict=True):
        point = {"x": box["x"] + u * box["width"], "y": box["y"] + v * box["height"]}
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    settle(page)


@pytest.mark.parametrize("values", [{}, {"beta": 1.0, "d": 2}, {"beta": 3.0, "d": 5}, {"beta": 2.2, "d": 10}])
def test_the_scene_is_the_packages(values, figure):
    page = figure().page
    page.evaluate(f"values => {FIGURE}.set(values)", values)
    settle(page)
    ours, theirs = Eavesdropper().numbers(**values), state(page, "series")
    # The fit is of the page's own data, the guess the reader's.
    assert set(ours.series) - {"curve.fit"} == set(theirs)
    for key, series in theirs.items():
        for column, numbers in series.items():
            expected = np.asarray(ours.series[key][column], dtype=float)
            assert numbers == pytest.approx(expected, abs=TOLERANCE * np.abs(expected).max()), (key, column)
    assert state(page, "facts.average") == pytest.approx(ours.facts["average"], rel=TOLERANCE)


LISTEN = f"""async ([values, seed]) => {{
    const figure = {FIGURE};
    figure.set(values);
    await figure.listen({{ seed, patient: false }});
    const {{ rounds, fit, errors, sign }} = figure.told;
    return {{
        X: [...rounds.X], Y: [...rounds.Y], factors: [...fit.factors], coefficients: [...fit.coefficients],
        space: fit.space, errors: {{ ...errors, X: [...errors.X] }}, sign, guess: figure.guess,
    }};
}}"""


@pytest.mark.parametrize(("beta", "d", "seed"), [(1.6, 2, 1), (3.0, 4, 2), (1.0, 10, 3)])
def test_the_fit_is_the_packages(beta, d, seed, figure):
    """On the page's data: least squares for its matrix, the best matrix, and the errors."""
    page = figure().page
    move_by_mouse(page, page.locator(".pad").bounding_box(), [(0.1, 0.3), (0.5, 0.6), (0.9, 0.2)])
    got = page.evaluate(LISTEN, [{"beta": beta, "d": d}, seed])
    X, Y = np.reshape(got["X"], (1000, 6, d)), np.reshape(got["Y"], (1000, 6))
    left, right = (np.reshape(half, (2, d)).T for half in np.split(np.array(got["factors"]), 2))
    matrix, cells = left @ right.T, got["space"]["cells"]
    assert np.linalg.norm(matrix) == pytest.approx(1.0, rel=1e-12)

    # With the matrix known the spline is linear least squares, as in OracleRegressor, on the same cells.
    problem = LeastSquaresProblem(X, Y, 3, 0.1, n_matrix=4 * d)
    space = SplineSpace(got["space"]["lower"], got["space"]["upper"], cells, 3)
    ours = problem.solve(left, right, space)
    scale = np.abs(ours.inner.coefficients).max()
    assert np.abs(got["coefficients"] - ours.inner.coefficients).max() <= TOLERANCE * scale

    # No matrix near it is better, and the package's own search, from its own start, ends there. Both stop
    # when a step promises less than 1e-8 noise variances: each is within 1e-4 standard errors of the
    # minimum, and the standard error of an entry is about 0.1 sqrt(5 / 6000) over a slope of one half. The
    # rest is for directions seen less well.
    start = linear_start(X, Y, 2)
    coarse = levenberg_marquardt(problem, *start, problem.space(*start, 6), 10, 1.0)
    best = levenberg_marquardt(problem, coarse.left, coarse.right, space, 40, 1e-8)
    gain = ours.inner.objective - best.inner.objective
    assert abs(gain) <= 1e-6 * best.inner.objective / problem.n_rows
    assert np.abs(best.left @ best.right.T - matrix).max() <= 1e-5

    # Data and errors belong to the model that the page hides.
    model = secret_model(beta, d)
    noise = Y - model.forward(X)
    assert abs(noise.mean()) < 4.5 * 0.1 / np.sqrt(noise.size)
    assert abs(noise.std() / 0.1 - 1) < 4.5 / np.sqrt(2 * noise.size)
    pairs = np.reshape(got["errors"]["X"], (-1, 2, d))
    truth = model.interaction(pairs[:, 0], pairs[:, 1])
    fitted = ours.spline(np.einsum("ma,ab,mb->m", pairs[:, 0], matrix, pairs[:, 1]))
    assert got["errors"]["fit_error"] == pytest.approx(np.sqrt(np.mean((fitted - truth) ** 2)), rel=TOLERANCE)
    places = [k for k, h in enumerate(got["guess"]) if h is not None]
    scores = np.einsum("ma,ab,mb->m", pairs[:, 0], model.matrix, pairs[:, 1])
    guess = np.interp((scores + 3) * 10, places, [got["guess"][k] for k in places])
    assert got["errors"]["guess_error"] == pytest.approx(
        np.sqrt(np.mean((guess - truth) ** 2)), rel=TOLERANCE
    )
    # A fit that found the truth: noise, not a wrong valley.
    assert got["errors"]["fit_error"] < 0.1
    assert got["sign"] == np.sign((matrix * model.matrix).sum())


def test_each_listening_draws_fresh_data(figure):
    page = figure().page
    drawn_data = []
    for _ in range(2):
        page.evaluate(f"{FIGURE}.listen()")
        told(page)
        drawn_data.append(page.evaluate(f"[...{FIGURE}.told.rounds.Y.slice(0, 5)]"))
    assert drawn_data[0] != drawn_data[1]


def test_nothing_hidden_is_shown_before_the_fit(figure):
    """All lines glow with the average; neither the curve nor what a partner gives is in the page."""
    seen = figure()
    page = seen.page
    assert page.locator(".truth, .fit, .stem").count() == 0
    assert page.locator(".line").count() == 5
    assert len(widths_of_lines(page)) == 1
    page.get_by_role("button", name="Listen to 1000 rounds").click()
    told(page)
    assert page.locator(".truth:not(.key)").count() == page.locator(".fit:not(.key)").count() == 1
    assert len(widths_of_lines(page)) == 5
    assert "nobody told it the curve" in page.locator(".summary").inner_text()
    page.get_by_role("button", name="A new secret").click()
    settle(page)
    assert state(page, "phase") == "ask"
    assert page.locator(".truth, .fit, .stem").count() == 0
    seen.assert_quiet()


def test_a_token_is_dragged_by_mouse_and_keys(figure):
    seen = figure()
    page = seen.page
    token = page.get_by_role("button", name=re.compile("^Token 3 at"))
    before, average = state(page, "scene.places[2]"), state(page, "facts.average")
    move_by_mouse(page, token.bounding_box(), [(0.5, 0.5), (-1.5, 2.5)])
    after = state(page, "scene.places[2]")
    assert after[0] < before[0] - 0.3
    assert after[1] < before[1] - 0.3
    assert after[2:] == before[2:]
    assert state(page, "facts.average") != average
    assert page.locator(".trace").count() == 1
    # Off the room it stays in the cube.
    move_by_mouse(page, token.bounding_box(), [(0.5, 0.5), (100, 100)])
    assert state(page, "scene.places[2]")[:2] == pytest.approx([np.sqrt(3), -np.sqrt(3)])
    token.focus()
    for key in ("ArrowLeft", "ArrowUp", "Shift+ArrowUp"):
        token.press(key)
    settle(page)
    x, y = state(page, "scene.places[2]")[:2]
    assert x < np.sqrt(3)
    assert y > -np.sqrt(3)
    assert page.get_by_role("button", name=re.compile("^Token 1 .*the listener")).count() == 1
    token.press("Enter")
    settle(page)
    assert state(page, "scene.listener") == 2
    page.get_by_role("button", name=re.compile("^Token 5 at")).click()
    settle(page)
    assert state(page, "scene.listener") == 4
    seen.assert_quiet()


def test_dragging_a_partner_traces_the_curve(figure):
    """Where one partner moves, the average follows the hidden curve, five times flatter, with the noise."""
    page = figure().page
    move_by_mouse(
        page, page.get_by_role("button", name=re.compile("^Token 2 at")).bounding_box(), [(0.5, 0.5), (2, -4)]
    )
    series = state(page, "series")
    scores, given = series["curve.given"]["x"], series["curve.given"]["y"]
    expected = sum(given) / 5
    # One noise of standard deviation 0.1: six of them.
    assert abs(series["curve.average"]["at"] - expected) < 0.6
    model = secret_model(1.6, 2)
    assert given == pytest.approx(list(model.activation(np.array(scores))), rel=TOLERANCE)


def test_a_guess_is_drawn_by_mouse(figure):
    seen = figure()
    page = seen.page
    pad = page.locator(".pad")
    move_by_mouse(page, pad.bounding_box(), [(0.2, 0.8), (0.5, 0.3), (0.8, 0.8)])
    heights = state(page, "guess")
    assert 25 < len(drawn(page)) < 50
    middle = max(range(61), key=lambda k: -9 if heights[k] is None else heights[k])
    assert 24 <= middle <= 36
    assert page.locator(".guess:not(.key)").count() == 1
    page.get_by_role("button", name="Listen to 1000 rounds").click()
    told(page)
    assert "Your guess is off by" in page.locator(".summary").inner_text()
    page.get_by_role("button", name="A new secret").click()
    settle(page)
    assert drawn(page) == []
    seen.assert_quiet()


def test_a_guess_off_the_canvas_ends_at_its_edge(figure):
    page = figure().page
    move_by_mouse(page, page.locator(".pad").bounding_box(), [(0.5, 0.5), (3.0, -2.0), (-2.0, 4.0)])
    assert len(drawn(page)) == 61
    assert max(abs(h) for h in drawn(page)) <= 1.9
    page.evaluate(f"{FIGURE}.listen()")
    told(page)
    assert state(page, "facts.guess_error") < 5


def test_a_guess_of_one_point_is_a_level_line(figure):
    page = figure().page
    box = page.locator(".pad").bounding_box()
    page.mouse.click(box["x"] + 0.7 * box["width"], box["y"] + 0.4 * box["height"])
    settle(page)
    assert len(drawn(page)) == 1
    page.evaluate(f"{FIGURE}.listen()")
    told(page)
    assert set(state(page, "series")["curve.guess"]["y"]) == set(drawn(page))
    assert np.isfinite(state(page, "facts.guess_error"))


def test_everything_by_keys(figure):
    """From the first token to the new secret without a pointer."""
    seen = figure()
    page = seen.page
    page.locator(".token").first.focus()
    for _ in range(6):
        page.keyboard.press("Tab")
    pad = page.get_by_role("slider", name="Your guess of the curve")
    assert pad.evaluate("e => e.getRootNode().activeElement === e")
    assert "nothing drawn" in pad.get_attribute("aria-valuetext")
    for key in ("Home", "ArrowUp", "ArrowUp", *["ArrowRight"] * 5, "PageUp", "End", "ArrowDown"):
        page.keyboard.press(key)
    settle(page)
    heights = state(page, "guess")
    assert (heights[0], heights[60]) == (pytest.approx(0.2), pytest.approx(0.6))
    assert heights[15] == pytest.approx(0.7)
    assert "guess 0.6" in pad.get_attribute("aria-valuetext")
    for label, key in (("smoothness β", "beta"), ("dimension d", "d")):
        page.keyboard.press("Tab")
        slider = page.get_by_label(label, exact=True)
        before = state(page, f"values.{key}")
        slider.press("ArrowRight")
        settle(page)
        assert state(page, f"values.{key}") > before
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    told(page)
    assert state(page, "facts.guess_error") > state(page, "facts.fit_error")
    seen.assert_quiet()


def test_everything_by_finger(figure, tap_until):
    seen = figure(**PHONE)
    page = seen.page
    before = state(page, "scene.places[2]")
    token = page.get_by_role("button", name=re.compile("^Token 3 at"))
    assert min(token.bounding_box()["width"], token.bounding_box()["height"]) >= 40
    move_by_finger(page, token.bounding_box(), [(0.5, 0.5), (0.0, 1.0), (-1.0, 2.0)])
    after = state(page, "scene.places[2]")
    assert after[0] < before[0] - 0.2
    assert after[1] < before[1] - 0.2
    move_by_finger(page, page.locator(".pad").bounding_box(), [(0.1, 0.5), (0.4, 0.7), (0.9, 0.2)])
    assert len(drawn(page)) > 40
    assert state(page, "guess")[50] > state(page, "guess")[20]
    assert page.evaluate("scrollY") == 0
    # While it listens the button has another name, and a second tap asks for nothing.
    tap_until(page.locator("button.act"), f"{FIGURE}.phase !== 'ask'")
    told(page)
    seen.assert_quiet()


def test_another_setting_is_heard_anew(figure):
    page = figure().page
    page.evaluate(f"{FIGURE}.listen()")
    told(page)
    before = state(page, "series")["curve.truth"]["y"]
    page.get_by_label("smoothness β", exact=True).press("End")
    page.wait_for_function(f"{FIGURE}.phase === 'telling'")
    told(page)
    assert state(page, "values.beta") == 3
    assert state(page, "series")["curve.truth"]["y"] != before
    page.get_by_label("dimension d", exact=True).press("End")
    page.wait_for_function(f"{FIGURE}.phase === 'telling'")
    told(page)
    assert state(page, "told.rounds.d") == 10
    assert page.get_by_text("2 of 10 coordinates shown").count() == 1
    # Eight spokes a token: the coordinates that the plane does not show.
    spokes = page.locator(".spokes").first.get_attribute("d")
    assert spokes.count("M") == 8
    assert state(page, "facts.fit_error") < 0.1


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desktop"])
def test_figure_and_controls_are_one_screen(size, figure):
    """With room above for the page's bar and title (165 px on the phone, 201 on the desktop)."""
    page = figure(**size).page
    height = size["viewport"]["height"] - (165 if size is PHONE else 201)
    top = page.locator(".app").bounding_box()["y"]
    for phase in ("ask", "told"):
        for selector in (".room", ".sheet", ".summary", ".deck", ".act"):
            box = page.locator(selector).bounding_box()
            assert box["y"] + box["height"] - top <= height, (phase, selector)
        page.evaluate(f"{FIGURE}.listen()")
        told(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= size["viewport"]["width"]


BOXES = """all => all.map(t => { const r = t.getBoundingClientRect();
    return [r.left, r.top, r.right, r.bottom, t.textContent, t.getAttribute("class") ?? ""]; })"""


@pytest.mark.parametrize("width", [390, 1280])
def test_the_invitation_hides_no_number(width, figure):
    """Wherever the scores and their average lie: many numbers stand one over the other where scores meet."""
    page = figure(viewport={"width": width, "height": 900}).page
    places = set()
    for beta, d in itertools.product((1.0, 1.6, 3.0), range(2, 11)):
        page.evaluate(f"{FIGURE}.set({{d: {d}, beta: {beta}}})")
        settle(page)
        texts = page.locator(".sheet svg text").evaluate_all(BOXES)
        invite = [text for text in texts if "invite" in text[5]]
        others = [text for text in texts if "invite" not in text[5]]
        ((left, top, right, bottom, *_),) = invite
        places.add(round(top))
        hidden = [o[4] for o in others if o[0] < right and left < o[2] and o[1] < bottom and top < o[3]]
        assert hidden == [], (beta, d)
    assert len(places) > 1  # it has moved


@pytest.mark.parametrize("width", [320, 390, 688])
def test_no_text_is_cut(width, figure):
    page = figure(viewport={"width": width, "height": 900}).page
    move_by_mouse(page, page.locator(".pad").bounding_box(), [(0.0, 0.2), (1.0, 0.8)])
    page.evaluate(f"{FIGURE}.set({{d: 10, beta: 1.0}})")
    page.evaluate(f"{FIGURE}.listen()")
    told(page)
    boxes = page.locator(".app svg text").evaluate_all(
        "all => all.map(t => (r => [r.left, r.right, t.textContent])(t.getBoundingClientRect()))"
    )
    assert len(boxes) > 15
    assert [text for left, right, text in boxes if left < 0 or right > width] == []


def test_links_open_with_any_parameters(figure):
    seen = figure("#pairint-eavesdropper?beta=2.5&d=7")
    assert state(seen.page, "values") == {"beta": 2.5, "d": 7}
    for query in ("beta=abc&d=", "beta=1e9&d=-4&gamma=1", "%", "beta=%E0%A4%A"):
        seen = figure(f"#pairint-eavesdropper?{query}")
        values = state(seen.page, "values")
        assert 1 <= values["beta"] <= 3
        assert values["d"] in range(2, 11)
        seen.assert_quiet()


def test_refused_storage_and_slow_hands_change_nothing(saved, visit):
    seen = visit("about:blank")
    seen.page.add_init_script(
        "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('refused'); }});"
    )
    seen.page.goto(saved.as_uri())
    seen.page.wait_for_function(f"{FIGURE}?.updates > 0")
    seen.page.get_by_role("button", name="Listen to 1000 rounds").dblclick()
    told(seen.page)
    seen.assert_quiet()


def test_motion_only_where_it_is_welcome(saved, visit, figure):
    """Tokens drift for a moment and come back, unless touched before or reduced motion is asked for."""
    page = figure().page
    home = state(page, "scene.places")
    assert page.locator(".flow").first.evaluate("e => getComputedStyle(e).animationName") == "none"
    lively = visit(saved.as_uri()).page
    lively.wait_for_function(f"{FIGURE}?.updates > 0")
    lively.wait_for_function(
        f"home => JSON.stringify({FIGURE}.scene.places) !== JSON.stringify(home)", arg=home
    )
    lively.wait_for_function(f"{FIGURE}.settled")
    assert state(lively, "scene.places") == home
    assert lively.locator(".flow").first.evaluate("e => getComputedStyle(e).animationIterationCount") == "5"
    touched = visit(saved.as_uri()).page
    touched.wait_for_function(f"{FIGURE}?.updates > 2")
    touched.locator(".token").nth(1).press("Enter")
    assert state(touched, "settled")


def test_paper_and_no_script_show_the_picture(figure, saved, visit):
    seen = figure()
    picture = seen.page.locator("#pairint-eavesdropper img")
    assert not picture.is_visible()
    seen.page.emulate_media(media="print")
    assert picture.is_visible()
    assert not seen.page.locator(".app").is_visible()
    quiet = visit(saved.as_uri(), java_script_enabled=False)
    picture = quiet.page.locator("#pairint-eavesdropper img")
    assert picture.is_visible()
    assert Eavesdropper().sentence() in picture.get_attribute("alt")


def test_accessible(figure, skip_or_fail):
    if not AXE.is_file():
        skip_or_fail("axe-core was not fetched: run `make browser-test`")
    page = figure().page
    page.evaluate(AXE.read_text(encoding="utf-8"))
    page.locator("details > summary").click()
    for phase in ("ask", "told"):
        for theme in ("light", "dark"):
            page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
            settle(page)
            assert state(page, "scheme") == theme
            report = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
            serious = [
                f"{v['id']}: {n['html'][:120]}"
                for v in report["violations"]
                if v["impact"] in ("serious", "critical")
                for n in v["nodes"]
            ]
            assert serious == [], (phase, theme)
        page.evaluate(f"{FIGURE}.listen()")
        told(page)


def test_weight(saved):
    assert len(gzip.compress(saved.read_bytes())) < WIRE_LIMIT
