"""The layers and networks of the ISMIR 2024 tutorial against the authors' code."""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from keras_musictag.layers import (
    AutoPool,
    AutoPoolWeightSplit,
    LogMelSpectrogram,
    SincConv,
    SoftmaxWeightPool,
    TCNBlock,
)
from keras_musictag.models.taggers.auto_pool import AutoPoolTagger
from tests.forward import forward
from tests.parity.gradients import gradients

DATA = Path(__file__).parent / "data" / "peeters"
OUTPUT, GRADIENT = 1e-4, 1e-3
NETWORKS = {"mel": "lms", "sinc": "sinc", "conv1d": "conv1d", "tcn": "tcn"}
COUNTS = {"mel": 164755, "sinc": 313011, "conv1d": 124931, "tcn": 219963}


def near(found, wanted, tolerance=OUTPUT):
    """At most `tolerance` off; where values exceed 1, of the largest one."""
    found = ops.convert_to_numpy(found)
    assert found.shape == wanted.shape
    scale = max(1.0, float(np.abs(wanted).max()))
    assert float(np.abs(found - wanted).max()) <= tolerance * scale


def relative(found, wanted, tolerance=GRADIENT):
    found = ops.convert_to_numpy(found)
    assert found.shape == wanted.shape
    error = float(np.linalg.norm(found - wanted))
    assert error <= tolerance * float(np.linalg.norm(wanted)) + 1e-6


def assign(layer, values: dict) -> None:
    """Set every variable of a layer by the end of its path."""
    left = list(layer.weights)
    for end, value in values.items():
        variable = next(v for v in left if v.path.endswith(end))
        left = [v for v in left if v is not variable]
        variable.assign(value.reshape(variable.shape))
    assert not left


def weighted(r):
    return lambda y: ops.sum(y * ops.convert_to_tensor(r))


def of(found: dict, end: str) -> np.ndarray:
    return next(g for path, g in found.items() if path.endswith(end))


# === Pools ===


def pool_input(stored):
    """`(batch, channels, 1, time)` to `(batch, time, channels)`."""
    return stored["x"][:, :, 0].transpose(0, 2, 1)


def check_pool(layer, stored, suffix=""):
    x, r = pool_input(stored), stored["r"][:, :, 0, 0]
    y, of_x, of_alpha = gradients(layer, x, weighted(r))
    near(y, stored[f"y{suffix}"][:, :, 0, 0])
    wanted = stored[f"grad.x{suffix}"][:, :, 0].transpose(0, 2, 1)
    near(of_x, wanted)
    if of_alpha:
        alpha = of(of_alpha, "alpha")
        relative(alpha, stored[f"grad.alpha{suffix}"].reshape(alpha.shape))


@pytest.mark.parametrize(
    ("kind", "name"),
    [(AutoPool, "autopool_weight"), (AutoPoolWeightSplit, "autopool_weight_split")],
)
def test_auto_pools(kind, name):
    stored = np.load(DATA / f"{name}.npz")
    layer = kind()
    layer.build(pool_input(stored).shape)
    assert len(stored["alphas"]) > 1
    for i, alpha in enumerate(stored["alphas"]):
        layer.alpha.assign(alpha)
        check_pool(layer, stored, f".{i}")


def test_auto_pool_with_a_factor_per_channel():
    stored = np.load(DATA / "extension_autopool_per_channel.npz")
    layer = AutoPool(per_channel=True)
    layer.build(pool_input(stored).shape)
    layer.alpha.assign(stored["alpha"].reshape(-1))
    check_pool(layer, stored)


def test_softmax_weight_pool():
    stored = np.load(DATA / "softmax_weight.npz")
    layer = SoftmaxWeightPool()
    layer.build(pool_input(stored).shape)
    check_pool(layer, stored)


# === SincNet ===


@pytest.mark.parametrize("case", ["init", "pert"])
def test_sinc(case):
    stored = np.load(DATA / "sinc_conv.npz")
    low, band = (stored[f"{case}.p.{n}"] for n in ("low_hz", "band_hz"))
    layer = SincConv(len(low))
    x = stored["x"][:, 0]
    layer.build(x.shape)
    assign(layer, {"low_hz": low, "band_hz": band})
    cutoffs = [ops.convert_to_numpy(f) for f in layer.cutoffs()]
    near(cutoffs[0], stored[f"{case}.low_eff_hz"][:, 0], 1e-6)
    near(cutoffs[1], stored[f"{case}.high_eff_hz"][:, 0], 1e-6)
    near(ops.convert_to_numpy(layer.filters()), stored[f"{case}.filters"][:, 0])
    r = stored[f"{case}.r"].transpose(0, 2, 1)
    y, _, found = gradients(layer, x, weighted(r))
    near(y, stored[f"{case}.y"].transpose(0, 2, 1))
    relative(of(found, "low_hz"), stored[f"{case}.grad.low_hz"][:, 0])
    relative(of(found, "band_hz"), stored[f"{case}.grad.band_hz"][:, 0])


def test_sinc_with_strides_and_with_an_even_kernel():
    stored = np.load(DATA / "sinc_conv.npz")
    x = stored["x"][:, 0]
    layer = SincConv(len(stored["pert.p.low_hz"]), strides=10)
    even = SincConv(6, 250, 16000, min_low_hz=0, min_band_hz=20)
    for made, case in ((layer, "pert.p."), (even, "even250_16k.")):
        made.build(x.shape)
        assign(made, {n: stored[case + n] for n in ("low_hz", "band_hz")})
    near(layer(x), stored["pert.y_stride10"].transpose(0, 2, 1))
    near(ops.convert_to_numpy(even.filters()), stored["even250_16k.filters"][:, 0])
    near(even(x), stored["even250_16k.y"].transpose(0, 2, 1))


def test_sinc_start_and_gradient_of_the_input(reference):
    stored = np.load(reference / "peeters" / "layers" / "sinc_conv.npz")
    layer = SincConv()
    x = stored["x"][:, 0]
    layer.build(x.shape)
    for name in ("low_hz", "band_hz"):
        start = ops.convert_to_numpy(getattr(layer, name))
        near(start, stored[f"init_{name}"][:, 0], 1e-6)
    r = stored["init.r"].transpose(0, 2, 1)
    y, of_x, _ = gradients(layer, x, weighted(r))
    near(y, stored["init.y"].transpose(0, 2, 1))
    near(of_x, stored["init.grad.x"][:, 0])


# === TCN, layer normalisation, log-mel ===


def tcn_weights(stored, prefix: str) -> dict:
    """Values of a block by the ends of our paths."""
    found = {}
    for theirs, ours in (("conv1", "conv_1"), ("conv2", "conv_2")):
        v = stored[f"{prefix}{theirs}.weight_v"]
        found[f"{ours}/direction"] = v.transpose(2, 1, 0)
        found[f"{ours}/gain"] = stored[f"{prefix}{theirs}.weight_g"].reshape(-1)
        found[f"{ours}/bias"] = stored[f"{prefix}{theirs}.bias"]
    if f"{prefix}downsample.weight" in stored:
        kernel = stored[f"{prefix}downsample.weight"]
        found["conv_3/kernel"] = kernel.transpose(2, 1, 0)
        found["conv_3/bias"] = stored[f"{prefix}downsample.bias"]
    return found


def test_tcn_blocks():
    stored = np.load(DATA / "temporal_block.npz")
    cases = sorted({key.split(".")[0] for key in stored})
    assert cases
    for case in cases:
        x = stored[f"{case}.x"].transpose(0, 2, 1)
        taps, dilation = (int(part[1:]) for part in case.split("_")[2:4])
        filters = stored[f"{case}.y"].shape[1]
        layer = TCNBlock(filters, taps, dilation)
        layer.build(x.shape)
        assign(layer, tcn_weights(stored, f"{case}.p."))
        r = stored[f"{case}.r"].transpose(0, 2, 1)
        y, of_x, found = gradients(layer, x, weighted(r))
        near(y, stored[f"{case}.y"].transpose(0, 2, 1))
        near(of_x, stored[f"{case}.grad.x"].transpose(0, 2, 1))
        wanted = tcn_weights(stored, f"{case}.grad.")
        for end, value in wanted.items():
            relative(of(found, end), value)


def test_layer_normalisation_over_time_and_channels():
    stored = np.load(DATA / "layernorm_joint.npz")
    for case in ("C_T", "one_T", "silence"):
        x = stored[f"{case}.x"].transpose(0, 2, 1)
        layer = keras.layers.LayerNormalization(axis=(1, 2), epsilon=1e-5)
        layer.build(x.shape)
        layer.gamma.assign(stored[f"{case}.p.weight"].T)
        layer.beta.assign(stored[f"{case}.p.bias"].T)
        near(layer(x), stored[f"{case}.y"].transpose(0, 2, 1))


def test_log_mel_of_a_whole_track(reference):
    stored = np.load(reference / "peeters" / "features" / "features_3s.npz")
    model = AutoPoolTagger(["a", "b"])
    frames = np.concatenate(
        [
            ops.convert_to_numpy(model.frontend(chunk[None]))[0]
            for _, chunk in model.chunking.replace(tail="pad").chunks([stored["audio"]])
        ]
    )
    wanted = stored["lms"][0].T
    # log(1 + 10000 x): the last digits of a float32 power of 700.
    near(frames[: len(wanted)], wanted)
    layer = LogMelSpectrogram(22050, hop_length=1024, compression="log1p")
    near(layer(stored["audio"][None])[0], wanted)


# === Networks ===


def network_weights(stored) -> dict:
    """Values by our paths from the names of the configuration file."""
    found = {}
    for key in stored:
        if not key.startswith("p."):
            continue
        value, (block, layer, step, *rest) = stored[key], key[2:].split(".")
        place, kind = f"{block}.{layer}.{step}", rest[-1]
        if place == "0.0.1" and rest[0] == "network":
            continue  # below
        if place == "0.0.1":
            path = {"low_hz_v_": "low_hz", "band_hz_v_": "band_hz"}.get(kind)
            path = f"listen/{path or {'weight': 'kernel'}.get(kind, kind)}"
            if value.ndim == 4:
                value = value[:, 0]
            value = value.transpose(2, 1, 0) if value.ndim == 3 else value.reshape(-1)
        elif place in ("0.0.0", "0.0.3", "0.0.4", "0.1.2", "0.2.2", "1.0.0"):
            name = {"0.0.0": "input_norm", "0.1.2": "block_1_norm"}.get(place)
            name = name or {"0.2.2": "block_2_norm", "1.0.0": "body_norm"}.get(place)
            path = f"{name or 'listen_norm'}/{'gamma' if kind == 'weight' else 'beta'}"
            value = value.reshape(value.shape[-2:])
            value = value if place == "1.0.0" else value.T
        elif rest[0] == "module":
            names = {"weight": "gamma", "bias": "beta"}
            names |= {"running_mean": "moving_mean", "running_var": "moving_variance"}
            path = f"dense_{int(layer) + 1}_norm/{names[kind]}"
        elif kind == "autopool_param":
            path = "pool/alpha"
        else:
            name = "logits" if block == "2" else f"dense_{int(layer) + 1}"
            name = f"block_{layer}_conv" if block == "0" else name
            path = f"{name}/{'kernel' if kind == 'weight' else 'bias'}"
            value = value.transpose() if kind == "weight" else value
        found[path] = value
    for i in range(4):
        prefix = f"p.0.0.1.network.{i}."
        if prefix + "conv1.bias" in stored:
            block = tcn_weights(stored, prefix)
            found |= {f"listen_{i + 1}/{end}": v for end, v in block.items()}
    return found


def set_weights(model, values: dict) -> None:
    assert {v.path for v in model.weights} == set(values)
    for variable in model.weights:
        variable.assign(values[variable.path])


@pytest.fixture(params=NETWORKS)
def network(request, reference):
    name = f"autotag_{NETWORKS[request.param]}.npz"
    stored = dict(np.load(reference / "peeters" / "networks" / name))
    model = AutoPoolTagger(
        [f"label {i}" for i in range(stored["logits"].shape[1])],
        frontend=request.param,
        problem_type="single_label_classification",
    )
    set_weights(model, network_weights(stored))
    x = stored["x"][:, 0]
    return model, stored, x.transpose(0, 2, 1) if x.ndim == 3 else x


def logits_of(model, embedding):
    head = keras.Model(model.head.input, model.head.get_layer("logits").output)
    return ops.convert_to_numpy(head(embedding))


def test_networks(network):
    model, stored, x = network
    inner = {
        stage: model.backbone.get_layer(name).output
        for stage, name in {
            "s.0.0": "listen_relu",
            "s.0.1": "block_1_relu",
            "s.0.2": "block_2_relu",
            "s.1.0": "dense_1_relu",
            "s.1.1": "dense_2_relu",
            "s.1.2": "dense_3_relu",
            "embedding_64": "pool",
        }.items()
    }
    found = forward(keras.Model(model.backbone.input, inner), x, training=False)
    for stage, tensor in found.items():
        value = ops.convert_to_numpy(tensor)
        wanted = stored.get(stage)
        if wanted is None:
            wanted, value = stored[f"{stage}_item0"], value[0]
        if stage.startswith("s.0"):
            value = np.swapaxes(value, -1, -2)
        near(value, wanted)
    embedding = found["embedding_64"]
    near(logits_of(model, embedding), stored["logits"])
    near(model.head(embedding), stored["softmax"])
    many = AutoPoolTagger(
        [f"label {i}" for i in range(stored["mtt_head.labels"].shape[1])],
        frontend=model.settings["frontend"],
    )
    values = network_weights(stored)
    values["logits/kernel"] = stored["mtt_head.weight"].T
    values["logits/bias"] = stored["mtt_head.bias"]
    set_weights(many, values)
    embedding = many.backbone(x, training=False)
    near(logits_of(many, embedding), stored["mtt_head.logits"])
    near(many.head(embedding), stored["mtt_head.sigmoid"])


def test_gradients_of_the_loss(network):
    model, stored, x = network
    part = keras.Model(
        model.backbone.input,
        keras.Model(model.head.input, model.head.get_layer("logits").output)(
            model.backbone.output
        ),
    )
    labels = ops.convert_to_tensor(stored["loss.labels"])

    def loss(logits):
        return ops.mean(
            keras.losses.sparse_categorical_crossentropy(
                labels, logits, from_logits=True
            )
        )

    y, _, found = gradients(part, x, loss)
    assert float(loss(ops.convert_to_tensor(y))) == pytest.approx(
        float(stored["loss.ce_mean"]), abs=1e-5
    )
    wanted = network_weights(
        {
            key.replace("loss.grad.", "p."): value
            for key, value in stored.items()
            if key.startswith("loss.grad.") and key.endswith(("_param", "_hz_v_"))
        }
    )
    assert "pool/alpha" in wanted
    for path, value in wanted.items():
        relative(found[path], value)
    for name, value in stored.items():
        if name.startswith("loss.gradnorm.") and name.endswith("autopool_param"):
            norm = np.linalg.norm(found["pool/alpha"])
            assert norm == pytest.approx(float(value), rel=GRADIENT)


def test_statistics_of_the_batch(network):
    model, stored, x = network
    for layer in model.backbone.layers:
        if isinstance(layer, TCNBlock):
            layer.drop_1.rate = layer.drop_2.rate = 0.0
    near(logits_of(model, model.backbone(x, training=True)), stored["batchstat.logits"])


@pytest.mark.parametrize(("frontend", "count"), COUNTS.items())
def test_parameter_counts(frontend, count):
    for n_labels in (10, 50):
        model = AutoPoolTagger([f"{i}" for i in range(n_labels)], frontend=frontend)
        found = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
        assert found == count + (n_labels - 10) * 65
