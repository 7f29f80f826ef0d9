"""Every chapter asks its question, says what to keep, gives three kinds of exercises, and leads on."""

import frame
import pytest
from repository import ROOT


@pytest.mark.parametrize("page", frame.chapters(ROOT))
def test_a_chapter_has_its_frame(page):
    assert frame.lacking((ROOT / f"{page}.md").read_text(encoding="utf-8")) == []
