"""What every registered architecture must do, swept from the registry."""

import inspect
import json

import keras
import numpy as np
import pytest

from keras_musictag.errors import ConfigError, MusicTagError, PresetError
from keras_musictag.models import registry
from keras_musictag.models.tagger import MusicTagger
from keras_musictag.presets.records import read_folder
from tests.forward import forward

LABELS = ["rock", "jazz", "piano"]
NAMES = sorted(n for n, c in registry().items() if issubclass(c, MusicTagger))
# Narrow versions keep the sweep short; a class without one is swept at full size.
SMALL = {
    "ASTTagger": {
        "n_mels": 32,
        "max_frames": 64,
        "units": 16,
        "blocks": 2,
        "num_heads": 2,
        "intermediate_units": 32,
    },
    "AutoPoolTagger": {"filters": [8, 8], "dense_units": [16, 16, 16]},
    "CLAPTagger": {
        "audio": {
            "patch_size": 16,
            "patch_units": 8,
            "depths": [2, 1],
            "num_heads": [2, 4],
        },
        "text": {
            "vocabulary_size": 50,
            "units": 8,
            "encoder_blocks": 1,
            "num_heads": 2,
            "intermediate_units": 8,
            "positions": 20,
        },
        "projection_units": 16,
    },
    "CRNNTagger": {"filters": [4, 8, 8, 8], "recurrent_units": 8},
    "FCNTagger": {"filters": [4, 8, 8, 8, 4]},
    "HarmonicCNNTagger": {"filters": [4, 4, 4, 4, 8, 8, 8]},
    "MERTEncoder": {
        "chunk_samples": 12000,
        "conv_filters": [8] * 3,
        "conv_kernels": [10, 6, 4],
        "conv_strides": [10, 4, 4],
        "units": 16,
        "blocks": 2,
        "num_heads": 2,
        "intermediate_units": 32,
        "position_taps": 8,
        "position_groups": 2,
    },
    "MusicnnTagger": {"timbral_filters": 8, "temporal_filters": 4},
    "SampleCNNTagger": {"filters": [8] * 11},
    "SelfAttentionTagger": {"filters": [8, 8, 16, 16, 16, 16, 16]},
    "ShortChunkCNNTagger": {"filters": [4, 4, 8, 8, 8, 8, 16]},
    "VGGTagger": {"filters": 8},
}


@pytest.fixture(scope="module", params=NAMES)
def model(request):
    keras.utils.set_random_seed(0)
    return registry()[request.param](LABELS, **SMALL.get(request.param, {}))


@pytest.fixture(scope="module")
def twin(model):
    """Another one from what is kept of its configuration."""
    return type(model).from_config(json.loads(json.dumps(model.get_config())))


@pytest.fixture(scope="module")
def chunks(model):
    rng = np.random.default_rng(0)
    return rng.normal(0, 0.1, (3, model.chunking.chunk_samples)).astype("float32")


def scores_of(model, x):
    if keras.backend.backend() == "jax":  # it keeps what it has compiled
        return model.predict_on_batch(x)
    return keras.ops.convert_to_numpy(model(x, training=False))


def test_a_chunk_gives_one_score_per_label(model, chunks):
    scores = scores_of(model, chunks)
    assert scores.shape == (3, 3)
    assert scores.dtype == np.float32
    assert np.all((scores >= 0) & (scores <= 1))
    np.testing.assert_allclose(scores_of(model, chunks[:1]), scores[:1], atol=1e-5)


def test_config_is_plain_and_complete(model, twin):
    assert twin.get_config() == model.get_config()
    assert twin.chunking == model.chunking


def test_every_argument_of_ones_own_is_in_the_config(model):
    arguments = inspect.signature(type(model)).parameters
    own = {name for name in arguments if name != "options"}
    assert own <= model.get_config().keys()


def test_an_unknown_option_is_named_with_those_there_are(model):
    name, config = type(model).__name__, {**model.get_config(), "colour": "red"}
    with pytest.raises(ConfigError, match=f"{name} has no option `colour`") as caught:
        type(model)(**config)
    assert isinstance(caught.value, TypeError)  # as Python's own
    possible = caught.value.advice.removeprefix("It takes ").rstrip(".").split(", ")
    assert sorted(possible) == sorted(model.get_config())


def test_saved_models_say_their_task(tmp_path):
    model = registry()["VGGTagger"](LABELS, **SMALL["VGGTagger"])
    folder = model.save_pretrained(tmp_path / "saved")
    record = json.loads((folder / "config.json").read_text("utf-8"))
    assert record["task"] == model.task == "tags"
    (folder / "config.json").write_text(json.dumps({**record, "task": "chords"}))
    with pytest.raises(PresetError, match="contradicts itself: its `task`"):
        MusicTagger.from_pretrained(folder)
    del record["task"]  # as folders were saved before
    (folder / "config.json").write_text(json.dumps(record))
    assert read_folder(folder)["task"] == "tags"
    assert type(MusicTagger.from_pretrained(folder)) is type(model)


def test_variable_paths_are_unique_and_stable(model, twin):
    paths = [v.path for v in model.weights]
    assert len(set(paths)) == len(paths)
    assert [v.path for v in twin.weights] == paths
    assert {v.path for v in model.head.weights} == {"logits/kernel", "logits/bias"}


def test_layer_names_are_unique_across_the_parts(model):
    parts = (model.backbone, model.head)
    names = [layer.name for part in parts for layer in part.layers if layer.weights]
    assert len(set(names)) == len(names)


def test_saved_folder_brings_back_the_same_scores(model, chunks, tmp_path):
    folder = model.save_pretrained(tmp_path / "saved")
    files = sorted(path.name for path in folder.iterdir())
    assert files == ["README.md", "config.json", "model.safetensors"]
    record = json.loads((folder / "config.json").read_text("utf-8"))
    assert record["task"] == model.task == "tags"
    again = MusicTagger.from_pretrained(folder)
    assert type(again) is type(model)
    np.testing.assert_array_equal(scores_of(again, chunks), scores_of(model, chunks))


def test_keras_file_brings_back_the_same_scores(model, chunks, tmp_path):
    path = tmp_path / "model.keras"
    model.save(path)
    again = type(model).from_pretrained(path)
    np.testing.assert_array_equal(scores_of(again, chunks), scores_of(model, chunks))
    assert again.labels == model.labels


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_keeps_float32_scores(model, chunks, policy):
    half = type(model).from_config({**model.get_config(), "dtype": policy})
    half.set_weights(model.get_weights())
    scores = scores_of(half, chunks)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, scores_of(model, chunks), atol=0.06)
    assert half.backbone.dtype_policy.compute_dtype == policy.removeprefix("mixed_")


def test_neighbours_in_a_batch_do_not_matter(model, chunks):
    length = model.chunking.chunk_samples
    tracks = [
        chunks[0],
        np.concatenate([chunks[1], chunks[2]]),
        chunks[0][: length // 2],
    ]
    together = model.predict(tracks, batch_size=4)
    # In batches of the same size, so that JAX compiles once.
    alone = np.concatenate([model.predict(track, batch_size=4) for track in tracks])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_array_equal(together, model.predict(tracks, batch_size=4))


def test_one_sample_is_enough(model):
    scores = model.predict(np.array([0.5], "float32"), batch_size=4)
    assert scores.shape == (1, 3)
    assert np.isfinite(scores).all()


def test_endpoints_are_what_the_layers_compute(model, chunks):
    features, others = (
        model.embed(chunk, layer=model.endpoints, aggregate=None, tail="drop")
        for chunk in chunks[:2]
    )
    assert list(features) == model.endpoints
    assert model.endpoints[-2:] == ["penultimate", "scores"]
    for name, value in features.items():
        assert value.shape == others[name].shape and value.shape[0] == 1, name
        assert np.isfinite(value).all(), name
        assert not np.array_equal(value, others[name]), f"{name} hears nothing"
    plan = model.chunking.replace(tail="drop")
    (piece,) = (piece for _, piece in plan.chunks([chunks[0]]))
    bands = forward(model.frontend, piece[None])
    embedding = forward(model.backbone, bands, training=False)
    embedding = keras.ops.convert_to_numpy(embedding)
    tolerance = 1e-4 * max(1.0, np.abs(embedding).max())
    np.testing.assert_allclose(features["penultimate"], embedding, atol=tolerance)
    scores = scores_of(model, piece[None])
    np.testing.assert_allclose(features["scores"], scores, atol=1e-5)
    again = keras.ops.convert_to_numpy(model.head(features["penultimate"]))
    np.testing.assert_allclose(again, scores, atol=1e-5)


def test_every_part_learns(twin, chunks):
    before = [keras.ops.convert_to_numpy(v.value) for v in twin.trainable_variables]
    twin.compile(metrics=[])
    single = twin.problem_type == "single_label_classification"
    targets = np.arange(3) if single else np.eye(3, dtype="float32")
    history = twin.fit(chunks, targets, batch_size=3, verbose=0)
    assert np.isfinite(history.history["loss"][0])
    for variable, old in zip(twin.trainable_variables, before, strict=True):
        new = keras.ops.convert_to_numpy(variable.value)
        assert not np.array_equal(new, old), variable.path


def test_bad_waveforms_are_refused(model):
    with pytest.raises((MusicTagError, ValueError), match="shape|rank|expected"):
        model(np.zeros((2, model.chunking.chunk_samples, 2), "float32"))
    with pytest.raises(MusicTagError, match="NaN"):
        model.predict(np.full(1000, np.nan, "float32"))
