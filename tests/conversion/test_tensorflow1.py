"""The reader of TensorFlow 1 checkpoints, on real ones."""

import hashlib
import json
import os
import zipfile

import keras
import numpy as np
import pytest

from keras_musictag.conversion import tensorflow1
from keras_musictag.errors import PresetError
from keras_musictag.models.tagger import MusicTagger
from keras_musictag.presets.records import preset_info, preset_weights
from keras_musictag.presets.weights import save_weights

tensorflow = pytest.importorskip("tensorflow", reason="writes checkpoints with it")

PRESETS = {
    "MTT_musicnn": "musicnn_mtt",
    "MSD_musicnn": "musicnn_msd",
    "MTT_vgg": "vgg_mtt",
    "MSD_vgg": "vgg_msd",
}
by_model = pytest.mark.parametrize("model", PRESETS)


class Variable:
    """What the converter needs of a Keras variable, on every backend."""

    def __init__(self, path, shape):
        self.path, self.shape, self.value = path, shape, None

    def assign(self, value):
        self.value = np.array(value)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A checkpoint of a trained step, as `tf.train.Saver` of TensorFlow 1 writes it.

    Its prefix is the folder itself, and the file `checkpoint` points elsewhere, as
    in the musicnn package.
    """
    folder = tmp_path_factory.mktemp("trained")
    tf1 = tensorflow.compat.v1
    rng = np.random.default_rng(0)
    arrays = {
        "conv2d/kernel": rng.normal(size=(7, 5, 1, 3)),
        "conv2d/bias": rng.normal(size=3),
        "batch_normalization/moving_mean": rng.normal(size=3),
    }
    arrays = {name: array.astype("float32") for name, array in arrays.items()}
    with tensorflow.Graph().as_default(), tf1.Session() as run:
        variables = {
            name: tf1.get_variable(
                name, initializer=array, trainable="moving" not in name
            )
            for name, array in arrays.items()
        }
        weights = list(variables.values())[:2]
        loss = sum(tensorflow.reduce_sum(weight**2) for weight in weights)
        step = tf1.train.AdamOptimizer(0.1).minimize(loss)
        run.run(tf1.global_variables_initializer())
        run.run(step)
        arrays = run.run(variables)
        names = {v.op.name for v in tf1.global_variables()}
        tf1.train.Saver().save(run, f"{folder}/", write_meta_graph=False)
    assert {"conv2d/kernel/Adam", "conv2d/bias/Adam_1", "beta1_power"} <= names
    text = 'model_checkpoint_path: "/home/author/model/"\n'
    (folder / "checkpoint").write_text(text, "utf-8")
    return folder, arrays


def small_model():
    """The names and variables that fit the checkpoint."""
    names = {
        "conv/kernel": "conv2d/kernel",
        "conv/bias": "conv2d/bias",
        "norm/moving_mean": "batch_normalization/moving_mean",
    }
    shapes = [(7, 5, 3), (3,), (3,)]
    paths = zip(names, shapes, strict=True)
    return names, [Variable(path, shape) for path, shape in paths]


# === Reading ===


def test_reads_all_but_the_optimizer(checkpoint):
    folder, wanted = checkpoint
    arrays = tensorflow1.read_checkpoint(folder)
    assert set(arrays) == set(wanted)
    for name, array in wanted.items():
        np.testing.assert_array_equal(arrays[name], array)


def test_a_folder_without_a_checkpoint(tmp_path):
    with pytest.raises(PresetError, match=r"not hold a readable TensorFlow checkpoint"):
        tensorflow1.read_checkpoint(tmp_path)


def test_a_damaged_checkpoint(checkpoint, tmp_path):
    folder, _ = checkpoint
    index = (folder / ".index").read_bytes()
    (tmp_path / ".index").write_bytes(index[: len(index) // 2])
    data = (folder / ".data-00000-of-00001").read_bytes()
    (tmp_path / ".data-00000-of-00001").write_bytes(data)
    with pytest.raises(PresetError, match=r"Point to a folder such as"):
        tensorflow1.read_checkpoint(tmp_path)


def test_data_that_is_cut_short(checkpoint, tmp_path):
    folder, _ = checkpoint
    (tmp_path / ".index").write_bytes((folder / ".index").read_bytes())
    data = (folder / ".data-00000-of-00001").read_bytes()
    (tmp_path / ".data-00000-of-00001").write_bytes(data[:20])
    with pytest.raises(PresetError, match=r"readable TensorFlow checkpoint"):
        tensorflow1.read_checkpoint(tmp_path)


# === Assigning ===


def test_assigns_every_array(checkpoint):
    folder, arrays = checkpoint
    names, variables = small_model()
    tensorflow1.assign_variables(tensorflow1.read_checkpoint(folder), names, variables)
    for variable in variables:
        wanted = arrays[names[variable.path]].reshape(variable.shape)
        np.testing.assert_array_equal(variable.value, wanted)


def refused(checkpoint, match, *, arrays=None, names=None, variables=None):
    """Whatever is wrong, the error says so and nothing is assigned."""
    fitting_names, fitting_variables = small_model()
    variables = fitting_variables if variables is None else variables
    arrays = checkpoint[1] if arrays is None else arrays
    with pytest.raises(PresetError, match=match):
        tensorflow1.assign_variables(arrays, names or fitting_names, variables)
    assert all(variable.value is None for variable in variables)


def test_an_array_that_nothing_uses(checkpoint):
    arrays = {**checkpoint[1], "dense/kernel": np.zeros((2, 2), "float32")}
    refused(checkpoint, r"unused arrays.*dense/kernel", arrays=arrays)


def test_an_array_that_is_missing(checkpoint):
    arrays = {k: v for k, v in checkpoint[1].items() if k != "conv2d/bias"}
    refused(checkpoint, r"names that the checkpoint lacks.*conv2d/bias", arrays=arrays)


def test_a_variable_without_a_source(checkpoint):
    variables = [*small_model()[1], Variable("dense/bias", (2,))]
    match = r"variables without a source.*dense/bias"
    refused(checkpoint, match, variables=variables)


def test_a_path_that_the_model_lacks(checkpoint):
    variables = small_model()[1][:-1]
    match = r"paths that the model lacks.*norm/moving_mean"
    refused(checkpoint, match, variables=variables)


def test_an_array_that_is_used_twice(checkpoint):
    names, variables = small_model()
    names["norm/moving_mean"] = "conv2d/bias"
    arrays = {k: v for k, v in checkpoint[1].items() if "normalization" not in k}
    refused(checkpoint, r"used twice", arrays=arrays, names=names, variables=variables)


@pytest.mark.parametrize("shape", [(4,), (3, 1), ()])
def test_an_array_of_another_shape(checkpoint, shape):
    variables = small_model()[1]
    variables[1] = Variable("conv/bias", shape)
    match = r"`conv2d/bias` does not fit.*`conv/bias`.*\(3,\)"
    refused(checkpoint, match, variables=variables)


def test_a_full_width_kernel_must_have_one_input_channel(checkpoint):
    arrays = {**checkpoint[1], "conv2d/kernel": np.zeros((7, 5, 2, 3), "float32")}
    refused(checkpoint, r"conv2d/kernel.*does not fit", arrays=arrays)


# === The musicnn package ===


def names_of(model):
    vgg = "vgg" in model
    return tensorflow1.vgg_names() if vgg else tensorflow1.musicnn_names()


@by_model
def test_bundled_weights_have_the_checkpoints_statistics(reference, model):
    path = reference / "musicnn" / "checkpoint_variables.json"
    if not path.is_file():
        pytest.skip("the reference has no checkpoint_variables.json")
    record = json.loads(path.read_text("utf-8")).get(model)
    if record is None:
        pytest.skip(f"checkpoint_variables.json has no {model}")
    stored = {variable["name"]: variable for variable in record["variables"]}
    tagger = MusicTagger.from_pretrained(PRESETS[model])
    ours = {variable.path: variable for variable in tagger.weights}
    names = names_of(model)
    assert set(names) == set(ours)
    assert sorted(names.values()) == sorted(stored)
    assert sum(np.prod(v.shape) for v in ours.values()) == record["inference_values"]
    for path, name in names.items():
        wanted = stored[name]
        values = keras.ops.convert_to_numpy(ours[path])
        assert values.size == np.prod(wanted["shape"]), name
        found = [values.mean(dtype="float64"), values.std(dtype="float64")]
        np.testing.assert_allclose(
            found, [wanted["mean"], wanted["std"]], rtol=1e-5, atol=1e-9, err_msg=name
        )
        ends = [values.flat[0], values.flat[-1]]
        assert ends == [wanted["first"], wanted["last"]], name


@by_model
def test_conversion_of_the_wheel(tmp_path, model):
    """The original checkpoint gives our weights file, byte for byte."""
    wheel = os.environ.get("KMT_MUSICNN_WHEEL")
    if not wheel:
        pytest.skip("needs the wheel musicnn 0.1.0 (set KMT_MUSICNN_WHEEL to its path)")
    record = preset_info(PRESETS[model])
    with zipfile.ZipFile(wheel) as archive:
        prefix = f"musicnn/{model}/"
        members = [n for n in archive.namelist() if n.startswith(prefix)]
        archive.extractall(tmp_path, members)
    arrays = tensorflow1.read_checkpoint(tmp_path / prefix)
    weights = MusicTagger.from_pretrained(record["name"]).weights
    for variable in weights:
        variable.assign(np.zeros(variable.shape, "float32"))
    tensorflow1.assign_variables(arrays, names_of(model), weights)
    made = save_weights(tmp_path / "made.safetensors", weights)
    assert (made["bytes"], made["sha256"]) == (
        record["weights"]["bytes"],
        record["weights"]["sha256"],
    )
    bundled = preset_weights(record).read_bytes()
    assert hashlib.sha256(bundled).hexdigest() == made["sha256"]
