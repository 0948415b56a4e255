"""Names of the weights of Choi's own networks, and of the baseline of MTG-Jamendo.

Choi's are of Keras 1, whose convolutions these files keep as PyTorch does: bands
first, channels before the window.
"""

from collections.abc import Mapping

import numpy as np

from keras_musictag.conversion import sota
from keras_musictag.conversion.sota import Names, Source

# Of Keras 1.0: inside the root in training, beside the deviation afterwards.
EPSILON = 1e-6


def fcn_names(config: Mapping) -> Names:
    """Sources of the variables of `FCNTagger`, of all its variants."""
    blocks = range(1, len(config["filters"]) + 1)
    if config["variant"] == "won":
        return sota.fcn_names(config)
    if config["variant"] == "choi":
        return _choi_body(blocks) | _layer("logits", "output", np.asarray)
    names = sota.norm("input_norm", "bn_init")
    for i in blocks:
        names |= sota.conv_2d(f"block_{i}/conv", f"conv_{i}")
        names |= sota.norm(f"block_{i}/norm", f"bn_{i}")
    return names | sota.dense("logits", "dense")


def crnn_names(config: Mapping) -> Names:
    """Sources of the variables of `CRNNTagger`, of both variants."""
    if config["variant"] == "won":
        return sota.crnn_names(config)
    names = _choi_body(range(1, len(config["filters"]) + 1))
    for i in (1, 2):
        names |= _gru(f"gru_{i}/gru_cell", f"gru{i}")
    return names | _layer("logits", "output", np.asarray)


def _choi_body(blocks: range) -> Names:
    names = _norm("input_norm", "bn_0_freq")
    for i in blocks:
        names |= _layer(
            f"block_{i}/conv", f"conv{i}", lambda w: w.transpose(3, 2, 1, 0)
        )
        names |= _norm(f"block_{i}/norm", f"bn{i}")
    return names


def _norm(layer: str, key: str) -> Names:
    """Sources of a `BatchNormalization`."""
    parts: dict[str, Source] = {
        "gamma": ((f"{key}_gamma",), np.asarray),
        "beta": ((f"{key}_beta",), np.asarray),
        "moving_mean": ((f"{key}_running_mean",), np.asarray),
        "moving_variance": ((f"{key}_running_std",), variance),
    }
    return {f"{layer}/{name}": source for name, source in parts.items()}


def variance(deviation: np.ndarray) -> np.ndarray:
    """Give the variance that does what a stored `running_std` did in training.

    Keras 1.0 divided by it plus epsilon. Later versions took the same array for a
    variance, and so do the scores that the authors print.

    Args:
        deviation: float32 array.

    Returns:
        float64 array for a `BatchNormalization` of the same epsilon.
    """
    return np.square(deviation.astype("float64") + EPSILON) - EPSILON


def _layer(layer: str, key: str, transform) -> Names:
    return {
        f"{layer}/kernel": ((f"{key}_W",), transform),
        f"{layer}/bias": ((f"{key}_b",), np.asarray),
    }


def _gru(cell: str, key: str) -> Names:
    """Sources of a `GRU` with `reset_after=False`: update, reset, candidate."""
    parts = {"kernel": "W", "recurrent_kernel": "U", "bias": "b"}
    return {
        f"{cell}/{ours}": (
            tuple(f"{key}_{part}_{gate}" for gate in "zrh"),
            _side_by_side,
        )
        for ours, part in parts.items()
    }


def _side_by_side(*gates: np.ndarray) -> np.ndarray:
    return np.concatenate(gates, axis=-1)
