"""People's own `.pth` files of the architectures of Won et al. 2020.

The checkpoints are written by PyTorch from the thin networks of the reference; their
scores are those of the authors' code.
"""

import collections
import io
from pathlib import Path

import numpy as np
import pytest

import keras_musictag as kmt
from keras_musictag.conversion import convert_checkpoint
from keras_musictag.errors import ConfigError, LabelError, PresetError

DATA = Path(__file__).parent.parent / "parity" / "data"
LABELS = [f"label {i}" for i in range(50)]
SHORT = {"filters": (4, 4, 8, 8, 8, 8, 16), "dense_units": 16}
SAMPLE = {"filters": (6, 6, 6, 8, 8, 8, 8, 8, 8, 10, 10)}
THIN = {
    "fcn": (kmt.FCNTagger, {"filters": (4, 6, 6, 6, 5)}),
    "crnn": (kmt.CRNNTagger, {"filters": (4, 6, 6, 6), "recurrent_units": 5}),
    "musicnn": (
        kmt.MusicnnTagger,
        {
            "variant": "won",
            "timbral_filters": 8,
            "temporal_filters": 3,
            "midend_filters": 8,
            "dense_units": 10,
        },
    ),
    "short": (kmt.ShortChunkCNNTagger, SHORT),
    "short_res": (kmt.ShortChunkCNNTagger, {"residual": True, **SHORT}),
    "sample": (kmt.SampleCNNTagger, SAMPLE),
    "se": (kmt.SampleCNNTagger, {"squeeze_excitation": True, **SAMPLE}),
    "attention": (
        kmt.SelfAttentionTagger,
        {"filters": (8, 8, 16, 16, 16, 16, 16), "intermediate_units": 64},
    ),
    "hcnn": (
        kmt.HarmonicCNNTagger,
        {"filters": (4, 4, 4, 4, 8, 8, 8), "dense_units": 8},
    ),
}


def state_dict(name: str) -> tuple[dict, np.lib.npyio.NpzFile]:
    """The thin network's arrays, with what its checkpoint has besides weights."""
    stored = np.load(DATA / f"sota_{name}_thin.npz")
    arrays = {key[2:]: stored[key] for key in stored if key.startswith("w/")}
    for key in [key for key in arrays if key.endswith(".running_var")]:
        arrays[key.replace("running_var", "num_batches_tracked")] = np.array(7)
    if name not in ("sample", "se"):
        place = "hstft" if name == "hcnn" else "spec"
        arrays[f"{place}.spectrogram.window"] = np.hanning(512).astype("float32")
    return arrays, stored


def save(arrays: dict, prefix: str = "", **kwargs) -> bytes:
    torch = pytest.importorskip("torch")
    tensors = collections.OrderedDict(
        (prefix + key, torch.tensor(array)) for key, array in arrays.items()
    )
    file = io.BytesIO()
    torch.save(
        {"state_dict": tensors, "epoch": 3} if prefix else tensors, file, **kwargs
    )
    return file.getvalue()


@pytest.mark.parametrize("name", THIN)
def test_every_architecture(name, tmp_path):
    arrays, stored = state_dict(name)
    path = tmp_path / "best_model.pth"
    path.write_bytes(save(arrays))
    architecture, config = THIN[name]
    model = convert_checkpoint(path, architecture, LABELS, **config)
    waves = stored["wave_i16"].astype("float32") / 32768
    scores = model.predict(waves)
    assert type(model) is architecture
    assert list(model.labels) == LABELS
    assert np.abs(scores - stored["scores"]).max() <= 1e-4

    report = model.report
    used = [key for keys in report.mapped.values() for key in keys]
    assert sorted([*used, *report.ignored]) == sorted(arrays)
    assert report.parameters == sum(arrays[key].size for key in used)
    assert set(report.mapped) == {v.path for v in model.weights}
    text = str(report)
    assert text.startswith(f"best_model.pth as {architecture.__name__}: ")
    assert all(key in text for key in arrays)


def test_other_labels_after_fine_tuning(tmp_path):
    arrays, stored = state_dict("fcn")
    arrays["dense.weight"] = arrays["dense.weight"][:3]
    arrays["dense.bias"] = arrays["dense.bias"][:3]
    data = save(arrays, "module.", _use_new_zipfile_serialization=False)
    labels = ["calm", "wild", "odd"]
    model = convert_checkpoint(
        io.BytesIO(data), kmt.FCNTagger, labels, filters=(4, 6, 6, 6, 5)
    )
    waves = stored["wave_i16"].astype("float32") / 32768
    np.testing.assert_allclose(
        model.predict(waves), stored["scores"][:, :3], rtol=0, atol=1e-4
    )
    again = kmt.MusicTagger.from_pretrained(model.save_pretrained(tmp_path / "mine"))
    assert list(again.labels) == labels
    np.testing.assert_array_equal(again.predict(waves), model.predict(waves))


@pytest.mark.parametrize("labels", [LABELS[:49], [*LABELS, "one more"]])
def test_more_or_fewer_labels_than_outputs(labels):
    arrays, _ = state_dict("fcn")
    architecture, config = THIN["fcn"]
    wanted = f"{len(labels)} labels for 50 outputs.*Give the 50 labels"
    with pytest.raises(LabelError, match=wanted):
        convert_checkpoint(save(arrays), architecture, labels, **config)


@pytest.mark.parametrize("name", THIN)
def test_the_wrong_architecture_is_told_the_right_one(name):
    arrays, _ = state_dict(name)
    architecture, config = THIN[name]
    wrong, settings = THIN["hcnn" if name != "hcnn" else "fcn"]
    with pytest.raises(PresetError, match="does not fit") as info:
        convert_checkpoint(save(arrays), wrong, LABELS, **settings)
    assert f"look like those of {architecture.__name__}" in str(info.value)
    for key in ("variant", "residual", "squeeze_excitation"):
        if key in config:
            value = repr(config[key]).replace("'", '"')
            assert f"{key}={value}" in str(info.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.pop("layer3.bn.bias"), r"1 keys that .* lacks: layer3\.bn\.bias"),
        (
            lambda a: a.update({"layer9.bias": np.zeros(2, "float32")}),
            r"1 keys that the model does not use: layer9\.bias",
        ),
        (
            lambda a: a.update({"layer2.conv.bias": np.zeros(9, "float32")}),
            r"layer2\.conv\.bias.*block_2/conv/bias.*\(9,\) for \(6,\)",
        ),
        (lambda a: a.clear() or a.update(x=np.zeros(1)), "1 keys .* not use: x"),
    ],
)
def test_arrays_that_do_not_fit_are_named(change, message):
    arrays, _ = state_dict("fcn")
    change(arrays)
    architecture, config = THIN["fcn"]
    with pytest.raises(PresetError, match=message):
        convert_checkpoint(save(arrays), architecture, LABELS, **config)


def test_other_sizes_are_refused():
    arrays, _ = state_dict("fcn")
    with pytest.raises(PresetError, match=r"does not fit.*Set the sizes of the model"):
        convert_checkpoint(save(arrays), kmt.FCNTagger, LABELS)


def test_arguments_that_cannot_work(tmp_path):
    arrays, _ = state_dict("fcn")
    data = save(arrays)
    with pytest.raises(ConfigError, match="no conversion.*'fcn'.*FCNTagger"):
        convert_checkpoint(data, "fcn", LABELS)
    with pytest.raises(ConfigError, match="no conversion.*VGGTagger"):
        convert_checkpoint(data, kmt.VGGTagger, LABELS)
    with pytest.raises(ConfigError, match="FCNTagger has no option `depth`.*filters"):
        convert_checkpoint(data, kmt.FCNTagger, LABELS, depth=3)
    with pytest.raises(PresetError, match="cannot be opened"):
        convert_checkpoint(tmp_path / "none.pth", kmt.FCNTagger, LABELS)
    with pytest.raises(PresetError, match="not a PyTorch checkpoint"):
        convert_checkpoint(b"<html>", kmt.FCNTagger, LABELS)


def test_a_class_of_ones_own_may_be_made_from_ours():
    arrays, _ = state_dict("fcn")

    class _MyTagger(kmt.FCNTagger):
        pass

    model = convert_checkpoint(
        save(arrays), _MyTagger, LABELS, filters=(4, 6, 6, 6, 5), dropout=0.1
    )
    assert model.report.architecture == "_MyTagger"
