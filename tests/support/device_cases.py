"""Cases that run on the stand-in for a GPU (tests/fake_cupy.py) and on a real one (tests/gpu)."""

#: Channel, tokens and samples over d^2 for message passing.
AMP_CASES = [
    ("softmax", 2, 0.1),
    ("softmax", 3, 0.04),
    ("linear", 2, 0.08),
    ("hardmax", 2, 0.5),
    ("hardmax", 3, 0.3),
]
