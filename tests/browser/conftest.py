"""A headless Chromium, cut off from the network, and the built book served on this machine.

Without a browser, or without a built book, the tests here are skipped and say so; `make browser-test` makes
that an error.
"""

import contextlib
import functools
import http.server
import importlib.util
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from chromium import FLAGS, chromium

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the checks, and say which of them share a page or a figure: these go to one worker."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            given = item.callspec.params if hasattr(item, "callspec") else {}
            shared = given.get("opened") or given.get("explorer") or given.get("with_figures")
            item.add_marker("browser")
            item.add_marker(pytest.mark.xdist_group(getattr(shared, "name", shared) or item.path.name))


def lacking(config: pytest.Config) -> str | None:
    """Return what is missing for a browser check, in a sentence, or None."""
    if config.getoption("--no-browser"):
        return "left to `make browser-test`"
    if importlib.util.find_spec("playwright") is None:
        return "playwright is not installed: run `make browser-test`"
    if chromium() is None:
        return "no Chromium on this machine (Debian, Ubuntu: apt install chromium)"
    return None


def stop(reason: str) -> None:
    if os.environ.get("PAIRINT_BROWSER") == "required":
        pytest.fail(f"browser checks are required here: {reason}", pytrace=False)
    pytest.skip(f"browser checks: {reason}")


@pytest.fixture(scope="session")
def skip_or_fail() -> Callable[[str], None]:
    """Return a function that ends a check for want of something: skipped, or failed where required."""
    return stop


FUNCTION = re.compile(r"\s*(?:async\s+)?(?:function\b|\w+\s*=>|\([^()]*\)\s*=>)")


@contextlib.contextmanager
def functions_only() -> Iterator[None]:
    """Let pages be waited for under their own policy, which evaluates no text: Playwright gets functions."""
    from playwright.sync_api import Page

    wait = Page.wait_for_function

    def wait_for_function(page: Page, expression: str, **options: object) -> object:
        asked = expression if FUNCTION.match(expression) else f"() => ({expression})"
        return wait(page, asked, **options)

    Page.wait_for_function = wait_for_function
    try:
        yield
    finally:
        Page.wait_for_function = wait


@pytest.fixture(scope="session")
def browser(request: pytest.FixtureRequest) -> Iterator[object]:
    """Return one Chromium for the session; nothing is downloaded."""
    if (reason := lacking(request.config)) is not None:
        stop(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, functions_only():
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield browser
        browser.close()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files, keeps silent."""

    def log_message(self, *arguments: object) -> None:
        pass


class QuietServer(http.server.ThreadingHTTPServer):
    """Says nothing when a page goes away in the middle of an answer."""

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


@pytest.fixture(scope="session")
def serve() -> Iterator[Callable[[Path], str]]:
    """Return a function that serves a folder on this machine and returns its address."""
    servers = []

    def start(folder: Path) -> str:
        handler = functools.partial(QuietHandler, directory=str(folder))
        server = QuietServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="session")
def site(serve: Callable[[Path], str]) -> str:
    """Return the address at which the built book is served."""
    if not (HTML / "index.html").is_file():
        stop("the book is not built: run `make book`")
    return serve(HTML)


def tap(button: object, done: str) -> None:
    """Tap until a condition in the page holds: a tap just after another gesture may pass without a click."""
    from playwright.sync_api import TimeoutError as Late

    for _ in range(20):
        with contextlib.suppress(Late):  # a button that has gone away was tapped
            button.tap(timeout=3000)
        with contextlib.suppress(Late):
            button.page.wait_for_function(done, timeout=3000)
            return
    pytest.fail(f"twenty taps on {button}, and never: {done}", pytrace=False)


@pytest.fixture
def tap_until() -> Callable[[object, str], None]:
    """Return a function that taps a button until a condition in the page holds."""
    return tap


@dataclass
class Visit:
    """A page under observation."""

    page: object
    foreign: list[str] = field(default_factory=list)  # requests to another host; none gets through
    errors: list[str] = field(default_factory=list)  # console errors and uncaught exceptions
    received: dict[str, int] = field(default_factory=dict)  # bytes by address

    def assert_quiet(self) -> None:
        assert self.foreign == [], f"requests to other hosts: {self.foreign}"
        assert self.errors == [], f"console errors: {self.errors}"


@pytest.fixture(scope="session")
def reader(browser: object) -> Iterator[object]:
    """Return a context that lives as long as the session: one reader, who goes from page to page."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context
    context.close()


@contextlib.contextmanager
def visits(browser: object) -> Iterator[Callable[..., Visit]]:
    """Lend a function that opens an address, network cut, and watches what it does.

    In a context of its own, to which further keyword arguments go (viewport, color_scheme, has_touch), or in
    the one that is given; at the end the one is closed, and of the other the page.
    """
    opened = []

    def open_page(address: str, context: object = None, **options: object) -> Visit:
        if context is None:
            context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
            opened.append(context)
        context.set_default_timeout(120_000)  # milliseconds; this machine may be busy with other work
        page = context.new_page()
        opened.append(page)
        seen = Visit(page)

        def gate(route: object) -> None:
            parts = urlsplit(route.request.url)
            if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname != "127.0.0.1":
                seen.foreign.append(route.request.url)
                route.abort()
            else:
                route.continue_()

        def weigh(response: object) -> None:
            seen.received[response.url] = int(response.headers.get("content-length", 0))

        context.route("**/*", gate)
        page.on("response", weigh)
        page.on(
            "console", lambda message: seen.errors.append(message.text) if message.type == "error" else None
        )
        page.on("pageerror", lambda error: seen.errors.append(str(error)))
        page.goto(address, wait_until="load")
        return seen

    try:
        yield open_page
    finally:
        for page_or_context in reversed(opened):
            page_or_context.close()


@pytest.fixture
def visit(browser: object) -> Iterator[Callable[..., Visit]]:
    """Return a function that opens an address in a context of its own: see ``visits``."""
    with visits(browser) as open_page:
        yield open_page


@pytest.fixture(scope="session")
def opened(browser: object, site: str, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """Return one visit to the page named by the parameter, on a telephone, its formulas and fonts there.

    Whatever is asked of every page is asked of this one visit: to open a page costs more than most checks.
    """
    with visits(browser) as open_page:
        seen = open_page(
            f"{site}/{request.param}", viewport={"width": 390, "height": 844}, color_scheme="light"
        )
        seen.page.evaluate("() => window.MathJax?.startup?.promise")
        seen.page.evaluate("() => document.fonts.ready.then(() => 0)")
        yield seen


@pytest.fixture
def shared(opened: Visit) -> Visit:
    """Return that visit as a reader with a large screen has it: nothing unfolded, at the top."""
    page = opened.page
    page.emulate_media(media="screen")
    page.set_viewport_size({"width": 1280, "height": 900})
    page.evaluate(
        """async () => {
            for (const each of document.querySelectorAll('[role=switch][aria-checked="true"]')) each.click();
            scrollTo(0, 0);
            for (let i = 0; i < 2; i += 1) await new Promise(requestAnimationFrame);
        }"""
    )
    return opened
