"""Numbers of the text that a reader can move, and places on drawings: what the build writes."""

import matplotlib.pyplot as plt
import pytest
import setting_roles

from pairint.figures.layout import svg


def test_a_role_is_the_number_of_the_book_in_print():
    assert setting_roles.plain("setting", "d") == "30"
    assert setting_roles.plain("computed", "parameters") == "59"


@pytest.mark.parametrize("role, name", [("setting", "parameters"), ("computed", "d"), ("setting", "")])
def test_a_name_that_there_is_not_is_refused(role, name):
    with pytest.raises(ValueError, match=role):
        setting_roles.plain(role, name)


def test_axes_of_what_a_reader_chooses_say_where_everything_is():
    figure, (left, right) = plt.subplots(1, 2)
    left.set(xlabel="samples $M$", xscale="log", xlim=(100, 1e6))
    right.set(xlabel="score $u$")
    text = svg(figure)
    plt.close(figure)
    assert text.count("here:") == 1
    assert 'id="here:samples:log:100:1e+06"' in text
