"""Preset records, bundled weights and saved folders."""

import json
import os
import shutil
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
import safetensors.numpy
import yaml

import keras_musictag as kmt
from keras_musictag.errors import PresetError
from keras_musictag.presets import records, weights

FIELDS = {
    "name": str,
    "class_name": str,
    "task": str,
    "description": str,
    "config": dict,
    "weights": dict,
    "license": str,
    "commercial_use": bool | None,
    "training_data_terms": str | None,
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
        if record["task"] == "chords":
            assert 0 < score["majmin"] < 1
        else:  # Choi's have one of the two
            assert 0 < score.get("pr_auc", 0.1) < score["roc_auc"] < 1
    assert record["citation"].lstrip().startswith("@")


def test_what_licences_allow_is_what_they_say():
    """True only where the licence of the weights is known to allow it."""
    free = {"Apache-2.0", "BSD-2-Clause", "CC-BY-4.0", "ISC", "MIT"}
    for name in kmt.list_presets():
        record = kmt.preset_info(name)
        if record["commercial_use"]:
            assert record["license"] in free, name
        if "MTG-Jamendo" in record["trained_on"]:
            assert "CC BY-NC-SA 4.0" in record["training_data_terms"], name
    # The licence beside these weights is that of the code, and does not name them.
    moods = kmt.preset_info("jamendo_moods")
    assert moods["commercial_use"] is None
    assert "does not name them" in moods["training_data_terms"]


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
    before = [keras.ops.convert_to_numpy(v.value).copy() for v in model.weights]
    expected = json.loads((saved / "config.json").read_text())["weights"]
    with pytest.raises(PresetError, match="nothing was loaded"):
        weights.load_weights(path, model.weights, expected=expected)
    with pytest.raises(PresetError, match="not a valid safetensors"):
        weights.load_weights(path, model.weights)
    for variable, value in zip(model.weights, before, strict=True):
        found = keras.ops.convert_to_numpy(variable.value)
        np.testing.assert_array_equal(found, value)


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
        weights.load_weights(path, model.weights)


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
        ('{"class_name": "VGGTagger", "config": {"x": 1}, "weights": {}}', "labels"),
    ],
)
def test_foreign_folders_are_refused(tmp_path, text, message):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(PresetError, match=message):
        kmt.MusicTagger.from_pretrained(tmp_path)


def rewrite(folder, change):
    """Change the `config.json` of a saved model."""
    path = folder / "config.json"
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))


HOSTILE = {"module": "os", "class_name": "system", "config": {"command": "true"}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.update(format_version=9), "newer keras-musictag.*Upgrade"),
        (lambda r: r.update(format_version="x"), "newer keras-musictag"),
        (lambda r: r.update(class_name="FutureTagger"), "does not have.*FutureTagger"),
        (lambda r: r["config"].update(new=1), "does not fit VGGTagger.*new"),
        (lambda r: r["config"].update(labels={"x": 1}), "does not fit VGGTagger"),
        (lambda r: r["config"].update(filters=HOSTILE), r"names a Python.*os\.system"),
        (lambda r: r["config"].update(x=[{"y": HOSTILE}]), "names a Python object"),
        (lambda r: r["config"].update(dtype={"class_name": "x"}), "does not fit"),
        (lambda r: r["weights"].update(file="../model.safetensors"), "beside its"),
        (lambda r: r["weights"].update(file="/etc/passwd"), "beside its description"),
        (lambda r: r["weights"].update(file="other"), "does not describe its weights"),
        (lambda r: r["weights"].pop("sha256"), "does not describe its weights"),
        (lambda r: r["weights"].update(bytes="1"), "does not describe its weights"),
        (lambda r: r["id2label"].update({"1": "z"}), "`id2label`.*'1': 'z' beside 'b'"),
        (lambda r: r["label2id"].update(b=0), "`label2id`.*'b': 0 beside 1"),
        (lambda r: r.update(sampling_rate=8000), "sampling_rate.*8000 beside 16000"),
        (lambda r: r.update(problem_type="regression"), "contradicts itself"),
    ],
)
def test_descriptions_that_cannot_be_right(saved, change, message):
    rewrite(saved, change)
    with pytest.raises(PresetError, match=message):
        kmt.MusicTagger.from_pretrained(saved)


def test_a_description_is_to_blame_even_where_labels_are_given(saved):
    rewrite(saved, lambda r: r["config"].update(new=1))
    with pytest.raises(PresetError, match="does not fit VGGTagger.*no option `new`"):
        kmt.MusicTagger.from_pretrained(saved, labels=["c"])


def test_entries_for_the_hub_may_be_absent_or_replaced(saved):
    model = kmt.MusicTagger.from_pretrained(saved, labels=["c"])
    assert list(model.labels) == ["c"]
    rewrite(saved, lambda r: [r.pop(key) for key in ("id2label", "label2id")])
    assert list(kmt.MusicTagger.from_pretrained(saved).labels) == ["a", "b"]


def test_a_preset_names_a_file_beside_it():
    with pytest.raises(PresetError, match="file beside its description"):
        records.preset_weights({"weights": {"file": "../errors.py"}})


def test_keras_files_load_no_objects_of_other_packages(tmp_path):
    path, hostile = tmp_path / "good.keras", tmp_path / "hostile.keras"
    kmt.VGGTagger(["a", "b"], filters=2).save(path)
    with zipfile.ZipFile(path) as good, zipfile.ZipFile(hostile, "w") as bad:
        for name in good.namelist():
            content = good.read(name)
            if name == "config.json":
                content = json.dumps({**HOSTILE, "registered_name": "x"}).encode()
            bad.writestr(name, content)
    with pytest.raises(PresetError, match="cannot be loaded as a Keras file"):
        kmt.MusicTagger.from_pretrained(hostile)


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


def card_of(folder):
    """The head of a model card, and its text."""
    _, head, text = (folder / "README.md").read_text().split("---\n", 2)
    return yaml.safe_load(head), text


def test_cards_hold_the_scores_of_unchanged_weights(tmp_path):
    model = kmt.MusicTagger.from_pretrained("vgg_mtt")
    head, text = card_of(model.save_pretrained(tmp_path / "a", repo_id="me/vgg"))
    assert head["license"] == "isc"
    assert head["library_name"] == "keras-musictag"
    assert head["pipeline_tag"] == "audio-classification"
    assert {"music", "music-tagging"} <= set(head["tags"])
    assert head["datasets"] == ["magnatagatune"]
    assert head["metrics"] == ["roc_auc", "average_precision"]
    (index,) = head["model-index"]
    (result,) = index["results"]
    assert index["name"] == "vgg_mtt"
    dataset = {"name": "MagnaTagATune", "type": "magnatagatune", "split": "pons"}
    assert result["dataset"] == dataset
    reported = kmt.preset_info("vgg_mtt")["reported"][0]
    values = {metric["type"]: metric["value"] for metric in result["metrics"]}
    assert values["roc_auc"] == round(reported["roc_auc"], 4)
    assert values["average_precision"] == round(reported["pr_auc"], 4)
    assert 'MusicTagger.from_pretrained("me/vgg")' in text
    assert "Jordi Pons" in text and "```bibtex" in text
    # A copy of a copy keeps them; one changed weight loses them.
    again = kmt.MusicTagger.from_pretrained(tmp_path / "a")
    assert "model-index" in card_of(again.save_pretrained(tmp_path / "b"))[0]
    again.weights[-1].assign(again.weights[-1] + 1)
    head, text = card_of(again.save_pretrained(tmp_path / "c"))
    assert "model-index" not in head and "## Results" not in text
    assert "Made from the preset `vgg_mtt`; its weights were changed" in text


def test_cards_of_chord_recognisers(tmp_path):
    model = kmt.ChordRecognizer.from_pretrained("crnn_majmin_rendered")
    head, text = card_of(model.save_pretrained(tmp_path / "a"))
    assert "chord-recognition" in head["tags"] and head["license"] == "apache-2.0"
    splits = [r["dataset"]["split"] for r in head["model-index"][0]["results"]]
    measured = kmt.preset_info("crnn_majmin_rendered")["measured"]
    assert splits == [score["split"] for score in measured]
    assert "model.recognize(" in text and "Limits: Trained on rendered" in text


def test_notice_names_every_bundled_weight():
    """Licence, holder and file of what comes from others, in the wheel's NOTICE."""
    notice = (Path(__file__).resolve().parents[2] / "NOTICE").read_text("utf-8")
    flat = " ".join(notice.split())
    for name in kmt.list_presets():
        record = kmt.preset_info(name)
        if record["weights"]["source"] != "bundled":
            continue
        licence = {
            "ISC": "ISC License",
            "Apache-2.0": "Apache License, Version 2.0",
            "CC-BY-4.0": "Creative Commons Attribution 4.0 International",
        }
        assert licence.get(record["license"], "BSD 2-Clause License") in flat
        assert record["copyright"] in flat, name
        assert [author for author in record["authors"] if author not in flat] == []
        files = [word for word in flat.split() if word.startswith("keras_musictag/pre")]
        file = f"keras_musictag/presets/{record['weights']['file']}"
        assert any(fits(file, pattern.rstrip(",")) for pattern in files), file


def fits(file, pattern):
    return Path(file).match(pattern) and os.path.dirname(file) in pattern


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "x.keras"
    path.write_text("no")
    with pytest.raises(PresetError, match="cannot be loaded as a Keras file"):
        kmt.MusicTagger.from_pretrained(path)
    inputs = keras.Input((2,))
    keras.Model(inputs, keras.layers.Dense(1)(inputs)).save(path)
    with pytest.raises(PresetError, match="does not hold a MusicTagger"):
        kmt.MusicTagger.from_pretrained(path)
