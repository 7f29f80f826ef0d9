"""The pictures of the pages on bands and on the effective activation are complete."""

import pytest
from pictures import check_complete

from pairint.figures import bands, effective_activation

DRAWN = {
    "example": lambda: bands.example_figure((300, 600), n_shown=20),
    "averages": effective_activation.averages_figure,
    "fixed point": effective_activation.fixed_point_figure,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAWN)
def test_picture_is_complete(name):
    check_complete(DRAWN[name](), gaps=True)


def test_every_picture_is_tried():
    drawn = [n for module in (bands, effective_activation) for n in module.__all__ if n.endswith("_figure")]
    assert len(DRAWN) == len(drawn)
