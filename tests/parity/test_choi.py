"""Choi's own networks and the moods of MTG-Jamendo against what the originals say.

The references were made by the authors' code on Keras 1.2.0 and 1.0.6, and by
PyTorch behind Essentia's spectrogram; the weights are the published ones.
"""

import functools
import http.server
import json
import runpy
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import keras
import numpy as np
import pytest
import soundfile
from keras import ops

import keras_musictag as kmt
from keras_musictag import audio

WEIGHTS = {
    "crnn_choi_msd": "choi/music_tagger_crnn_weights_tensorflow.h5",
    "fcn_choi_msd": "choi/music_tagger_cnn_weights_tensorflow.h5",
    "jamendo_moods": "jamendo_moods/best_model.pth",
}
ORIGINALS = {"crnn_choi_msd": "crnn_keras106", "fcn_choi_msd": "cnn_keras106"}
if keras.backend.backend() != "tensorflow":  # all its layers are in the two others
    WEIGHTS.pop("fcn_choi_msd")
    ORIGINALS.pop("fcn_choi_msd")
# The same spectrogram in, and the whole way from the audio. Measured on TensorFlow:
# 2e-7 and 3.3e-7 for Choi's, 1.4e-7 and 1.3e-5 for the moods.
NETWORK, CHAIN = 5e-6, 1e-4
STAGES = 5e-5  # relative to the largest number of a stage
PRINTED = 5e-6  # of the reading that Keras 1.2 has
# Decibels, where waves cancel each other, and their mean. Essentia's, then librosa's.
BANDS, BANDS_MEAN = 0.05, 1e-3
LOUD = 1e-3
once = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="the same layers once more, slow to compile; run on TensorFlow",
)


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture(scope="module")
def models(reference, tmp_path_factory):
    """The three presets by name, fetched and converted."""
    root = tmp_path_factory.mktemp("mirror")
    for name, file in WEIGHTS.items():
        (reference / file).stat()  # without it there is nothing to test
        url = kmt.preset_info(name)["weights"]["url"]
        link = root / urlsplit(url).path.lstrip("/")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(reference / file)
    handler = functools.partial(_Silent, directory=root)
    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
        pytest.MonkeyPatch.context() as patch,
    ):
        threading.Thread(target=server.serve_forever, args=(0.02,)).start()
        patch.setenv("KMT_UPSTREAM", f"http://127.0.0.1:{server.server_port}")
        patch.setenv("KMT_CACHE", str(tmp_path_factory.mktemp("cache")))
        made = {name: kmt.MusicTagger.from_pretrained(name) for name in WEIGHTS}
        server.shutdown()
    return made


def probabilities(model, spectrograms):
    """Of spectrograms as the originals have them, bands first."""
    x = np.stack([spectrogram.T for spectrogram in spectrograms])
    x = model.backbone(x, training=False)
    return ops.convert_to_numpy(model.head(x, training=False))


def check_stages(model, spectrogram, stored, names):
    """Compare outputs of layers with parts of the original's."""
    layers = {k: model.backbone.get_layer(n).output for k, n in names.items()}
    found = keras.Model(model.backbone.input, layers)(spectrogram.T[None])
    for name, tensor in found.items():
        theirs = stored[name]
        ours = ops.convert_to_numpy(tensor)[0]
        if ours.ndim == 3:  # theirs: channels, bands, frames
            ours = ours.transpose(2, 1, 0)
            theirs = theirs if theirs.ndim == 3 else theirs[None]
        ours = ours[tuple(slice(n) for n in theirs.shape)]
        atol = STAGES * max(1, np.abs(theirs).max())
        np.testing.assert_allclose(ours, theirs, atol=atol, err_msg=name)


def chosen(names):
    """Few clips where the backend is slow."""
    return names if keras.backend.backend() == "tensorflow" else names[:2]


# === Choi's networks ===


@pytest.mark.parametrize("name", ORIGINALS)
def test_choi_as_trained(models, reference, name):
    inputs = np.load(reference / "choi" / "inputs_bensound.npz")
    outputs = np.load(reference / "choi" / "outputs.npz")
    found = probabilities(models[name], inputs.values())
    expected = [outputs[f"{ORIGINALS[name]}__z__{clip}"] for clip in inputs]
    np.testing.assert_allclose(found, expected, atol=NETWORK)


@pytest.mark.parametrize("name", ORIGINALS)
def test_choi_from_the_audio(models, reference, shared, name):
    clips = json.loads((reference / "choi" / "clips.json").read_text("utf-8"))
    outputs = np.load(reference / "choi" / "outputs.npz")
    model, chunk = models[name], 349440
    ours = [clip for clip in clips if clips[clip]["file"].startswith("shared/")]
    middles, expected = [], []
    for clip in chosen(ours):
        samples, _ = audio.load(shared.parent / clips[clip]["file"], 12000)
        start = max(0, len(samples) - chunk) // 2
        middles.append(samples[start : start + chunk])
        expected.append(outputs[f"{ORIGINALS[name]}__z__{clip}"])
    found = model.predict(middles, batch_size=len(middles))
    np.testing.assert_allclose(found, expected, atol=CHAIN)


@once
def test_chois_spectrogram(models, reference, corpus):
    samples, _ = audio.load(corpus / "real" / "03_rock.mp3", 12000)
    start = (len(samples) - 349440) // 2
    frontend = models["crnn_choi_msd"].frontend
    bands = ops.convert_to_numpy(frontend(samples[None, start : start + 349440]))
    stored = np.load(reference / "choi" / "inputs_03_rock_float32.npz")["mel"]
    np.testing.assert_allclose(2 * bands[0].T, stored, atol=LOUD)


@once
def test_chois_stages(models, reference):
    stored = np.load(reference / "choi" / "stages_actionable_z.npz")
    inputs = np.load(reference / "choi" / "inputs_bensound.npz")["actionable"]
    stages = {"pool1": "block_1", "pool2": "block_2", "pool3": "block_3"}
    more = {
        "crnn_choi_msd": {"sequence": "sequence", "gru1": "gru_1", "gru2": "gru_2"},
        "fcn_choi_msd": {"pool4": "block_4", "pool5": "block_5"},
    }
    for name, original in ORIGINALS.items():
        mine = {k.partition("__")[2]: stored[k] for k in stored if original in k}
        names = {"bn_0_first40": "input_norm"} | stages | more[name]
        check_stages(models[name], inputs, mine, names)


@once
def test_choi_as_printed(models, reference):
    """The scores in his README: what deviates is a variance, decibels are as they are.

    That is how Keras 1.2 reads the file, and not how the network was trained.
    """
    model = models["crnn_choi_msd"]
    again = kmt.CRNNTagger.from_config(model.get_config())
    for ours, theirs in zip(again.weights, model.weights, strict=True):
        value = ops.convert_to_numpy(theirs.value).astype("float64")
        if ours.path.endswith("moving_variance"):
            value = np.sqrt(value + 1e-6) - 1e-6 + 1e-3 - 1e-6
        ours.assign(value)
    body = again.backbone
    raw = keras.Model(body.get_layer("pad").input, body.output)
    inputs = np.load(reference / "choi" / "inputs_bensound.npz")
    outputs = np.load(reference / "choi" / "outputs.npz")
    text = (reference / "choi" / "printed_scores.json").read_text("utf-8")
    x = np.stack([inputs[clip].T[..., None] for clip in inputs])
    found = ops.convert_to_numpy(again.head(raw(x, training=False), training=False))
    for clip, values in zip(inputs, found, strict=True):
        expected = outputs[f"crnn_keras120__raw__{clip}"]
        np.testing.assert_allclose(values, expected, atol=PRINTED)
    for clip, printed in json.loads(text).items():
        values = found[list(inputs).index(clip)]
        scores = dict(zip(again.labels, values, strict=True))
        for label, score in printed:
            assert scores[label] == pytest.approx(score, abs=5.1e-4), (clip, label)


# === The moods of MTG-Jamendo ===


def test_the_network_of_moods(models, reference):
    folder = reference / "jamendo_moods"
    inputs, outputs = np.load(folder / "inputs.npz"), np.load(folder / "outputs.npz")
    halves = [inputs[clip] / 2 for clip in inputs]  # doubled inside the network
    found = probabilities(models["jamendo_moods"], halves)
    expected = [outputs[f"{clip}__probabilities_of_int16_audio"] for clip in inputs]
    np.testing.assert_allclose(found, expected, atol=NETWORK)


@once
def test_the_stages_of_moods(models, reference):
    folder = reference / "jamendo_moods"
    inputs = np.load(folder / "inputs.npz")
    stored = np.load(folder / "stages_03_rock.npz")
    names = {f"mp_{i}": f"block_{i}" for i in (3, 4, 5)}
    names |= {"mp_2_ch0_8": "block_2", "mp_1_ch0_4_t0_120": "block_1"}
    names |= {"bn_init_first64": "input_norm"}
    check_stages(models["jamendo_moods"], inputs["03_rock"] / 2, stored, names)


def test_moods_from_the_audio(models, reference):
    folder, model = reference / "jamendo_moods", models["jamendo_moods"]
    inputs, outputs = np.load(folder / "inputs.npz"), np.load(folder / "outputs.npz")
    clips = sorted(folder.glob("audio_*.flac"))
    assert clips
    for path in clips:
        clip = path.stem.removeprefix("audio_")
        samples, rate = soundfile.read(path, dtype="float32")
        assert rate == model.sample_rate
        expected = outputs[f"{clip}__probabilities_of_int16_audio"]
        np.testing.assert_allclose(model.predict(samples)[0], expected, atol=CHAIN)
        if clip in inputs:
            whole = np.pad(samples, (0, model.chunking.chunk_samples - len(samples)))
            bands = ops.convert_to_numpy(model.frontend(whole[None]))[0].T
            error = np.abs(2 * bands - inputs[clip])
            assert error.max() <= BANDS and error.mean() <= BANDS_MEAN


# === The records ===


@once
def test_the_records_are_what_the_tool_makes(reference, monkeypatch):
    tool = Path(__file__).parents[2] / "tools" / "make_choi_presets.py"
    lists = reference / "splits" / "mtg_jamendo_tracks.tsv.gz"
    if not lists.is_file() or not tool.is_file():
        pytest.skip("needs tools/ and reference/splits of the shared data")
    monkeypatch.setattr(sys, "argv", [str(tool), str(reference), "--check"])
    runpy.run_path(str(tool), run_name="__main__")  # it exits if one is stale


@once
def test_silence_has_scores(models):
    for model in models.values():
        scores = model.predict(np.zeros(12000, "float32"))
        assert np.isfinite(scores).all() and scores.max() < 0.9
