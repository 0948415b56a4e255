"""Musicnn and VGG against the original package, on the active backend.

`original.npz` (see `data/make_original.py`) and the shared reference hold what the
`musicnn` 0.1.0 package computed. Two of its settings occur: `2019` pads the
spectrogram by reflection, as our presets do, and `modern` with zeros.
"""

import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest
import soundfile

from keras_musictag import audio
from keras_musictag.layers import (
    FrequencyMaxConv2D,
    LogMelSpectrogram,
    PooledConv2D,
)
from keras_musictag.models.tagger import MusicTagger

DATA = Path(__file__).parent / "data"
PRESETS = {
    "MTT_musicnn": "musicnn_mtt",
    "MSD_musicnn": "musicnn_msd",
    "MTT_vgg": "vgg_mtt",
    "MSD_vgg": "vgg_msd",
}
RATE = 16000
SCORES = 1e-4
# A mel power on the edge between two half floats may fall to the other side:
# log10(1 + 2**-10) = 4.24e-4.
LOGMEL = 4.3e-4
# The same patch in: one forward pass against another, relative to the largest.
STAGES = 3e-5
# From the waveform, with such flips; relative to the largest activation.
FEATURES = 5e-4

by_model = pytest.mark.parametrize("model", PRESETS)


@pytest.fixture(scope="module")
def taggers():
    """Each preset, loaded once."""
    return {m: MusicTagger.from_pretrained(p) for m, p in PRESETS.items()}


@pytest.fixture(scope="module")
def original():
    return load(DATA / "original.npz")


@pytest.fixture(scope="module")
def folder(reference):
    path = reference / "musicnn"
    if not path.is_dir():
        pytest.skip("needs reference/musicnn of the shared data")
    return path


@pytest.fixture(scope="module")
def taggrams(folder):
    if not (folder / "taggrams.npz").is_file():
        pytest.skip("the reference has no taggrams.npz")
    return load(folder / "taggrams.npz")


@pytest.fixture(scope="module")
def top_tags(folder):
    """Of each clip and model the best tags, best first."""
    if not (folder / "top_tags.json").is_file():
        pytest.skip("the reference has no top_tags.json")
    return json.loads((folder / "top_tags.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def waveforms(folder):
    """Of each clip what the original loaded, at 16 kHz."""
    files = sorted(folder.glob("waveform__*.npz"))
    if not files:
        pytest.skip("the reference has no waveform__*.npz")
    return {path.stem.removeprefix("waveform__"): load(path) for path in files}


@pytest.fixture(scope="module")
def clips(corpus):
    """Of each real clip its file."""
    files = [path for path in (corpus / "real").iterdir() if path.suffix != ".tsv"]
    return {path.stem: path for path in sorted(files)}


def load(path):
    with np.load(path) as data:
        return {key: data[key] for key in data.files}


def check(what, got, wanted, tolerance):
    """Largest difference, with the clip and the preset in the message."""
    assert got.shape == wanted.shape, f"{what}: {got.shape}, not {wanted.shape}"
    difference = np.abs(got - wanted.astype("float32")).max()
    assert difference <= tolerance, f"{what}: off by {difference:.2e}"


def check_relative(what, got, wanted, tolerance):
    check(what, got, wanted, tolerance * max(1.0, float(np.abs(wanted).max())))


def scores(tagger, source, edge="reflect"):
    return tagger.taggram(source, chunking=tagger.chunking.replace(edge=edge)).scores


def select(key, array):
    """Cut from `(patches, ...)` what the name of a stored array says it holds.

    Returns:
        `(name, part)`; for example `f74_bn__patch0_frames0_92_every4th_channel`
        holds frames 0 and 92 of the first patch, and each fourth channel.
    """
    patch = re.search(r"_patch(\d+)", key)
    rows = re.search(r"_(?:frames|rows)(\d+(?:_\d+)*)", key)
    step = re.search(r"_every(\d+)", key)
    if patch:
        array = array[int(patch[1])]
    if rows:
        array = array[[int(row) for row in rows[1].split("_")]]
    return array[..., :: int(step[1])] if step else array


def name_of(key):
    return re.split(r"_+patch\d", key)[0]


# === Scores ===


@by_model
def test_bundled_clip(taggers, original, model):
    tagger = taggers[model]
    for name, edge in (("taggram", "reflect"), ("modern_taggram", "zeros")):
        got = scores(tagger, DATA / "clip.flac", edge)
        check(f"{name} of {model}", got, original[f"{name}__{model}"], SCORES)
    layer = "pool5" if "vgg" in model else "penultimate"
    got = tagger.embed(DATA / "clip.flac", layer=layer, aggregate=None)[0]
    wanted = original[f"{layer}__{model}"]
    wanted = wanted[: wanted.shape[0] // len(original[f"taggram__{model}"])]
    check_relative(f"{layer} of {model}", got.reshape(wanted.shape), wanted, FEATURES)


@by_model
def test_scores_of_waveforms(taggers, waveforms, taggrams, model):
    plan = taggers[model].chunking
    compared = 0
    for clip, stored in waveforms.items():
        for name, year, edge in (
            ("taggram", "2019", "reflect"),
            ("modern_taggram", "modern", "zeros"),
        ):
            wanted = taggrams.get(f"{clip}__{name}__{model}")
            y = stored.get(f"y_{year}", stored["y_2019"])
            if wanted is None:
                continue
            got = scores(taggers[model], y, edge)
            if len(y) < stored.get("n_samples_total", len(y)):
                # Only the start is stored: patches that its end does not touch.
                whole = (len(y) - plan.core - plan.context) // plan.hop_samples + 1
                got, wanted = got[:whole], wanted[:whole]
            check(f"{name} of {clip}, {model}", got, wanted, SCORES)
            compared += 1
    assert compared or not waveforms


@by_model
def test_modern_scores_of_files(taggers, clips, taggrams, model):
    """End to end: decoder, channels, soxr, zero padding, for every real clip."""
    keys = {clip: f"{clip}__modern_taggram__{model}" for clip in clips}
    keys = {clip: key for clip, key in keys.items() if key in taggrams}
    assert keys, "no clip of corpus/real is in taggrams.npz"
    for clip, key in keys.items():
        got = scores(taggers[model], clips[clip], "zeros")
        check(key, got, taggrams[key], SCORES)


@by_model
def test_files_without_resampling(taggers, clips, top_tags, taggrams, model):
    plain = [c for c in clips if soundfile.info(clips[c]).samplerate == RATE]
    plain = [clip for clip in plain if f"{clip}__taggram__{model}" in taggrams]
    if not plain:
        pytest.skip("no real clip with 16 kHz has a reference")
    for clip in plain:
        taggram = taggers[model].taggram(clips[clip])
        key = f"{clip}__taggram__{model}"
        check(key, taggram.scores, taggrams[key], SCORES)
        wanted = top_tags.get(clip, {}).get(model, [])
        names = [name for name, _ in taggram.top(top_k=None)][: len(wanted)]
        assert names == wanted, f"top tags of {clip}, {model}"


@by_model
def test_top_tags_of_waveforms(taggers, waveforms, top_tags, model):
    for clip, stored in waveforms.items():
        y = stored["y_2019"]
        if len(y) < stored.get("n_samples_total", len(y)):
            continue
        wanted = top_tags.get(clip, {}).get(model, [])
        got = taggers[model].tag(y, top_k=None)[: len(wanted)]
        assert [name for name, _ in got] == wanted, f"{clip}, {model}"


def test_scores_of_files_with_resampy(taggers, clips, taggrams):
    """The `2019` set from files that need resampling, with its own resampler."""
    resampy = pytest.importorskip("resampy", reason="needs resampy 0.2.1")
    if not resampy.__version__.startswith("0.2."):
        # Later ones count time another way: 44.1 kHz clips come out up to 4e-4 off.
        pytest.skip(f"needs resampy 0.2.1, not {resampy.__version__}")
    for clip, path in clips.items():
        y, rate = audio.load(path)
        if rate != RATE:
            y = resampy.resample(y, rate, RATE, filter="kaiser_best")
        length = int(taggrams.get(f"{clip}__n_samples_16k", len(y)))
        y = np.pad(y, (0, max(0, length - len(y))))[:length]
        for model in PRESETS:
            key = f"{clip}__taggram__{model}"
            if key in taggrams:
                check(key, scores(taggers[model], y), taggrams[key], SCORES)


# === What happens inside ===


def test_logmel(taggers, waveforms):
    """Frame by frame, the first and the last included."""
    for clip, stored in waveforms.items():
        for year, pad_mode in (("2019", "reflect"), ("modern", "zeros")):
            y = stored.get(f"y_{year}", stored["y_2019"])
            wanted = stored.get(f"logmel_{year}")
            if wanted is None:
                continue
            frontend = LogMelSpectrogram.from_convention("musicnn", pad_mode=pad_mode)
            got = keras.ops.convert_to_numpy(frontend(y[None]))[0, : len(wanted)]
            check(f"logmel_{year} of {clip}", got, wanted, LOGMEL)


def test_logmel_of_chunks_in_a_row(taggers, waveforms):
    tagger = taggers["MTT_musicnn"]
    for clip, stored in waveforms.items():
        pieces = [c for _, c in tagger.chunking.chunks([stored["y_2019"]])]
        got = keras.ops.convert_to_numpy(tagger.frontend(np.stack(pieces)))
        got = got.reshape(-1, got.shape[-1])
        check(f"chunks of {clip}", got, stored["logmel_2019"][: len(got)], LOGMEL)


@by_model
def test_features(taggers, waveforms, folder, model):
    tagger = taggers[model]
    for path in sorted(folder.glob(f"features__*__{model}.npz")):
        clip = path.stem.split("__")[1]
        if clip not in waveforms:
            continue
        stored = load(path)
        names = {key: name_of(key) for key in stored}
        names = {key: name.replace("taggram", "scores") for key, name in names.items()}
        got = tagger.embed(
            waveforms[clip]["y_2019"], layer=list(names.values()), aggregate=None
        )
        patches = len(tagger.chunking.starts(len(waveforms[clip]["y_2019"])))
        for key, name in names.items():
            wanted = stored[key]
            values = select(key, got[name])
            if "_patch" not in key:
                wanted = only_true_patches(wanted.reshape(patches, -1))
                values = values.reshape(patches, -1)[: len(wanted)]
            # Some are stored as half floats.
            rounding = 5e-4 if wanted.dtype == np.float16 else 0.0
            check_relative(f"{key} in {path.name}", values, wanted, FEATURES + rounding)


def only_true_patches(rows):
    """Drop the copies of the first patch that the original gives for later ones."""
    copies = len(rows) > 1 and all(np.array_equal(row, rows[0]) for row in rows)
    return rows[:1] if copies else rows


# Layers that compute in another order than they are told.
TWO_ORDERS = FrequencyMaxConv2D | PooledConv2D
MUSICNN_BRANCHES = {
    "f74": "timbral_40",
    "f77": "timbral_70",
    "s1": "temporal_128",
    "s2": "temporal_64",
    "s3": "temporal_32",
    "mid1": "midend_1",
    "mid2": "midend_2",
    "mid3": "midend_3",
}
MUSICNN_LAYERS = {
    "input_bn": "input_norm",
    "pool_flat": "interleave",
    "pool_bn": "pool_norm",
    "dense_relu": "dense_norm.input",
    "penultimate_bn": "dense_norm",
}


def layer_outputs(tagger, patches):
    """Every named layer's output for log-mel patches, head included.

    What a batch norm gets, the output of a ReLU, is there as `<norm>.input`.
    """
    layers = {layer.name: layer.output for layer in tagger.backbone.layers}
    for layer in tagger.backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization | TWO_ORDERS):
            layers[f"{layer.name}.input"] = layer.input
    outputs = keras.Model(tagger.backbone.input, layers).predict_on_batch(patches)
    for layer in tagger.backbone.layers:
        if isinstance(layer, TWO_ORDERS):  # its steps in their usual order
            convolved = layer.conv(outputs[f"{layer.name}.input"])
            rectified = keras.ops.relu(convolved)
            conv, norm = layer.conv.name, layer.norm.name
            if isinstance(layer, FrequencyMaxConv2D):  # there each has a `conv`
                conv, norm = f"{layer.name}_{conv}", f"{layer.name}_{norm}"
            outputs[conv] = convolved
            outputs[f"{norm}.input"] = rectified
            outputs[norm] = layer.norm(rectified)
    embedding = keras.ops.convert_to_tensor(tagger.backbone.predict_on_batch(patches))
    outputs["logits"] = tagger.head.get_layer("logits")(embedding)
    outputs["scores"] = tagger.head(embedding)
    return {k: keras.ops.convert_to_numpy(v) for k, v in outputs.items()}


def musicnn_stages(outputs):
    """Our values under the reference's names."""
    stages = {name: outputs[layer] for name, layer in MUSICNN_LAYERS.items()}
    for name, branch in MUSICNN_BRANCHES.items():
        stages[f"{name}_conv_bias"] = outputs[f"{branch}_conv"]
        stages[f"{name}_relu"] = outputs[f"{branch}_norm.input"]
        stages[f"{name}_bn"] = outputs[f"{branch}_norm"]
    timbral, temporal = outputs["timbral"], outputs["temporal"]
    stages["f74_pooled"], stages["f77_pooled"] = np.split(timbral, 2, axis=-1)
    for name, part in zip(("s1", "s2", "s3"), np.split(temporal, 3, -1), strict=True):
        stages[f"{name}_pooled"] = part
    cnn = outputs["all_features"][..., outputs["front"].shape[-1] :]
    _, stages["mid2_residual"], stages["mid3_residual"] = np.split(cnn, 3, -1)
    stack = outputs["interleave"].reshape(len(cnn), -1, 2)
    stages["max_pool"], stages["mean_pool"] = stack[..., :1], stack[..., 1:]
    return stages | {"pool_stack": stack}


def vgg_stages(outputs):
    stages = {"input_bn": outputs["input_norm"], "flat": outputs["flatten"]}
    for block in range(1, 6):
        stages[f"conv{block}_bias"] = outputs[f"conv_{block}"]
        stages[f"conv{block}_relu"] = outputs[f"norm_{block}.input"]
        stages[f"conv{block}_bn"] = outputs[f"norm_{block}"]
        stages[f"pool{block}"] = outputs[f"pool_{block}"]
    return stages


@by_model
def test_stages(taggers, folder, model):
    path = folder / f"stages__{model}.npz"
    if not path.is_file():
        pytest.skip(f"the reference has no {path.name}")
    stored = load(path)
    outputs = layer_outputs(taggers[model], stored.pop("input"))
    ours = (vgg_stages if "vgg" in model else musicnn_stages)(outputs)
    ours |= {"logits": outputs["logits"], "sigmoid": outputs["scores"]}
    for key, wanted in stored.items():
        name = name_of(key)
        values = select(key, ours[name])
        if name.endswith("bias"):  # a convolution may include the ReLU
            values, wanted = np.maximum(values, 0), np.maximum(wanted, 0)
        if name == "input_bn":
            values = values[..., 0]
        if "_patch" not in key:
            values = values[: len(wanted)]
        check_relative(f"{key} of {model}", values, wanted, STAGES)
