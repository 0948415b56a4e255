"""Taggers in OpenVINO: in float32 unless told otherwise, and in integers."""

import shutil
import sys

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

import keras_musictag as kmt
from keras_musictag.cli import app
from keras_musictag.errors import ConfigError, MissingExtraError, PresetError
from keras_musictag.export import quantizing, read_metadata

for package in ("onnx", "tf2onnx", "tensorflow"):
    pytest.importorskip(package)
openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed")

ABILITIES = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@pytest.fixture(scope="module")
def toy():
    keras.utils.set_random_seed(0)
    return kmt.VGGTagger(["calm", "wild", "odd"], filters=4)


@pytest.fixture(scope="module")
def exported(toy, tmp_path_factory):
    return toy.export(tmp_path_factory.mktemp("openvino") / "toy.xml")


def test_scores_are_the_taggers(toy, exported):
    fast, demo = kmt.OpenVINOTagger(exported, threads=1), kmt.audio.demo_path()
    np.testing.assert_allclose(fast.predict(demo), toy.predict(demo), atol=1e-4)
    about = read_metadata(exported)
    assert about["format"] == "openvino" and about["precision"] == "float32"
    assert sorted(p.name for p in exported.parent.iterdir()) == ["toy.bin", "toy.xml"]
    again = kmt.export.ExportedTagger(exported, precision="float32")
    assert again.tag(demo) == fast.tag(demo)


def test_float32_is_asked_for(exported):
    """OpenVINO would take bfloat16 by itself where a processor has it."""
    network = kmt.export.open_exported(exported)
    hint = network.model.get_property("INFERENCE_PRECISION_HINT")
    assert hint == openvino.Type.f32


@pytest.mark.skipif("BF16" not in ABILITIES, reason="no bfloat16 in this processor")
def test_bfloat16_rounds(toy, exported):
    demo = kmt.audio.demo_path()
    fast = kmt.OpenVINOTagger(exported, precision="bfloat16")
    difference = np.abs(fast.predict(demo) - toy.predict(demo)).max()
    assert 1e-5 < difference < 0.05


@pytest.mark.skipif("BF16" in ABILITIES, reason="this processor has bfloat16")
def test_bfloat16_is_refused_without_it(exported):
    with pytest.raises(ConfigError, match="does not compute in bfloat16"):
        kmt.OpenVINOTagger(exported, precision="bfloat16")


def test_what_cannot_be_opened(exported, tmp_path):
    for precision, message in (
        ("int8", "was not exported for int8"),
        ("float64", "Unknown `precision`"),
    ):
        with pytest.raises(ConfigError, match=message):
            kmt.OpenVINOTagger(exported, precision=precision)
    lonely = tmp_path / "lonely.xml"
    shutil.copy(exported, lonely)
    with pytest.raises(PresetError, match="weights beside this network"):
        kmt.OpenVINOTagger(lonely)
    weights = bytearray(exported.with_suffix(".bin").read_bytes())
    weights[100] ^= 1
    lonely.with_suffix(".bin").write_bytes(weights)
    with pytest.raises(PresetError, match="weights beside this network"):
        kmt.OpenVINOTagger(lonely)
    lonely.write_text("no XML")
    with pytest.raises(PresetError):
        kmt.OpenVINOTagger(lonely)
    with pytest.raises(PresetError, match="is no network for OnnxTagger"):
        kmt.OnnxTagger(exported)


def test_wishes_that_cannot_be_met(toy, tmp_path, monkeypatch):
    (tmp_path / "mine.bin").write_bytes(b"years of work")
    for arguments, options, message in (
        (("x.onnx",), {"precision": "int8"}, "Only OpenVINO computes"),
        (("x.xml",), {"precision": "float64"}, "Unknown `precision`"),
        (("x.xml",), {"calibration": ["a.wav"]}, "Only integers are calibrated"),
        (("mine.xml",), {}, "something else in the place"),
    ):
        with pytest.raises(ConfigError, match=message):
            toy.export(tmp_path / arguments[0], **options)
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtraError, match=r"keras-musictag\[openvino\]"):
        toy.export(tmp_path / "x.xml")
    assert [p.name for p in tmp_path.iterdir()] == ["mine.bin"]


# === Integers ===


@pytest.fixture(scope="module")
def small():
    """Two convolutions with loud and faint channels, and a matrix, in OpenVINO."""
    from openvino import opset13 as ops

    rng = np.random.default_rng(0)
    loud = 10.0 ** rng.uniform(-1, 1, (16, 1, 1, 1))
    first = (loud * rng.normal(0, 0.3, (16, 1, 3, 3))).astype("float32")
    second = rng.normal(0, 0.1, (8, 16, 3, 3)) / loud.reshape(1, 16, 1, 1)
    matrix = rng.normal(0, 1, (8, 5)).astype("float32")

    def build():
        waves = ops.parameter([-1, 32 * 32], np.float32, "waveform")
        image = ops.reshape(waves, np.array([-1, 1, 32, 32]), False)
        one, pads = [1, 1], [1, 1]
        hidden = ops.convolution(image, first, one, pads, pads, one, name="one")
        hidden = ops.relu(hidden)
        weights = second.astype("float32")
        hidden = ops.convolution(hidden, weights, one, pads, pads, one, name="two")
        pooled = ops.reduce_mean(ops.relu(hidden), np.array([2, 3]), False)
        scores = ops.sigmoid(ops.matmul(pooled, matrix, False, False))
        return openvino.Model([scores], [waves])

    smooth = np.cumsum(rng.normal(0, 0.1, (64, 32 * 32)), 1).astype("float32")
    return build(), smooth


@pytest.fixture(scope="module")
def rounded(small):
    network, waves = small
    return quantizing.quantize(network, waves[::2], waves[1::2], np.arange(32))


def test_integers_where_the_work_is(small, rounded):
    (network, waves), (model, report) = small, rounded
    kinds = [node.get_type_name() for node in model.get_ordered_ops()]
    assert kinds.count("FakeQuantize") == len(report["layers"]) == 2
    types = {n.get_element_type() for n in model.get_ordered_ops()}
    assert openvino.Type.i8 in types
    rest = "bf16" if "BF16" in ABILITIES else "f32"
    scores = [
        openvino.Core().compile_model(m, "CPU", {"INFERENCE_PRECISION_HINT": hint})(
            waves[1::2]
        )[0]
        for m, hint in ((network, "f32"), (model, rest))
    ]
    difference = np.abs(scores[0] - scores[1]).mean()
    assert report["mean_difference"] == pytest.approx(difference, rel=1e-3)
    assert 0 < difference <= 0.003
    assert report["labels_kept"] >= 0.99 - 1 / 32


@pytest.mark.parametrize("transposed", [False, True])
def test_matrices_become_integers(transposed):
    from openvino import opset13 as ops

    rng = np.random.default_rng(0)
    wide, last = rng.normal(0, 0.1, (64, 64)), rng.normal(0, 0.1, (64, 2))
    wide, last = wide.astype("float32"), last.astype("float32")
    inputs = rng.normal(0, 1, (512, 64)).astype("float32")
    waves = ops.parameter([-1, 64], np.float32, "waveform")
    hidden = ops.relu(
        ops.matmul(waves, wide.T if transposed else wide, False, transposed)
    )
    scores = ops.sigmoid(ops.matmul(hidden, last, False, False))
    network = openvino.Model([scores], [waves])
    model, report = quantizing.quantize(
        network, inputs[::2], inputs[1::2], np.arange(256)
    )
    assert len(report["layers"]) == 1
    expected = 1 / (1 + np.exp(-np.maximum(inputs @ wide, 0) @ last))
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    found = openvino.Core().compile_model(model, "CPU", options)(inputs)[0]
    assert 0 < np.abs(found - expected).max() < 0.02


def test_layers_that_do_harm_go_back_to_float(small, rounded, monkeypatch):
    network, waves = small
    strict = 0.9 * rounded.report["mean_difference"]
    monkeypatch.setattr(quantizing, "MEAN_DIFFERENCE", strict)
    fewer = quantizing.quantize(network, waves[::2], waves[1::2], np.arange(32))
    assert len(fewer.report["layers"]) == 1
    assert fewer.report["mean_difference"] <= strict
    monkeypatch.setattr(quantizing, "LEAST_SHARE", 1.0)
    with pytest.raises(ConfigError, match="No layer of this network"):
        quantizing.quantize(network, waves[::2], waves[1::2], np.arange(32))


def test_rounding_that_makes_errors_good():
    rng = np.random.default_rng(0)
    inputs = np.cumsum(rng.normal(0, 1, (2000, 100)), 1)  # neighbours are alike
    weights = rng.normal(0, 1, (20, 100))
    integers, scales = quantizing._rounded_weights(weights, inputs.T @ inputs)
    assert integers.dtype == "int8"
    plain = np.round(weights / scales[:, None]) * scales[:, None]
    errors = [
        np.abs(inputs @ (rounded - weights).T).mean()
        for rounded in (integers * scales[:, None], plain)
    ]
    assert errors[0] < 0.3 * errors[1]


@pytest.mark.parametrize("ends", [(0.0, 3.0), (-0.35, 1.14), (-2.0, 0.0), (-1.0, 1.0)])
def test_zero_is_a_level(ends):
    low, high = quantizing._with_zero(*ends)
    levels = np.linspace(low, high, 256)
    assert np.abs(levels).min() < 1e-9
    assert low <= ends[0] and high >= ends[1]
    assert high - low < 1.05 * (ends[1] - ends[0])


@pytest.mark.slow
def test_the_command_calibrates_with_files(corpus, tmp_path):
    out, real = tmp_path / "fast", corpus / "real"
    files = [real / "14_mtt_clip.mp3", real / "09_tracker_pop.wav"]
    options = ["--format", "openvino", "--precision", "int8"]
    options += [part for file in files for part in ("--calibration", str(file))]
    done = CliRunner().invoke(app, ["export", "musicnn_mtt", str(out), *options])
    assert done.exit_code == 0, done.output
    assert "calibrated with files" in done.stdout
    about = read_metadata(out)
    assert about["precision"] == "int8" and len(about["integers"]["layers"]) >= 2
    tagged = CliRunner().invoke(
        app, ["tag", "--demo", "--preset", str(out), "--format", "csv"]
    )
    assert tagged.exit_code == 0, tagged.output
    expected = kmt.MusicTagger.from_pretrained("musicnn_mtt").tag(kmt.audio.demo_path())
    assert tagged.stdout.splitlines()[1].split(",")[1] == expected[0][0]
    with pytest.raises(ConfigError, match="was not exported for float32"):
        kmt.OpenVINOTagger(out, precision="float32")
