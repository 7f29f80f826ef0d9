"""What the small figures share: they are compact, and few things move in them."""

from __future__ import annotations

from typing import Any, ClassVar

from pairint.explorers.kit.explorer import Explorer

__all__ = ["SmallFigure"]

_MOST = 2


class SmallFigure(Explorer):
    """An interactive figure that fits one screen of a phone, with its controls and its sentence.

    A subclass with more than two controls or two panels, or whose ``play`` is no parameter, is refused when
    it is defined.
    """

    compact: ClassVar[bool] = True

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for what, found in (("parameters", cls.parameters), ("panels", cls.panels)):
            if not 1 <= len(found) <= _MOST:
                raise TypeError(f"{cls.__name__}.{what} must hold 1 to {_MOST}, got {len(found)}")
        if cls.play is not None and cls.play not in [p.key for p in cls.parameters if p.scale != "choice"]:
            raise TypeError(f"{cls.__name__}.play must be the key of one of its sliders, got {cls.play!r}")

    @property
    def module(self) -> str:
        """File name of the figure's ES module."""
        return f"small/{self.name}.js"
