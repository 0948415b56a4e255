"""Preset records, bundled weights and saved folders."""

import json
import shutil

import keras
import numpy as np
import pytest
import safetensors.numpy

import keras_musictag as kmt
from keras_musictag import presets
from keras_musictag.errors import PresetError

FIELDS = {
    "name": str,
    "class": str,
    "description": str,
    "config": dict,
    "weights": dict,
    "license": str,
    "authors": list,
    "citation": str,
    "trained_on": str,
    "reported": list,
    "deviations": list,
}


@pytest.mark.parametrize("name", kmt.list_presets())
def test_every_record_is_complete(name):
    record = kmt.preset_info(name)
    assert record["name"] == name
    for field, kind in FIELDS.items():
        assert isinstance(record[field], kind), field
    for score in record["reported"]:
        assert {"dataset", "split"} <= set(score)
        if "vocabulary" in record["config"]:
            assert 0 < score["majmin"] < 1
        else:
            assert 0 < score["pr_auc"] < score["roc_auc"] < 1
    assert record["citation"].lstrip().startswith("@")


def test_listing_takes_wildcards():
    assert kmt.list_presets("vgg_m[st]*") == ["vgg_msd", "vgg_mtt"]
    assert kmt.list_presets("nothing*") == []
    assert "musicnn_mtt" in kmt.list_presets()


def test_tags_are_those_of_the_original(reference):
    tags = json.loads((reference / "musicnn" / "tags.json").read_text())
    for name, original in [("mtt", "MTT"), ("msd", "MSD")]:
        for kind in ("musicnn", "vgg"):
            config = kmt.preset_info(f"{kind}_{name}")["config"]
            assert config["labels"]["names"] == tags[original]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("musicnn_mttt", "musicnn_mtt"),
        ("MUSICNN_MSD", "musicnn_msd"),
        ("zzz", "Choose from .*vgg_mtt"),
        ("no/such/folder", "no such folder"),
    ],
)
def test_unknown_names_get_the_nearest(name, message):
    with pytest.raises(PresetError, match=message):
        kmt.MusicTagger.from_pretrained(name)


def test_the_class_must_fit():
    with pytest.raises(PresetError, match="vgg_mtt is a VGGTagger"):
        kmt.MusicnnTagger.from_pretrained("vgg_mtt")


@pytest.fixture
def saved(tmp_path):
    model = kmt.VGGTagger(["a", "b"], filters=2)
    return model.save_pretrained(tmp_path / "saved")


def test_one_changed_byte_is_noticed(saved):
    path = saved / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(PresetError, match="damaged.*expected.*sha256.*Received"):
        kmt.MusicTagger.from_pretrained(saved)


def test_damaged_weights_load_nothing(saved):
    path = saved / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    model = kmt.VGGTagger(["a", "b"], filters=2)
    before = [np.array(v.value) for v in model.weights]
    expected = json.loads((saved / "config.json").read_text())["weights"]
    with pytest.raises(PresetError, match="nothing was loaded"):
        presets.load_weights(path, model.weights, expected=expected)
    with pytest.raises(PresetError, match="not a valid safetensors"):
        presets.load_weights(path, model.weights)
    for variable, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(np.array(variable.value), value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.pop("conv_1/kernel"), "missing .*conv_1/kernel"),
        (lambda a: a.update(extra=np.zeros(2, "float32")), "unexpected .*extra"),
        (
            lambda a: a.update({"conv_1/bias": np.zeros(3, "float32")}),
            r"conv_1/bias.*\(3,\), expected \(2,\)",
        ),
    ],
)
def test_names_and_shapes_are_exact(saved, change, message):
    path = saved / "model.safetensors"
    arrays = safetensors.numpy.load_file(path)
    change(arrays)
    safetensors.numpy.save_file(arrays, path)
    model = kmt.VGGTagger(["a", "b"], filters=2)
    with pytest.raises(PresetError, match=message):
        presets.load_weights(path, model.weights)


def test_missing_weights(saved):
    (saved / "model.safetensors").unlink()
    with pytest.raises(PresetError, match="cannot be read"):
        kmt.MusicTagger.from_pretrained(saved)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "does not hold a saved model"),
        ("[1, 2]", "not the description of a saved model"),
        ('{"class_name": "os.system", "config": {}, "weights": {}}', "os.system"),
        ('{"class_name": "VGGTagger", "config": {"x": 1}, "weights": {}}', "x"),
    ],
)
def test_foreign_folders_are_refused(tmp_path, text, message):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(PresetError, match=message):
        kmt.MusicTagger.from_pretrained(tmp_path)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(PresetError, match=r"config\.json cannot be read"):
        kmt.MusicTagger.from_pretrained(tmp_path)


def test_saved_folders_keep_where_the_weights_came_from(tmp_path):
    model = kmt.VGGTagger.from_pretrained("vgg_mtt", labels=["a", "b"])
    folder = model.save_pretrained(tmp_path / "a")
    config = json.loads((folder / "config.json").read_text())
    assert config["origin"]["preset"] == "vgg_mtt"
    assert config["id2label"] == {"0": "a", "1": "b"}
    assert config["label2id"] == {"a": 0, "b": 1}
    assert config["sampling_rate"] == 16000
    assert config["problem_type"] == "multi_label_classification"
    card = (folder / "README.md").read_text()
    for part in ("library_name: keras-musictag", "license: isc", "@inproceedings"):
        assert part in card
    moved = shutil.copytree(folder, tmp_path / "b")
    again = kmt.MusicTagger.from_pretrained(moved).save_pretrained(tmp_path / "c")
    assert json.loads((again / "config.json").read_text()) == config


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "x.keras"
    path.write_text("no")
    with pytest.raises(PresetError, match="cannot be loaded as a Keras file"):
        kmt.MusicTagger.from_pretrained(path)
    inputs = keras.Input((2,))
    keras.Model(inputs, keras.layers.Dense(1)(inputs)).save(path)
    with pytest.raises(PresetError, match="does not hold a MusicTagger"):
        kmt.MusicTagger.from_pretrained(path)
