import math

import numpy as np
import pytest

from pairint.theory import codes


@pytest.mark.parametrize("n_bits", [8, 9, 16, 31, 64, 100])
def test_code_is_large_and_its_words_are_far_apart(n_bits):
    code = codes.varshamov_gilbert_code(n_bits)
    assert code.n_words >= 2 ** (n_bits / 8)
    assert code.minimum_distance >= n_bits / 8
    words = code.words(64).astype(np.int64)
    distances = (words[:, None] != words[None]).sum(axis=2)[np.triu_indices(len(words), 1)]
    assert distances.min() >= code.minimum_distance
    if code.n_words <= 64:
        assert distances.min() == code.minimum_distance


def test_longest_code_passes_too():
    code = codes.varshamov_gilbert_code(codes.MAX_BITS)
    assert code.minimum_distance >= codes.MAX_BITS / 8


def test_minimum_distance_of_known_codes():
    checks = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0], [1, 1, 1]], dtype=np.uint8)
    hamming = np.hstack([np.eye(4, dtype=np.uint8), checks])
    assert codes.minimum_distance(hamming) == 3
    assert codes.minimum_distance(np.ones((1, 11), dtype=np.uint8)) == 11
    assert codes.minimum_distance(np.ones((2, 11), dtype=np.uint8)) == 0


def test_words_are_all_combinations():
    words = codes.BinaryCode(np.array([[1, 0, 1], [0, 1, 1]], dtype=np.uint8), 2).words()
    assert sorted(map(tuple, words.tolist())) == [(0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0)]


def test_counting_argument_of_the_lemma():
    """The volume bound behind Varshamov and Gilbert: balls of radius n/8 are too small to fill the cube."""
    for n in range(8, 161):
        ball = sum(math.comb(n, j) for j in range(math.ceil(n / 8)))
        assert 2**n / ball >= 2 ** (n / 8)


@pytest.mark.parametrize("n_bits", [7, 161])
def test_length_is_checked(n_bits):
    with pytest.raises(ValueError, match="n_bits must be >= 8 and <= 160"):
        codes.varshamov_gilbert_code(n_bits)
