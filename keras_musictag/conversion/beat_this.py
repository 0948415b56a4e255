"""Names of the PyTorch weights of Beat This for our variables."""

from collections.abc import Mapping

import numpy as np

from keras_musictag.conversion.sota import Names, conv_2d, dense, norm

FRONT_BLOCKS = 3


def beat_this_names(config: Mapping) -> Names:
    """Sources of the variables of `BeatThisTracker`."""
    head = config["head_dim"]
    names = norm("input_norm", "frontend.stem.bn1d")
    names |= _convolution("stem", "frontend.stem", "bn2d")
    for block in range(FRONT_BLOCKS):
        ours, theirs = f"front_{block + 1}", f"frontend.blocks.{block}"
        for direction, axis in (("bands", "F"), ("time", "T")):
            partial = f"{theirs}.partial"
            names |= _block(
                f"{ours}_{direction}",
                f"{partial}.attn{axis}",
                f"{partial}.ff{axis}",
                head,
            )
        names |= _convolution(ours, theirs, "norm")
    channels = config["stem_channels"] * 2**FRONT_BLOCKS
    names |= dense("projection", "frontend.linear")
    names["projection/kernel"] = (
        ("frontend.linear.weight",),
        lambda w: _bands_first(w, channels),
    )
    for block in range(config["blocks"]):
        key = f"transformer_blocks.layers.{block}"
        names |= _block(f"block_{block + 1}", f"{key}.0", f"{key}.1", head)
    names["norm/gamma"] = (("transformer_blocks.norm.gamma",), np.asarray)
    return names | dense("logits", "task_heads.beat_downbeat_lin")


def _convolution(layer: str, key: str, norm_key: str) -> Names:
    names = conv_2d(f"{layer}_conv", f"{key}.conv2d")
    names.pop(f"{layer}_conv/bias")
    return names | norm(f"{layer}_norm", f"{key}.{norm_key}")


def _block(layer: str, attention: str, dense_key: str, head: int) -> Names:
    """Sources of a `RotaryTransformerBlock`."""
    names: Names = {
        f"{layer}/norm/gamma": ((f"{attention}.norm.gamma",), np.asarray),
        f"{layer}/query_key_value/kernel": (
            (f"{attention}.to_qkv.weight",),
            lambda w: _halves(w, head),
        ),
        f"{layer}/merge/kernel": ((f"{attention}.to_out.0.weight",), np.transpose),
        f"{layer}/dense_norm/gamma": ((f"{dense_key}.net.0.gamma",), np.asarray),
    }
    names |= dense(f"{layer}/gates", f"{attention}.to_gates")
    names |= dense(f"{layer}/widen", f"{dense_key}.net.1")
    return names | dense(f"{layer}/narrow", f"{dense_key}.net.4")


def _halves(weight: np.ndarray, head: int) -> np.ndarray:
    """Reorder queries and keys: theirs turn neighbouring channels, ours the halves."""
    channels = weight.shape[1]
    parts = weight.reshape(3, -1, head // 2, 2, channels)
    turned = parts.transpose(0, 1, 3, 2, 4).reshape(3, -1, channels)
    turned[2] = weight.reshape(3, -1, channels)[2]
    return turned.reshape(-1, channels).transpose()


def _bands_first(weight: np.ndarray, channels: int) -> np.ndarray:
    """Reorder inputs: theirs are the bands of each channel, ours the other way."""
    parts = weight.reshape(len(weight), channels, -1)
    return parts.transpose(2, 1, 0).reshape(-1, len(weight))
