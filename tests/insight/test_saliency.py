"""Saliency, against finite differences, completeness and sounds put in on purpose."""

import io

import keras
import numpy as np
import pytest

import keras_musictag as kmt
from keras_musictag.errors import AudioError, ConfigError, LabelError
from keras_musictag.insight.saliency import gradient, saliency

LABELS = ["rock", "jazz", "piano"]


def small(name):
    """A narrow, untrained tagger whose weights are large enough to matter."""
    keras.utils.set_random_seed(0)
    narrow = {"timbral_filters": 8, "temporal_filters": 4}
    narrow = {"SampleCNNTagger": {"filters": [8] * 11}}.get(name, narrow)
    tagger = getattr(kmt, name)(LABELS, **narrow)
    kernel = tagger.head.get_layer("logits").kernel
    # Untrained scores of waveforms hardly differ.
    kernel.assign(kernel * (1000.0 if name == "SampleCNNTagger" else 1.0))
    return tagger


@pytest.fixture(scope="module", params=["MusicnnTagger", "SampleCNNTagger"])
def tagger(request):
    return small(request.param)


def noise(samples, seed=0):
    generator = np.random.default_rng(seed)
    return generator.normal(0, 0.1, samples).astype("float32")


def score_of(tagger, waveform, label="jazz"):
    return tagger.predict(waveform)[0, LABELS.index(label)]


def test_gradient_is_that_of_finite_differences():
    tagger = small("MusicnnTagger")
    features = keras.ops.convert_to_numpy(
        tagger.frontend(noise(2 * tagger.chunking.chunk_samples).reshape(2, -1))
    )

    def score(x):
        return tagger.head(tagger.backbone(x))[:, 1]

    found = gradient(score)(features)
    assert found.shape == features.shape
    generator = np.random.default_rng(1)
    direction = generator.normal(0, 1, features.shape).astype("float32")
    step = np.float32(1e-3)
    ahead, behind = (
        keras.ops.convert_to_numpy(score(features + sign * step * direction))
        for sign in (1, -1)
    )
    slopes = np.sum(found * direction, axis=tuple(range(1, found.ndim)))
    np.testing.assert_allclose(slopes, (ahead - behind) / (2 * step), rtol=0.05)


def test_integrated_gradients_add_up_to_the_score_above_silence(tagger):
    length = tagger.chunking.chunk_samples
    waveform = noise(length) * np.hanning(length).astype("float32")
    found = saliency(tagger, waveform, "jazz", method="integrated", n_samples=100)
    score, silence = (score_of(tagger, y) for y in (waveform, 0 * waveform))
    assert found.score == pytest.approx(score, abs=1e-5)
    assert abs(score - silence) > 1e-3  # or there would be nothing to explain
    assert found.values.sum() == pytest.approx(score - silence, rel=0.03)
    assert found.seconds().sum() == pytest.approx(found.values.sum())


def test_a_waveform_is_spread_over_frequencies_without_loss():
    tagger = small("SampleCNNTagger")
    waveform = noise(tagger.chunking.chunk_samples)
    found = saliency(tagger, waveform, "jazz")
    slopes = gradient(lambda x: tagger(x)[:, 1])(waveform[None])
    assert found.values.sum() == pytest.approx(np.sum(slopes * waveform), rel=1e-3)
    assert found.frequencies[[0, -1]].tolist() == [0, tagger.sample_rate / 2]


@pytest.mark.parametrize("method", ["gradient", "smoothgrad", "integrated"])
def test_shapes_fit_and_silence_is_worth_nothing(tagger, method):
    rate, length = tagger.sample_rate, tagger.chunking.chunk_samples
    waveform = np.zeros(3 * length, "float32")
    waveform[: length // 2] = noise(length // 2)
    found = saliency(tagger, waveform, "rock", method=method, n_samples=3)
    shape = (len(found.times), len(found.frequencies))
    assert found.values.shape == found.levels.shape == shape
    assert found.duration == pytest.approx(len(waveform) / rate)
    assert len(found.seconds()) == np.ceil(found.duration)
    assert found.score == pytest.approx(score_of(tagger, waveform, "rock"), abs=1e-5)
    after = found.times > length / rate
    assert after.any()
    share = np.abs(found.values[after]).sum() / np.abs(found.values).sum()
    assert share < 1e-6


def test_frequencies_and_times_are_those_of_the_sound():
    """Where the gradient is the sum of all bins, values follow a tone."""
    from keras_musictag.insight.saliency import _Spectrogram, _Stitched, _Waveform

    for name, View in (("MusicnnTagger", _Spectrogram), ("SampleCNNTagger", _Waveform)):
        tagger = small(name)
        rate, length = tagger.sample_rate, tagger.chunking.chunk_samples
        waveform = np.zeros(2 * length, "float32")
        at, hertz = length + length // 3, 1200.0
        ping = np.hanning(2000) * np.sin(2 * np.pi * hertz / rate * np.arange(2000))
        waveform[at : at + 2000] = ping
        view = View(tagger)
        track = _Stitched(view, len(waveform))
        for start, chunk in tagger.chunking.chunks(iter([waveform])):
            inputs = view.inputs(chunk[None])
            slopes = inputs if View is _Waveform else np.ones_like(inputs)
            track.add([start], *view.over_frequency(slopes, inputs))
        found = track.saliency("rock", 0.0)
        row, column = np.unravel_index(found.values.argmax(), found.values.shape)
        assert found.times[row] == pytest.approx((at + 1000) / rate, abs=0.04)
        assert found.frequencies[column] == pytest.approx(hertz, rel=0.06)


def test_a_real_tagger_names_the_moment_of_a_sound():
    """A clip with one loud half: what makes its best tag fire lies in that half."""
    tagger = kmt.MusicTagger.from_pretrained("musicnn_mtt")
    y, rate = kmt.audio.load(kmt.audio.demo_path(), tagger.sample_rate)
    y = y[: 6 * rate]
    label, _ = tagger.tag(y, top_k=1)[0]
    half = len(y) // 2
    y = np.concatenate([np.zeros_like(y[:half]), y[half:]])
    found = saliency(tagger, y, label, method="integrated", n_samples=4)
    seconds = found.seconds()
    assert seconds[: len(seconds) // 2 - 1].sum() == pytest.approx(0, abs=1e-3)
    assert seconds[len(seconds) // 2 :].sum() > 0.05


def test_files_open_files_and_other_rates_are_read(tmp_path):
    import soundfile

    tagger = small("MusicnnTagger")
    stereo = np.stack([noise(44100 * 4), noise(44100 * 4, 1)], axis=1)
    soundfile.write(tmp_path / "a.wav", stereo, 44100, subtype="FLOAT")
    by_path = saliency(tagger, tmp_path / "a.wav", "rock")
    opened = io.BytesIO((tmp_path / "a.wav").read_bytes())
    by_file = saliency(tagger, opened, "rock")
    by_array = saliency(tagger, stereo.T, "rock", 44100)
    np.testing.assert_array_equal(by_path.values, by_file.values)
    np.testing.assert_allclose(by_path.values, by_array.values, atol=1e-6)
    assert by_path.score == pytest.approx(
        float(tagger.predict(tmp_path / "a.wav")[0, 0])
    )


def test_bad_input_is_named(tmp_path):
    tagger = small("MusicnnTagger")
    with pytest.raises(LabelError, match=r"label='polka'.*rock"):
        saliency(tagger, noise(9000), "polka")
    with pytest.raises(ConfigError, match="method='magic'"):
        saliency(tagger, noise(9000), "rock", method="magic")
    with pytest.raises(ConfigError, match="n_samples=0"):
        saliency(tagger, noise(9000), "rock", n_samples=0)
    with pytest.raises(AudioError, match=r"gone\.wav"):
        saliency(tagger, tmp_path / "gone.wav", "rock")


def test_the_picture_shows_spectrogram_and_seconds():
    pytest.importorskip("matplotlib")
    found = saliency(small("MusicnnTagger"), noise(4 * 16000), "rock")
    top, below = found.plot()
    assert f"“rock” (score {found.score:.2f})" in top.get_title()
    np.testing.assert_allclose(
        [bar.get_height() for bar in below.patches], found.seconds()[:3], atol=1e-9
    )
