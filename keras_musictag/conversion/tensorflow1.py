"""Reader of TensorFlow 1 checkpoints, and the names that musicnn's use."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from keras_musictag.errors import PresetError

OPTIMIZER = ("/Adam", "/Adam_1", "beta1_power", "beta2_power")
NORM = ("gamma", "beta", "moving_mean", "moving_variance")


def read_checkpoint(folder) -> dict[str, np.ndarray]:
    """Read the variables of a checkpoint whose prefix is the folder itself.

    The text file `checkpoint` in musicnn's folders names a folder on the
    author's machine, so the usual loader fails on them; the two data files are
    all that is needed.

    Args:
        folder: Folder with `.index` and `.data-00000-of-00001`.

    Returns:
        Arrays by variable name, without those of the optimizer.

    Raises:
        PresetError: If there is no readable checkpoint.
    """
    import tensorflow as tf

    try:
        reader = tf.compat.v1.train.NewCheckpointReader(f"{Path(folder)}/")
        names = reader.get_variable_to_shape_map()
        kept = [name for name in names if not name.endswith(OPTIMIZER)]
        return {name: reader.get_tensor(name) for name in sorted(kept)}
    except (tf.errors.OpError, LookupError, ValueError, RuntimeError) as error:
        raise PresetError(
            f"{folder} does not hold a readable TensorFlow checkpoint.",
            received=error,
            advice="Point to a folder such as musicnn/MSD_musicnn of the wheel.",
        ) from error


def assign_variables(
    arrays: Mapping[str, np.ndarray], names: Mapping[str, str], variables: Iterable
) -> None:
    """Fill variables from a checkpoint, using each array exactly once.

    Args:
        arrays: The checkpoint, by its own names.
        names: Checkpoint name for each variable path.
        variables: The Keras variables to fill.

    Raises:
        PresetError: If a name on either side is left over, or a shape differs.
    """
    targets = {v.path: v for v in variables}
    left_over = {
        "variables without a source": sorted(set(targets) - set(names)),
        "paths that the model lacks": sorted(set(names) - set(targets)),
        "names that the checkpoint lacks": sorted(set(names.values()) - set(arrays)),
        "unused arrays": sorted(set(arrays) - set(names.values())),
    }
    wrong = {what: items[:5] for what, items in left_over.items() if items}
    if wrong or len(set(names.values())) < len(names):
        raise PresetError(
            "The checkpoint does not fit the model.",
            received=wrong or "a checkpoint name that is used twice",
            advice="Convert it with the architecture and settings it was trained with.",
        )
    fitted = {}
    for path, variable in targets.items():
        array = np.asarray(arrays[names[path]])
        if array.ndim == 4 and len(variable.shape) == 3 and array.shape[2] == 1:
            # A 2-D convolution over the full width is a 1-D one in our model.
            array = np.squeeze(array, axis=2)
        if array.shape != tuple(variable.shape):
            raise PresetError(
                f"The array `{names[path]}` does not fit the variable `{path}`.",
                received=f"{array.shape}, expected {tuple(variable.shape)}",
                advice="Convert it with the settings it was trained with.",
            )
        fitted[path] = array
    for path, array in fitted.items():
        targets[path].assign(array)


def musicnn_names() -> dict[str, str]:
    """Checkpoint name for each variable path of `MusicnnTagger`."""
    branches = ["timbral_40", "timbral_70"]
    branches += ["temporal_128", "temporal_64", "temporal_32"]
    convs = [f"{branch}/conv" for branch in branches]
    norms = ["input_norm", *(f"{branch}/norm" for branch in branches)]
    for block in (1, 2, 3):
        convs.append(f"midend_{block}_conv")
        norms.append(f"midend_{block}_norm")
    names = _norms([*norms, "pool_norm", "dense_norm"])
    for number, conv in enumerate(convs):
        names |= _layer(conv, _numbered("conv2d", number))
    return names | _layer("dense", "dense") | _layer("logits", "dense_1")


def vgg_names() -> dict[str, str]:
    """Checkpoint name for each variable path of `VGGTagger`."""
    names = _norms(["input_norm", *(f"norm_{block}" for block in range(1, 6))])
    for block in range(1, 6):
        names |= _layer(f"conv_{block}", f"{block}CNN")
    return names | _layer("logits", "dense")


def _norms(layers: list[str]) -> dict[str, str]:
    return {
        f"{layer}/{part}": f"{_numbered('batch_normalization', number)}/{part}"
        for number, layer in enumerate(layers)
        for part in NORM
    }


def _layer(layer: str, name: str) -> dict[str, str]:
    return {f"{layer}/{part}": f"{name}/{part}" for part in ("kernel", "bias")}


def _numbered(name: str, number: int) -> str:
    return f"{name}_{number}" if number else name
