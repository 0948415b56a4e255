"""CREMA against the original package, on the active backend.

`data/crema/network.npz` (see `make_original.py` beside it) and the shared reference
hold what `crema` 0.2.0 computed with Keras 2.15.
"""

import csv
import dataclasses
import json

import keras
import numpy as np
import pytest

from keras_musictag.chords import ChordSequence, get_vocabulary
from keras_musictag.models.recognizer import ChordRecognizer

PROBABILITIES = 1e-4
# The same features in; measured: 2.5e-6.
NETWORK = 1e-5
# Share of frames and of time that must agree end to end; measured: all of them.
AGREEMENT = 0.98
# Own low-passes instead of soxr: largest difference, relative to the largest value;
# measured: 2e-4.
MAGNITUDES = 5e-4
# A loop in Python over 500 frames takes seconds: fewer clips there.
STEP = 12 if keras.backend.backend() == "torch" else 1


@pytest.fixture(scope="module")
def model():
    return ChordRecognizer.from_pretrained("crema")


@pytest.fixture(scope="module")
def folder(reference):
    path = reference / "crema"
    if not path.is_dir():
        pytest.skip("needs reference/crema of the shared data")
    return path


@pytest.fixture(scope="module")
def features(folder):
    """By clip what is stored of each step."""
    files = sorted(folder.glob("features_*.npz"))[::STEP]
    return {path.stem.removeprefix("features_"): load(path) for path in files}


def load(path):
    with np.load(path) as data:
        return {key: data[key] for key in data.files}


def run_network(model, decibels):
    mask = np.ones((1, len(decibels)), bool)
    outputs = model.backbone.predict_on_batch([decibels[None], mask])
    return {name: np.asarray(value)[0] for name, value in outputs.items()}


def check_outputs(stored, outputs, tolerance, what):
    for name, got in outputs.items():
        wanted = stored["chord_tag" if name == "chord" else f"chord_{name}"]
        assert got.shape == wanted.shape, f"{name} of {what}"
        difference = np.abs(got - wanted).max()
        assert difference <= tolerance, f"{name} of {what}: off by {difference:.2e}"


# === Given the same features ===


def test_weights_are_the_published_ones(model, folder):
    if not (folder / "weights.npz").is_file():
        pytest.skip("the reference has no weights.npz")
    published = load(folder / "weights.npz")
    for variable in model.weights:
        layer, *middle, weight = variable.path.split("/")
        direction = middle[0].split("_")[0] + "_" if middle else ""
        wanted = published.pop(f"{layer}/{direction}{weight}")
        got = keras.ops.convert_to_numpy(variable.value)
        np.testing.assert_array_equal(got, wanted, err_msg=variable.path)
    assert not published, f"unused: {sorted(published)}"


def test_network_on_bundled_features(model, request):
    stored = load(request.path.parent / "data" / "crema" / "network.npz")
    check_outputs(stored, run_network(model, stored["hcqt"]), NETWORK, "four seconds")


def test_network_on_stored_features(model, features):
    for clip, stored in features.items():
        check_outputs(stored, run_network(model, stored["hcqt"]), NETWORK, clip)


def test_decibels_and_network_on_stored_magnitudes(model, features):
    for clip, stored in features.items():
        both = [stored["cqt_abs_h1"], stored["cqt_abs_h2"]]
        outputs = model.whole_track.predict(np.stack(both, axis=-1))
        check_outputs(stored, outputs, PROBABILITIES, clip)


def test_vocabulary_is_the_original_one(folder):
    path = folder / "vocabulary.json"
    if not path.is_file():
        pytest.skip("the reference has no vocabulary.json")
    stored = json.loads(path.read_text("utf-8"))
    assert list(get_vocabulary("crema170").labels) == stored["classes"]


# === From the audio ===


def test_front_end_on_stored_audio(model, folder, features):
    for clip, stored in features.items():
        both = [stored["cqt_abs_h1"], stored["cqt_abs_h2"]]
        wanted = np.stack(both, axis=-1)
        got = model.whole_track.track_magnitudes(folder / f"audio_{clip}.flac")
        assert got.shape == wanted.shape, clip
        difference = np.abs(got - wanted).max() / wanted.max()
        assert difference <= MAGNITUDES, f"{clip}: off by {difference:.2e}"


def rows_of(folder, name):
    path = folder / f"segments_{name}.tsv"
    found: dict = {}
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            found.setdefault(row["clip"], []).append(row)
    return found


def share_of_time(chords, rows):
    """How much of the recording has the same label in both."""
    edges = [float(row["start"]) for row in rows]
    times = np.unique(np.concatenate([chords.intervals.ravel(), edges]))
    times = times[times <= chords.duration]
    middles, lengths = (times[1:] + times[:-1]) / 2, np.diff(times)
    theirs = np.searchsorted(edges, middles, side="right") - 1
    pairs = zip(chords.sample(middles), theirs, strict=True)
    same = np.array([label == rows[i]["label"] for label, i in pairs])
    return (lengths * same).sum() / lengths.sum()


@pytest.mark.parametrize("name", ["real", "chords"])
def test_chords_of_files(model, folder, corpus, name):
    """End to end for all clips: decoder, soxr, front-end, network, Viterbi, bass."""
    if not (folder / f"frames_{name}.npz").is_file():
        pytest.skip(f"the reference has no frames_{name}.npz")
    frames, rows = load(folder / f"frames_{name}.npz"), rows_of(folder, name)
    labels = (".lab", ".tsv", ".csv", ".md")
    files = [p for p in sorted((corpus / name).iterdir()) if p.suffix not in labels]
    files = [p for p in files if f"{p.stem}__viterbi" in frames][::STEP]
    assert files, f"no clip of corpus/{name} is in frames_{name}.npz"
    shares: dict = {"classes": [], "path": [], "labels": []}
    for path, outcome in zip(files, model.iter_chordograms(files), strict=True):
        chord = outcome.outputs["chord"]
        # In the original a chord begins at the centre of its first frame.
        outcome = dataclasses.replace(outcome, shift=0.0)
        chords = outcome.decode()
        plain = outcome.decode("crema170")
        times = (np.arange(len(chord)) + 0.5) * model.frame_period
        centres = np.minimum(times, chords.duration - 1e-6)
        decoded = model.vocabulary.indices(plain.sample(centres))
        n = int(frames.get(f"{path.stem}__n_frames", len(chord)))
        assert abs(len(chord) - n) <= 1, path.name
        n = min(n, len(chord))
        wanted = frames[f"{path.stem}__argmax"][:n]
        shares["classes"].append(np.mean(chord[:n].argmax(axis=1) == wanted))
        wanted = frames[f"{path.stem}__viterbi"][:n]
        shares["path"].append(np.mean(decoded[:n] == wanted))
        shares["labels"].append(share_of_time(chords, rows[path.stem]))
    for what, values in shares.items():
        mean = np.mean(values)
        assert mean >= AGREEMENT, f"{what}: {mean:.4f}, worst {min(values):.4f}"
        assert min(values) >= AGREEMENT, f"{what}: worst {min(values):.4f}"


def test_chords_begin_when_the_music_changes(model, corpus):
    """By exact chords of rendered songs: the original is early by half a frame."""
    truths = sorted((corpus / "chords").glob("majmin_*.lab"))[:: 4 * STEP]
    if not truths:
        pytest.skip("needs the rendered songs of corpus/chords")
    early: dict = {0.0: [], 0.5: []}
    for truth in truths:
        changes = ChordSequence.from_lab(truth).intervals[1:, 0]
        chordogram = model.chordogram(truth.with_suffix(".ogg"))
        assert chordogram.shift == 0.5
        for shift, errors in early.items():
            times = dataclasses.replace(chordogram, shift=shift).decode().intervals
            away = times[1:, 0, None] - changes
            nearest = away[np.arange(len(away)), np.abs(away).argmin(axis=1)]
            errors.extend(nearest[np.abs(nearest) < 0.3])
    assert len(early[0.5]) > 10
    assert abs(np.median(early[0.5])) < 0.02
    assert np.median(early[0.0]) < -0.03
