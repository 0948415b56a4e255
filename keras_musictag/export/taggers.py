"""Exported taggers: `predict`, `tag` and `taggram` without Keras and its backends."""

from collections.abc import Callable

import numpy as np

from keras_musictag.audio import ChunkPlan
from keras_musictag.errors import ConfigError
from keras_musictag.export.metadata import EMBEDDING, OUTPUTS
from keras_musictag.export.runtimes import open_for
from keras_musictag.labels import Labels
from keras_musictag.tracks.scoring import TrackScoring


class ExportedTagger(TrackScoring):
    """Tags tracks with a network that `MusicTagger.export` wrote.

    `predict`, `tag`, `taggram`, `iter_taggrams` and `stream` mean what they mean in
    `MusicTagger`, and so does `embed` if it was exported with `embeddings=True`. The
    format's own runtime computes; Keras is not loaded, nor a backend, except TensorFlow
    for a SavedModel.

    Args:
        path: A `.onnx`, `.tflite` or `.xml` file, or the folder that `export` made.
        threads: Processor threads; `None` for all.
        precision: Of OpenVINO alone, see `OpenVINOTagger`; `None` for the network's.

    Attributes:
        labels: The `Labels`, in output order.
        sample_rate: In Hz.
        chunking: The `audio.ChunkPlan`.
        metadata: All that the network says about itself.

    Raises:
        PresetError: If there is no such network, it is damaged, not of this format, or
            not made by `export`.
        MissingExtraError: If its runtime is not installed.
    """

    format: str | None = None

    def __init__(
        self, path, *, threads: int | None = None, precision: str | None = None
    ):
        self._network = open_for(
            type(self), path, threads, self.format, "tags", precision
        )
        self.metadata = self._network.metadata
        self.labels = Labels.from_config(self.metadata["labels"])
        self.sample_rate = int(self.metadata["sampling_rate"])
        self.chunking = ChunkPlan.from_config(self.metadata["chunking"])
        offsets = self.metadata["frame_offsets"]
        self.frame_offsets = None if offsets is None else np.asarray(offsets)

    @property
    def endpoints(self) -> list[str]:
        """Names that `embed(layer=...)` takes."""
        found = [EMBEDDING] if "embedding" in self.metadata else []
        return [*found, OUTPUTS["tags"]]

    def predict(
        self,
        x,
        sample_rate: int | None = None,
        batch_size: int | None = None,
        aggregate: str | None = "mean",
        *,
        chunking: ChunkPlan | None = None,
        tail: str | None = None,
        on_error: str = "warn",
    ):
        """Score whole tracks, as `MusicTagger.predict` does.

        Args:
            x: One track `(samples,)`, equally long tracks `(batch, samples)`, a list
                of tracks of any lengths, a path, or a list of paths.
            sample_rate: Of the arrays, in Hz; `None` means the network's own.
            batch_size: Chunks per forward pass; 16 if `None`.
            aggregate: `"mean"`, `"max"` or `"median"` over the chunks of a track;
                `None` gives the chunks themselves.
            chunking: Another `audio.ChunkPlan` for this call.
            tail: `"drop"`, `"pad"` or `"overlap"` for this call.
            on_error: In a list, `"warn"` gives a bad track NaN scores; `"raise"`
                stops at it.

        Returns:
            float32 array `(tracks, n_labels)`; with `aggregate=None` a list of
            `(chunks, n_labels)` arrays.

        Raises:
            AudioError: If a track is not usable audio.
        """
        return self._predict_tracks(
            x, sample_rate, batch_size, aggregate, chunking, tail, on_error
        )

    @property
    def fingerprint(self) -> str | None:
        """SHA-256 of the weights of the Keras tagger, as libraries note it."""
        return self.metadata.get("fingerprint")

    @property
    def embedding_units(self) -> int | None:
        """Size of what `embed` gives; `None` if it was exported without."""
        about = self.metadata.get("embedding")
        return about and int(about["shape"][-1])

    def _forward(self, names: tuple[str, ...]) -> Callable:
        unknown = [name for name in names if name not in self.endpoints]
        if unknown or not names:
            raise ConfigError(
                f"This exported tagger gives {' and '.join(self.endpoints)} alone.",
                received=f"outputs {list(names)}",
                advice="Export it with embeddings=True for those; ask the Keras tagger "
                "for what else its network computes inside.",
            )

        def run(batch):
            outputs = self._network(np.asarray(batch, "float32"))
            return {name: outputs[name] for name in names}

        return run


class OnnxTagger(ExportedTagger):
    """An exported tagger in ONNX Runtime (extra `export`).

    Args:
        path: A `.onnx` file, or the folder that `export(format="onnx")` made.
        threads: Processor threads; `None` for all.

    Example:

    ```python
    import keras_musictag as kmt

    kmt.MusicnnTagger.from_pretrained("musicnn_mtt").export("musicnn.onnx")
    tagger = kmt.OnnxTagger("musicnn.onnx")  # in another program, without Keras
    tagger.tag(kmt.audio.demo_path(), top_k=3)
    ```
    """

    format = "onnx"


class LiteRTTagger(ExportedTagger):
    """An exported tagger in LiteRT (extra `export`).

    Args:
        path: A `.tflite` file, or the folder that `export(format="litert")` made.
        threads: Processor threads; `None` for all.

    Example:

    ```python
    import keras_musictag as kmt

    kmt.MusicnnTagger.from_pretrained("musicnn_mtt").export("musicnn.tflite")
    kmt.LiteRTTagger("musicnn.tflite").tag(kmt.audio.demo_path(), top_k=3)
    ```
    """

    format = "litert"


class OpenVINOTagger(ExportedTagger):
    """An exported tagger in OpenVINO (extra `openvino`), also with less precision.

    Args:
        path: A `.xml` file, its `.bin` beside it, or the folder that
            `export(format="openvino")` made.
        threads: Processor threads; `None` for all.
        precision: `"float32"`, or `"bfloat16"` where the processor has it; networks
            that were exported in integers compute in `"int8"` alone. `None` for what
            the network was exported with.

    Raises:
        ConfigError: If the network or the processor has no such precision.

    Example:

    ```python
    import keras_musictag as kmt

    tagger = kmt.MusicnnTagger.from_pretrained("musicnn_mtt")
    path = tagger.export("musicnn_openvino", format="openvino")
    fast = kmt.OpenVINOTagger(path, precision="bfloat16")
    fast.tag(kmt.audio.demo_path(), top_k=3)
    ```
    """

    format = "openvino"
