"""The drop-in `analyze` against what the original package returned."""

import csv
import inspect
import sys

import numpy as np
import pytest
import soundfile

import keras_musictag as kmt
from keras_musictag.compat.crema import analyze, observe
from keras_musictag.errors import AudioError, ConfigError, MissingExtraError

RATE, HOP = 44100, 4096
# Mean probability of a chord; see tests/parity/test_crema.py for the features.
CONFIDENCE = 2e-3


def segments(folder, name):
    """By clip the rows of `segments_<name>.tsv`."""
    path = folder / f"segments_{name}.tsv"
    if not path.is_file():
        pytest.skip(f"the reference has no {path.name}")
    found: dict = {}
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            found.setdefault(row["clip"], []).append(row)
    return found


@pytest.fixture(scope="module")
def folder(reference):
    path = reference / "crema"
    if not path.is_dir():
        pytest.skip("needs reference/crema of the shared data")
    return path


def test_observations_of_the_stored_audio(folder):
    """Times to the microsecond, labels, and confidences of the original's windows."""
    files = sorted(folder.glob("audio_*.flac"))
    assert files, "no audio_*.flac in reference/crema"
    for path in files:
        stored = np.load(path.with_name(f"features_{path.stem[6:]}.npz"))
        found = observe(filename=path)
        assert [o.value for o in found] == list(stored["seg_label"]), path.stem
        starts = np.array([o.time for o in found])
        ends = starts + np.array([o.duration for o in found])
        np.testing.assert_allclose(starts, stored["seg_start"], atol=1e-9)
        np.testing.assert_allclose(ends, stored["seg_end"], atol=1e-9)
        confidences = [o.confidence for o in found]
        np.testing.assert_allclose(confidences, stored["seg_conf"], atol=CONFIDENCE)


def test_observations_of_real_files(folder, corpus):
    wanted = segments(folder, "real")
    files = [p for p in sorted((corpus / "real").iterdir()) if p.stem in wanted]
    assert files, "no clip of corpus/real is in segments_real.tsv"
    for path in files[::5]:  # all of them are in tests/parity/test_crema.py
        rows, found = wanted[path.stem], observe(filename=path)
        assert [o.value for o in found] == [row["label"] for row in rows], path.stem
        for key, got in (
            ("start", [o.time for o in found]),
            ("end", [o.time + o.duration for o in found]),
        ):
            np.testing.assert_allclose(got, [float(r[key]) for r in rows], atol=1e-6)
        confidences = [o.confidence for o in found]
        stated = [float(row["confidence"]) for row in rows]
        np.testing.assert_allclose(confidences, stated, atol=CONFIDENCE)


def test_silence_is_a_seventh_as_in_the_original():
    (only,) = observe(y=np.zeros(10 * RATE, "float32"), sr=RATE)
    assert only.value == "D#:7"
    assert only.confidence == pytest.approx(0.372, abs=5e-4)
    # One frame more than there are, as the last chord of every recording.
    assert only.duration == pytest.approx((10 * RATE // HOP + 1) * HOP / RATE)


@pytest.mark.parametrize(("frames", "lost"), [(14, 0), (15, 1), (16, 0), (23, 1)])
def test_rounding_loses_a_frame_of_some_lengths(frames, lost):
    """The lengths that the reference names."""
    found = observe(y=np.zeros(frames * HOP, "float32"), sr=RATE)
    end = found[-1].time + found[-1].duration
    assert round(end * RATE / HOP) == frames - lost + 1


def test_arrays_and_files_are_the_same(tmp_path):
    rng = np.random.default_rng(0)
    y = rng.normal(0, 0.1, (2, 2 * 22050)).astype("float32")
    path = tmp_path / "two.wav"
    soundfile.write(path, y.T, 22050, subtype="FLOAT")
    from_array, from_file = observe(y=y, sr=22050), observe(filename=str(path))
    assert [o.value for o in from_array] == [o.value for o in from_file]
    np.testing.assert_allclose(
        [o.confidence for o in from_array], [o.confidence for o in from_file], atol=1e-5
    )


def test_signature_is_the_original_one():
    ours = inspect.signature(analyze).replace(return_annotation=inspect.Signature.empty)
    assert str(ours) == "(filename=None, y=None, sr=None)"


def test_bad_calls_are_refused():
    with pytest.raises(ConfigError, match="Pass filename="):
        observe()
    with pytest.raises(ConfigError, match="both y= and sr="):
        observe(y=np.zeros(RATE))
    with pytest.raises(AudioError, match="shorter than one frame"):
        observe(y=np.zeros(HOP - 1, "float32"), sr=RATE)


def test_analyze_says_what_it_needs(monkeypatch):
    monkeypatch.setitem(sys.modules, "jams", None)
    with pytest.raises(MissingExtraError, match=r"`jams`.*keras-musictag\["):
        analyze(filename=str(kmt.audio.demo_path()))


def test_analyze_gives_jams():
    pytest.importorskip("jams", reason="needs jams")
    path = str(kmt.audio.demo_path())
    jam = analyze(filename=path)
    assert jam.validate()
    assert jam.file_metadata.duration == pytest.approx(kmt.audio.duration(path))
    (annotation,) = jam.annotations["chord"]
    assert annotation.annotation_metadata.annotation_tools == "CREMA 0.2.0"
    assert annotation.annotation_metadata.version == "a4c7d57.0"
    assert annotation.annotation_metadata.data_source == "program"
    got = [(o.time, o.duration, o.value, o.confidence) for o in annotation.data]
    assert got == [tuple(o) for o in observe(filename=path)]
