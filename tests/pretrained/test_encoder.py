"""The encoder against PyTorch's, its inside against itself, and the trained one against published numbers."""

import math

import numpy as np
import pytest

from pairint.pretrained import Encoder, WeightsMissing, load_encoder, load_tokenizer, random_encoder
from pairint.pretrained.encoder import Head

EPS = np.finfo(float).eps


@pytest.fixture
def encoder():
    return random_encoder(0)


@pytest.fixture
def numbers(encoder):
    return np.random.default_rng(1).integers(0, encoder.n_vocabulary, (4, 9))


def trained(load):
    try:
        return load()
    except WeightsMissing as error:
        pytest.skip(str(error))


def test_a_layer_is_pytorchs(encoder, numbers):
    torch = pytest.importorskip("torch", reason="the other implementation is PyTorch's")
    X, *after = encoder.hidden_states(numbers)
    for layer, wanted in enumerate(after):
        name = f"encoder.layer.{layer}."
        weight = {
            key.removeprefix(name): array for key, array in encoder.weights.items() if key.startswith(name)
        }
        attention = {
            part: np.concatenate(
                [weight[f"attention.self.{each}.{part}"] for each in ("query", "key", "value")]
            )
            for part in ("weight", "bias")
        }
        state = {f"self_attn.in_proj_{part}": array for part, array in attention.items()}
        for theirs, ours in (
            ("self_attn.out_proj", "attention.output.dense"),
            ("linear1", "intermediate.dense"),
            ("linear2", "output.dense"),
            ("norm1", "attention.output.LayerNorm"),
            ("norm2", "output.LayerNorm"),
        ):
            state |= {f"{theirs}.{part}": weight[f"{ours}.{part}"] for part in ("weight", "bias")}
        block = torch.nn.TransformerEncoderLayer(
            encoder.d,
            encoder.n_heads,
            4 * encoder.d,
            0.0,
            "gelu",
            1e-12,
            batch_first=True,
            dtype=torch.float64,
        )
        block.load_state_dict({key: torch.tensor(array) for key, array in state.items()})
        with torch.no_grad():
            X = block(torch.tensor(np.asarray(X))).numpy()
        np.testing.assert_allclose(X, wanted, atol=1e4 * EPS)  # sums of some tens of terms of order one


def test_attention_is_a_law_on_the_partners(encoder, numbers):
    for layer, X in enumerate(encoder.hidden_states(numbers)[:-1]):
        for index in range(encoder.n_heads):
            weights = encoder.head(layer, index).attention(X)
            assert (weights > 0).all()
            np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=20 * EPS)


def softmax(layer, queries, keys, values):
    weights = np.exp(queries @ keys.swapaxes(2, 3))
    return weights @ values / weights.sum(axis=3, keepdims=True)


def test_another_attention(encoder, numbers):
    """The same attention by hand gives the same encoder; another one another, and the first is untouched."""
    own = encoder.embed(numbers)
    np.testing.assert_allclose(encoder.with_attention(softmax).embed(numbers), own, atol=1e4 * EPS)
    uniform = encoder.with_attention(lambda layer, q, k, v: 0 * v + v.mean(axis=2, keepdims=True))
    assert np.abs(uniform.embed(numbers) - own).max() > 1e-3
    assert (encoder.embed(numbers) == own).all()
    # From one layer on: the states before it are the encoder's own.
    late = encoder.with_attention(lambda layer, *parts: (layer == 0) * softmax(layer, *parts))
    states = late.hidden_states(numbers), encoder.hidden_states(numbers)
    np.testing.assert_allclose(states[0][1], states[1][1], atol=1e4 * EPS)
    assert np.abs(states[0][2] - states[1][2]).max() > 1e-3
    with pytest.raises(TypeError, match="attend must be callable, got 3"):
        encoder.with_attention(3)


def test_queries_and_keys_give_the_scores(encoder, numbers):
    X = encoder.hidden_states(numbers)[1]
    queries, keys, values = encoder.queries_keys_values(1, X)
    assert queries.shape == (4, encoder.n_heads, 9, encoder.head_size)
    for index in range(encoder.n_heads):
        head = encoder.head(1, index)
        np.testing.assert_allclose(
            queries[:, index] @ keys[:, index].swapaxes(1, 2), head.scores(X), atol=1e3 * EPS
        )
        np.testing.assert_allclose(values[:, index], head.values(X), atol=1e3 * EPS)
    with pytest.raises(ValueError, match="layer must be >= 0 and <= 1, got 2"):
        encoder.queries_keys_values(2, X)


def test_heads_add_up_to_the_layer(encoder, numbers):
    X = encoder.hidden_states(numbers)[1]
    heads = [encoder.head(1, index) for index in range(encoder.n_heads)]
    bias = encoder.weights["encoder.layer.1.attention.output.dense.bias"]
    total = sum(head.outputs(X) @ head.output.T for head in heads) + bias
    np.testing.assert_allclose(encoder.attention_output(1, X), total, atol=1e3 * EPS)
    assert not np.allclose(total, encoder.attention_output(0, X), atol=1e-3)  # of the other layer they do not


def test_scores_are_bilinear_in_tokens_with_a_one(encoder, numbers):
    head = encoder.head(1, 2)
    X = encoder.hidden_states(numbers)[1]
    ones = np.concatenate([X, np.ones((*X.shape[:2], 1))], axis=2)
    np.testing.assert_allclose(head.scores(X), ones @ head.matrix @ ones.swapaxes(1, 2), atol=1e3 * EPS)
    assert np.linalg.matrix_rank(head.matrix) == head.size == encoder.head_size == 4


def test_a_constant_offered_by_all_keys_is_not_seen(encoder, numbers):
    """The last column of A moves whole rows of scores: a softmax does not see it. The last row it sees."""
    X = encoder.hidden_states(numbers)[1]
    head = encoder.head(1, 0)
    for part, seen in (("key", False), ("query", True)):
        moved = {name: getattr(head, name).copy() for name in ("query", "key", "value", "output")}
        moved[part][:, -1] += 1.0
        same = np.allclose(Head(**moved).outputs(X), head.outputs(X), atol=1e3 * EPS)
        assert same is not seen


def test_hidden_states_satisfy_a_linear_relation(encoder, numbers):
    """A normalised vector sums to zero: tokens (x, 1) of d + 1 coordinates span a space of dimension d."""
    many = np.random.default_rng(2).integers(0, encoder.n_vocabulary, (40, 9))
    X = encoder.hidden_states(many)[1].reshape(-1, encoder.d)
    assert np.linalg.matrix_rank(np.column_stack([X, np.ones(len(X))])) == encoder.d
    assert np.linalg.matrix_rank(X) == encoder.d


def test_chunks_do_not_change_anything(encoder, numbers, monkeypatch):
    whole = encoder.hidden_states(numbers)
    monkeypatch.setattr("pairint.pretrained.encoder.CHUNK_SCORES", 1)
    for a, b in zip(whole, encoder.hidden_states(numbers), strict=True):
        np.testing.assert_allclose(a, b, atol=1e3 * EPS)
    short = encoder.hidden_states(numbers, 1)
    assert len(short) == 2
    np.testing.assert_allclose(short[1], whole[1], atol=1e3 * EPS)


def test_embeddings_have_norm_one(encoder, numbers):
    found = encoder.embed(numbers)
    assert found.shape == (4, encoder.d)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=10 * EPS)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda e: Encoder({}, 1), ValueError, "weights must hold word embeddings and layers"),
        (lambda e: Encoder(e.weights, 5), ValueError, "n_heads must divide d = 12, got 5"),
        (lambda e: random_encoder(0, d=0), ValueError, "d must be >= 1, got 0"),
        (lambda e: random_encoder(0, d=5, n_heads=2), ValueError, "n_heads must divide d = 5, got 2"),
        (lambda e: e.head(2, 0), ValueError, "layer must be >= 0 and <= 1, got 2"),
        (lambda e: e.head(0, 3), ValueError, "index must be >= 0 and <= 2, got 3"),
        (lambda e: e.head(0, 0).scores(np.zeros((2, 3, 5))), ValueError, "X must have shape"),
        (lambda e: e.hidden_states([[1.0]]), ValueError, r"numbers must be integers of shape \(M, N\)"),
        (lambda e: e.hidden_states([1]), ValueError, r"numbers must be integers of shape \(M, N\)"),
        (lambda e: e.hidden_states([[50]]), ValueError, "numbers must be from 0 to 49, got 50"),
        (lambda e: e.hidden_states([[0] * 17]), ValueError, "windows must have at most 16 tokens, got 17"),
        (lambda e: e.hidden_states([[0]], 3), ValueError, "n_layers must be >= 0 and <= 2, got 3"),
    ],
)
def test_what_is_refused(encoder, call, error, message):
    with pytest.raises(error, match=message):
        call(encoder)


def test_a_missing_or_misshapen_array_is_named(encoder):
    name = "encoder.layer.1.output.dense.bias"
    with pytest.raises(ValueError, match=f"weights must hold {name}"):
        Encoder({key: array for key, array in encoder.weights.items() if key != name}, 3)
    with pytest.raises(ValueError, match=f"{name} must have shape"):
        Encoder(encoder.weights | {name: np.zeros(11)}, 3)


@pytest.mark.slow
def test_the_trained_encoder_has_the_published_similarities():
    """The first example in the documentation of Sentence Transformers, to the four decimals printed there."""
    encoder, tokenizer = trained(load_encoder), trained(load_tokenizer)
    sentences = ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
    found = np.concatenate([encoder.embed([tokenizer.encode(each, ends=True)]) for each in sentences])
    published = [[1.0, 0.6660, 0.1046], [0.6660, 1.0, 0.1411], [0.1046, 0.1411, 1.0]]
    np.testing.assert_allclose(found @ found.T, published, atol=0.6e-4)
    head = encoder.head(2, 5)
    assert (encoder.d, encoder.n_layers, encoder.n_heads, head.size) == (384, 6, 12, 32)
    X = encoder.hidden_states([tokenizer.encode(sentences[0], ends=True)])[2]
    single = 400 * math.sqrt(32) * np.finfo(np.float32).eps
    np.testing.assert_allclose(head.attention(X).sum(axis=-1), 1, atol=single)
