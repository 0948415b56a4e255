"""AutoPoolTagger: its variations, scores per moment, log-mel against librosa."""

import numpy as np
import pytest
from keras import ops

from keras_musictag.errors import ConfigError
from keras_musictag.models.taggers.auto_pool import BODIES, POOLS, AutoPoolTagger

LABELS = ["piano", "drums", "flute"]


def noise(*shape):
    return np.random.default_rng(0).normal(0, 0.1, shape).astype("float32")


@pytest.mark.parametrize("pooling", [*POOLS, None])
def test_every_pool_gives_scores(pooling):
    model = AutoPoolTagger(LABELS, pooling=pooling, n_frames=40, filters=[8, 8])
    x = noise(2, model.chunking.chunk_samples)
    scores = ops.convert_to_numpy(model(x))
    assert scores.shape == ((2, 3) if pooling else (2, 2, 3))
    again = AutoPoolTagger.from_config(model.get_config())
    assert again.get_config() == model.get_config()
    assert again.chunking == model.chunking


@pytest.mark.parametrize("body", BODIES)
def test_every_body_gives_scores_per_moment(body):
    model = AutoPoolTagger(LABELS, body=body, pooling=None)
    x = noise(1, model.chunking.chunk_samples)
    scores = ops.convert_to_numpy(model(x))
    assert scores.shape == (1, len(model.frame_offsets), 3)


def test_log_mel_frames_of_chunks_are_those_of_librosa():
    librosa = pytest.importorskip("librosa")
    model = AutoPoolTagger(LABELS)
    x = noise(3 * 65536)
    plan = model.chunking.replace(tail="drop")
    chunks = np.stack([chunk for _, chunk in plan.chunks([x])])
    found = ops.convert_to_numpy(model.frontend(chunks))
    mel = librosa.feature.melspectrogram(y=x, sr=22050, n_fft=2048, hop_length=1024)
    wanted = np.log(1 + 10000 * mel).T
    assert found.shape == (3, 64, 128)
    np.testing.assert_allclose(found.reshape(-1, 128), wanted[:192], atol=2e-4)


@pytest.mark.parametrize("frontend", ["mel", "conv1d", "tcn"])
def test_times_are_equally_spaced_inside_the_track(frontend):
    model = AutoPoolTagger(LABELS, frontend=frontend, pooling=None)
    length = model.chunking.chunk_samples
    x = noise(1, 2 * length)[0]
    taggram = model.taggram(x, tail="drop")
    steps = np.diff(taggram.times)
    np.testing.assert_allclose(steps, steps[0], rtol=1e-6)
    assert taggram.scores.shape == (len(taggram.times), 3)
    assert steps[0] > 0
    assert taggram.times[0] > 0
    assert taggram.times[-1] < len(x) / 22050


def test_track_scores_are_the_mean_over_moments():
    model = AutoPoolTagger(LABELS, pooling=None)
    x = noise(5 * 22050)
    chunks = model.predict(x, aggregate=None)[0]
    assert chunks.ndim == 3
    track = model.predict(x)
    np.testing.assert_allclose(track[0], chunks.mean((0, 1)), atol=1e-6)
    assert len(model.tag(x)) == 3
    taggram = model.taggram(x)
    assert np.all(np.diff(taggram.times) > 0)
    streamed = list(model.stream(np.array_split(x, 9)))
    kept = model.taggram(x, tail="drop")
    np.testing.assert_allclose([t for t, _ in streamed][: len(kept.times)], kept.times)


@pytest.mark.parametrize("single", [True, False])
def test_fits_targets_per_moment(single):
    kind = "single_label_classification" if single else "multi_label_classification"
    model = AutoPoolTagger(
        LABELS, frontend="conv1d", pooling=None, problem_type=kind, filters=[8, 8]
    )
    x = noise(4, model.chunking.chunk_samples)
    shape = (4, len(model.frame_offsets))
    rng = np.random.default_rng(1)
    y = rng.integers(0, 3, shape) if single else rng.integers(0, 2, (*shape, 3))
    history = model.fit(x, y, epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert np.isfinite(model.evaluate(x, y, verbose=0)).all()


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"frontend": "cqt"}, "Unknown `frontend`.*'cqt'.*'sinc'"),
        ({"pooling": "median"}, "Unknown `pooling`.*'median'.*'auto_split'"),
        ({"body": "gru"}, "Unknown `body`.*'gru'.*'conv1d'"),
        ({"dense_units": [128, 65]}, "even number of channels.*65"),
        ({"frontend": "sinc", "chunk_samples": 200}, "longer than the audio.*200"),
        ({"frontend": "conv1d", "chunk_samples": 200}, "too short.*200 steps"),
        ({"n_frames": 10}, "too short.*block_1_pool"),
    ],
)
def test_bad_arguments_are_refused(arguments, match):
    with pytest.raises(ConfigError, match=f"(?s){match}"):
        AutoPoolTagger(LABELS, **arguments)
