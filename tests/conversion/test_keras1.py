"""Weights files of Keras 1: read into a network, and refused where they are not plain.

The files are written here as Keras 1.2 did; what gates make of them is written out in
NumPy.
"""

import io

import h5py
import keras
import numpy as np
import pytest

import keras_musictag as kmt
from keras_musictag.conversion import convert_checkpoint
from keras_musictag.errors import PresetError

FILTERS, UNITS, LABELS = (2, 3, 3, 4), 3, ["calm", "wild"]
FRAMES = 1366 + 2 * 37


def arrays() -> dict[str, np.ndarray]:
    """Random weights by the names that Keras 1 gave them."""
    rng = np.random.default_rng(0)
    made = {}
    before = 1
    for i, width in enumerate(FILTERS, 1):
        made[f"conv{i}_W"] = rng.normal(0, 0.4, (width, before, 3, 3))
        made[f"conv{i}_b"] = rng.normal(0, 0.1, width)
        before = width
    sizes = {"bn_0_freq": FRAMES} | {f"bn{i}": n for i, n in enumerate(FILTERS, 1)}
    for layer, size in sizes.items():
        for part in ("gamma", "running_std"):
            made[f"{layer}_{part}"] = rng.uniform(0.5, 1.5, size)
        for part in ("beta", "running_mean"):
            made[f"{layer}_{part}"] = rng.normal(0, 0.3, size)
    for layer, size in (("gru1", FILTERS[-1]), ("gru2", UNITS)):
        for gate in "zrh":
            made[f"{layer}_W_{gate}"] = rng.normal(0, 1, (size, UNITS))
            made[f"{layer}_U_{gate}"] = rng.normal(0, 1, (UNITS, UNITS))
            made[f"{layer}_b_{gate}"] = rng.normal(0, 0.5, UNITS)
    made["output_W"] = rng.normal(0, 1, (UNITS, len(LABELS)))
    made["output_b"] = rng.normal(0, 1, len(LABELS))
    return {key: value.astype("float32") for key, value in made.items()}


def write(weights: dict[str, np.ndarray], change=None) -> bytes:
    """A file as Keras 1.2 writes it; `change` may spoil it."""
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        for key, value in weights.items():
            layer = file.require_group(key.split("_")[0])
            tail = ":0" if key.startswith("gru") else "_1:0"
            layer.create_dataset(key + tail, data=value)
        file.create_group("elu_6")
        if change:
            change(file)
    return memory.getvalue()


def convert(data: bytes):
    return convert_checkpoint(
        data,
        kmt.CRNNTagger,
        LABELS,
        variant="choi",
        filters=FILTERS,
        recurrent_units=UNITS,
    )


@pytest.fixture(scope="module")
def model():
    return convert(write(arrays()))


def gate(x):
    return np.clip(0.2 * x + 0.5, 0, 1)


def gru(sequence, w, layer):
    """Keras 1: the state is reset before the product, gates are straight lines."""
    state, states = np.zeros(UNITS), []
    part = {k: [w[f"{layer}_{k}_{g}"] for g in "zrh"] for k in "WUb"}
    for x in sequence:
        z, r, h = (x @ k + b for k, b in zip(part["W"], part["b"], strict=True))
        z, r = gate(z + state @ part["U"][0]), gate(r + state @ part["U"][1])
        candidate = np.tanh(h + (r * state) @ part["U"][2])
        state = z * state + (1 - z) * candidate
        states.append(state)
    return np.array(states)


def test_gates_are_those_of_keras_1(model):
    w = arrays()
    body = model.backbone
    inside = keras.Model(body.input, [body.get_layer("sequence").output, body.output])
    spectrogram = np.random.default_rng(1).normal(-20, 9, (1, 1366, 96))
    sequence, found = inside(spectrogram.astype("float32"), training=False)
    sequence = keras.ops.convert_to_numpy(sequence)[0].astype("float64")
    expected = gru(gru(sequence, w, "gru1"), w, "gru2")[-1]
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(found)[0], expected, atol=1e-5
    )


def test_each_frame_is_normalised_by_its_own_deviation(model):
    w = arrays()
    body = model.backbone
    norm = keras.Model(body.input, body.get_layer("input_norm").output)
    x = np.random.default_rng(2).normal(-20, 9, (1, 1366, 96)).astype("float32")
    found = keras.ops.convert_to_numpy(norm(x, training=False))[0, ..., 0]
    z = np.pad((x[0] - x.mean()) / x.std(), [(37, 37), (0, 0)])
    part = {k: w[f"bn_0_freq_{k}"][:, None] for k in ("gamma", "beta")}
    mean, deviation = (w[f"bn_0_freq_running_{k}"][:, None] for k in ("mean", "std"))
    expected = part["gamma"] * (z - mean) / (deviation + 1e-6) + part["beta"]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_report_names_every_array(model):
    used = [key for keys in model.report.mapped.values() for key in keys]
    assert sorted(used) == sorted(arrays())


def test_other_sizes_and_other_networks_are_told(tmp_path):
    weights = arrays()
    with pytest.raises(PresetError, match='those of CRNNTagger with variant="choi"'):
        convert_checkpoint(write(weights), kmt.FCNTagger, LABELS)
    del weights["gru2_U_r"]
    with pytest.raises(PresetError, match="lacks: gru2_U_r"):
        convert(write(weights))


def outside(file):
    file["elsewhere"] = h5py.ExternalLink("/etc/passwd", "/x")


def external(file):
    file["elu_6"].create_dataset(
        "x:0", (4,), "float32", external=[("/etc/hostname", 0, 16)]
    )


def virtual(file):
    layout = h5py.VirtualLayout((4,), "float32")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "x", (4,))
    file["elu_6"].create_virtual_dataset("x:0", layout)


def packed(file):
    zeros = np.zeros(10**6, "float32")
    file["elu_6"].create_dataset("x:0", data=zeros, compression="gzip")


def unwritten(file):
    file["elu_6"].create_dataset("x:0", (10**12,), "float32")


def objects(file):
    file["elu_6"].create_dataset("x:0", data=["text"])


def twice(file):
    file["elu_6"].create_dataset("conv1_b:0", data=np.zeros(2, "float32"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (outside, "is a link"),
        (external, "no plain array"),
        (virtual, "no plain array"),
        (packed, "no plain array"),
        (unwritten, "more numbers than the file"),
        (objects, "no plain array"),
        (twice, "two arrays are named 'conv1_b'"),
        (lambda file: file.create_dataset("x", data=1.0), "outside the layers"),
        (lambda file: file.clear(), "no arrays"),
    ],
)
def test_files_that_hold_anything_else_are_refused(change, message):
    with pytest.raises(PresetError, match=f"network of Keras 1.*{message}"):
        convert(write(arrays(), change))


def test_cut_files_are_refused():
    data = write(arrays())
    for size in (8, 100, len(data) // 2, len(data) - 1):
        with pytest.raises(PresetError, match="Keras 1"):
            convert(data[:size])
