"""The policy of a page names what the build found in it, and nothing beyond its own host."""

import base64
import hashlib
import re

import policy
import pytest

PAGE = """<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <script>let one = "é";</script>
    <script src="../_static/book.js?v=1"></script>
  </head><body>
    <button onclick="window.print()" class="a > b">Print</button>
    <script type="application/json">{"data": "<b onclick='evil()'>"}</script>
    <script type="module">
mount();
</script></body></html>
"""


def directives(page):
    (content,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', page)
    return {words[0]: words[1:] for words in (part.split() for part in content.split(";"))}


def sha(text):
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_scripts_of_the_page_run_and_no_others():
    allowed = directives(policy.guard(PAGE))["script-src"]
    assert set(allowed) == {
        "'self'",
        "'unsafe-hashes'",
        sha('let one = "é";'),
        sha("\nmount();\n"),
        sha("window.print()"),
        sha("toggleFullScreen()"),  # the search reads pages that have it
    }
    assert sha("\nmount(); \n") not in allowed


def test_nothing_is_allowed_that_is_not_named():
    found = directives(policy.guard(PAGE))
    assert found["default-src"] == found["base-uri"] == ["'none'"]
    sources = {source for name, each in found.items() if name != "style-src" for source in each}
    assert "'unsafe-inline'" not in sources and "'unsafe-eval'" not in sources and "*" not in sources
    assert not [each for each in sources if "//" in each]  # no other host


def test_the_policy_stands_before_anything_that_runs():
    guarded = policy.guard(PAGE)
    assert guarded.index("Content-Security-Policy") < guarded.index("<script")
    assert guarded.index("charset") < guarded.index("Content-Security-Policy") < 1024
    assert policy.META.sub("", guarded) == PAGE  # nothing else is changed
    assert policy.guard(guarded) == guarded


def test_line_ends_are_those_that_a_browser_reads():
    returned = PAGE.replace("\n", "\r\n")
    assert directives(policy.guard(returned)) == directives(policy.guard(PAGE))


def test_a_page_that_only_sends_readers_on_has_one_too():
    guarded = policy.guard('<meta http-equiv="Refresh" content="0; url=book/intro.html" />\n')
    assert directives(guarded)["script-src"] == ["'self'"]


def test_only_pages_that_run_in_the_browser_start_python():
    live = PAGE.replace("book.js", "live/live.js")
    assert {"'wasm-unsafe-eval'", "blob:"} <= set(directives(policy.guard(live))["script-src"])
    assert {"'wasm-unsafe-eval'", "blob:"}.isdisjoint(directives(policy.guard(PAGE))["script-src"])


def test_mathjax_of_another_host_is_the_one_exception():
    elsewhere = PAGE.replace("../_static/book.js?v=1", "https://cdn.jsdelivr.net/npm/mathjax@3/es5/x.js")
    found = directives(policy.guard(elsewhere))
    named = {name for name, sources in found.items() if "https://cdn.jsdelivr.net" in sources}
    assert named == {"script-src", "font-src"}


@pytest.mark.parametrize("tag", ['<img src="x" onerror="alert(1)">', "<b onclick=go()>", "<b\nonfocus='x'>"])
def test_a_handler_that_nobody_has_looked_at_ends_the_build(tag, tmp_path):
    with pytest.raises(policy.Refused, match="does not list"):
        policy.guard(PAGE.replace("<button", f"{tag}<button"))
    (tmp_path / "page.html").write_text(PAGE.replace("<button", f"{tag}<button"), encoding="utf-8")
    with pytest.raises(policy.Refused, match=r"page\.html"):
        policy.write(tmp_path)


def test_every_page_of_a_book_is_guarded_and_what_others_wrote_is_left(tmp_path):
    for name in ("index.html", "book/a.html", "_static/template.html", "lite/index.html"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(PAGE, encoding="utf-8")
    assert policy.write(tmp_path) == 2
    guarded = {
        path.relative_to(tmp_path).as_posix()
        for path in tmp_path.rglob("*.html")
        if path.read_text("utf-8") != PAGE
    }
    assert guarded == {"index.html", "book/a.html"}


def test_the_search_knows_no_words_but_its_own(tmp_path):
    index = 'Search.setIndex({"titles":["a"],"terms":{"kernel":1},"titleterms":{"spectrum":[2]}})'
    (tmp_path / "searchindex.js").write_text(index, encoding="utf-8")
    policy.write(tmp_path)
    closed = (tmp_path / "searchindex.js").read_text(encoding="utf-8")
    assert closed.count('"__proto__":null') == 2
    assert closed.replace(f"{policy.OWN},", "") == index
    policy.write(tmp_path)
    assert (tmp_path / "searchindex.js").read_text(encoding="utf-8") == closed
    with pytest.raises(policy.Refused, match="searchindex"):
        policy.close_search('Search.setIndex({"words":{}})')
