"""From a checkpoint of PyTorch or Keras 1 to one of our models, in one step."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_musictag.conversion import beat_this, choi, sota
from keras_musictag.conversion import keys as key_names
from keras_musictag.conversion.keras1 import SIGNATURE, read_keras1
from keras_musictag.conversion.pytorch import load, read_tensors
from keras_musictag.errors import ConfigError, LabelError, PresetError

# How each architecture's variables are called in a checkpoint, by class name.
NAMES = {
    "BeatThisTracker": beat_this.beat_this_names,
    "CRNNTagger": choi.crnn_names,
    "FCNTagger": choi.fcn_names,
    "HarmonicCNNTagger": sota.harmonic_cnn_names,
    "KeyNetRecognizer": key_names.keynet_names,
    "MusicnnTagger": sota.musicnn_names,
    "SKeyRecognizer": key_names.skey_names,
    "SampleCNNTagger": sota.sample_cnn_names,
    "SelfAttentionTagger": sota.self_attention_names,
    "ShortChunkCNNTagger": sota.short_chunk_names,
}
# A key that only one architecture has, and how to ask for that architecture; the
# first key found counts.
TELLTALES = {
    "stone.hcqt.lowpass_filter": "SKeyRecognizer",
    "conv9.conv.weight": "KeyNetRecognizer",
    "hstft.bw_Q": "HarmonicCNNTagger",
    "pooler.dense.weight": "SelfAttentionTagger",
    "layers.0.conv.weight": 'MusicnnTagger with variant="won"',
    "layer5.weight_ih_l0": "CRNNTagger",
    "layer1.dense1.weight": "SampleCNNTagger with squeeze_excitation=True",
    "layer11.conv.weight": "SampleCNNTagger with squeeze_excitation=False",
    "layer7.conv_3.weight": "ShortChunkCNNTagger with residual=True",
    "layer7.conv.weight": "ShortChunkCNNTagger with residual=False",
    "layer5.conv.weight": "FCNTagger",
    "bn_init.weight": 'FCNTagger with variant="jamendo"',
    "conv5_W": 'FCNTagger with variant="choi"',
    "gru1_W_z": 'CRNNTagger with variant="choi"',
}


@dataclass(frozen=True)
class ConversionReport:
    """What became of every array of a checkpoint.

    Attributes:
        file: Name of the checkpoint.
        architecture: Name of the model's class.
        mapped: For each variable of the model, by path, the keys in the checkpoint
            that it was made from.
        ignored: Keys that hold no weights: the window and the filter bank of the
            spectrogram, and counters of training steps.
        parameters: How many numbers were taken over.
    """

    file: str
    architecture: str
    mapped: dict[str, tuple[str, ...]]
    ignored: tuple[str, ...]
    parameters: int

    def __str__(self) -> str:
        lines = [
            f"{self.file} as {self.architecture}: {len(self.mapped)} variables, "
            f"{self.parameters:,} numbers"
        ]
        width = max(len(path) for path in self.mapped)
        for path, keys in self.mapped.items():
            lines.append(f"  {path:<{width}}  from {', '.join(keys)}")
        if self.ignored:
            lines.append(f"  not needed: {', '.join(self.ignored)}")
        return "\n".join(lines)


def convert_checkpoint(
    path, architecture, labels: Iterable[str] | None = None, **config
) -> Any:
    """Make a model from a checkpoint of Won et al.'s training code, or a like one.

    For networks that were trained or fine-tuned with the PyTorch code of
    "Evaluation of CNN-based automatic music tagging models", on any labels, for the
    checkpoints of the key recognisers S-KEY and KeyNet, the baseline of MTG-Jamendo
    and Choi's own weights of Keras 1. All
    weights are taken over, or none and the error says what does not fit. Neither
    PyTorch nor Keras 1 is needed, and nothing from the file is executed.

    Args:
        path: A `.pth`, `.pt` or Lightning `.ckpt` file, an `.h5` of Keras 1, its
            bytes, or a file opened in binary mode.
        architecture: The class of the model, such as `kmt.FCNTagger`.
        labels: Label names in the order of the network's outputs; `None` for key
            recognisers, whose outputs are the 24 keys.
        **config: Arguments of the class: `variant="won"` for `kmt.MusicnnTagger`,
            `variant="choi"` for his networks,
            `residual=True` for the short-chunk ResNet, `filters=...` for other
            widths.

    Returns:
        The model. What was taken from where is in its `report`, a
        `ConversionReport` that can be printed.

    Raises:
        PresetError: If the file cannot be read, or its arrays are not those of
            the architecture in name or shape.
        LabelError: If there are more or fewer labels than outputs.
        ConfigError: If `architecture` is not a class that this can be done for, or
            does not know an argument.

    Example:

    ```python
    import keras_musictag as kmt

    labels = ["calm", "wild"]
    model = kmt.conversion.convert_checkpoint("best_model.pth", kmt.FCNTagger, labels)
    print(model.report)
    model.save_pretrained("my_tagger")
    ```
    """
    names_of = _names_of(architecture)
    arrays = _read(path)
    given = () if labels is None else (labels,)
    try:
        model = architecture(*given, **config)
    except ConfigError:
        raise  # says already which argument, and which there are
    except TypeError as error:
        raise ConfigError(
            f"{architecture.__name__} does not take these arguments.",
            received=error,
            advice="See its documentation for those that it takes.",
        ) from error
    names = names_of(model.get_config())
    _check_architecture(arrays, names, architecture)
    if labels is not None:
        _check_outputs(arrays, names, len(model.labels))
    sota.assign_state_dict(arrays, names, model.weights)
    model.report = _report(path, model, names, arrays)
    return model


def _read(source) -> dict[str, np.ndarray]:
    name, data = load(source)
    read = read_keras1 if data.startswith(SIGNATURE) else read_tensors
    return read(name, data)


def _names_of(architecture):
    """The name map of a class, or of the class that it is made from."""
    if isinstance(architecture, type):
        for name in (base.__name__ for base in architecture.__mro__):
            if name in NAMES:
                return NAMES[name]
    raise ConfigError(
        "There is no conversion for this `architecture`.",
        received=repr(architecture),
        advice=f"Pass one of the classes {', '.join(sorted(NAMES))} of keras_musictag.",
    )


def _check_architecture(arrays: Mapping, names: sota.Names, architecture) -> None:
    """Say it at once if this is the checkpoint of quite another network."""
    wanted = {key for keys, _ in names.values() for key in keys}
    given = {key for key in arrays if not key.endswith(sota.IGNORED)}
    if wanted == given:
        return
    likely = next((who for key, who in TELLTALES.items() if key in given), None)
    advice = "Use the class and settings it was trained with."
    if likely:
        advice = f"Its keys look like those of {likely}, perhaps of another size."
    raise PresetError(
        f"The checkpoint does not fit {architecture.__name__} with these settings.",
        received="; ".join(
            f"{len(keys)} {what}: {', '.join(sorted(keys)[:5])}"
            for what, keys in (
                ("keys that the checkpoint lacks", wanted - given),
                ("keys that the model does not use", given - wanted),
            )
            if keys
        ),
        advice=advice,
    )


def _check_outputs(arrays: Mapping, names: sota.Names, n_labels: int) -> None:
    (key,) = names["logits/bias"][0]
    outputs = np.size(arrays[key])
    if outputs != n_labels:
        raise LabelError(
            "The checkpoint has another number of outputs than there are labels.",
            received=f"{n_labels} labels for {outputs} outputs (`{key}`)",
            advice=f"Give the {outputs} labels it was trained on, in their order; for "
            "others, save the model and pass `labels` to `from_pretrained(folder)`.",
        )


def _report(path, model, names: sota.Names, arrays: Mapping) -> ConversionReport:
    is_name = isinstance(path, (str, Path))
    return ConversionReport(
        file=Path(path).name if is_name else str(getattr(path, "name", "checkpoint")),
        architecture=type(model).__name__,
        mapped={v.path: names[v.path][0] for v in model.weights},
        ignored=tuple(key for key in arrays if key.endswith(sota.IGNORED)),
        parameters=sum(int(np.prod(v.shape)) for v in model.weights),
    )
