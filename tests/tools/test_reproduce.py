"""What differs between two builds is found, and said where."""

import pytest
import reproduce


@pytest.fixture
def two(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name / "book").mkdir(parents=True)
        (tmp_path / name / "book" / "page.html").write_text("<p>\nthe same</p>\n", encoding="utf-8")
        (tmp_path / name / "index.html").write_text("index", encoding="utf-8")
    return tmp_path / "one", tmp_path / "two"


def test_equal_folders_are_equal(two, capsys):
    assert reproduce.compare(*two) == []
    assert reproduce.main(list(map(str, two))) == 0
    assert "all 2 files are the same" in capsys.readouterr().out


def test_a_difference_is_found_and_shown(two, capsys):
    (two[1] / "book" / "page.html").write_text("<p>\nthe other</p>\n", encoding="utf-8")
    (listed,) = reproduce.compare(*two)
    assert listed.startswith("book/page.html\n  line 2: ") and "same" in listed and "other" in listed
    assert reproduce.main(list(map(str, two))) == 1
    assert "1 of 2 files differ" in capsys.readouterr().out


def test_a_longer_file_differs(two):
    (two[1] / "index.html").write_text("index and more", encoding="utf-8")
    assert len(reproduce.compare(*two)) == 1


def test_a_file_of_one_side_is_listed(two):
    (two[0] / "extra").write_bytes(b"\xff\x00")
    assert reproduce.compare(*two) == [f"extra: in {two[0]} only"]
    assert reproduce.compare(*reversed(two)) == [f"extra: in {two[0]} only"]


def test_nothing_is_not_the_same_as_nothing(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no files"):
        reproduce.compare(tmp_path, tmp_path)
