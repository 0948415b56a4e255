"""Exported Musicnn: the same scores in each format's own runtime, and bad input."""

import json
import os
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

import keras_musictag as kmt
from keras_musictag.cli import app
from keras_musictag.errors import (
    AudioWarning,
    ConfigError,
    MissingExtraError,
    PresetError,
)
from keras_musictag.tracks import sources
from keras_musictag.tracks.inference import End

for package in ("onnx", "tf2onnx", "onnxruntime", "ai_edge_litert", "tensorflow"):
    pytest.importorskip(package)

SUFFIXES = {".wav", ".flac", ".ogg", ".mp3"}
HEAVY = ("keras", "tensorflow", "jax", "torch", "onnx", "librosa", "sklearn")


@pytest.fixture(scope="module")
def tagger():
    return kmt.MusicTagger.from_pretrained("musicnn_msd")


@pytest.fixture(scope="module")
def exported(tagger, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    return {
        "tf_saved_model": tagger.export(folder / "saved"),
        "onnx": tagger.export(folder / "musicnn.onnx"),
        "litert": tagger.export(folder / "deeper" / "lite", "litert"),
    }


@pytest.fixture(scope="module")
def toy():
    """A small network that exports in a second or two."""
    keras.utils.set_random_seed(0)
    return kmt.VGGTagger(["calm", "wild"], filters=4)


@pytest.fixture(scope="module")
def clips(corpus):
    # Few and of several kinds; every clip of the corpus was compared once by hand.
    files = sorted(p for p in (corpus / "real").iterdir() if p.suffix in SUFFIXES)
    return files[::5]


def run_onnx(path, batch):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path))
    assert [v.name for v in session.get_inputs()] == ["waveform"]
    assert session.get_outputs()[0].shape == ["batch", 50]
    return session.run(["scores"], {"waveform": batch})[0]


def run_litert(path, batch):
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(str(path / "model.tflite")).get_signature_runner()
    return runner(waveform=batch)["scores"]


def run_saved_model(path, batch):
    import tensorflow as tf

    serve = tf.saved_model.load(str(path)).signatures["serving_default"]
    return serve(waveform=tf.constant(batch))["scores"].numpy()


RUN = {"onnx": run_onnx, "litert": run_litert, "tf_saved_model": run_saved_model}


@pytest.mark.parametrize("format", RUN)
def test_the_runtime_gives_the_taggers_scores(tagger, exported, clips, format):
    chunks = [
        next(iter(tagger.chunking.chunks([kmt.audio.load(clip, 16000)[0]])))[1]
        for clip in clips
    ]
    batch = np.stack(chunks)
    expected = keras.ops.convert_to_numpy(tagger(batch, training=False))
    for size in (1, len(batch)):
        scores = RUN[format](exported[format], batch[:size])
        np.testing.assert_allclose(scores, expected[:size], atol=1e-4)


@pytest.mark.parametrize(
    ("format", "reader"), [("onnx", "OnnxTagger"), ("litert", "LiteRTTagger")]
)
def test_tracks_get_the_same_tags(tagger, exported, clips, format, reader):
    light = getattr(kmt, reader)(exported[format])
    for clip in clips:
        found, expected = light.tag(clip), tagger.tag(clip)
        assert [label for label, _ in found] == [label for label, _ in expected]
        scores = [score for _, score in found]
        np.testing.assert_allclose(scores, [s for _, s in expected], atol=1e-4)


def test_the_methods_mean_the_same(tagger, exported, tmp_path):
    light = kmt.OnnxTagger(exported["onnx"])
    x = np.random.default_rng(0).uniform(-0.3, 0.3, (2, 5 * 22050)).astype("float32")
    options = {"sample_rate": 22050, "aggregate": "max", "tail": "overlap"}
    expected = tagger.predict(x, **options)
    np.testing.assert_allclose(light.predict(x, **options), expected, atol=1e-4)
    for found, same in zip(
        light.predict(list(x), sample_rate=22050, aggregate=None),
        tagger.predict(list(x), sample_rate=22050, aggregate=None),
        strict=True,
    ):
        np.testing.assert_allclose(found, same, atol=1e-4)
    demo = kmt.audio.demo_path()
    found, expected = light.taggram(demo), tagger.taggram(demo)
    np.testing.assert_array_equal(found.times, expected.times)
    assert light.tag(demo, groups="mood", top_k=2) == found.top(2, groups="mood")
    with pytest.warns(AudioWarning, match="nowhere"):
        scores = light.predict([demo, str(tmp_path / "nowhere.wav")])
    assert np.isnan(scores[1]).all() and not np.isnan(scores[0]).any()


def test_chunks_that_a_program_cuts_itself(tagger, exported):
    light = kmt.OnnxTagger(exported["onnx"])
    batcher, demo = light.mean_batcher(batch_size=3), kmt.audio.demo_path()
    rate = light.sample_rate
    for chunk in sources.cut(demo, rate, rate, light.chunking):
        batcher.add(0, chunk)
    batcher.close(End(0, demo, None, None))
    batcher.flush()
    (means,) = batcher.finished()
    scores = means.outputs["scores"]
    np.testing.assert_allclose(scores, tagger.predict(demo)[0], atol=1e-4)
    with pytest.raises(ConfigError, match="scores alone"):
        light.mean_batcher(("scores", "penultimate"))


def test_the_network_says_what_it_is(tagger, exported):
    import onnx

    def from_onnx(path):
        return {p.key: json.loads(p.value) for p in onnx.load(path).metadata_props}

    lite, saved = exported["litert"], exported["tf_saved_model"]
    with zipfile.ZipFile(lite / "model.tflite") as archive:
        inside = json.loads(archive.read("metadata.json"))
    assert inside == json.loads((lite / "metadata.json").read_text("utf-8"))
    single = from_onnx(exported["onnx"])
    for format, found in (
        ("onnx", single),
        ("litert", inside),
        ("tf_saved_model", json.loads((saved / "metadata.json").read_text("utf-8"))),
    ):
        assert found["labels"]["names"] == list(tagger.labels)
        assert found["labels"]["groups"] == list(tagger.labels.groups)
        assert (found["task"], found["sampling_rate"]) == ("tags", 16000)
        assert found["chunking"] == tagger.chunking.to_config()
        assert found["input"] == {"name": "waveform", "shape": ["batch", 48128]}
        assert found["output"] == {"name": "scores", "shape": ["batch", 50]}
        assert found["origin"]["preset"] == "musicnn_msd"
        assert found["library_version"] == kmt.__version__
        assert found["format"] == format
        assert kmt.export.read_metadata(exported[format]) == found
    assert sorted(p.name for p in lite.iterdir()) == ["metadata.json", "model.tflite"]


@pytest.mark.slow
def test_half_precision_is_half_the_size(tagger, exported, clips, tmp_path):
    path = tagger.export(tmp_path / "half.onnx", float16=True)
    assert path.stat().st_size < 0.55 * exported["onnx"].stat().st_size
    half, full = kmt.OnnxTagger(path), kmt.OnnxTagger(exported["onnx"])
    assert half.metadata["float16"] and not full.metadata["float16"]
    scores, expected = half.predict(clips), full.predict(clips)
    assert 0 < np.abs(scores - expected).max() < 5e-3


def test_what_the_command_loads(exported, tmp_path):
    """No Keras, no backend: that is what makes it start in a second."""
    code = (
        "import sys, time; from keras_musictag.cli import app\n"
        "app(sys.argv[1:], standalone_mode=False)\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    options = ("--engine", "onnx", "--preset", str(exported["onnx"]), "--format", "csv")
    process = subprocess.run(
        [sys.executable, "-c", code, "tag", "--demo", *options],
        capture_output=True,
        text=True,
        check=True,
        env={k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"},
    )
    assert process.stderr == "[]\n"
    rows = process.stdout.splitlines()
    assert rows[0] == "path,label,score"
    assert rows[1].split(",")[1] == "jazz"
    assert len(rows) == 11


@pytest.mark.slow
def test_the_command_exports_and_tags(toy, tmp_path):
    source = toy.save_pretrained(tmp_path / "toy")
    out = tmp_path / "toy.tflite"
    done = CliRunner().invoke(app, ["export", str(source), str(out), "--float16"])
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(f"{out}: 0.")
    tagged = CliRunner().invoke(
        app, ["tag", "--demo", "--preset", str(out), "--format", "json"]
    )
    (track,) = json.loads(tagged.stdout)
    expected = toy.tag(kmt.audio.demo_path())
    assert [tag["label"] for tag in track["tags"]] == [label for label, _ in expected]


@pytest.mark.slow
def test_an_export_that_differs_is_not_kept(toy, tmp_path):
    target = tmp_path / "toy.onnx"
    target.write_bytes(b"what was there")
    with pytest.raises(ConfigError, match="does not score like the model"):
        toy.export(target, tolerance=0.0)
    assert target.read_bytes() == b"what was there"
    assert [p.name for p in tmp_path.iterdir()] == ["toy.onnx"]


@pytest.mark.slow
def test_an_earlier_export_is_replaced(toy, tmp_path):
    target = tmp_path / "toy"
    target.mkdir()
    toy.export(target, "onnx")
    toy.export(target, "tf_saved_model")
    assert not (target / "model.onnx").exists()
    assert kmt.export.read_metadata(target)["format"] == "tf_saved_model"
    assert [p.name for p in tmp_path.iterdir()] == ["toy"]


def test_wishes_that_cannot_be_met(toy, tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    (tmp_path / "file").write_text("text")
    for arguments, options, message in (
        (("out", "coreml"), {}, "Unknown `format`"),
        (("out.onnx", "litert"), {}, "suffix of the file does not fit"),
        (("out",), {"float16": True}, "A SavedModel keeps its weights"),
        (("mine", "onnx"), {}, "something else in the place"),
        (("file", "onnx"), {}, "something else in the place"),
        (("file/out", "onnx"), {}, "cannot be written"),
    ):
        with pytest.raises(ConfigError, match=message):
            toy.export(tmp_path / arguments[0], *arguments[1:], **options)
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(MissingExtraError, match=r"keras-musictag\[export\]"):
        toy.export(tmp_path / "out.onnx")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "mine"]


def test_files_that_are_no_exported_tagger(exported, tmp_path):
    import onnx

    with pytest.raises(PresetError, match="There is no exported network"):
        kmt.OnnxTagger(tmp_path / "missing.onnx")
    with pytest.raises(PresetError, match="is no network for OnnxTagger"):
        kmt.OnnxTagger(exported["litert"])
    for name, reader in (("x.onnx", kmt.OnnxTagger), ("x.tflite", kmt.LiteRTTagger)):
        (tmp_path / name).write_bytes(b"not a network at all" * 9)
        with pytest.raises(PresetError, match="cannot be opened"):
            reader(tmp_path / name)
    network = onnx.load(exported["onnx"])
    for key, value, message in (
        ("format_version", "99", "newer version"),
        ("format_version", "{", "no JSON"),
        ("chunking", '{"chunk_samples": 0}', "cannot be used"),
        ("labels", '["rock", "rock"]', "cannot be used"),
        ("library_name", '"other"', "does not say that it was exported"),
    ):
        changed = {p.key: p.value for p in network.metadata_props} | {key: value}
        copy = onnx.ModelProto()
        copy.CopyFrom(network)
        onnx.helper.set_model_props(copy, changed)
        onnx.save(copy, tmp_path / "changed.onnx")
        with pytest.raises(PresetError, match=message):
            kmt.OnnxTagger(tmp_path / "changed.onnx")


def test_the_command_says_what_is_missing(exported, tmp_path):
    for arguments, message in (
        (["tag", "--demo", "--engine", "onnx"], "--engine onnx needs an exported"),
        (
            ["tag", "--demo", "--preset", str(exported["tf_saved_model"])],
            "no use for a network of this format",
        ),
        (["export", "musicnn", str(tmp_path / "x.onnx")], "trained by two groups"),
    ):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 2
        assert message in result.output
