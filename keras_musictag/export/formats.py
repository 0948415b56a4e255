"""Write a network in a deployment format: converted, described, checked, then moved."""

import contextlib
import glob
import importlib.util
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from keras_musictag.checks import check_choice
from keras_musictag.errors import ConfigError, MusicTagError, import_extra
from keras_musictag.export import metadata as meta
from keras_musictag.export.half import halve_onnx
from keras_musictag.export.intermediate import write_openvino
from keras_musictag.export.operators import fold_shapes, teach_tf2onnx
from keras_musictag.export.runtimes import (
    EXTRA,
    PRECISIONS,
    RUNTIMES,
    OpenVINORuntime,
)
from keras_musictag.replacing import clear_leftovers, locked, take_place

# The packages that write and check each format, besides TensorFlow.
FORMATS: dict[str, tuple[str, ...]] = {
    "tf_saved_model": (),
    "onnx": ("onnx", "tf2onnx", "onnxruntime"),
    "litert": ("ai_edge_litert",),
    "openvino": ("openvino", "onnx", "tf2onnx"),
}
EXTRAS = {"openvino": "openvino"}  # the others are in one
TOLERANCE = {False: 1e-3, True: 1e-2}
EMBEDDING_SCALE = 10.0  # of what embeddings may differ by, over that of scores
TOLERANCE_OF = {"bfloat16": 5e-2, "int8": 1e-1}


def check_target(
    path, format: str | None, float16: bool, precision: str = "float32"
) -> tuple[Path, str]:
    """Say what is wrong with a wish before any work is done.

    Args:
        path: Where to write: a name that ends in .onnx, .tflite or .xml is that file,
            any other a folder.
        format: `"tf_saved_model"`, `"onnx"`, `"litert"` or `"openvino"`; `None` for
            what the suffix says, without one `"tf_saved_model"`.
        float16: Whether weights shall be stored in half precision.
        precision: That it shall be computed in; only OpenVINO has a choice.

    Returns:
        The path and the format.

    Raises:
        ConfigError: If the format is unknown, does not fit the name, cannot store
            half precision, or the path holds something else.
        MissingExtraError: If a package that the format needs is not installed.
    """
    path = Path(path)
    implied = meta.SUFFIXES.get(path.suffix.lower())
    format = check_choice(
        format or implied or "tf_saved_model", tuple(FORMATS), name="format"
    )
    if implied not in (None, format):
        raise ConfigError(
            "The suffix of the file does not fit the format.",
            received=f"{path} with format={format!r}",
            advice=f"Pass format={implied!r}, or the name of a folder.",
        )
    if float16 and format == "tf_saved_model":
        raise ConfigError(
            "A SavedModel keeps its weights as they are.",
            received="format='tf_saved_model', float16=True",
            advice="Use format='onnx' or 'litert' for half precision.",
        )
    check_choice(precision, tuple(PRECISIONS), name="precision")
    if precision != "float32" and format != "openvino":
        raise ConfigError(
            "Only OpenVINO computes in another precision.",
            received=f"format={format!r}, precision={precision!r}",
            advice='Use format="openvino", or a name that ends in .xml.',
        )
    stray = format == "openvino" and implied and not path.exists()
    if (
        path.is_dir() or stray and path.with_suffix(".bin").exists()
        if implied
        else path.exists() and not _replaceable(path)
    ):
        raise ConfigError(
            "There is something else in the place of the export.",
            received=str(path),
            advice="Name a new folder, an empty one, an earlier export, or a file "
            "that ends in .onnx, .tflite or .xml (with no .bin of the same name).",
        )
    for package in FORMATS[format]:
        import_extra(package, EXTRAS.get(format, EXTRA), f"Export to {format}")
    if importlib.util.find_spec("tensorflow") is None:
        raise ConfigError(
            "Networks are exported by TensorFlow, which is not installed.",
            received=f"format={format!r}",
            advice="Install tensorflow beside your backend, or export elsewhere.",
        )
    return path, format


def _replaceable(path: Path) -> bool:
    if not path.is_dir():
        return False
    return not any(path.iterdir()) or meta.is_export_folder(path)


def export_network(
    network,
    path,
    *,
    format: str | None = None,
    metadata: dict,
    examples: np.ndarray,
    expected: dict[str, np.ndarray],
    float16: bool = False,
    tolerance: float | None = None,
    precision: str = "float32",
    calibration: tuple[np.ndarray, ...] | None = None,
) -> Path:
    """Write a network, unless its scores in the format's own runtime are others.

    Args:
        network: Keras model on the TensorFlow backend from `waveform`,
            `(batch, samples)`, to a dict of outputs; it must have been called.
        path, format, float16, precision: See `check_target`.
        metadata: What the network says about itself, plain JSON values.
        examples: Audio to compare with, float32 `(n, samples)`.
        expected: What the outputs are for it, by name.
        tolerance: Largest difference of a score, relative to scores above 1; if `None`
            1e-3, 1e-2 with half precision, 0.05 in bfloat16, 0.1 in integers.
            Embeddings may differ by ten times as much.
        calibration: Music to put a network into integers with; see `write_openvino`.

    Returns:
        The path, as a `Path`.

    Raises:
        ConfigError: If the network cannot be converted or its scores differ by more
            than the tolerance. Nothing is left behind, and what was there stays.

    Example:

    ```python
    import keras_musictag as kmt

    kmt.MusicnnTagger.from_pretrained().export("musicnn", format="onnx")
    ```
    """
    path, format = check_target(path, format, float16, precision)
    limit = TOLERANCE_OF.get(precision, TOLERANCE[bool(float16)])
    limit = limit if tolerance is None else tolerance
    with _workplace(path) as place:
        file = _file_in(place, path, format)
        if format == "openvino":
            described = {**metadata, "precision": precision}
            source = place.with_suffix(".onnx")
            convert(network, source, "onnx")
            integers = write_openvino(
                source, file, float16=float16, calibration=calibration
            )
            described |= {"integers": integers} if integers else {}
            run = OpenVINORuntime(file, precision=precision)
        else:
            described = metadata
            convert(network, file, format, float16)
            run = RUNTIMES[format](file)
        difference = _difference(run, examples, expected)
        if not difference <= limit:
            raise ConfigError(
                f"The {format} network does not score like the model; it was not kept.",
                received=f"largest difference {difference:.2g}, tolerance {limit:.2g}",
                advice="Export without float16, or pass a larger `tolerance`."
                if float16
                else "Use another format, or pass a larger `tolerance`.",
            )
        parity = {"largest_difference": difference, "tolerance": limit}
        described = {**described, "format": format, "float16": bool(float16)}
        meta.embed(format, file, {**described, "parity": parity})
        if format == "openvino" and _is_file(path):  # until both lie there, none opens
            take_place(file.with_suffix(".bin"), path.with_suffix(".bin"))
        take_place(place if place.is_dir() and not _is_file(path) else file, path)
    return path


# === Steps ===


@contextlib.contextmanager
def _workplace(path: Path) -> Iterator[Path]:
    """Give a folder beside the target, which is gone afterwards."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_dead(path)
        with (
            tempfile.TemporaryDirectory(
                dir=path.parent, prefix=f".{path.name}-", ignore_cleanup_errors=True
            ) as folder,
            locked(folder),
        ):
            place = Path(folder) / "new"
            place.mkdir()
            yield place
    except OSError as error:
        raise ConfigError(
            f"The network cannot be written to {path}.",
            received=error,
            advice="Name a place that can be written.",
        ) from error


def _remove_dead(path: Path) -> None:
    """Remove the workplaces of exports that were killed: nobody holds their locks."""
    for left in path.parent.glob(f".{glob.escape(path.name)}-????????"):
        with contextlib.suppress(OSError), locked(left, timeout=0):
            shutil.rmtree(left)
    if not path.exists():  # it may have stepped aside when the process was killed
        clear_leftovers(path)


def _is_file(path: Path) -> bool:
    return path.suffix.lower() in meta.SUFFIXES


def _file_in(place: Path, path: Path, format: str) -> Path:
    if format == "tf_saved_model":
        return place
    return place / (
        f"single{path.suffix.lower()}" if _is_file(path) else (meta.MODEL_FILES[format])
    )


def convert(network, file: Path, format: str, float16: bool = False) -> None:
    """Write a network in a format, as the converters give it.

    Args:
        network: Keras model on the TensorFlow backend that has been called.
        file: Where to write; a folder for a SavedModel.
        format, float16: As in `check_target`.

    Raises:
        ConfigError: If it cannot be converted.
    """
    options: dict = {}
    if format == "litert" and float16:
        import tensorflow as tf

        options["optimizations"] = [tf.lite.Optimize.DEFAULT]
        options["target_spec"] = {"supported_types": [tf.float16]}
    if format == "onnx":
        teach_tf2onnx()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of converters, about their own insides
        try:
            network.export(str(file), format=format, verbose=False, **options)
        except Exception as error:  # converters have no common class of errors
            if isinstance(error, (MusicTagError, ImportError, OSError)):
                raise
            lines = str(error).strip().splitlines() or [""]
            raise ConfigError(
                f"The network cannot be converted to {format}.",
                received=f"{type(error).__name__}: {lines[0][:300]}",
                advice="Use another format; the full reason is the error above.",
            ) from error
    if format == "onnx":
        _polish(file)
        if float16:
            halve_onnx(file)


def _polish(file: Path) -> None:
    """Leave out what is there for nothing; name the free axes of inputs and outputs."""
    import onnx

    model = onnx.load(file)
    fold_shapes(model.graph)
    for values, steps in (
        (model.graph.input, "samples"),
        (model.graph.output, "frames"),
    ):
        for value in values:
            axes = value.type.tensor_type.shape.dim
            for axis, name in zip(axes, ("batch", steps), strict=False):
                if not axis.HasField("dim_value"):
                    axis.dim_param = name
    onnx.save(model, file)


def _difference(run, examples: np.ndarray, expected: dict) -> float:
    """Return the largest difference, in one batch and one by one."""
    together = run(examples)
    alone = [run(example[None]) for example in examples]
    errors = [0.0]
    for name, values in expected.items():
        scale = max(1.0, float(np.abs(values).max()))
        if name == meta.EMBEDDING:  # no sigmoid makes its rounding small
            scale *= EMBEDDING_SCALE
        rows = np.concatenate([outputs[name] for outputs in alone])
        for output in (together[name], rows):
            if output.shape != values.shape:
                return float("inf")
            errors.append(np.abs(output - values).max() / scale)
    return float(np.max(errors))  # NaN stays NaN, and is over any tolerance
