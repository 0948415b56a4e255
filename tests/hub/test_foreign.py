"""Models that the transformers library has saved, by name and from folders."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import safetensors.numpy

import keras_musictag as kmt
from keras_musictag.errors import LabelError, PresetError

sys.path.insert(0, str(Path(__file__).parent))  # the server beside this file
from hub_server import HubServer, Repository

SAVED = Path(__file__).parent.parent / "parity" / "data" / "transformers"
COMMIT = "c" * 40
CARD = b"---\nlicense: cc-by-nc-sa-4.0\ntags: [audio]\n---\n# MAEST\n"
# Loads by name: from the server, from the cache, with new labels, and what cannot be.
PROGRAM = """
import json, sys, warnings
import keras
import numpy as np
import keras_musictag as kmt
said = {}
track = np.load(sys.argv[1])["waveform_int16"].astype("float32") / 32768
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    model = kmt.MusicTagger.from_pretrained("someone/maest")
    texts = [str(w.message) for w in caught]
    said["warnings"] = [text for text in texts if "commercial" in text]
said["class"], said["origin"] = type(model).__name__, model.origin
_, chunk = next(model.chunking.chunks([track[:9000]]))
said["scores"] = keras.ops.convert_to_numpy(model(chunk[None])).tolist()
encoder = kmt.MERTEncoder.from_pretrained("hf://someone/pickled", labels=["a", "b"])
said["labels"] = list(encoder.labels)
again = kmt.MusicTagger.from_pretrained("someone/maest", local_files_only=True)
said["again"] = again.get_config() == model.get_config()
for name in ("someone/unknown", "someone/nothing"):
    try:
        kmt.MusicTagger.from_pretrained(name)
    except kmt.PresetError as error:
        said[name] = str(error)
print(json.dumps(said))
"""


def files_of(name):
    names = ("model.safetensors", "config.json", "preprocessor_config.json")
    paths = [
        *(SAVED / name / file for file in names),
        SAVED / name / "pytorch_model.bin",
    ]
    return {path.name: path.read_bytes() for path in paths if path.exists()}


def test_repositories_load_by_name_and_their_terms_are_told(tmp_path):
    code = {"auto_map": {"AutoModel": "modeling.Model"}, "model_type": "strange"}
    served = {
        "someone/maest": {**files_of("maest"), "README.md": CARD},
        "someone/pickled": files_of("batch_norm"),
        "someone/unknown": {"config.json": json.dumps(code).encode()},
        "someone/nothing": {"config.json": files_of("ast")["config.json"]},
    }
    repositories = {
        name: Repository({COMMIT: files}, {"main": COMMIT})
        for name, files in served.items()
    }
    with HubServer(repositories) as server:
        env = {"HF_HOME": str(tmp_path), "HF_ENDPOINT": server.url}
        env |= {"HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
        result = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(SAVED / "maest" / "outputs.npz")],
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            timeout=240,
        )
        asked = [path for _, path, _ in server.requests]
    assert result.returncode == 0, result.stderr[-3000:]
    said = json.loads(result.stdout.strip().splitlines()[-1])
    assert (
        said["class"] == "ASTTagger" and said["again"] and said["labels"] == ["a", "b"]
    )
    assert said["origin"] == {
        "repository": "someone/maest",
        "revision": COMMIT,
        "license": "cc-by-nc-sa-4.0",
    }
    (warning,) = said["warnings"]
    assert "someone/maest forbid commercial use" in warning
    model = kmt.MusicTagger.from_pretrained(SAVED / "maest")
    track = np.load(SAVED / "maest" / "outputs.npz")["waveform_int16"][:9000] / 32768
    _, chunk = next(model.chunking.chunks([track.astype("float32")]))
    expected = keras.ops.convert_to_numpy(model(chunk[None]))
    np.testing.assert_allclose(said["scores"], expected, atol=1e-5)
    assert "model_type='strange', with code of its own" in said["someone/unknown"]
    assert "is never run" in said["someone/unknown"]
    assert "no weights that can be read" in said["someone/nothing"]
    assert not [path for path in asked if path.endswith(".py")]


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(SAVED / "ast", tmp_path / "ast")


def change(folder, file, **entries):
    path = folder / file
    described = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**described, **entries}), "utf-8")


def arrays_of(folder):
    return safetensors.numpy.load_file(folder / "model.safetensors")


def values(model):
    return {v.path: keras.ops.convert_to_numpy(v.value) for v in model.weights}


def test_weights_in_parts_are_those_of_one_file(folder):
    whole = kmt.MusicTagger.from_pretrained(folder)
    arrays = arrays_of(folder)
    keys = sorted(arrays)
    parts = {"a.safetensors": keys[::2], "b.safetensors": keys[1::2]}
    for file, part in parts.items():
        safetensors.numpy.save_file({k: arrays[k] for k in part}, folder / file)
    named = {key: file for file, part in parts.items() for key in part}
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": named}))
    (folder / "model.safetensors").unlink()
    again = values(kmt.MusicTagger.from_pretrained(folder))
    for path, value in values(whole).items():
        np.testing.assert_array_equal(again[path], value)
    index.write_text(json.dumps({"weight_map": {"x": "../a.safetensors"}}))
    with pytest.raises(PresetError, match="not beside it"):
        kmt.MusicTagger.from_pretrained(folder)


def test_a_model_of_others_is_saved_as_ours(folder, tmp_path):
    (folder / "README.md").write_text("---\nlicense: bsd-3-clause\n---\n")
    model = kmt.MusicTagger.from_pretrained(folder)
    saved = model.save_pretrained(tmp_path / "saved")
    assert "Licence of these weights: bsd-3-clause" in (saved / "README.md").read_text()
    again = kmt.ASTTagger.from_pretrained(saved)
    assert again.get_config() == model.get_config()
    assert again.origin == {"license": "bsd-3-clause"}
    for path, value in values(model).items():
        np.testing.assert_array_equal(values(again)[path], value)


def test_without_a_head_there_are_no_scores(folder, tmp_path):
    arrays = {
        key.removeprefix("audio_spectrogram_transformer."): array
        for key, array in arrays_of(folder).items()
        if not key.startswith("classifier.")
    }
    safetensors.numpy.save_file(arrays, folder / "model.safetensors")
    model = kmt.MusicTagger.from_pretrained(folder)
    track = np.zeros(1000, "float32")
    assert "scores" not in model.endpoints
    for call in (model.tag, model.predict, model.taggram, model.probe, model.fit):
        with pytest.raises(LabelError, match="has no labels, and so no scores"):
            call(track)
    saved = model.save_pretrained(tmp_path / "saved")
    again = kmt.MusicTagger.from_pretrained(saved, labels=["calm", "wild"])
    assert again.labels == ["calm", "wild"]
    body = {k: v for k, v in values(again).items() if not k.startswith("logits")}
    assert body.keys() == values(model).keys()
    for path, value in values(model).items():
        np.testing.assert_array_equal(body[path], value)


@pytest.mark.parametrize(
    ("file", "entries", "message"),
    [
        ("config.json", {"hidden_act": "relu"}, "hidden_act='relu'"),
        ("config.json", {"model_type": "clip"}, "audio-spectrogram-transformer"),
        ("config.json", {"hidden_size": 32}, "nothing was loaded.*does not fit"),
        ("config.json", {"num_hidden_layers": 3}, "encoder.layer.2"),
        ("config.json", {"id2label": {"1": "a"}}, "not numbered from 0 on"),
        ("config.json", {"id2label": ["a"]}, "cannot be understood"),
        ("config.json", {"num_hidden_layers": 10**9}, "a size that no model has"),
        (
            "preprocessor_config.json",
            {"num_mel_bins": 64},
            "front-end.*num_mel_bins=64",
        ),
    ],
)
def test_what_does_not_fit_is_explained(folder, file, entries, message):
    change(folder, file, **entries)
    with pytest.raises(PresetError, match=f"(?s){message}"):
        kmt.MusicTagger.from_pretrained(folder)


def test_an_option_of_mert_that_is_not_known_is_refused(tmp_path):
    folder = shutil.copytree(SAVED / "mert", tmp_path / "mert")
    change(folder, "config.json", model_type="mert_model", feature_extractor_cqt=True)
    with pytest.raises(PresetError, match="feature_extractor_cqt=True"):
        kmt.MusicTagger.from_pretrained(folder)
