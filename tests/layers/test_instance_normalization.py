"""InstanceNormalization against PyTorch's and float64."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_musictag.errors import ConfigError
from keras_musictag.layers import InstanceNormalization, RunningMoments


def apply(layer, x, **arguments):
    return ops.convert_to_numpy(layer(x, **arguments))


def exact(x, epsilon=1e-5):
    x = x.astype("float64")
    axes = tuple(range(1, x.ndim - 1))
    mean, variance = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    return (x - mean) / np.sqrt(variance + epsilon)


def make(*shape, seed=0):
    rng = np.random.default_rng(seed)
    gains = rng.uniform(0.01, 3, shape[-1])
    return (rng.normal(size=shape) * gains + 5 * gains).astype("float32")


def test_torch():
    torch = pytest.importorskip("torch")
    x = make(2, 50, 12, 4)
    channels_first = torch.from_numpy(x).permute(0, 3, 1, 2)
    wanted = torch.nn.functional.instance_norm(channels_first).permute(0, 2, 3, 1)
    np.testing.assert_allclose(
        apply(InstanceNormalization(), x), wanted.numpy(), atol=2e-6
    )
    wanted = torch.nn.functional.instance_norm(torch.from_numpy(x[:, :, 0]).mT).mT
    np.testing.assert_allclose(
        apply(InstanceNormalization(), x[:, :, 0]), wanted.numpy(), atol=2e-6
    )


def test_long_tracks_are_exact():
    x = make(1, 10336, 252, 2)
    # One sum over both axes, in float32, is off by 1e-3 and more on TensorFlow.
    error = np.abs(apply(InstanceNormalization(), x) - exact(x)).max()
    assert error <= 3e-5


def test_masked_frames_do_not_count():
    x = make(2, 40, 7, 3)
    mask = np.arange(40) < np.array([[25], [40]])
    dirty = np.where(mask[..., None, None], x, np.float32("nan"))
    got = apply(InstanceNormalization(), dirty, mask=mask)
    np.testing.assert_allclose(got[:1, :25], exact(x[:1, :25]), atol=2e-6)
    np.testing.assert_allclose(got[1:], exact(x[1:]), atol=2e-6)
    assert np.isfinite(apply(InstanceNormalization(), x, mask=mask & False)).all()


def test_blocks_are_parts_of_the_whole():
    x = make(1, 1000, 30, 3)
    norm, running = InstanceNormalization(), RunningMoments()
    bounds = [0, 0, 10, 400, 990, 1000]
    blocks = [x[:, a:b] for a, b in zip(bounds, bounds[1:], strict=False)]
    for block in blocks[1:]:
        running.add(*norm.moments(block), count=block.shape[1] * 30)
    before = running.mean
    running.add(np.ones((1, 3)), np.ones((1, 3)), count=0)  # nothing
    assert running.mean is before and running.count == 30000
    np.testing.assert_allclose(running.mean, x.mean((1, 2), dtype="f8"), rtol=1e-6)
    np.testing.assert_allclose(running.variance, x.var((1, 2), dtype="f8"), rtol=1e-5)
    moments = (running.mean, running.variance)
    got = np.concatenate([apply(norm, b, moments=moments) for b in blocks[1:]], axis=1)
    np.testing.assert_allclose(got, exact(x), atol=3e-6)


def test_in_a_model_with_gains(tmp_path):
    inputs = keras.Input((None, 6, 3))
    model = keras.Model(inputs, InstanceNormalization(1e-3, affine=True)(inputs))
    assert len(model.trainable_weights) == 2
    gain, offset = np.array([1.0, 2.0, 3.0]), np.array([0.0, -1.0, 1.0])
    model.set_weights([gain, offset])
    model.save(tmp_path / "model.keras")
    x = make(2, 20, 6, 3)
    got = keras.saving.load_model(tmp_path / "model.keras").predict_on_batch(x)
    np.testing.assert_allclose(got, exact(x, 1e-3) * gain + offset, atol=1e-5)
    assert InstanceNormalization(dtype="float16")(x).dtype is not None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: InstanceNormalization(0), "`epsilon` must be a number above 0"),
        (
            lambda: InstanceNormalization()(np.zeros((2, 3), "f4")),
            r"frames, \.\.\., ch",
        ),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
