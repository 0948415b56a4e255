"""PaddedLogMelSpectrogram: the end of a track is no silence."""

import keras
import numpy as np
import pytest

from keras_musictag.audio import ChunkPlan
from keras_musictag.layers import LogMelSpectrogram, PaddedLogMelSpectrogram

MEAN, STD = -4.0, 2.0


def features(waveform, **options):
    layer = PaddedLogMelSpectrogram.from_convention(
        "kaldi", mean=MEAN, std=STD, **options
    )
    layer = PaddedLogMelSpectrogram.from_config(layer.get_config())
    return keras.ops.convert_to_numpy(layer(waveform[None]))[0]


@pytest.fixture
def track():
    return np.random.default_rng(0).normal(0, 0.1, 8000).astype("float32")


def test_what_is_marked_is_zero_before_it_is_scaled(track):
    plan = ChunkPlan(16000, 16000, pad="marked")
    ((start, chunk),) = plan.chunks([track])
    assert start == 0 and 0 < chunk[-1] < 1e-29
    found = features(chunk)
    heard = 1 + (8000 - 400) // 160  # whole frames of the track
    np.testing.assert_allclose(found[heard:], -MEAN / (2 * STD), atol=1e-6)
    plain = LogMelSpectrogram.from_convention("kaldi")(track[None])
    expected = (keras.ops.convert_to_numpy(plain)[0] - MEAN) / (2 * STD)
    np.testing.assert_allclose(found[:heard], expected, atol=1e-5)


def test_silence_of_the_track_counts(track):
    silent = np.concatenate([track, np.zeros(8000, "float32")])
    floor = np.log(np.finfo("float32").eps)
    expected = (floor - MEAN) / (2 * STD)
    np.testing.assert_allclose(features(silent)[-40:], expected, atol=1e-5)


def test_centred_frames_count_as_far_as_their_middle(track):
    """Also where the chunk brings what lies beside it."""
    options = {"n_fft": 512, "win_length": 512, "hop_length": 256}
    options |= {"window_position": "center"}
    plan = ChunkPlan.for_frames(63, 512, 256, edge="zeros", pad="marked")
    ((_, chunk),) = plan.chunks([track])
    beside = features(chunk, **options, context=256)
    plan = ChunkPlan(62 * 256, 62 * 256, pad="marked")
    ((_, chunk),) = plan.chunks([track])
    centred = features(chunk, **options, center=True)
    np.testing.assert_allclose(beside, centred, atol=1e-4)
    heard = 1 + 8000 // 256
    np.testing.assert_allclose(centred[heard:], -MEAN / (2 * STD), atol=1e-6)
    assert not np.allclose(centred[heard - 1], -MEAN / (2 * STD), atol=1e-2)
