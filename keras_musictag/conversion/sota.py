"""Names of the PyTorch weights of Won et al. (2020) for our variables.

Each `<architecture>_names` takes the configuration of a model and gives, for every
variable path, the key in the PyTorch state dict and the function that turns the
array into Keras' layout. Convolutions over a spectrogram also swap time and
frequency: PyTorch's model has frequency first, ours time.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np

from keras_musictag.errors import PresetError

# Keys of one variable (several if it is made of several arrays), and the transform.
Source = tuple[tuple[str, ...], Callable[..., np.ndarray]]
Names = dict[str, Source]

# Ends of keys that hold no weights of ours: the spectrogram's window and filter
# bank and the rates of rotary positions, which follow from the settings, and a counter
# of training steps.
IGNORED = (".window", ".fb", "num_batches_tracked", "rotary_embed.freqs")


def assign_state_dict(
    arrays: Mapping[str, np.ndarray],
    names: Names,
    variables: Iterable,
    ignore: tuple[str, ...] = IGNORED,
) -> None:
    """Fill variables from a PyTorch state dict: all of them, or none.

    Subnormal numbers, below 1.2e-38, become 0.

    Args:
        arrays: The state dict, arrays by key.
        names: Keys and transform for each variable path, as `fcn_names` and its
            neighbours give them.
        variables: The Keras variables to fill.
        ignore: Arrays whose keys end like this are not used.

    Raises:
        PresetError: If a name on either side is left over or used twice, or a
            shape differs.

    Example:

    ```python
    import keras_musictag as kmt
    from keras_musictag.conversion import sota

    model = kmt.FCNTagger([f"tag {i}" for i in range(50)])
    names = sota.fcn_names(model.get_config())
    sota.assign_state_dict(state_dict, names, model.weights)
    ```
    """
    arrays = {key: a for key, a in arrays.items() if not key.endswith(ignore)}
    targets = {v.path: v for v in variables}
    shapes = {k: tuple(v.shape) for k, v in targets.items()}
    fitted = FittedArrays(arrays, names, shapes)
    for path, array in fitted.items():
        targets[path].assign(array)


class FittedArrays(Mapping[str, np.ndarray]):
    """The arrays of variables, each made from those of a checkpoint when asked for.

    float32, by the path of the variable; subnormal numbers are 0. All are made once to
    check them and none is kept, so that large models are not in memory twice.

    Args:
        arrays: Those of the checkpoint by key, all of which must be used.
        names: Keys and transform for each variable path.
        shapes: Those of the variables, by path.

    Raises:
        PresetError: As `assign_state_dict`.
    """

    def __init__(
        self,
        arrays: Mapping[str, np.ndarray],
        names: Names,
        shapes: Mapping[str, tuple],
    ):
        _check_names(set(arrays), names, set(shapes))
        self.arrays, self.names, self.shapes = arrays, names, shapes
        for path in names:
            self[path]

    def __getitem__(self, path: str) -> np.ndarray:
        keys, transform = self.names[path]
        sources = [self.arrays[key] for key in keys]
        return _fit(sources, keys, transform, path, self.shapes[path])

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def fcn_names(config: Mapping) -> Names:
    """Sources of the variables of `FCNTagger`."""
    names = norm("input_norm", "spec_bn")
    for block in range(1, len(config["filters"]) + 1):
        names |= conv_block(f"block_{block}", f"layer{block}")
    return names | dense("logits", "dense")


def crnn_names(config: Mapping) -> Names:
    """Sources of the variables of `CRNNTagger`."""
    names = norm("input_norm", "spec_bn")
    blocks = len(config["filters"])
    for block in range(1, blocks + 1):
        names |= conv_block(f"block_{block}", f"layer{block}")
    for layer in range(2):
        names |= gru(f"gru_{layer + 1}", f"layer{blocks + 1}", layer)
    return names | dense("logits", "dense")


def musicnn_names(config: Mapping) -> Names:
    """Sources of the variables of `MusicnnTagger(variant="won")`."""
    names = norm("input_norm", "spec_bn")
    for branch, layer in enumerate(("timbral_70", "timbral_40")):
        names |= conv_2d(f"{layer}/conv", f"layers.{branch}.conv")
        names |= norm(f"{layer}/norm", f"layers.{branch}.bn")
    for branch, frames in enumerate((129, 65, 33), 2):
        names |= conv_1d(f"temporal_{frames}_conv", f"layers.{branch}.conv")
        names |= norm(f"temporal_{frames}_norm", f"layers.{branch}.bn")
    for block in (1, 2, 3):
        names |= conv_1d(f"midend_{block}_conv", f"layer{block}.conv")
        names |= norm(f"midend_{block}_norm", f"layer{block}.bn")
    return names | dense_head("dense")


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


def short_chunk_names(config: Mapping) -> Names:
    """Sources of the variables of `ShortChunkCNNTagger`."""
    names = norm("input_norm", "spec_bn")
    for block in range(1, len(config["filters"]) + 1):
        layer, key = f"block_{block}", f"layer{block}"
        if config["residual"]:
            names |= residual_block(layer, key, shortcut=True)
        else:
            names |= conv_block(layer, key)
    return names | dense_head("dense")


# === Parts: the variables of one layer or block and where they come from ===


def conv_block(layer: str, key: str) -> Names:
    """Sources of a `ConvBlock2D`."""
    return conv_2d(f"{layer}/conv", f"{key}.conv") | norm(f"{layer}/norm", f"{key}.bn")


def residual_block(layer: str, key: str, *, shortcut: bool) -> Names:
    """Sources of a `Residual2D`, with or without a convolution as its shortcut."""
    names: Names = {}
    for number in (1, 2, 3) if shortcut else (1, 2):
        names |= conv_2d(f"{layer}/conv_{number}", f"{key}.conv_{number}")
        names |= norm(f"{layer}/norm_{number}", f"{key}.bn_{number}")
    return names


def dense_head(layer: str) -> Names:
    """Sources of a dense layer, its normalisation and the scores' layer."""
    names = dense(layer, "dense1") | norm(f"{layer}_norm", "bn")
    return names | dense("logits", "dense2")


def conv_2d(layer: str, key: str) -> Names:
    """Sources of a `Conv2D` over `(time, frequency)`."""
    return _kernel_and_bias(layer, key, lambda w: w.transpose(3, 2, 1, 0))


def conv_1d(layer: str, key: str) -> Names:
    """Sources of a `Conv1D`."""
    return _kernel_and_bias(layer, key, lambda w: w.transpose(2, 1, 0))


def dense(layer: str, key: str) -> Names:
    """Sources of a `Dense` layer."""
    return _kernel_and_bias(layer, key, lambda w: w.transpose(1, 0))


def norm(layer: str, key: str) -> Names:
    """Sources of a `BatchNormalization`."""
    parts = {
        "gamma": "weight",
        "beta": "bias",
        "moving_mean": "running_mean",
        "moving_variance": "running_var",
    }
    return {f"{layer}/{ours}": _same(f"{key}.{part}") for ours, part in parts.items()}


def gru(layer: str, key: str, number: int) -> Names:
    """Sources of a `GRU` with `reset_after=True`, layer `number` of PyTorch's."""
    cell = f"{layer}/gru_cell"
    w_input, w_state = f"{key}.weight_ih_l{number}", f"{key}.weight_hh_l{number}"
    biases = (f"{key}.bias_ih_l{number}", f"{key}.bias_hh_l{number}")
    return {
        f"{cell}/kernel": ((w_input,), lambda w: _update_first(w).transpose(1, 0)),
        f"{cell}/recurrent_kernel": (
            (w_state,),
            lambda w: _update_first(w).transpose(1, 0),
        ),
        f"{cell}/bias": (
            biases,
            lambda *pair: np.stack([_update_first(b) for b in pair]),
        ),
    }


def _update_first(gates: np.ndarray) -> np.ndarray:
    """Reorder stacked gates: PyTorch has reset, update, new; Keras update first."""
    reset, update, new = np.split(gates, 3)
    return np.concatenate([update, reset, new])


def _kernel_and_bias(layer: str, key: str, transform) -> Names:
    return {
        f"{layer}/kernel": ((f"{key}.weight",), transform),
        f"{layer}/bias": _same(f"{key}.bias"),
    }


def _same(key: str) -> Source:
    return (key,), np.asarray


# === Checks ===


def _check_names(found: set[str], names: Names, paths: set[str]) -> None:
    keys = [key for sources, _ in names.values() for key in sources]
    twice = {key for key in keys if keys.count(key) > 1}
    left_over = {
        "keys that the checkpoint lacks": set(keys) - found,
        "keys that the model does not use": found - set(keys),
        "variables without a key": paths - set(names),
        "paths that the model lacks": set(names) - paths,
        "keys that are used twice": twice,
    }
    wrong = [
        f"{len(items)} {what}: {', '.join(sorted(items)[:5])}"
        for what, items in left_over.items()
        if items
    ]
    if wrong:
        raise PresetError(
            "The checkpoint does not fit the model.",
            received="; ".join(wrong),
            advice="Choose the architecture and settings it was trained with.",
        )


def _fit(sources: list, keys: tuple, transform, path: str, wanted) -> np.ndarray:
    sources = [np.asarray(source) for source in sources]
    try:
        array = transform(*sources)
    except ValueError:  # another number of axes, or gates of unequal sizes
        array = None
    if array is None or array.shape != wanted:
        raise PresetError(
            f"The array `{', '.join(keys)}` does not fit the variable `{path}`.",
            received=f"shape {', '.join(str(s.shape) for s in sources)} for "
            f"{wanted} in Keras' order",
            advice="Set the sizes of the model, and the number of its labels, to "
            "those of the checkpoint.",
        )
    array = array.astype("float32", copy=False)
    # Weights that training let die are subnormal numbers: they change no score, but
    # PyTorch on a CPU is many times slower for them (the other backends drop them).
    tiny = np.finfo("float32").tiny
    small = (array < tiny) & (array > -tiny) & (array != 0)
    return np.where(small, 0, array) if small.any() else array
