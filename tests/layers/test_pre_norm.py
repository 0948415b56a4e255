"""PreNormTransformerBlock; its numbers are compared in parity/test_transformers.py."""

import keras
import numpy as np
import pytest

from keras_musictag.errors import ConfigError
from keras_musictag.layers import PreNormTransformerBlock
from keras_musictag.layers.rotary import RotaryTransformerBlock
from tests.forward import forward


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=(2, 7, 12)).astype("float32")


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor)


def test_attention_with_dropout_is_the_same_attention(x):
    """Keras' attention has no dropout: training takes another way to the same."""
    block = PreNormTransformerBlock(3, 16, attention_dropout=1e-7)
    trained, plain = block(x, training=True), block(x, training=False)
    np.testing.assert_allclose(numbers(trained), numbers(plain), atol=1e-5)
    wild = PreNormTransformerBlock.from_config(
        {**block.get_config(), "attention_dropout": 0.5}
    )
    wild.build(x.shape)
    wild.set_weights(block.get_weights())
    np.testing.assert_array_equal(numbers(wild(x)), numbers(plain))
    assert not np.allclose(numbers(wild(x, training=True)), numbers(plain), atol=1e-3)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize(
    "make", [lambda **kw: PreNormTransformerBlock(3, 16, **kw), RotaryTransformerBlock]
)
def test_half_precision_is_near_float32(x, make, policy):
    """JAX cannot compile attention in float16 on a processor."""
    x = np.repeat(x, 16, axis=-1)  # heads of 32 channels
    whole, half = make(), make(dtype=policy)
    wanted = numbers(forward(whole, x))
    half.build(x.shape)
    half.set_weights(whole.get_weights())
    found = forward(half, x)
    assert keras.backend.standardize_dtype(found.dtype) == policy[6:]
    found = numbers(keras.ops.cast(found, "float32"))
    np.testing.assert_allclose(found, wanted, atol=0.1)
    assert np.abs(found - wanted).max() > 0  # it was computed in halves


def test_heads_must_divide_the_channels(x):
    with pytest.raises(ConfigError, match="num_heads=5, 12 channels"):
        PreNormTransformerBlock(5, 16).build(x.shape)
