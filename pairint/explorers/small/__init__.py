"""Small interactive figures, each where a chapter needs it: two controls and two panels at most."""

__all__: list[str] = []
