"""HuBERT and MERT as the transformers library saves them, for our names."""

from collections.abc import Collection, Mapping

import numpy as np

from keras_musictag.conversion.sota import (
    Names,
    Source,
    conv_1d,
    dense,
    layer_norm,
    norm,
)
from keras_musictag.conversion.transformers import Checkpoint, Layout

SECONDS = 5  # of a chunk, as MERT was trained
# The parts of a normalised kernel, the length first: older names, then newer ones.
NORMED = (("weight_g", "weight_v"), ("original0", "original1"))


def hubert_config(checkpoint: Checkpoint, keys: Collection[str]) -> dict:
    """Arguments of `MERTEncoder`, which has no labels at first."""
    for key in ("hidden_act", "feat_extract_activation"):
        checkpoint.check(key, "gelu")
    # Of MERT. Its `attention_relax` changes how numbers are rounded, and no result.
    for key in ("feature_extractor_cqt", "deepnorm"):
        checkpoint.check(key, False)
    checkpoint.check("feat_extract_norm", "group", "layer")
    checkpoint.check("adapter_attn_dim", None)
    get, settings = checkpoint.get, checkpoint.preprocessor
    rate = settings.get("sampling_rate") or get("sample_rate", 16000)
    filters = list(get("conv_dim", [512] * 7))
    return {
        "labels": None,
        "sample_rate": rate,
        "chunk_samples": SECONDS * rate,
        "normalize": settings.get("do_normalize", True),
        "conv_filters": filters,
        "conv_kernels": list(get("conv_kernel", [10, 3, 3, 3, 3, 2, 2])),
        "conv_strides": list(get("conv_stride", [5, 2, 2, 2, 2, 2, 2])),
        "conv_norm": "first"
        if get("feat_extract_norm", "group") == "group"
        else "every",
        "conv_bias": get("conv_bias", False),
        "project_norm": get("feat_proj_layer_norm", True),
        "units": get("hidden_size", 768),
        "blocks": get("num_hidden_layers", 12),
        "num_heads": get("num_attention_heads", 12),
        "intermediate_units": get("intermediate_size", 3072),
        "norm_first": get("do_stable_layer_norm", False),
        "position_taps": get("num_conv_pos_embeddings", 128),
        "position_groups": get("num_conv_pos_embedding_groups", 16),
        "position_norm": get("conv_pos_batch_norm", False),
        "epsilon": get("layer_norm_eps", 1e-5),
        "encoder_dropout": get("hidden_dropout", 0.1),
        "attention_dropout": get("attention_dropout", 0.1),
    }


def hubert_names(config: Mapping, keys: Collection[str]) -> Names:
    """Sources of the variables of `MERTEncoder`."""
    names: Names = {}
    for i in range(len(config["conv_filters"])):
        layer, key = f"conv_{i + 1}", f"feature_extractor.conv_layers.{i}"
        names |= conv_1d(layer, f"{key}.conv")
        if not config["conv_bias"]:
            names.pop(f"{layer}/bias")
        if config["conv_norm"] == "every":
            names |= layer_norm(f"{layer}_norm", f"{key}.layer_norm")
        elif i == 0:
            parts = {"gain": "weight", "offset": "bias"}
            for ours, part in parts.items():
                source = (f"{key}.layer_norm.{part}",)
                names[f"{layer}_norm/{ours}"] = (source, np.asarray)
    if config["project_norm"]:
        names |= layer_norm("project_norm", "feature_projection.layer_norm")
    names |= dense("project", "feature_projection.projection")
    position = "encoder.pos_conv_embed"
    if config["position_norm"]:
        names |= norm("position_norm", f"{position}.batch_norm")
    names["position/kernel"] = _position_kernel(f"{position}.conv", keys)
    names["position/bias"] = ((f"{position}.conv.bias",), np.asarray)
    names |= layer_norm("norm", "encoder.layer_norm")
    block = _stable_block if config["norm_first"] else _block
    for i in range(config["blocks"]):
        names |= block(f"block_{i + 1}", f"encoder.layers.{i}", config["num_heads"])
    return names


def _position_kernel(key: str, keys: Collection[str]) -> Source:
    """Source of the kernel, which most files keep as lengths and directions."""
    for length, direction in NORMED:
        inside = (
            key if length.startswith("weight") else f"{key}.parametrizations.weight"
        )
        pair = (f"{inside}.{length}", f"{inside}.{direction}")
        if pair[0] in keys:
            return pair, _normed_kernel
    return (f"{key}.weight",), lambda w: w.transpose(2, 1, 0)


def _normed_kernel(length: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Return `(taps, channels of a group, channels)`; each tap has its length."""
    wide = direction.astype("float64")
    norms = np.sqrt(np.square(wide).sum(axis=(0, 1), keepdims=True))
    return (length * wide / norms).transpose(2, 1, 0)


def _block(layer: str, key: str, heads: int) -> Names:
    """Sources of a `TransformerEncoderBlock`."""
    names: Names = {}
    for part in ("query", "key", "value"):
        source = f"{key}.attention.{part[0]}_proj"
        names[f"{layer}/attention/{part}/kernel"] = (
            (f"{source}.weight",),
            lambda w: w.transpose(1, 0).reshape(w.shape[1], heads, -1),
        )
        names[f"{layer}/attention/{part}/bias"] = (
            (f"{source}.bias",),
            lambda b: b.reshape(heads, -1),
        )
    output = f"{key}.attention.out_proj"
    names[f"{layer}/attention/attention_output/kernel"] = (
        (f"{output}.weight",),
        lambda w: w.transpose(1, 0).reshape(heads, -1, w.shape[0]),
    )
    names[f"{layer}/attention/attention_output/bias"] = (
        (f"{output}.bias",),
        np.asarray,
    )
    names |= layer_norm(f"{layer}/attention_norm", f"{key}.layer_norm")
    names |= dense(f"{layer}/intermediate", f"{key}.feed_forward.intermediate_dense")
    names |= dense(f"{layer}/output_dense", f"{key}.feed_forward.output_dense")
    return names | layer_norm(f"{layer}/output_norm", f"{key}.final_layer_norm")


def _stable_block(layer: str, key: str, heads: int) -> Names:
    """Sources of a `PreNormTransformerBlock`."""
    parts = [f"{key}.attention.{part}_proj" for part in "qkv"]
    names: Names = {
        f"{layer}/query_key_value/kernel": (
            tuple(f"{part}.weight" for part in parts),
            lambda *three: np.concatenate(three).transpose(1, 0),
        ),
        f"{layer}/query_key_value/bias": (
            tuple(f"{part}.bias" for part in parts),
            lambda *three: np.concatenate(three),
        ),
    }
    names |= layer_norm(f"{layer}/norm", f"{key}.layer_norm")
    names |= dense(f"{layer}/merge", f"{key}.attention.out_proj")
    names |= layer_norm(f"{layer}/dense_norm", f"{key}.final_layer_norm")
    names |= dense(f"{layer}/widen", f"{key}.feed_forward.intermediate_dense")
    return names | dense(f"{layer}/narrow", f"{key}.feed_forward.output_dense")


LAYOUT = Layout(
    class_name="MERTEncoder",
    config_from=hubert_config,
    names_from=hubert_names,
    prefix="hubert.",
    # What training masks with, and heads for other tasks.
    ignored=(
        "masked_spec_embed",
        "lm_head.",
        "projector.",
        "classifier.",
        "layer_weights",
    ),
)
