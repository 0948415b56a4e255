"""The drop-in functions against what the original package returned."""

import inspect
import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from keras_musictag import audio
from keras_musictag.compat.musicnn import configuration, extractor, top_tags
from keras_musictag.compat.musicnn.extractor import extractor as same_extractor
from keras_musictag.compat.musicnn.tagger import top_tags as same_top_tags
from keras_musictag.errors import AudioError

DATA = Path(__file__).parent.parent / "parity" / "data"
CLIP = str(DATA / "clip.flac")
MODELS = ("MTT_musicnn", "MSD_musicnn", "MTT_vgg", "MSD_vgg")
# The original's arguments for each stored kind of taggram.
SETTINGS = {
    "taggram": {},
    "taggram_ov1": {"input_overlap": 1},
    "taggram_len2": {"input_length": 2},
    "taggram_len2_ov1": {"input_length": 2, "input_overlap": 1},
}
SCORES = 1e-4
# Of the largest activation; see tests/parity/test_musicnn.py.
FEATURES = 5e-4
FRAMES = 187

by_model = pytest.mark.parametrize("model", MODELS)


@pytest.fixture(scope="module")
def folder(reference):
    path = reference / "musicnn"
    if not path.is_dir():
        pytest.skip("needs reference/musicnn of the shared data")
    return path


@pytest.fixture(scope="module")
def wholes(folder, tmp_path_factory):
    """Float WAV files at 16 kHz of the waveforms that are stored whole."""
    made = {}
    for path in sorted(folder.glob("waveform__*.npz")):
        clip = path.stem.removeprefix("waveform__")
        with np.load(path) as data:
            y, rate = data["y_2019"], int(data["sr"])
            whole = "n_samples_total" not in data or data["n_samples_total"] == len(y)
        if whole:
            made[clip] = str(tmp_path_factory.mktemp("waves") / f"{clip}.wav")
            soundfile.write(made[clip], y, rate, subtype="FLOAT")
    if not made:
        pytest.skip("the reference has no whole waveform")
    return made


def check(what, got, wanted, tolerance):
    assert got.dtype == np.float32
    assert got.shape == wanted.shape, f"{what}: {got.shape}, not {wanted.shape}"
    difference = np.abs(got - wanted).max()
    assert difference <= tolerance, f"{what}: off by {difference:.2e}"


# === Return values ===


@by_model
@pytest.mark.parametrize("name", SETTINGS)
def test_taggram_of_bundled_clip(model, name):
    with np.load(DATA / "original.npz") as data:
        wanted = data.get(f"{name}__{model}")
    if wanted is None:
        assert "vgg" in model
        with pytest.raises(ValueError, match="3 seconds"):
            extractor(CLIP, model, **SETTINGS[name])
        return
    taggram, labels = extractor(CLIP, model, **SETTINGS[name], extract_features=False)
    check(f"{name} of {model}", taggram, wanted, SCORES)
    assert type(labels) is list
    assert len(labels) == taggram.shape[1]


@by_model
def test_taggrams(folder, wholes, model):
    with np.load(folder / "taggrams.npz") as data:
        for clip, path in wholes.items():
            for name, options in SETTINGS.items():
                key = f"{clip}__{name}__{model}"
                if key in data:
                    taggram, _ = extractor(
                        path, model, **options, extract_features=False
                    )
                    check(key, taggram, data[key], SCORES)


@by_model
def test_top_tags(folder, wholes, model):
    stored = json.loads((folder / "top_tags.json").read_text("utf-8"))
    for clip, path in wholes.items():
        wanted = stored.get(clip, {}).get(model)
        if wanted is None:
            continue
        got = top_tags(path, model, topN=len(wanted), print_tags=False)
        assert got == wanted, f"{clip}, {model}"


@by_model
def test_features(folder, wholes, model):
    for file in sorted(folder.glob(f"features__*__{model}.npz")):
        clip = file.stem.split("__")[1]
        if clip not in wholes:
            continue
        taggram, _, features = extractor(wholes[clip], model)
        features["taggram"] = taggram
        with np.load(file) as data:
            for key in data.files:
                wanted = data[key]
                got = features[key.split("_patch")[0]]
                if "_patch0" in key:
                    got = got[: len(wanted)]
                if step := re.search(r"_every(\d+)", key):
                    got = got[..., :: int(step[1])]
                # Some are stored as half floats.
                share = FEATURES + (5e-4 if wanted.dtype == np.float16 else 0)
                scale = max(1.0, float(np.abs(wanted).max()))
                check(f"{key} of {clip}, {model}", got, wanted, share * scale)


def test_features_are_the_originals():
    with np.load(DATA / "original.npz") as data:
        patches = len(data["taggram__MTT_musicnn"])
        pool5 = data["pool5__MTT_vgg"].shape
        penultimate = data["penultimate__MTT_musicnn"]
    features = extractor(CLIP, "MTT_musicnn")[2]
    assert {name: value.shape for name, value in features.items()} == {
        "timbral": (patches * FRAMES, 408),
        "temporal": (patches * FRAMES, 153),
        "cnn1": (patches * FRAMES, 64),
        "cnn2": (patches * FRAMES, 64),
        "cnn3": (patches * FRAMES, 64),
        "mean_pool": (patches, 753),
        "max_pool": (patches, 753),
        "penultimate": (patches, 200),
    }
    scale = max(1.0, float(np.abs(penultimate).max()))
    check("penultimate", features["penultimate"], penultimate, FEATURES * scale)
    features = extractor(CLIP, "MTT_vgg")[2]
    assert list(features) == ["pool1", "pool2", "pool3", "pool4", "pool5"]
    assert features["pool1"].shape == (patches * 92, 48, 128)
    assert features["pool5"].shape == pool5


def test_tags_are_in_the_stored_order(folder):
    stored = json.loads((folder / "tags.json").read_text("utf-8"))
    assert stored["MTT"] == configuration.MTT_LABELS
    assert stored["MSD"] == configuration.MSD_LABELS
    assert extractor(CLIP, "MSD_vgg", extract_features=False)[1] == stored["MSD"]


# === The interface ===


def parameters(function):
    """The signature without what it returns."""
    signature = inspect.signature(function)
    return str(signature.replace(return_annotation=inspect.Signature.empty))


def test_signatures():
    """As the original's source has them."""
    assert parameters(top_tags) == (
        "(file_name, model='MTT_musicnn', topN=3, input_length=3, "
        "input_overlap=False, print_tags=True, save_tags=False)"
    )
    assert parameters(extractor) == (
        "(file_name, model='MTT_musicnn', input_length=3, input_overlap=False, "
        "extract_features=True)"
    )


def test_module_paths_of_the_original():
    assert same_top_tags is top_tags
    assert same_extractor is extractor
    constants = (configuration.SR, configuration.FFT_HOP, configuration.FFT_SIZE)
    assert constants == (16000, 256, 512)
    assert (configuration.N_MELS, configuration.BATCH_SIZE) == (96, 1)


def test_prints_and_appends(tmp_path, capsys):
    path = tmp_path / "all.tags"
    tags = top_tags(CLIP, topN=2, save_tags=str(path))
    assert capsys.readouterr().out == (
        f"[{CLIP}] Top2 tags: \n - {tags[0]}\n - {tags[1]}\n"
    )
    again = top_tags(
        CLIP, "MSD_vgg", topN=1, input_overlap=1.5, print_tags=False, save_tags=path
    )
    assert capsys.readouterr().out == ""
    assert path.read_text("utf-8").splitlines() == [
        f"{CLIP},MTT_musicnn,input_length=3,input_overlap=False,{tags[0]},{tags[1]}",
        f"{CLIP},MSD_vgg,input_length=3,input_overlap=1.5,{again[0]}",
    ]


# === What the original refuses, and where we differ ===


@pytest.mark.parametrize("samples", [1, 20000, 47615, 47616])
def test_short_audio_gives_one_patch(tmp_path, samples):
    y, _ = audio.load(CLIP)
    path = tmp_path / "short.wav"
    soundfile.write(path, y[:samples], 16000, subtype="FLOAT")
    taggram, _, features = extractor(str(path), "MSD_musicnn")
    assert taggram.shape == (1, 50)
    assert np.isfinite(taggram).all()
    assert features["cnn1"].shape == (FRAMES, 64)


def test_a_model_that_was_never_released():
    with pytest.raises(ValueError, match=r"never part of.*MTT_musicnn, MTT_vgg"):
        top_tags(CLIP, model="MSD_musicnn_big")


def test_an_unknown_model():
    with pytest.raises(ValueError, match=r"no such.*'MTT_resnet'.*MSD_musicnn"):
        extractor(CLIP, model="MTT_resnet")


def test_vgg_takes_three_seconds_only():
    with pytest.raises(ValueError, match=r"3 seconds only.*input_length=2"):
        top_tags(CLIP, "MSD_vgg", input_length=2)
    assert extractor(CLIP, "MSD_vgg", 3.0, extract_features=False)[0].ndim == 2


@pytest.mark.parametrize("seconds", [0, -1, 0.03, float("nan"), float("inf")])
def test_times_that_cannot_work(seconds):
    with pytest.raises(ValueError, match=r"Received: .*Pass "):
        extractor(CLIP, input_length=seconds)
    if seconds:
        with pytest.raises(ValueError, match=r"Received: .*Pass "):
            extractor(CLIP, input_overlap=seconds)


def test_shortest_patch():
    taggram = extractor(CLIP, input_length=0.048, extract_features=False)[0]
    assert taggram.shape == (626 // 3, 50)


def test_missing_file():
    with pytest.raises(AudioError, match=r"nowhere\.mp3"):
        top_tags("nowhere.mp3")
