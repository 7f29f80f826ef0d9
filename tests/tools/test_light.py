"""What makes built pages light: icons, stylesheets without what nothing uses, scripts that wait."""

import io
import re

import light
import pytest
from fontTools.ttLib import TTFont

HEAD = """<!DOCTYPE html>
<html><head>
<meta name="viewport" content="width=device-width"/><meta name="viewport" content="width=device-width"/>
<title>A book &#8212; A book</title>
<script data-cfasync="false">document.documentElement.dataset.mode = "auto";</script>
  <!-- Loaded before other Sphinx assets -->
  <link href="../_static/styles/theme.css?digest=1" rel="stylesheet" />
<link rel="stylesheet" type="text/css" href="../_static/own.css?v=2" />
  <script defer src="../_static/scripts/fontawesome.js?digest=5"></script>
  <link rel="preload" as="script" href="../_static/scripts/bootstrap.js" />
<script src="../_static/doctools.js?v=3"></script>
<script src="../_static/clipboard.min.js?v=3"></script>
<script>DOCUMENTATION_OPTIONS.pagename = 'book/a';</script>
<script>let toggleHintShow = 'Click to show';</script>
<script src="../_static/searchtools.js"></script>
<script src="../searchindex.js"></script>
</head><body>
<i class="theme-switch fa-solid fa-sun   fa-lg" data-mode="light" title="Light"></i>
<div class="pairint-explorer"></div>
<script type="module">draw();</script>
</body></html>
"""
CSS = """@charset "UTF-8"; /*! a licence */ /* a remark: .kept { } */
.kept, .gone > a, .kept:not(.gone):hover::before { color: red; content: "}" }
#here .kept[data-a=".gone"] { margin: 0 }
.gone { color: blue }
.a\\:b { color: green }
:is(.kept, .gone) p { color: black }
@media (min-width: 1px) { .gone { color: blue } .kept { color: red } }
@media print { .gone { color: blue } }
@font-face { font-family: "Font Awesome 6 Brands"; font-weight: 400; src: url(brands.woff2) }
@font-face { font-family: "Font Awesome 6 Free"; font-weight: 900; src: url(fa-solid-900.woff2) }
.kept::after { content: "\\f107"; background: url(data:image/png;base64,aa{bb}) }
"""


def test_rules_that_match_nothing_go_and_all_others_stay():
    css = light.purge(CSS, {"kept", "here", "a:b"})
    assert "blue" not in css and "@media print" not in css and "Brands" not in css
    assert '.kept,.kept:not(.gone):hover::before{color:red;content:"}"}' in css
    assert '#here .kept[data-a=".gone"]{margin:0}' in css
    assert ".a\\:b{color:green}" in css and ":is(.kept, .gone) p{color:black}" in css
    assert "@media (min-width: 1px){.kept{color:red}}" in css
    assert "url(data:image/png;base64,aa{bb})" in css and "900" in css
    assert light.licences(CSS) == ["/*! a licence */"] and "remark" not in css
    assert light.purge(css, {"kept", "here", "a:b"}) == css
    assert ".gone{color:blue}" in light.purge(CSS, None)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("a { --x: ; --y:  1px /* no */  2px; }", "a{--x: ;--y:1px  2px}"),
        (
            "a { width: calc(1px +\n 2px) ! important; *zoom: 1; b: c }",
            "a{width:calc(1px + 2px)!important;b:c}",
        ),
        ("a { color: red; &:hover { color: blue } }", "a{color: red; &:hover { color: blue }}"),
        (
            "@keyframes turn { from { top: 0 } to { top: 1px } }",
            "@keyframes turn{from { top: 0 } to { top: 1px }}",
        ),
        ("@layer one, two; @charset 'x'; } a { } b { c: d", "@layer one, two;b{c:d}"),
    ],
)
def test_what_a_rule_says_stays(given, said):
    assert light.purge(given, None) == said


def test_what_is_needed_early_has_no_address_and_nothing_for_paper():
    css = light.purge(CSS, {"kept", "here"}, early=True)
    assert "url(" not in css and "@font-face" not in css and "content:" in css
    paper = "@media print { .kept { color: red } } @media screen { .kept { color: green } }"
    assert light.purge(paper, {"kept"}, early=True) == "@media screen{.kept{color:green}}"


def test_a_page_shows_its_first_figure_before_its_stylesheet():
    page = light.lighten(HEAD.replace("<body>", '<body class="kept"><article>'), "s.css")
    early = light.at_once(page, "s.css", light.purge(CSS, None))
    figure = early.index("draw();")
    assert early.count('rel="stylesheet"') == 1 and early.index('rel="stylesheet"') > figure
    assert (
        early.index("<style>") < early.index("</head>") < figure
        and ".kept{" in early
        and ".gone{" not in early
    )
    assert light.at_once(early, "s.css", CSS) == early and light.lighten(early, "s.css") == early
    late = page.replace("<article>", "<article><h2>Before it</h2>")
    assert light.at_once(late, "s.css", CSS) == late
    bare = page.replace('<script type="module" async>draw();</script>', "")
    assert light.at_once(bare, "s.css", CSS) == bare


def test_scripts_are_asked_for_last_and_run_in_their_order():
    late = '</main><script defer src="../_static/scripts/bootstrap.js"></script></body>'
    page = light.lighten(HEAD.replace("<body>", "<body><main>").replace("</body>", late), "s.css")
    assert "<script defer" not in page[: page.index("</main>")]
    assert page.index("doctools.js") < page.index("bootstrap.js") < page.index("</body>")
    # A script in the page would wait for a sheet before it.
    assert page.rindex("toggleHintShow") < page.index('rel="stylesheet"') < page.index("</head>")


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("a.b > .c-d:hover", {"b", "c-d"}),
        ("#x .y:not(.z, .w)", {"x", "y"}),
        ('[data-k=".v"].u', {"u"}),
        (".p:has(> .q:is(.r))", {"p"}),
        (".m\\:n", {"m:n"}),
        ("html, body", set()),
    ],
)
def test_what_a_selector_requires(selector, names):
    assert light.required(selector) == names


def test_words_come_from_pages_and_scripts():
    assert light.words_of_pages(['<p class="a b-c" id="d"> class="e" </p>']) >= {"a", "b-c", "d"}
    words = light.words_of_scripts(
        {"own.js": 'x.classList.add("open")', "bootstrap.js": '"tooltip-inner carousel"'}
    )
    assert words >= {"x", "classList", "add", "open", "tooltip-inner", "bs-tooltip-auto"}
    assert "carousel" not in words


def test_a_page_has_its_icons_one_stylesheet_and_scripts_that_wait():
    page = light.lighten(HEAD, "light-1.css")
    assert page.count('rel="stylesheet"') == 1 and 'href="../_static/light-1.css"' in page
    assert page.count("viewport") == 1 and "<title>A book</title>" in page
    assert "fontawesome" not in page and "preload" not in page and "<!-- Loaded" not in page
    assert "searchindex" not in page and "searchtools" not in page and "pagename" not in page
    assert "clipboard" not in page and "toggleHintShow" in page and 'data-cfasync="false">document' in page
    assert '<script defer src="../_static/doctools.js?v=3"></script>' in page
    assert '<script type="module" async>draw();</script>' in page
    icon = re.search(r"<svg[^>]*>.*?</svg>", page)[0]
    assert 'class="icon theme-switch fa-lg"' in icon and 'data-mode="light"' in icon and "title" not in icon
    assert 'aria-hidden="true"' in icon and re.search(r'viewBox="0 0 \d+ 512"', icon) and ' d="M' in icon
    assert light.lighten(page, "light-1.css") == page


def test_the_page_of_the_search_keeps_it_and_a_page_with_code_its_buttons():
    assert "searchindex" in light.lighten(HEAD, "s.css", search=True)
    with_code = HEAD.replace("<body>", '<body><div class="highlight-python">x</div>')
    assert "<script defer" in light.lighten(with_code, "s.css") and "clipboard" in light.lighten(
        with_code, "s.css"
    )


def test_a_page_that_sets_an_option_has_the_options_by_then():
    """The index of statements does so in a script of its own."""
    head = '<html><head>\n<script src="_static/documentation_options.js?v=1"></script>\n{}</head></html>'
    own = "<script>\n DOCUMENTATION_OPTIONS.COLLAPSE_INDEX = true;\n</script>"
    assert '<script src="_static/documentation_options.js' in light.lighten(head.format(own), "s.css")
    assert '<script defer src="_static/documentation_options.js' in light.lighten(head.format(""), "s.css")


def test_an_icon_that_is_not_there_is_named():
    with pytest.raises(light.Unknown, match="no icon 'unicorn-of-the-sea'"):
        light.icon("fas fa-unicorn-of-the-sea")


def test_the_font_has_the_signs_that_are_drawn_and_no_others():
    codes = light.signs('.a::after{content:"\\f107"} .b{content:"\\f067 "} .c{content:"x"}')
    assert codes == {0xF107, 0xF067}
    content = light.cut_font(codes)
    assert set(TTFont(io.BytesIO(content)).getBestCmap()) == codes
    assert len(content) < 3_000 < light.font_file().stat().st_size
    assert light.cut_font(codes) == content  # the same bytes in every build


def test_a_built_book_is_reworked_once(tmp_path):
    static = tmp_path / "_static"
    (static / "styles").mkdir(parents=True)
    (static / "scripts").mkdir()
    (static / "scripts" / "fontawesome.js").write_text("gone")
    (static / "styles" / "theme.css").write_text(
        '@import "../basic.css";\n.kept { background: url(../file.png) }'
    )
    (static / "basic.css").write_text(".kept { color: red }\n.gone { color: blue }")
    (static / "own.css").write_text('.kept::after { content: "\\f107" }')
    (tmp_path / "book").mkdir()
    for name in ("book/a.html", "book/b.html"):
        (tmp_path / name).write_text(HEAD.replace("<body>", '<body class="kept">'))
    (tmp_path / "search.html").write_text(
        HEAD.replace("../_static", "_static").replace("../search", "search")
    )
    name = light.rework(tmp_path)
    css = (static / name).read_text()
    assert css.index("color:red") < css.index("url(file.png)") < css.index("f107") and "blue" not in css
    assert not (static / "scripts" / "fontawesome.js").exists()
    assert f'href="../_static/{name}"' in (tmp_path / "book" / "a.html").read_text()
    assert f'href="_static/{name}"' in (tmp_path / "search.html").read_text()
    assert "searchindex" in (tmp_path / "search.html").read_text()
    pages = {path: path.read_text() for path in tmp_path.rglob("*.html")}
    assert light.rework(tmp_path) == name
    assert pages == {path: path.read_text() for path in tmp_path.rglob("*.html")}


def test_a_page_says_what_it_is_about_and_has_each_identifier_once():
    page = HEAD.replace("<html>", '<html data-content_root="../">').replace(
        "<body>",
        '<body><article><p class="question">Is <em>this</em> &lt; <span class="math">\\(x\\)</span>?</p>'
        '<section id="exercise-content"></section><section id="exercise-content"></section>',
    )
    light_page = light.lighten(page, "s.css")
    assert '<meta name="description" content="Is this &lt; …?">' in light_page
    assert 'property="og:image" content="../_static/rates.png"' in light_page
    assert "exercise-content" not in light_page
    assert light.lighten(light_page, "s.css") == light_page
    assert 'content="All of it."' in light.lighten(page, "s.css", about="All of it.")
    long = light.description(f"<article><p>{'word ' * 90}</p>")
    assert len(long) < 203 and long.endswith("word …")
