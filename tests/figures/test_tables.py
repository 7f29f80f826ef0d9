"""Frames as tables for readers: what is written, in HTML and in plain text."""

from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from pairint.figures.tables import captioned, sentences


def column(values: list, formats: str | None = None) -> list[str]:
    table = captioned(pd.DataFrame({"x": values}), "A column.", formats)
    return [row[0] for row in table.rows]


@pytest.mark.parametrize(
    ("values", "written"),
    [
        ([0.5, 1.0, 0.25], ["0.50", "1.00", "0.25"]),  # as many decimals as one of them needs
        ([2.0, 16.0], ["2", "16"]),
        ([1 / 3, -2.0], ["0.3333", "−2.0000"]),
        ([1.23456e-5, 1 / 7], ["1.23·10⁻⁵", "0.143"]),  # what four decimals would hide
        ([0.0001, 0.01], ["0.0001", "0.0100"]),
        ([0.0, np.nan, 0.1], ["0.0", "–", "0.1"]),
        ([2.5e9, 1.0], ["2.5·10⁹", "1"]),
        (
            [1, 9999, 10_000, -123_456],
            ["1", "9,999", "10,000", "−123,456"],
        ),  # a column groups its digits in one way
        ([1, 9999], ["1", "9999"]),
        ([2244.6, 23_520.0], ["2,244.6", "23,520.0"]),
        ([True, False], ["yes", "no"]),
        (["0.0e+00", "3.05e-06"], ["0.0", "3.05·10⁻⁶"]),
        (["1e+06", "-0.652 [-0.67, -0.632]", "beta = 2"], ["10⁶", "−0.652 [−0.67, −0.632]", "β = 2"]),
        ([None, "12-14"], ["–", "12-14"]),
        ([float("inf")], ["inf"]),
    ],
)
def test_values_are_written_for_readers(values, written):
    assert column(values) == written


def test_a_format_holds_for_floats_of_all_columns_or_of_one():
    frame = pd.DataFrame({"a": [0.12345], "b": [0.12345], "n": [3]})
    assert captioned(frame, "All.", ".2f").rows == (("0.12", "0.12", "3"),)
    assert captioned(frame, "One.", {"b": ".1e"}).rows == (("0.1235", "1.2·10⁻¹", "3"),)
    with pytest.raises(ValueError, match=r"formats names \['c'\].*there are \['a', 'b', 'n'\]"):
        captioned(frame, "None.", {"c": ".2f"})


def test_row_numbers_are_left_out_and_labels_stand_once():
    frame = pd.DataFrame({"rho": [0.1, 0.1, 0.1, 0.2], "T": [2, 2, 3, 3], "x": [1.0, 2.0, 3.0, 4.0]})
    assert captioned(frame, "Bare.").header == ("ρ", "T", "x")
    labelled = captioned(frame.assign(seed=[0, 1, 0, 0]).set_index(["rho", "T", "seed"]), "Labelled.")
    assert labelled.n_labels == 3
    assert labelled.rows == (
        ("0.1", "2", "0", "1"),
        ("", "", "1", "2"),
        ("", "3", "0", "3"),
        ("0.2", "3", "0", "4"),  # the same T as above, of another rho
    )


def test_values_as_headings_are_named():
    frame = pd.DataFrame({"M": [10, 10, 99], "N": [2, 3, 2], "x": [1.0, 2.0, 3.0]})
    table = captioned(frame.pivot(index="M", columns="N", values="x"), "By N.")
    assert table.header == ("M", "N = 2", "N = 3")
    assert table.rows == (("10", "1", "2"), ("99", "3", "–"))


def test_html_says_what_heads_what_and_escapes_the_rest():
    frame = pd.DataFrame({"k": ["a<b", "a<b"], "l": [1, 2], "E Z^2": [0.5, 1.5]}).set_index(["k", "l"])

    seen = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag, attributes):
            seen.append((tag, dict(attributes).get("scope")))

    text = captioned(frame, "Is rho < 2?")._repr_html_()
    Tags().feed(text)
    assert seen.count(("th", "col")) == 3 and seen.count(("th", "row")) == 3
    assert seen.count(("tr", None)) == 3 and seen.count(("td", None)) == 3
    assert "<caption>Is ρ &lt; 2?</caption>" in text and "a&lt;b" in text and "E Z²" in text


def test_plain_text_has_the_caption_and_columns_in_line():
    lines = str(captioned(pd.DataFrame({"alpha": [1.0, 10.0], "ok": [True, False]}), "Two.")).split("\n")
    assert lines == ["Two.", "", " α   ok", " 1  yes", "10   no"]


def test_rows_given_one_by_one_are_labelled_by_their_first_entry():
    rows = [{"beta": 2, "error": "1.2e-03 ± 1e-04"}, {"beta": 1, "error": "-0.5"}]
    table = captioned(rows, "Rows.")
    assert table.header == ("β", "error") and table.n_labels == 1
    assert table.rows == (("2", "1.2·10⁻³ ± 10⁻⁴"), ("1", "−0.5"))
    with pytest.raises(ValueError, match="frame must have at least one row"):
        captioned([], "None.")


def test_results_in_sentences():
    said = sentences("At alpha = 0.5 it is -1.5e-03.", " Is 1 < 2? ")
    assert str(said) == repr(said) == "At α = 0.5 it is −1.5·10⁻³. Is 1 < 2?"
    assert said._repr_html_() == '<p class="result">At α = 0.5 it is −1.5·10⁻³. Is 1 &lt; 2?</p>'
    for wrong in ((), ("no stop",)):
        with pytest.raises(ValueError, match=r"at least one part|end with a full stop, got 'no stop'"):
            sentences(*wrong)


def test_a_folded_table_shows_its_caption_first():
    table = captioned([{"a": 1, "b": 2}], "Is it < 2?", folded=True)
    text = table._repr_html_()
    assert text.startswith('<details class="folded-table">\n<summary>Is it &lt; 2?</summary>')
    assert '<table class="dataframe captioned" aria-label="Is it &lt; 2?">' in text
    assert "<caption>" not in text  # said once
    assert str(table) == str(captioned([{"a": 1, "b": 2}], "Is it < 2?"))


@pytest.mark.parametrize(
    ("longest", "classes"),
    [("short words", ' class="words"'), ("words of a phrase", ' class="words phrase"'),
     ("words that are not on one line", ' class="words long"'), ("0.123 [0.120, 0.126]", ""),
     ("0.1234 [0.1231, 0.1237]; 0.2", ' class="long"')],
)  # fmt: skip
def test_how_long_an_entry_is_decides_where_it_is_broken(longest, classes):
    html = captioned([{"fit": 1, "found": longest}], "x.")._repr_html_()
    assert f"<td{classes}>{longest}</td>" in html


def test_words_begin_at_the_left_and_numbers_end_at_the_right():
    rows = [
        {"fit": "one cell", "error": 0.1, "held": "3 of 5", "reached": "not reached", "right": True},
        {"fit": "two cells", "error": 0.2, "held": "12 of 51", "reached": "0.4", "right": False},
        {"fit": "ten", "error": 0.3, "held": "1 to 2", "reached": "0.5", "right": True},
    ]
    html = captioned(rows, "Fits.")._repr_html_()
    assert html.count('<th scope="col" class="words">fit</th>') == 1
    assert html.count('class="words"') == 1 + len(rows)
    assert '<th scope="row" class="words">one cell</th>' in html and "<td>0.1</td>" in html


def test_the_index_of_a_letter_stands_below_the_line():
    html = captioned([{"N": 2, "omega_N": 1, "n_starts": 3}], "With M_1 samples and n_jobs.")._repr_html_()
    assert "ω<sub>N</sub>" in html and "M<sub>1</sub> samples and n_jobs" in html and "n_starts" in html
    assert "<sub>" not in str(captioned([{"N": 2, "omega_N": 1}], "A caption."))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("1.41e+01", "14.1"),
        ("2e1", "20"),
        ("1.4e+1", "14"),
        ("1.4e-1", "1.4·10⁻¹"),
        ("(d/2)(2 rho - rho)", "(d/2)(2 ρ − ρ)"),
        ("height / h^beta", "height / hᵝ"),
        ("4 Psi'", "4 Ψ'"),
    ],
)
def test_signs_of_print(text, shown):
    assert captioned([{"x": 1, text: 2}], "A caption.").header[1] == shown
