"""Make the built pages light: icons in the page, one lean stylesheet, scripts that wait.

An extension of Sphinx; it works on the finished pages. What the theme asks of a reader before the first line
can be read is 1.4 MB of icons, 400 kB of rules for things that this book does not have, and the index of the
search. Here

- an icon is a few hundred bytes of SVG in the page, taken from the font that the theme brings along; the few
  signs that stylesheets draw come from a font cut down to them;
- all stylesheets are one, without the rules that name what no page and no script has;
- a script waits until the page has been read, and the search is loaded on its own page only;
- formulas are set after the first picture of the page (``book/assets/math.js``).

What each page may weigh is a test: ``tests/browser/test_light.py``.
"""

from __future__ import annotations

import functools
import hashlib
import html
import io
import itertools
import logging
import re
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tinycss2 import parse_blocks_contents, parse_component_value_list, parse_rule_list, serialize

FONT = Path("vendor/fontawesome/webfonts")  # in the static files of the theme
SOLID = "fa-solid-900"
BRANDS = "fa-brands-400"
ASCENT, EM = 448, 512  # of the icons, in units of their font
#: Classes of an icon that say how it is drawn; the one left over is its name.
STYLES = frozenset({"fa", "fas", "fa-solid", "fa-lg", "fa-fw", "fa-sm", "fa-xl"})

ICON = re.compile(r'<(i|span)\s+class="([^"]*\bfa[srb]?\b[^"]*)"([^>]*)></\1>')
SHEET = re.compile(r'[ \t]*<link\b[^>]*?href="((?:[^"]*/)?_static/[^"?]*\.css)[^"]*"[^>]*>\n?')
HEAD = re.compile(r"<head>.*?</head>", re.DOTALL)
SCRIPT = re.compile(r'<script\b(?![^>]*\b(?:defer|async|type="module")\b)([^>]*\bsrc="[^"]*"[^>]*)>')
#: Of no use: the icons, hints to fetch early what may come late, options that other themes read.
DROPPED = re.compile(
    r'[ \t]*(?:<script[^>]*scripts/fontawesome\.js[^>]*></script>|<link rel="preload" as="script"[^>]*>'
    r"|<script>DOCUMENTATION_OPTIONS\.\w+ = [^<]*;</script>"
    r"|<!--\s*(?:So that users can add custom icons|Pre-loaded scripts that we'll load fully later"
    r"|Loaded before other Sphinx assets)\s*-->)\n?"
)
#: Scripts that belong to the search.
SEARCH = re.compile(
    r'[ \t]*<script[^>]*src="[^"]*(?:searchtools|language_data|searchindex)\.js[^"]*"[^>]*></script>\n?'
)
#: Scripts that serve what only some pages have: the page must hold the text to keep the script.
SERVE = {
    "design-tabs.js": "sd-tab-",
    "clipboard.min.js": '<div class="highlight',
    "copybutton.js": '<div class="highlight',
}
#: The theme says how wide the window is three times, and the name of the book twice on its first page.
VIEWPORT = re.compile(r'<meta name="viewport"[^>]*>')
TITLE = re.compile(r"<title>(.*?) (?:—|&#8212;) \1</title>")
#: Every exercise and every solution has these; nothing refers to them, and an identifier may stand once.
REPEATED = re.compile(r' id="(?:exercise|solution)-content"')
QUESTION = re.compile(r'<p class="question">(.*?)</p>', re.DOTALL)  # of the frame of a chapter
FIRST = re.compile(r"<article\b.*?<p>(.*?)</p>", re.DOTALL)
LONGEST = 200  # letters of a description
CARD = "rates.png"
OWN = re.compile(r"book\.css|live/")  # stylesheets of this book
ROOT_PAGE = "book/intro.html"
FIGURE = '<script type="module">'  # of pairint/explorers/kit/bundle.py
SOON = re.compile(
    r'<script type="module" async>.*?</script>\n?', re.DOTALL
)  # the same, as it stands in a light page
WAITS = re.compile(r"[ \t]*<script defer\b[^>]*></script>\n?")


class Unknown(ValueError):
    """A page asks for an icon that the theme's font does not have."""


def font_file(name: str = SOLID) -> Path:
    """Return the font of icons that the theme brings along."""
    import pydata_sphinx_theme

    theme = Path(pydata_sphinx_theme.__file__).parent / "theme" / "pydata_sphinx_theme"
    return theme / "static" / FONT / f"{name}.ttf"


@functools.cache
def _font(name: str = SOLID) -> Any:
    from fontTools.ttLib import TTFont

    return TTFont(font_file(name))


@functools.cache
def outline(name: str) -> tuple[str, int]:
    """Return the path of an icon as SVG has it, and its width, in a box that is :data:`EM` high.

    Raises
    ------
    Unknown
        If the font has no icon of that name.
    """
    from fontTools.pens.svgPathPen import SVGPathPen
    from fontTools.pens.transformPen import TransformPen

    glyphs = _font().getGlyphSet()
    if name not in glyphs:
        glyphs = _font(BRANDS).getGlyphSet()  # as that of the place where the repository lies
    if name not in glyphs:
        raise Unknown(f"the theme's font has no icon {name!r}")
    pen = SVGPathPen(glyphs, ntos=lambda value: f"{value:.0f}")
    glyphs[name].draw(TransformPen(pen, (1, 0, 0, -1, 0, ASCENT)))
    return pen.getCommands(), round(glyphs[name].width)


def icon(classes: str, more: str = "") -> str:
    """Return an icon as SVG, which no reader with a screen reader hears.

    Parameters
    ----------
    classes : str
        As in Font Awesome: ``"fas fa-book"``.
    more : str
        Further attributes.

    Raises
    ------
    Unknown
        If there is no such icon.
    """
    given = classes.split()
    name = next((each for each in given if each.startswith("fa-") and each not in STYLES), "fa-")
    path, width = outline(name.removeprefix("fa-"))
    kept = " ".join(each for each in given if not each.startswith("fa") or each == "fa-lg")
    more = re.sub(r'\s*(?:title|aria-hidden)="[^"]*"', "", more).rstrip()
    return (
        f'<svg class="{f"icon {kept}".strip()}"{more} viewBox="0 0 {width} {EM}" aria-hidden="true">'
        f'<path d="{path}"/></svg>'
    )


def lighten(page: str, sheet: str, search: bool = False, about: str = "") -> str:
    """Return a page with its icons in it, one stylesheet, and scripts that wait.

    Parameters
    ----------
    page : str
        HTML.
    sheet : str
        The name of the stylesheet, in the folder of static files.
    search : bool
        Whether it is the page of the search.
    about : str
        What the page is about, if its text does not say it: of the first page.
    """
    page = ICON.sub(lambda found: icon(found[2], found[3]), page)
    page = DROPPED.sub("", page)
    first = VIEWPORT.search(page)
    if first:
        page = page[: first.end()] + VIEWPORT.sub("", page[first.end() :])
    page = TITLE.sub(r"<title>\1</title>", page)
    page = REPEATED.sub("", page)
    page = _introduced(page, about)
    if not search:
        page = SEARCH.sub("", page)
    for name, served in SERVE.items():
        if served not in page:
            page = re.sub(rf"[ \t]*<script[^>]*/{re.escape(name)}[^>]*></script>\n?", "", page)
    page = HEAD.sub(lambda found: SCRIPT.sub(r"<script defer\1>", _one_sheet(found[0], sheet)), page, count=1)
    if "DOCUMENTATION_OPTIONS." in page:  # a page that sets an option while it is read has them by then
        page = re.sub(r'<script defer( src="[^"]*documentation_options\.js)', r"<script\1", page)
    # A figure need not wait for the scripts of the page.
    page = page.replace(FIGURE, FIGURE.replace(">", " async>"))
    return page if search else _scripts_last(page)


def _scripts_last(page: str) -> str:
    """Return a page that asks for its scripts when the reader has its text: they run no earlier."""
    head = HEAD.search(page)
    if head is None or not (waiting := WAITS.findall(head[0])):
        return page
    rest = page[head.end() :]
    first = re.search(r"[ \t]*<script defer\b(?![\s\S]*</main>)|[ \t]*</body>", rest)
    place = first.start() if first else len(rest)
    body = f"{rest[:place]}{''.join(each.strip() + chr(10) for each in waiting)}{rest[place:]}"
    return page[: head.start()] + WAITS.sub("", head[0]) + body


def first_figure(page: str) -> int:
    """Return where the first figure of a page ends, if all headings but the title come later; else 0."""
    found = SOON.search(page)
    return found.end() if found and "<h2" not in page[page.find("<article") : found.start()] else 0


def at_once(page: str, sheet: str, css: str) -> str:
    """Return a page that shows all up to its first figure before its stylesheet has come.

    The rules for that much stand in the page. The sheet is asked for after the figure: a browser shows what
    comes before, and goes on when it is there. It holds these rules too, in its own order, so that nothing
    else comes out in the end.

    Parameters
    ----------
    page : str
        HTML, light.
    sheet : str
        The name of the stylesheet, in the folder of static files.
    css : str
        What it says.
    """
    link = re.search(rf'<link rel="stylesheet" href="[^"]*{re.escape(sheet)}">\n', page)
    end = first_figure(page)
    if link is None or link.end() > end:  # none, or it stands there
        return page
    before, after = page[:end], page[end:]
    # What marks the page as one with folded code, or of a theme, comes from the scripts at its beginning.
    early = purge(css, words_of_pages([before]), early=True)
    before = before.replace(link[0], f"<style>{early}</style>\n")
    return before.rstrip("\n") + "\n" + link[0] + after


def description(page: str) -> str:
    """Return what a page is about, for lists of results and cards: its question, or its first sentences."""
    found = QUESTION.search(page) or FIRST.search(page)
    if found is None:
        return ""
    text = re.sub(r"<span class=\"(?:math|meaning)\b.*?</span>", "…", found[1], flags=re.DOTALL)
    text = " ".join(html.unescape(re.sub(r"<[^>]*>", "", text)).split())
    return text if len(text) <= LONGEST else f"{text[: text.rfind(' ', 0, LONGEST)].rstrip(',;:.')} …"


def _introduced(page: str, about: str) -> str:
    title, text = re.search(r"<title>(.*?)</title>", page, re.DOTALL), about or description(page)
    root = re.search(r'data-content_root="([^"]*)"', page)
    if title is None or root is None or not text or 'name="description"' in page:
        return page
    said, name = html.escape(text), title[1].strip()
    tags = (
        f'<meta name="description" content="{said}">\n<meta property="og:title" content="{name}">\n'
        f'<meta property="og:description" content="{said}">\n'
        f'<meta property="og:type" content="article">\n'
        f'<meta property="og:image" content="{root[1]}_static/{CARD}">\n'
    )
    return page[: title.end()] + "\n" + tags + page[title.end() :]


def _one_sheet(head: str, sheet: str) -> str:
    found = list(SHEET.finditer(head))
    if not found:
        return head
    folder = found[0][1].partition("_static/")[0]
    link = f'<link rel="stylesheet" href="{folder}_static/{sheet}">\n'
    # Last: a script in the page would wait for a sheet before it, and the page for the script.
    return SHEET.sub("", head).replace("</head>", f"{link}</head>")


# Stylesheets


def required(selector: str | Sequence[Any]) -> set[str]:
    """Return the classes and identifiers without which a selector, or its tokens, matches nothing.

    What stands in brackets is no name, or one of several, or is not to be there.
    """
    tokens = parse_component_value_list(selector) if isinstance(selector, str) else selector
    found = {token.value for token in tokens if token.type == "hash"}
    classes = (after for dot, after in itertools.pairwise(tokens) if dot == ".")
    return found | {token.value for token in classes if token.type == "ident"}


def selectors(prelude: Iterable[Any]) -> list[list[Any]]:
    """Return the selectors of a rule, each as its tokens: what commas outside of brackets part."""
    parts: list[list[Any]] = [[]]
    for token in prelude:
        if token == ",":
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


GROUPS = frozenset({"media", "supports", "layer", "container"})


def purge(text: str | Iterable[Any], words: set[str] | None, early: bool = False) -> str:
    """Return a stylesheet, or its tokens, without the rules that match nothing.

    These name what is not among the words; without words all rules stay. What is needed early stands in a
    page, before the sheet that it is taken from: it has nothing for paper, and nothing with an address, which
    would be seen from elsewhere.
    """
    kept = []
    for rule in parse_rule_list(text, skip_comments=True, skip_whitespace=True):
        prelude = _tight(getattr(rule, "prelude", ()))
        if rule.type == "qualified-rule":
            if words is None:
                kept.append(f"{prelude}{{{_declarations(rule.content, early)}}}")
            elif alive := [each for each in selectors(rule.prelude) if required(each) <= words]:
                kept.append(f"{','.join(map(_tight, alive))}{{{_declarations(rule.content, early)}}}")
        elif rule.type != "at-rule":
            continue  # no browser reads it either
        elif rule.content is None:
            if rule.lower_at_keyword not in ("charset", "import"):
                kept.append(f"@{rule.at_keyword} {prelude};")
        elif rule.lower_at_keyword in GROUPS:
            inside = "" if early and prelude == "print" else purge(rule.content, words, early)
            kept.append(f"@{rule.at_keyword} {prelude}{{{inside}}}" if inside else "")
        elif rule.lower_at_keyword == "font-face":
            body = _declarations(rule.content)
            if not early and (
                "Awesome" not in body or "900" in body
            ):  # of the fonts of icons, the one that is used
                kept.append(f"@font-face{{{body}}}")
        else:
            kept.append(f"@{rule.at_keyword} {prelude}{{{_tight(rule.content)}}}")
    return "".join(each for each in kept if not each.endswith("{}"))


def _declarations(tokens: Iterable[Any], early: bool = False) -> str:
    """Return the declarations of a rule, as short as they can be said."""
    parts = parse_blocks_contents(tokens, skip_comments=True, skip_whitespace=True)
    said = []
    for each in parts:
        if each.type == "declaration":
            value = _tight(each.value) or " "  # of a variable that holds nothing
            if not (early and "url(" in value):
                said.append(f"{each.name}:{value}{'!important' if each.important else ''}")
        elif each.type != "error":  # a rule in a rule
            return _tight(tokens)
    return ";".join(said)


def _tight(tokens: Iterable[Any]) -> str:
    """Return what tokens say, without remarks, and with one space where there was any."""

    def squeezed(each: Any) -> Any:
        for inside in ("content", "arguments"):
            if isinstance(getattr(each, inside, None), list):
                setattr(
                    each,
                    inside,
                    [squeezed(token) for token in getattr(each, inside) if token.type != "comment"],
                )
        if each.type == "whitespace":
            each.value = " "
        return each

    said = serialize([squeezed(each) for each in tokens if each.type != "comment"]).strip()
    return re.sub(
        r"[^\x00-\x7f]", lambda sign: f"\\{ord(sign[0]):x} ", said
    )  # whatever encoding a host names


def words_of_pages(pages: Iterable[str]) -> set[str]:
    """Return all classes and identifiers in pages."""
    found: set[str] = set()
    for page in pages:
        for value in re.findall(r'\b(?:class|id)="([^"]*)"', page):
            found.update(html.unescape(value).split())
    return found


#: Of Bootstrap's script, what the pages ask it for: its menus and its hints. The classes of its other parts
#: are no reason to keep their rules.
BOOTSTRAP = re.compile(r"(?:bs-)?(?:tooltip|dropdown|drop|collaps|show|fade|active|disabled)[\w-]*")


def words_of_scripts(scripts: dict[str, str]) -> set[str]:
    """Return all words in scripts, given by their names: what they might give to an element as a class."""
    found = {f"bs-tooltip-{side}" for side in ("auto", "top", "bottom", "start", "end")}  # put together
    for name, script in scripts.items():
        words = re.findall(r"[A-Za-z_][\w-]*", script)
        found.update(filter(BOOTSTRAP.fullmatch, words) if name == "bootstrap.js" else words)
    return found


def imported(path: Path, static: Path) -> str:
    """Return a stylesheet with what it imports in it, and its addresses seen from the static files."""
    text = path.read_text(encoding="utf-8")
    for found in re.finditer(r'@import\s+(?:url\()?["\']([^"\']+)["\']\)?[^;]*;', text):
        text = text.replace(found[0], imported((path.parent / found[1]).resolve(), static))

    def seen(found: re.Match[str]) -> str:
        address = found[1].strip("\"'")
        if address.startswith(("data:", "#")) or "://" in address:
            return found[0]
        return f"url({(path.parent / address).resolve().relative_to(static.resolve()).as_posix()})"

    return re.sub(r"url\(((?:\"[^\"]*\"|'[^']*'|[^)\"']*))\)", seen, text)


def licences(text: str) -> list[str]:
    """Return the comments that are to be kept, each once."""
    return list(dict.fromkeys(re.findall(r"/\*!.*?\*/", text, re.DOTALL)))


def signs(css: str) -> set[int]:
    """Return the signs of the font of icons that a stylesheet draws."""
    return {int(code, 16) for code in re.findall(r'"\\([0-9a-fA-F]{4})\s?"', css)}


def cut_font(codes: Iterable[int]) -> bytes:
    """Return the font of icons with these signs only, as WOFF."""
    from fontTools.subset import Options, Subsetter
    from fontTools.ttLib import TTFont

    logging.getLogger("fontTools").setLevel(logging.WARNING)  # it tells of every table
    font = TTFont(font_file(), recalcTimestamp=False)
    cutter = Subsetter(Options(layout_features=[], name_IDs=[0, 1, 2], notdef_outline=False))
    cutter.populate(unicodes=sorted(codes))
    cutter.subset(font)
    font.flavor = "woff"
    target = io.BytesIO()
    font.save(target)
    return target.getvalue()


def stylesheet(names: Iterable[str], static: Path, words: set[str]) -> str:
    """Return the one stylesheet that takes the place of those named, and put its font beside it."""
    full, css = "", ""
    for name in names:
        text = imported(static / name, static)
        full += text
        # The book's own scripts put names of classes together: its own rules stay as they are.
        css += purge(text, None if OWN.match(name) else words)
    font = cut_font(signs(css))
    (static / FONT).mkdir(parents=True, exist_ok=True)
    (static / FONT / f"{SOLID}.woff").write_bytes(font)
    css = re.sub(
        rf"src:url\([^)]*{SOLID}[^;}}]*",
        f'src:url({(FONT / SOLID).as_posix()}.woff) format("woff")',
        css,
    )
    return "\n".join((*licences(full), css)) + "\n"


def rework(folder: Path, about: str = "") -> str:
    """Make all pages of a built book light, and say what it is about; return the name of its stylesheet."""
    static = folder / "_static"
    paths = sorted(
        path
        for path in folder.rglob("*.html")
        if path.relative_to(folder).parts[0] not in ("_static", "lite")
    )
    pages = {path: path.read_text(encoding="utf-8") for path in paths}
    wanted: dict[str, None] = {}
    for page in pages.values():
        for found in SHEET.finditer(page):
            wanted.setdefault(found[1].partition("_static/")[2])
    own = {name for name in wanted if name.startswith("light-")}  # of an earlier pass
    if wanted.keys() <= own:
        return next(iter(own), "")
    scripts = {path.name: path.read_text(encoding="utf-8") for path in _scripts(static)}
    words = words_of_pages(pages.values()) | words_of_scripts(scripts)
    css = stylesheet([name for name in wanted if name not in own], static, words)
    name = f"light-{hashlib.sha256(css.encode()).hexdigest()[:8]}.css"
    (static / name).write_text(css, encoding="utf-8")
    for path, page in pages.items():
        light = lighten(
            page, name, path == folder / "search.html", about if path == folder / ROOT_PAGE else ""
        )
        path.write_text(at_once(light, name, css), encoding="utf-8")
    for path in (*(static / "scripts").glob("fontawesome.js*"), *(static / FONT).glob("*.ttf")):
        path.unlink()
    for path in (static / FONT).glob("*.woff2"):
        path.unlink()
    return name


def _scripts(static: Path) -> list[Path]:
    left_out = ("vendor", "locales")
    return [
        path
        for path in sorted(static.rglob("*.js"))
        if path.relative_to(static).parts[0] not in left_out and path.name != "fontawesome.js"
    ]


def finish(app: Any, exception: Exception | None) -> None:
    """Rework the pages of a build that went well."""
    if exception is None and app.builder.name == "html":
        with (Path(app.srcdir) / "pyproject.toml").open("rb") as file:
            rework(Path(app.outdir), tomllib.load(file)["project"]["description"])


def setup(app: Any) -> dict[str, Any]:
    """Register the hook."""
    app.connect("build-finished", finish, priority=900)  # nothing changes the pages later
    return {"parallel_read_safe": True, "parallel_write_safe": True}
