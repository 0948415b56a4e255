"""The runtimes of the three formats, each as one function from audio to outputs."""

from pathlib import Path

import numpy as np

from keras_musictag.errors import ConfigError, PresetError, import_extra
from keras_musictag.export import metadata as meta

EXTRA = "export"
ENDS = {
    "tags": "Tagger",
    "chords": "ChordRecognizer",
    "beats": "BeatTracker",
    "key": "KeyRecognizer",
    "text": "TextEncoder",
}


def open_exported(path, threads: int | None = None):
    """Open an exported network in its own runtime.

    Args:
        path: A `.onnx` or `.tflite` file, or a folder made by `export`.
        threads: Processor threads; `None` for all.

    Returns:
        A callable from float32 `(batch, samples)` to a dict of float32 arrays by the
        name of the output, with `format` and `metadata`.

    Raises:
        PresetError: If there is no such network, it is damaged, or it was not made
            by `export`.
        MissingExtraError: If its runtime is not installed.
    """
    format, file = meta.locate(path)
    runtime = RUNTIMES[format](file, threads)
    runtime.metadata = meta.check(runtime.metadata, path)
    return runtime


def open_for(user: type, path, threads: int | None, format: str | None, task: str):
    """Open an exported network for a class that runs only some.

    Args:
        user: The class, for the messages.
        path, threads: As in `open_exported`.
        format: The only format that it runs; `None` for any.
        task: What it names: `"tags"`, `"chords"`, `"beats"`, `"key"` or `"text"`.

    Returns:
        As `open_exported`.

    Raises:
        PresetError: As `open_exported`, or if the network is of another format or names
            something else.
        MissingExtraError: If its runtime is not installed.
    """
    network = open_exported(path, threads)
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
    metadata = meta.from_litert(file) if format == "litert" else meta.from_folder(file)
    return meta.check(metadata, path)


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


RUNTIMES: dict[str, type] = {
    runtime.format: runtime
    for runtime in (SavedModelRuntime, OnnxRuntime, LiteRTRuntime)
}


def _damaged(path, error) -> PresetError:
    return PresetError(
        f"The exported network {path} cannot be opened.",
        received=str(error).strip().splitlines()[0] if str(error).strip() else "",
        advice="Export it again.",
    )
