"""Names of the PyTorch weights of Won et al. (2020) for our variables, part two.

The functions are of the form that `keras_musictag.conversion.sota` describes.
"""

from collections.abc import Mapping

from keras_musictag.conversion.sota import (
    Names,
    _same,
    conv_1d,
    conv_block,
    dense,
    dense_head,
    norm,
    residual_block,
)


def sample_cnn_names(config: Mapping) -> Names:
    """Sources of the variables of `SampleCNNTagger`."""
    filters = config["filters"]
    names: Names = {}
    for i, channels in enumerate(filters, 1):
        layer, key = f"block_{i}", f"layer{i}"
        if not config["squeeze_excitation"]:
            names |= conv_1d(f"{layer}_conv", f"{key}.conv")
            names |= norm(f"{layer}_norm", f"{key}.bn")
            continue
        names |= dense(f"{layer}_excite/reduce", f"{key}.dense1")
        names |= dense(f"{layer}_excite/expand", f"{key}.dense2")
        shortcut = i == 1 or channels != filters[i - 2]
        for number in (1, 2, 3) if shortcut else (1, 2):
            names |= conv_1d(f"{layer}_conv_{number}", f"{key}.conv_{number}")
            names |= norm(f"{layer}_norm_{number}", f"{key}.bn_{number}")
    if config["squeeze_excitation"]:
        return names | dense_head("dense")
    return names | dense("logits", "dense")


def self_attention_names(config: Mapping) -> Names:
    """Sources of the variables of `SelfAttentionTagger`."""
    names = norm("input_norm", "spec_bn")
    for i in range(1, len(config["filters"]) + 1):
        names |= residual_block(f"block_{i}", f"layer{i}", shortcut=True)
    for i in range(config["encoder_blocks"]):
        key = f"encoder.layer.{i}"
        names |= encoder_block(f"encoder_{i + 1}", key, config["num_heads"])
    return names | dense("pooler", "pooler.dense") | dense("logits", "dense")


def harmonic_cnn_names(config: Mapping) -> Names:
    """Sources of the variables of `HarmonicCNNTagger`."""
    names: Names = {"frontend/q": (("hstft.bw_Q",), lambda q: q.reshape(1))}
    names |= norm("input_norm", "hstft_bn")
    for i in range(1, len(config["filters"]) + 1):
        layer, key = f"block_{i}", f"layer{i}"
        if i in (1, 5):
            names |= conv_block(layer, key)
        else:
            names |= residual_block(layer, key, shortcut=False)
    return names | dense_head("dense")


# === Parts: the variables of one layer or block and where they come from ===


def encoder_block(layer: str, key: str, heads: int) -> Names:
    """Sources of a `TransformerEncoderBlock`, from a BERT layer of PyTorch."""
    names: Names = {}
    for part in ("query", "key", "value"):
        names |= _split_heads(
            f"{layer}/attention/{part}", f"{key}.attention.self.{part}", heads
        )
    output = f"{key}.attention.output"
    names |= {
        f"{layer}/attention/attention_output/kernel": (
            (f"{output}.dense.weight",),
            lambda w: w.transpose(1, 0).reshape(heads, -1, w.shape[0]),
        ),
        f"{layer}/attention/attention_output/bias": _same(f"{output}.dense.bias"),
    }
    names |= layer_norm(f"{layer}/attention_norm", f"{output}.LayerNorm")
    names |= dense(f"{layer}/intermediate", f"{key}.intermediate.dense")
    names |= dense(f"{layer}/output_dense", f"{key}.output.dense")
    return names | layer_norm(f"{layer}/output_norm", f"{key}.output.LayerNorm")


def layer_norm(layer: str, key: str) -> Names:
    """Sources of a `LayerNormalization`."""
    return {
        f"{layer}/gamma": _same(f"{key}.weight"),
        f"{layer}/beta": _same(f"{key}.bias"),
    }


def _split_heads(layer: str, key: str, heads: int) -> Names:
    return {
        f"{layer}/kernel": (
            (f"{key}.weight",),
            lambda w: w.transpose(1, 0).reshape(w.shape[1], heads, -1),
        ),
        f"{layer}/bias": ((f"{key}.bias",), lambda b: b.reshape(heads, -1)),
    }
