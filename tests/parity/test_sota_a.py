"""Scores of FCN, CRNN, Won's Musicnn and the short-chunk CNNs against PyTorch's.

The reference is the authors' code: thin models with stored weights, full-size ones
with weights from a recipe, and the checkpoints that they published.
"""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from keras_musictag.conversion import pytorch, sota
from keras_musictag.errors import PresetError
from keras_musictag.models.taggers.crnn import CRNNTagger
from keras_musictag.models.taggers.fcn import FCNTagger
from keras_musictag.models.taggers.musicnn import MusicnnTagger
from keras_musictag.models.taggers.short_chunk import ShortChunkCNNTagger
from tests.forward import forward
from tests.parity.sota_recipe import recipe_sums, recipe_weights

DATA = Path(__file__).parent / "data"
LABELS = [f"label {i}" for i in range(50)]
SCORES = 1e-4  # float32 against float64 costs the authors' own code up to 1.6e-5
SPECTROGRAM, STAGES = 0.05, 3e-3  # decibels; whatever unit a stage has

FAMILIES = {
    "fcn": (FCNTagger, sota.fcn_names),
    "crnn": (CRNNTagger, sota.crnn_names),
    "musicnn": (MusicnnTagger, sota.musicnn_names),
    "short": (ShortChunkCNNTagger, sota.short_chunk_names),
}
FULL = {
    "fcn": {},
    "crnn": {},
    "musicnn": {"variant": "won"},
    "musicnn_msd": {"variant": "won", "midend_filters": 512, "dense_units": 500},
    "short": {},
    "short_res": {"residual": True},
}
SHORT_WIDTHS = {"filters": (4, 4, 8, 8, 8, 8, 16), "dense_units": 16}
THIN = {
    "fcn": {"filters": (4, 6, 6, 6, 5)},
    "crnn": {"filters": (4, 6, 6, 6), "recurrent_units": 5},
    "musicnn": {
        "variant": "won",
        "timbral_filters": 8,
        "temporal_filters": 3,
        "midend_filters": 8,
        "dense_units": 10,
    },
    "short": SHORT_WIDTHS,
    "short_res": {"residual": True, **SHORT_WIDTHS},
}
# Our layer for each stage of the reference; "layer1" and so on are "block_1" and so
# on where nothing else is said. Stages with a dot lie inside our layers.
COMMON_STAGES = {"spec_bn": "input_norm", "dense1": "dense", "bn": "dense_norm"}
STAGES_OF = {
    "fcn": {},
    "crnn": {"layer5": "gru_2"},
    "short": {"pooled": "max_pool"},
    "musicnn": {
        "frontend": "front",
        "layer1": "midend_1_relu",
        "layer2": "midend_2_relu",
        "layer3": "midend_3_relu",
        "pooled": "pooled",
    },
}


def _model(name: str, settings: dict, weights: dict):
    tagger, names = FAMILIES[name.split("_")[0]]
    model = tagger(LABELS, **settings)
    sota.assign_state_dict(weights, names(model.get_config()), model.weights)
    return model


def _waves(reference) -> np.ndarray:
    return reference["wave_i16"].astype("float32") / 32768


def _far(found: np.ndarray, wanted: np.ndarray) -> float:
    assert found.shape == wanted.shape
    return float(np.abs(found - wanted).max())


def _check_stages(name: str, model, reference) -> None:
    """Compare every stage that the file has and that is an output of a layer here."""
    stages = {k[4:] for k in reference if k.startswith("act/") and k.count("/") == 1}
    renamed = COMMON_STAGES | STAGES_OF[name.split("_")[0]]
    layers = {
        stage: renamed.get(stage, stage.replace("layer", "block_"))
        for stage in stages
        if "." not in stage and stage != "spec_db"
    }
    assert layers
    outputs = {s: model.backbone.get_layer(n).output for s, n in layers.items()}
    spectrogram = forward(model.frontend, _waves(reference))
    inner = keras.Model(model.backbone.input, outputs)
    found = forward(inner, spectrogram, training=False)
    found["spec_db"] = spectrogram
    errors = {
        stage: _stage_error(stage, ops.convert_to_numpy(tensor), reference)
        for stage, tensor in found.items()
    }
    assert errors.pop("spec_db") <= SPECTROGRAM
    assert max(errors.values()) <= STAGES, errors


def _stage_error(stage: str, found: np.ndarray, reference) -> float:
    wanted = reference[f"act/{stage}"]
    if stage == "layer5" and wanted.ndim == 3:  # the steps of the recurrent network
        return _far(found, wanted[:, -1])
    # (batch, time, frequency, channels) to (batch, channels, frequency, time)
    found = found.transpose(0, *range(found.ndim - 1, 0, -1))
    if f"act/{stage}/c" in reference:
        found = found.take(reference[f"act/{stage}/c"], axis=1)
    if f"act/{stage}/t" in reference:
        axis = int(reference[f"act/{stage}/t_axis"])
        found = found.take(reference[f"act/{stage}/t"], axis=axis)
    return _far(found, wanted)


@pytest.mark.parametrize("name", THIN)
def test_thin_models(name):
    reference = np.load(DATA / f"sota_{name}_thin.npz")
    weights = {k[2:]: reference[k] for k in reference if k.startswith("w/")}
    model = _model(name, THIN[name], weights)
    assert _far(model.predict(_waves(reference)), reference["scores"]) <= SCORES
    _check_stages(name, model, reference)


@pytest.mark.parametrize("name", FULL)
def test_full_models(name, reference):
    stored = np.load(reference / "sota" / f"{name}_full.npz")
    table = reference / "sota" / "recipe" / f"{name}_full.tsv"
    weights, sums = recipe_weights(table), recipe_sums(table)
    for key, array in weights.items():
        assert array.sum(dtype="float64") == pytest.approx(sums[key], abs=1e-6)
    model = _model(name, FULL[name], weights)
    assert _far(model.predict(_waves(stored)), stored["scores"]) <= SCORES
    _check_stages(name, model, stored)


@pytest.mark.parametrize("dataset", ["mtat", "msd", "jamendo"])
@pytest.mark.parametrize("name", ["fcn", "crnn", "musicnn"])
def test_trained_models(name, dataset, reference):
    folder = reference / "sota"
    checkpoint = folder / "weights" / f"{dataset}_{name}.pth"
    if not checkpoint.is_file():
        pytest.skip(f"{checkpoint.name} is not among the shared data")
    stored = np.load(folder / f"trained_{dataset}_{name}.npz")
    clips = np.load(folder / "trained_clips.npz")
    model = _model(name, FULL[name], pytorch.read_checkpoint(checkpoint))
    chosen = [0, 15]  # 29 seconds of a 30-second clip: those between hardly differ
    samples = int(stored["input_length"])
    for number, clip in enumerate(stored["clips"]):
        wave = clips[clip].astype("float32") / 32768
        starts = model.chunking.spaced(16).starts(len(wave))[chosen]
        chunks = np.stack([wave[s : s + samples] for s in starts])
        assert _far(model.predict(chunks), stored["scores"][number, chosen]) <= SCORES


def test_sixteen_spaced_chunks_as_in_the_paper(reference):
    folder = reference / "sota"
    checkpoint = folder / "weights" / "mtat_musicnn.pth"
    if not checkpoint.is_file():
        pytest.skip(f"{checkpoint.name} is not among the shared data")
    weights = pytorch.read_checkpoint(checkpoint)
    stored = np.load(folder / "trained_mtat_musicnn.npz")
    clips = np.load(folder / "trained_clips.npz")
    model = _model("musicnn", FULL["musicnn"], weights)
    waves = [clips[clip].astype("float32") / 32768 for clip in stored["clips"]]
    means = model.predict(waves, chunking=model.chunking.spaced(16))
    assert _far(means, stored["mean"]) <= SCORES


# === Checkpoints that do not fit ===


def _thin_fcn():
    reference = np.load(DATA / "sota_fcn_thin.npz")
    weights = {k[2:]: reference[k] for k in reference if k.startswith("w/")}
    return FCNTagger(LABELS, **THIN["fcn"]), weights


def _refuse(model, weights, match: str) -> None:
    before = [np.array(ops.convert_to_numpy(v)) for v in model.weights]
    names = sota.fcn_names(model.get_config())
    with pytest.raises(PresetError, match=match):
        sota.assign_state_dict(weights, names, model.weights)
    for old, variable in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(old, ops.convert_to_numpy(variable))


def test_a_missing_key_is_named():
    model, weights = _thin_fcn()
    del weights["layer3.bn.running_var"]
    _refuse(model, weights, r"lacks: layer3\.bn\.running_var")


def test_a_key_without_use_is_named():
    model, weights = _thin_fcn()
    weights["layer6.conv.weight"] = np.zeros((5, 5, 3, 3), "float32")
    _refuse(model, weights, r"does not use: layer6\.conv\.weight")


def test_another_number_of_labels_is_refused():
    model, weights = _thin_fcn()
    weights["dense.bias"] = np.zeros(7, "float32")
    _refuse(model, weights, r"`dense\.bias` does not fit .*\(7,\) for \(50,\)")


def test_another_number_of_axes_is_refused():
    model, weights = _thin_fcn()
    weights["layer1.conv.weight"] = np.zeros((4, 1, 9), "float32")
    _refuse(model, weights, r"\(4, 1, 9\) for \(3, 3, 1, 4\)")


def test_what_is_no_weight_is_left_out_and_subnormal_numbers_are_dropped():
    model, weights = _thin_fcn()
    weights["spec.spectrogram.window"] = np.ones(512, "float32")
    weights["layer1.bn.num_batches_tracked"] = np.array(3)
    weights["dense.bias"][:2] = [1e-40, 1e-37]
    sota.assign_state_dict(weights, sota.fcn_names(model.get_config()), model.weights)
    bias = next(v for v in model.weights if v.path == "logits/bias")
    np.testing.assert_array_equal(
        ops.convert_to_numpy(bias)[:2], np.array([0, 1e-37], "float32")
    )
