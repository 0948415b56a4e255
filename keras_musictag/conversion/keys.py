"""Names of the PyTorch weights of S-KEY and KeyNet for our variables."""

from collections.abc import Mapping

import numpy as np

from keras_musictag.conversion.sota import Names, norm

LEVELS, STAGES = 9, 7
# KeyNet's kernels see bins first; our spectrograms have frames first.
BLOCKS = 9


def skey_names(config: Mapping) -> Names:
    """Sources of the variables of `SKeyRecognizer`."""
    names: Names = {
        "frontend/lowpass": (("stone.hcqt.lowpass_filter",), np.ravel),
        "frontend/lengths": (("stone.hcqt.lenghts",), np.asarray),
    }
    for i in range(LEVELS):
        keys = tuple(f"stone.hcqt.cqt_kernels_{part}_{i}" for part in ("real", "imag"))
        names[f"frontend/kernel_{i}"] = (keys, _waves)
    net = "stone.chromanet"
    for i in range(STAGES):
        down, block = f"{net}.time_downsampling_blocks.{i}.conv", f"stage_{i}"
        names |= _layer(f"{block}_halve", down, lambda w: w.transpose(3, 2, 1, 0))
        key = f"{net}.convnext_blocks.{i}"
        names |= _layer(
            f"{block}_depthwise", f"{key}.dwconv", lambda w: w.transpose(3, 2, 0, 1)
        )
        names |= _layer(f"{block}_widen", f"{key}.pwconv1", np.transpose)
        names |= _layer(f"{block}_narrow", f"{key}.pwconv2", np.transpose)
        names[f"{block}_scale/gamma"] = ((f"{key}.gamma",), np.asarray)
    classifier = f"{net}.classifier"
    names |= _layer("modes", classifier, lambda w: w[:, :, 0, 0].transpose())
    for ours, part in (("mean", "running_mean"), ("variance", "running_var")):
        key = f"{net}.batch_norm.{part}"
        names[f"modes_norm/moving_{ours}"] = ((key,), np.asarray)
    return names


def keynet_names(config: Mapping) -> Names:
    """Sources of the variables of `KeyNetRecognizer`."""
    names: Names = {}
    for i in range(1, BLOCKS + 1):
        names[f"conv_{i}/kernel"] = (
            (f"conv{i}.conv.weight",),
            lambda w: w.transpose(3, 2, 1, 0),
        )
        names |= norm(f"conv_{i}_norm", f"conv{i}.bn")
    return names


def _layer(layer: str, key: str, transform) -> Names:
    return {
        f"{layer}/kernel": ((f"{key}.weight",), transform),
        f"{layer}/bias": ((f"{key}.bias",), np.asarray),
    }


def _waves(real, imaginary):
    """Kernels `(filters, 1, taps)` as `(taps, 2 * filters)`, real parts first."""
    return np.concatenate([real[:, 0], imaginary[:, 0]]).transpose()
