"""The runtimes of the formats, each as one function from audio to outputs."""

import threading
from pathlib import Path

import numpy as np

from keras_musictag.checks import check_choice
from keras_musictag.errors import ConfigError, PresetError, import_extra
from keras_musictag.export import metadata as meta

EXTRA = "export"
PRECISIONS = ("float32", "bfloat16", "int8")
ENDS = {
    "tags": "Tagger",
    "chords": "ChordRecognizer",
    "beats": "BeatTracker",
    "key": "KeyRecognizer",
    "text": "TextEncoder",
}


def open_exported(path, threads: int | None = None, precision: str | None = None):
    """Open an exported network in its own runtime.

    Args:
        path: A `.onnx`, `.tflite` or `.xml` file, or a folder made by `export`.
        threads: Processor threads; `None` for all.
        precision: Of OpenVINO alone: `"float32"`, `"bfloat16"` or `"int8"`; `None` for
            what the network was exported with.

    Returns:
        A callable from float32 `(batch, samples)` to a dict of float32 arrays by the
        name of the output, with `format` and `metadata`.

    Raises:
        PresetError: If there is no such network, it is damaged, or it was not made
            by `export`.
        ConfigError: If it cannot be computed in that precision.
        MissingExtraError: If its runtime is not installed.
    """
    format, file = meta.locate(path)
    if format == "openvino":
        runtime = OpenVINORuntime(file, threads, precision)
    elif precision not in (None, "float32"):
        raise ConfigError(
            "Only OpenVINO computes in another precision.",
            received=f"precision={precision!r}, {path} with format {format!r}",
            advice='Export with format="openvino", or leave the precision out.',
        )
    else:
        runtime = RUNTIMES[format](file, threads)
    runtime.metadata = meta.check(runtime.metadata, path)
    return runtime


def open_for(
    user: type,
    path,
    threads: int | None,
    format: str | None,
    task: str,
    precision: str | None = None,
):
    """Open an exported network for a class that runs only some.

    Args:
        user: The class, for the messages.
        path, threads: As in `open_exported`.
        format: The only format that it runs; `None` for any.
        task: What it names: `"tags"`, `"chords"`, `"beats"`, `"key"` or `"text"`.
        precision: As in `open_exported`.

    Returns:
        As `open_exported`.

    Raises:
        PresetError: As `open_exported`, or if the network is of another format or names
            something else.
        MissingExtraError: If its runtime is not installed.
    """
    network = open_exported(path, threads, precision)
    if format not in (None, network.format):
        raise PresetError(
            f"{path} is no network for {user.__name__}.",
            received=f"format {network.format!r}, expected {format!r}",
            advice=f"Export it with format={format!r}.",
        )
    received = network.metadata["task"]
    if received != task:
        raise PresetError(
            f"{path} names {received}, not {task}.",
            received=f"task {received!r}",
            advice=f"Open it with Onnx{ENDS[received]}, or one of the same name for "
            "LiteRT where there is one.",
        )
    return network


def read_metadata(path) -> dict:
    """Read what an exported network says about itself.

    Args:
        path: A `.onnx` or `.tflite` file, or a folder made by `export`.

    Returns:
        A dict with, among others, `task` (`"tags"`, `"chords"`, `"beats"`, `"key"` or
        `"text"`), `labels` (of taggers: names, groups, priors) or `vocabulary`,
        `sampling_rate`, `chunking` or `hop_length`, `input`, `output` (or `outputs`),
        `origin` and `library_version`.

    Raises:
        PresetError: If there is no exported network, or it was not made here.

    Example:

    ```python
    import keras_musictag as kmt

    tagger = kmt.MusicnnTagger.from_pretrained("musicnn_mtt")
    path = tagger.export("musicnn.onnx")
    print(kmt.export.read_metadata(path)["sampling_rate"])  # 16000
    ```
    """
    format, file = meta.locate(path)
    if format == "onnx":
        return open_exported(file).metadata
    readers = {"litert": meta.from_litert, "openvino": meta.from_openvino}
    return meta.check(readers.get(format, meta.from_folder)(file), path)


class Runtime:
    """A network in the runtime of its format: a callable from audio to outputs.

    A subclass sets `metadata` and gives `_run`.
    """

    format: str
    metadata: dict

    def __call__(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        outputs = self._run(batch)
        return {meta.RENAMED.get(name, name): v for name, v in outputs.items()}

    def _run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        raise NotImplementedError


class OnnxRuntime(Runtime):
    """A network in ONNX Runtime, on the processor."""

    format = "onnx"

    def __init__(self, path: Path, threads: int | None = None):
        runtime = import_extra("onnxruntime", EXTRA, "An ONNX file")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.log_severity_level = 3
        # A thread that waits in a loop takes a core from who decodes the next track.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self.session = runtime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # each of its errors is a class of its own
            raise _damaged(path, error) from error
        (self.input,) = (given.name for given in self.session.get_inputs())
        self.names = [output.name for output in self.session.get_outputs()]
        entries = self.session.get_modelmeta().custom_metadata_map
        self.metadata = meta.from_onnx(entries)

    def _run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        outputs = self.session.run(self.names, {self.input: batch})
        return dict(zip(self.names, outputs, strict=True))


class LiteRTRuntime(Runtime):
    """A network in LiteRT, on the processor."""

    format = "litert"

    def __init__(self, path: Path, threads: int | None = None):
        import os

        runtime = import_extra("ai_edge_litert.interpreter", EXTRA, "A LiteRT file")
        try:
            self.interpreter = runtime.Interpreter(
                str(path), num_threads=threads or os.cpu_count()
            )
            self.runner = self.interpreter.get_signature_runner()
        except (RuntimeError, ValueError) as error:
            raise _damaged(path, error) from error
        self.metadata = meta.from_litert(path)

    def _run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        _, fixed = self.metadata.get("input", {}).get("shape", (None, None))
        if fixed not in (None, *batch.shape[1:]):
            raise ConfigError(
                "This network takes pieces of one length.",
                received=f"shape {batch.shape}, expected (batch, {fixed})",
                advice="Cut longer audio, and fill up shorter audio with zeros.",
            )
        return self.runner(**{meta.INPUT: batch})


class SavedModelRuntime(Runtime):
    """A network in TensorFlow."""

    format = "tf_saved_model"

    def __init__(self, path: Path, threads: int | None = None):
        # Its threads belong to the process: `threads` cannot be heeded.
        import tensorflow

        try:
            self.model = tensorflow.saved_model.load(str(path))
        except (OSError, ValueError) as error:
            raise _damaged(path, error) from error
        self.metadata = meta.from_folder(path)

    def _run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        outputs = self.model.signatures["serving_default"](**{meta.INPUT: batch})
        return {name: value.numpy() for name, value in outputs.items()}


class OpenVINORuntime(Runtime):
    """A network in OpenVINO, on the processor, in a precision that is asked for."""

    format = "openvino"

    def __init__(
        self, path: Path, threads: int | None = None, precision: str | None = None
    ):
        openvino = import_extra("openvino", "openvino", "An OpenVINO network")
        self.metadata = meta.from_openvino(path)
        made_for = self.metadata.get("precision", precision or "float32")
        self.precision = precision or made_for
        check_choice(self.precision, PRECISIONS, name="precision")
        if (self.precision == "int8") != (made_for == "int8"):
            raise ConfigError(
                f"This network was not exported for {self.precision}.",
                received=f"{path}, exported with precision={made_for!r}",
                advice=f"Export it with precision={self.precision!r}.",
            )
        core = openvino.Core()
        abilities = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if self.precision == "bfloat16" and "BF16" not in abilities:
            raise ConfigError(
                "This processor does not compute in bfloat16.",
                received=f"abilities {sorted(abilities)}",
                advice='Use precision="float32", or "int8".',
            )
        options: dict = {
            # Without it, OpenVINO takes bfloat16 wherever the processor can.
            "INFERENCE_PRECISION_HINT": precision_hint(self.precision, abilities),
            "PERFORMANCE_HINT": "LATENCY",
        }
        if threads:
            options["INFERENCE_NUM_THREADS"] = threads
        try:
            self.model = core.compile_model(str(path), "CPU", options)
        except RuntimeError as error:
            raise _damaged(path, error) from error
        self.names = [output.any_name for output in self.model.outputs]
        self.lock = threading.Lock()  # a request is busy while it computes
        self.request = self.model.create_infer_request()

    def _run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        with self.lock:
            outputs = self.request.infer({meta.INPUT: batch})
        return {name: outputs[name] for name in self.names}


def precision_hint(precision: str, abilities) -> str:
    """Say what to ask of OpenVINO; what is no integer is bfloat16 where there is one.

    Args:
        precision: `"float32"`, `"bfloat16"` or `"int8"`.
        abilities: The processor's, as OpenVINO lists them.

    Returns:
        `"f32"` or `"bf16"`.
    """
    rounded = precision != "float32" and "BF16" in abilities
    return "bf16" if rounded else "f32"


RUNTIMES: dict[str, type] = {
    runtime.format: runtime
    for runtime in (SavedModelRuntime, OnnxRuntime, LiteRTRuntime, OpenVINORuntime)
}


def _damaged(path, error) -> PresetError:
    return PresetError(
        f"The exported network {path} cannot be opened.",
        received=str(error).strip().splitlines()[0] if str(error).strip() else "",
        advice="Export it again.",
    )
