"""TransformerEncoderBlock against PyTorch's and the formula; FixedToken."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy.special import erf

from keras_musictag.errors import ConfigError
from keras_musictag.layers import FixedToken, TransformerEncoderBlock

CHANNELS, HEADS, UNITS = 16, 4, 48


def values(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.fixture
def block():
    block = TransformerEncoderBlock(HEADS, UNITS)
    block.build((None, None, CHANNELS))
    for seed, weight in enumerate(block.weights):
        weight.assign(0.5 * values(weight.shape, seed))
    return block


def arrays(block):
    """Weights in float64 by path, heads merged into one axis."""
    named = {w.path.split("/", 1)[1]: ops.convert_to_numpy(w) for w in block.weights}
    for path, array in named.items():
        if path.startswith("attention/"):
            last = path.startswith("attention/attention_output")
            size = CHANNELS if path.endswith("kernel") else -1
            shape = (-1,) if path.endswith("bias") else (size, CHANNELS)
            named[path] = array.reshape(
                (CHANNELS, CHANNELS) if last and path.endswith("kernel") else shape
            )
    return {path: array.astype("float64") for path, array in named.items()}


def by_formula(x, w):
    """The output in float64, one head after the other."""

    def dense(y, name):
        return y @ w[f"{name}/kernel"] + w[f"{name}/bias"]

    def norm(y, name):
        centred = y - y.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
        return w[f"{name}/gamma"] * scaled + w[f"{name}/beta"]

    x = x.astype("float64")
    query, key, value = (dense(x, f"attention/{n}") for n in ("query", "key", "value"))
    size, heads = CHANNELS // HEADS, []
    for part in (slice(i * size, (i + 1) * size) for i in range(HEADS)):
        scores = query[..., part] @ key[..., part].swapaxes(1, 2) / np.sqrt(size)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        heads.append(weights @ value[..., part])
    attended = dense(np.concatenate(heads, -1), "attention/attention_output")
    x = norm(x + attended, "attention_norm")
    y = dense(x, "intermediate")
    y = 0.5 * y * (1 + erf(y / np.sqrt(2)))
    return norm(x + dense(y, "output_dense"), "output_norm")


def test_equals_the_formula(block):
    x = values((3, 20, CHANNELS), 99)
    got = ops.convert_to_numpy(block(x))
    np.testing.assert_allclose(got, by_formula(x, arrays(block)), atol=1e-5)
    assert block.compute_output_shape(x.shape) == got.shape


def test_equals_pytorch(block):
    torch = pytest.importorskip("torch")
    theirs = torch.nn.TransformerEncoderLayer(
        CHANNELS,
        HEADS,
        UNITS,
        activation="gelu",
        layer_norm_eps=1e-12,
        batch_first=True,
        dtype=torch.float64,
    )
    w = arrays(block)
    attention = [
        (w[f"attention/{n}/kernel"].T, w[f"attention/{n}/bias"])
        for n in ("query", "key", "value")
    ]
    pairs = {
        "self_attn.in_proj_weight": np.concatenate([k for k, _ in attention]),
        "self_attn.in_proj_bias": np.concatenate([b for _, b in attention]),
    }
    dense = {
        "self_attn.out_proj": "attention/attention_output",
        "linear1": "intermediate",
        "linear2": "output_dense",
    }
    for key, name in dense.items():
        pairs[f"{key}.weight"] = w[f"{name}/kernel"].T
        pairs[f"{key}.bias"] = w[f"{name}/bias"]
    for key, name in {"norm1": "attention_norm", "norm2": "output_norm"}.items():
        pairs[f"{key}.weight"] = w[f"{name}/gamma"]
        pairs[f"{key}.bias"] = w[f"{name}/beta"]
    theirs.load_state_dict({k: torch.tensor(v) for k, v in pairs.items()})
    x = values((3, 20, CHANNELS), 99)
    with torch.no_grad():
        wanted = theirs.eval()(torch.tensor(x.astype("float64"), device="cpu")).numpy()
    np.testing.assert_allclose(ops.convert_to_numpy(block(x)), wanted, atol=1e-5)


def test_gelu_is_the_exact_one(block):
    x = np.linspace(-4, 4, 20 * CHANNELS).reshape(1, 20, CHANNELS).astype("float32")
    w = arrays(block)
    y = x @ w["intermediate/kernel"] + w["intermediate/bias"]
    got = ops.convert_to_numpy(block.intermediate(x))
    wanted = 0.5 * y * (1 + erf(y / np.sqrt(2)))
    # The form with tanh is off by up to 4.7e-4.
    np.testing.assert_allclose(got, wanted, atol=1e-5)


def test_dropout_only_in_training():
    block = TransformerEncoderBlock(HEADS, UNITS, dropout=0.4, attention_dropout=0.5)
    x = values((2, 10, CHANNELS))
    still = ops.convert_to_numpy(block(x, training=False))
    np.testing.assert_array_equal(ops.convert_to_numpy(block(x)), still)
    moved = ops.convert_to_numpy(block(x, training=True))
    assert np.isfinite(moved).all()
    assert np.abs(moved - still).max() > 0.01


def test_order_does_not_matter(block):
    x = values((1, 12, CHANNELS))
    order = np.random.default_rng(1).permutation(12)
    moved = ops.convert_to_numpy(block(x[:, order]))
    np.testing.assert_allclose(
        moved, ops.convert_to_numpy(block(x))[:, order], atol=1e-5
    )


def test_fixed_token_is_the_published_vector(reference):
    stored = np.load(reference / "sota" / "frontend.npz")["cls_256"]
    x = values((3, 5, 256))
    got = ops.convert_to_numpy(FixedToken()(x))
    np.testing.assert_array_equal(got[:, 0], np.tile(stored, (3, 1)))
    np.testing.assert_array_equal(got[:, 1:], x)
    assert FixedToken().weights == []


def test_fixed_token_follows_the_seed_and_the_dtype():
    x = values((2, 5, 8))
    first = ops.convert_to_numpy(FixedToken()(x))[0, 0]
    other = ops.convert_to_numpy(FixedToken(seed=1)(x))[0, 0]
    # The first numbers of the generator, as NumPy's documentation prints them.
    np.testing.assert_allclose(first[:3], [0.5488135, 0.71518937, 0.60276338])
    assert np.abs(first - other).max() > 0.1
    half = FixedToken(dtype="mixed_float16")(x)
    assert keras.backend.standardize_dtype(half.dtype) == "float16"


def test_saves_and_loads(tmp_path, block):
    inputs = keras.Input((None, CHANNELS))
    model = keras.Model(inputs, block(FixedToken(name="token")(inputs)))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    x = values((2, 7, CHANNELS))
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert again.output_shape == (None, None, CHANNELS)


def test_bad_arguments_are_refused():
    with pytest.raises(ConfigError, match="`num_heads` must divide.*num_heads=5"):
        TransformerEncoderBlock(5, UNITS).build((None, None, CHANNELS))
    with pytest.raises(ConfigError, match="`intermediate_units` must be a whole"):
        TransformerEncoderBlock(4, 0)
