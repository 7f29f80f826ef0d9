"""Nothing on a page is cut off, on any screen and on paper; what scrolls says so; letters can be read."""

from pathlib import Path

import pytest

HTML = Path(__file__).resolve().parents[2] / "_build" / "html"
PAGES = sorted(path.relative_to(HTML).as_posix() for path in (HTML / "book").rglob("*.html"))
WIDTHS = (390, 768, 1280, 1920)
PAPER = 700  # CSS pixels of A4 between its margins
LEAN = 4  # CSS pixels by which an accent or a slanted letter may lean out of its box
LEAST = 11  # CSS pixels of a letter in a figure

#: What is cut, what leaves the window, what scrolls without a sign, or scrolls on paper.
CUT = """lean => {
    const paper = matchMedia("print").matches, width = document.documentElement.clientWidth, found = [];
    const scrolls = e => /auto|scroll/.test(getComputedStyle(e).overflowX);
    const inside = e => {
        let p = e.parentElement;
        while (p !== document.body && !scrolls(p)) p = p.parentElement;
        return p !== document.body;
    };
    const skipped = "mjx-assistive-mml, mjx-ext, "
        + "svg, script, style, .visually-hidden, .bd-sidebar-secondary, "
        + ".pairint-explorer";
    for (const e of document.querySelectorAll("main *")) {
        if (!e.getClientRects().length || e.closest(skipped)) continue;
        const style = getComputedStyle(e), more = e.scrollWidth - e.clientWidth;
        let what = "";
        if (e.clientWidth > 1 && more > lean && /hidden|clip/.test(style.overflowX)) what = "is cut";
        else if (e.clientWidth > 1 && more > lean && scrolls(e)) {
            if (paper) what = "scrolls on paper";
            else if (style.maskImage === "none") what = "scrolls without a sign";
        } else if (e.getBoundingClientRect().right > width + 1 && !inside(e)) what = "leaves the window";
        const text = e.textContent.trim().slice(0, 60);
        if (what) found.push(`${e.tagName}.${e.className} ${what}, ${more}: ${text}`);
    }
    return found;
}"""

#: The formulas whose full stop, comma or bracket stands at the beginning of the next line.
ORPHANS = """() => [...document.querySelectorAll(".bd-article span.math")].filter(formula => {
    const held = formula.closest(".held");
    const next = formula.nextSibling ?? held?.nextSibling, boxes = formula.getClientRects();
    if (next?.nodeType !== Node.TEXT_NODE || !/^[.,;:!?)]/.test(next.data) || !boxes.length) return false;
    const sign = document.createRange();
    sign.setStart(next, 0);
    sign.setEnd(next, 1);
    const box = sign.getBoundingClientRect(), last = boxes[boxes.length - 1];
    return box.left < last.right - 3 && box.top > last.top + 8;
}).map(formula => formula.textContent.slice(0, 60))"""

#: The smallest letter of each figure that is seen, apart from what is raised or lowered in a formula.
LETTERS = """() => [...document.querySelectorAll(".drawing > svg")]
    .filter(svg => svg.getClientRects().length)
    .map(svg => [svg.getAttribute("aria-label"), Math.min(...[...svg.querySelectorAll("g.text > g")]
        .filter(g => / scale\\([\\d.]+ -/.test(g.getAttribute("transform")))
        .map(g => g.getScreenCTM())
        .map(m => 100 * Math.hypot(m.c, m.d)))])"""


#: Letters of each figure that is seen that lie on others, or leave it: by more than half a pixel.
CLASHES = """() => [...document.querySelectorAll(".drawing > svg")]
    .filter(svg => svg.getClientRects().length)
    .map(svg => {
        const frame = svg.getBoundingClientRect(), found = [];
        const boxes = [...svg.querySelectorAll("g.text")]
            .map(g => g.getBoundingClientRect())
            .filter(b => b.width);
        boxes.forEach((a, k) => {
            const across = Math.max(frame.left - a.left, a.right - frame.right);
            const out = Math.max(across, frame.top - a.top, a.bottom - frame.bottom);
            if (out > 0.5) found.push(`leaves the figure by ${out.toFixed(1)}`);
            for (const b of boxes.slice(0, k)) {
                const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
                const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
                const shared = `${wide.toFixed(1)} x ${high.toFixed(1)}`;
                if (Math.min(wide, high) > 0.5) found.push(`on others by ${shared}`);
            }
        });
        return [svg.closest("figure")?.id ?? svg.getAttribute("aria-label").slice(0, 40), found];
    })
    .filter(([, found]) => found.length)"""

#: Lists in small figures that cut the name that is chosen, or could be.
SHORT_LISTS = """() => [...document.querySelectorAll(".pairint-explorer")]
    .flatMap(host => [...(host.shadowRoot ?? host).querySelectorAll(".compact select")])
    .filter(select => select.getClientRects().length)
    .filter(select => {
        const free = select.cloneNode(true);
        Object.assign(free.style, {width: "max-content", position: "absolute"});
        select.after(free);
        const needed = free.getBoundingClientRect().width;
        free.remove();
        return select.getBoundingClientRect().width < needed - 1;
    })
    .map(select => select.id)"""


def settled(page):
    """Return what is cut once the marks of what scrolls have followed the new width: after two frames, or a
    few more while a busy machine still lays the page out.
    """
    for _ in range(20):
        page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        found = page.evaluate(CUT, LEAN)
        if not found:
            break
    return found


@pytest.mark.parametrize("opened", PAGES or ["nothing-is-built.html"], indirect=True)
def test_nothing_is_cut(shared):
    page = shared.page
    if (proofs := page.locator(".proofs-switch:visible")).count():
        proofs.click()
    found = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        found += [f"{width}: {each}" for each in settled(page)]
        found += [f"{width}: the sign after {each} begins a line" for each in page.evaluate(ORPHANS)]
        found += [f"{width}: letters in {name}: {', '.join(how)}" for name, how in page.evaluate(CLASHES)]
        found += [f"{width}: the list {name} cuts a name" for name in page.evaluate(SHORT_LISTS)]
        if width == min(WIDTHS):
            small = [(alt, size) for alt, size in page.evaluate(LETTERS) if size < LEAST]
            found += [f"{size:.1f} px: {alt}" for alt, size in small]
    page.set_viewport_size({"width": PAPER, "height": 900})
    page.emulate_media(media="print")
    found += [f"paper: {each}" for each in settled(page)]
    assert found == [], "\n".join(found)


def test_figures_go_beyond_the_text_on_a_wide_screen(site, visit):
    page = visit(f"{site}/book/particles.html", viewport={"width": 1920, "height": 1080}).page
    wide = page.locator(".drawing:not(.single) > svg.wide")
    widths = [wide.nth(each).bounding_box()["width"] for each in range(wide.count())]
    assert len(widths) > 3 and all(900 <= width <= 1100 for width in widths)
    assert page.locator(".bd-article section > p").first.bounding_box()["width"] < 800


#: Display formulas whose content is wider than their box, and how much smaller each formula is set.
TOO_WIDE = """() => [...document.querySelectorAll("div.math mjx-container[display]")]
    .filter(formula => formula.clientWidth && formula.scrollWidth > formula.clientWidth + 4)
    .map(formula => formula.textContent.slice(0, 40))"""
SMALLER = """() => [...document.querySelectorAll("div.math mjx-container[display]")]
    .map(formula => Number(formula.style.zoom || 1))"""


def test_a_formula_that_is_a_little_too_wide_is_set_smaller(site, visit, skip_or_fail):
    if not (HTML / "book" / "aim_mismatch.html").is_file():
        skip_or_fail("the book is not built: run `make book`")
    page = visit(f"{site}/book/aim_mismatch.html", viewport={"width": 1280, "height": 900}).page
    page.evaluate("() => window.MathJax?.startup?.promise")
    settled(page)
    assert page.evaluate(TOO_WIDE) == []
    sizes = page.evaluate(SMALLER)
    assert 0.75 <= min(sizes) < 1
    page.set_viewport_size({"width": 1920, "height": 900})
    settled(page)
    assert min(page.evaluate(SMALLER)) >= min(sizes)


#: Of tables whose phrases are broken: the width they have, their room, and the width with phrases in a line.
BROKEN = """() => [...document.querySelectorAll("table.captioned.tight")].map(table => {
    const [wide, room] = [table.scrollWidth, table.clientWidth];
    table.classList.remove("tight");
    const unbroken = table.scrollWidth;
    table.classList.add("tight");
    return [wide, room, unbroken];
})"""


def test_phrases_of_a_table_are_broken_where_it_would_be_cut_otherwise(site, visit, skip_or_fail):
    if not (HTML / "book" / "aim_published.html").is_file():
        skip_or_fail("the book is not built: run `make book`")
    page = visit(f"{site}/book/aim_published.html", viewport={"width": 1280, "height": 900}).page
    settled(page)
    broken = page.evaluate(BROKEN)
    assert all(unbroken > room for _, room, unbroken in broken)
    assert any(wide <= room for wide, room, _ in broken)  # and so they fit
