"""CLAP: sound and words in one space: any words can be tags (Wu et al. 2023)."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
from keras import layers, ops

from keras_musictag import audio as sound
from keras_musictag.checks import check_choice, check_positive_int, did_you_mean
from keras_musictag.errors import ConfigError, LabelError
from keras_musictag.labels import Labels
from keras_musictag.layers import LogMelSpectrogram
from keras_musictag.models.base import dtype_scope
from keras_musictag.models.running.devices import predict_on_batch
from keras_musictag.models.tagger import MusicTagger
from keras_musictag.models.taggers.clap_audio import AUDIO, audio_tower
from keras_musictag.models.taggers.clap_text import TEXT, text_tower
from keras_musictag.presets.records import TOKENIZER_FILE
from keras_musictag.presets.tokens import Tokenizer, embed_texts, read_tokenizer
from keras_musictag.replacing import replacing

ACTIVATIONS = ("relu", "gelu")
PLAIN = ("{}",)
# How sharp the first scores of an untrained model are, as in the paper.
FIRST_SCALE = 1 / 0.07


class CLAPTagger(MusicTagger):
    """Tags in anyone's words: sound and text lie in one space, near where they match.

    An audio tower (HTS-AT: a Swin transformer over the spectrogram of 10 s, folded to a
    square) and a text tower (RoBERTa) each end in a vector of length 1. Labels are
    texts: what the text tower makes of them, once, is the head. The weights are those
    of others, on the Hugging Face Hub in the layout of `transformers`; the texts need
    the extra `text`.

    The scores follow `problem_type`. `"single_label_classification"`, the default, is
    the probability of each label if one of them were right: the softmax of the cosines
    of sound and label, times the scale that was learned, as `transformers` has it.
    `"regression"` is the cosine itself, -1 to 1, in which a label is not changed by the
    others. `"multi_label_classification"` is the sigmoid of the scaled cosine, which is
    high for all labels before it is trained.

    `embed` gives the vector of the sound (`"penultimate"`, the mean over chunks),
    `embed_text` that of texts; their cosine says how well they match. A track is heard
    in chunks of 10 s, of which the last ends with the track; a shorter one is repeated
    as often as all of it fits in, as by the authors. Checkpoints with feature fusion
    are taken for networks of single chunks: each one is a short clip of its own, and
    what they learned about longer ones is not used. In the original, one short clip of
    each batch is drawn at random and heard as if it were long.

    Args:
        labels: Label names in output order, or `Labels`.
        n_fft: Window of the spectrogram, in samples.
        hop_length: Between frames, in samples.
        n_mels: Mel bands.
        fmin, fmax: Limits of the bands, in Hz.
        mel_scale: `"slaney"` with triangles of equal area, or `"htk"` with triangles of
            height 1, as checkpoints with fusion have it.
        chunk_samples: Samples per chunk; 480,000 are 10 s.
        audio: What is different from these settings of the audio tower: `image_size`
            (256), `patch_size` (4), `patch_units` (96), `patch_norm` (true), `depths`
            of the stages ([2, 2, 6, 2]), their `num_heads` ([4, 8, 16, 32]),
            `window_size` (8), `expansion` (4.0), `query_key_value_bias` (true),
            `encoder_dropout` (0.1), `attention_dropout` (0.0), `epsilon` (1e-5).
        text: The same for the text tower: `vocabulary_size` (50265), `units` (768),
            `encoder_blocks` (12), `num_heads` (12), `intermediate_units` (3072),
            `positions` (514), `padding` (1), `epsilon` (1e-12).
        projection_units: Size of the joint space.
        projection_activation: `"relu"` or `"gelu"`, in the last layers of both towers.
        templates: What labels are put into, in the place of `{}`, to be read; with
            several the mean counts. The pipeline of `transformers` takes `"This is a
            sound of {}."`.
        **options: `sample_rate`, `problem_type`, `dropout`, `tail`, `dtype` and `name`:
            see `MusicTagger`.

    Call:
        float32 `(batch, chunk_samples)`, 480,000 samples at 48 kHz, to
        `(batch, n_labels)`.

    Attributes:
        text: The text tower, a Keras model from tokens to vectors; it is not trained.
        tokenizer: What cuts texts into tokens; `None` in a model that was not loaded.

    References:
        - Wu et al., "Large-scale contrastive language-audio pretraining with feature
          fusion and keyword-to-caption augmentation", ICASSP 2023.
        - Chen et al., "HTS-AT: a hierarchical token-semantic audio transformer for
          sound classification and detection", ICASSP 2022.

    Example:

    ```python
    import keras_musictag as kmt

    labels = ["sad piano", "driving techno"]
    tagger = kmt.CLAPTagger.from_pretrained("laion/larger_clap_music", labels=labels)
    tagger.tag(kmt.audio.demo_path())
    other = tagger.with_labels(["rain", "a crowd"])
    other.embed(kmt.audio.demo_path()) @ other.embed_text("rainy late-night jazz")
    ```
    """

    default_preset = "laion/larger_clap_music"

    def __init__(
        self,
        labels,
        *,
        n_fft: int = 1024,
        hop_length: int = 480,
        n_mels: int = 64,
        fmin: float = 50.0,
        fmax: float = 14000.0,
        mel_scale: str = "slaney",
        chunk_samples: int = 480000,
        audio: dict | None = None,
        text: dict | None = None,
        projection_units: int = 512,
        projection_activation: str = "relu",
        templates: Iterable[str] = PLAIN,
        **options,
    ):
        parts = options.pop("parts", None)  # another one, whose towers this one shares
        audio = _settings(audio, AUDIO, "audio")
        text = _settings(text, TEXT, "text")
        check_choice(projection_activation, ACTIVATIONS, name="projection_activation")
        check_choice(mel_scale, ("slaney", "htk"), name="mel_scale")
        units = check_positive_int(projection_units, name="projection_units")
        spectrogram: dict[str, Any] = {"n_fft": n_fft, "hop_length": hop_length}
        spectrogram |= {
            "n_mels": n_mels,
            "fmin": fmin,
            "fmax": fmax,
            "mel_scale": mel_scale,
        }
        templates = _templates(templates)
        options = {
            "sample_rate": 48000,
            "problem_type": "single_label_classification",
            **options,
        }

        def backbone(shape):
            if parts is not None:
                return parts.backbone, parts._inner_endpoints
            return audio_tower(shape, audio, units, projection_activation)

        super().__init__(
            labels,
            frontend=lambda rate: parts.frontend if parts else _mel(rate, spectrogram),
            backbone=backbone,
            chunking=sound.ChunkPlan(
                chunk_samples, chunk_samples, pad="repeat_whole", tail="overlap"
            ),
            settings={
                **spectrogram,
                "chunk_samples": chunk_samples,
                "audio": audio,
                "text": text,
                "projection_units": units,
                "projection_activation": projection_activation,
                "templates": templates,
            },
            **options,
        )
        self.tokenizer: Tokenizer | None = None
        self._read_kernel: np.ndarray | None = None
        if parts is None:
            with dtype_scope(self.policy):
                self.text = text_tower(text, units, projection_activation)
            self.temperature = Temperature(name="temperature")
            self.temperature.build(())
        else:
            self.text, self.temperature = parts.text, parts.temperature
            self.tokenizer = parts.tokenizer

    # === Words ===

    def embed_text(self, texts) -> np.ndarray:
        """Return what texts mean, as vectors of the space that sounds lie in as well.

        Args:
            texts: A text, or a list of them. Of one that is longer than the tower reads
                (510 tokens) the end is left out, with a warning.

        Returns:
            float32 array of length 1, `(units,)` for a text, `(texts, units)` for a
            list.

        Raises:
            ConfigError: If there is no text, or the model has no tokenizer.
            MissingExtraError: If the package `tokenizers` is not installed.

        Example:

        ```python
        import keras_musictag as kmt

        tagger = kmt.CLAPTagger.from_pretrained("laion/larger_clap_music")
        tagger.embed_text(["rainy late-night jazz", "a choir"]).shape  # (2, 512)
        ```
        """
        units = self.text.output.shape[-1]
        return embed_texts(texts, self.tokenizer, self._read, units)

    def export_text(
        self, path, *, float16: bool = False, tolerance: float | None = None
    ) -> Path:
        """Write the text tower as ONNX, for programs that read without Keras.

        The network takes tokens, int32 `(batch, tokens)` named `tokens`, and gives
        `vectors`, `(batch, units)`. The tokenizer lies in the file, so that
        `OnnxTextEncoder` needs nothing else. What `export` writes is the audio tower.

        Args:
            path: A file that ends in .onnx, or a folder.
            float16: Whether to store weights in half precision: half the size.
            tolerance: Largest difference of a number; 1e-4 if `None`, and 1e-2 with
                `float16`.

        Returns:
            The path, as a `Path`.

        Raises:
            ConfigError: If the model has no tokenizer, the path cannot be written, or
                the vectors differ.
            MissingExtraError: If a package that this needs is not installed.

        Example:

        ```python
        import keras_musictag as kmt

        tagger = kmt.CLAPTagger.from_pretrained("laion/larger_clap_music")
        tagger.export_text("text.onnx")
        encoder = kmt.OnnxTextEncoder("text.onnx")  # elsewhere, without Keras
        encoder.embed_text("rainy late-night jazz").shape  # (512,)
        ```
        """
        from keras_musictag.models.exporting import export_text

        return export_text(self, path, float16, tolerance)

    def _read(self, tokens: np.ndarray) -> np.ndarray:
        return np.asarray(predict_on_batch(self.text, tokens), "float32")

    def with_labels(
        self,
        labels,
        *,
        templates: Iterable[str] | None = None,
        problem_type: str | None = None,
    ) -> Self:
        """Return a tagger with other labels on the same networks.

        Nothing is loaded or copied: both share their weights, and what one learns, the
        other knows. Only the texts are read, once; 10,000 labels are possible.

        Args:
            labels: Their texts in output order, or `Labels`.
            templates: As in the constructor; `None` for those of this one.
            problem_type: As in the constructor; `None` for that of this one.

        Returns:
            The new tagger.

        Raises:
            LabelError: If a label is empty or there twice, or there is none.
            ConfigError: As `embed_text`.

        Example: see `CLAPTagger`.
        """
        config = {**self.get_config(), "labels": Labels.from_config(labels)}
        if templates is not None:
            config["templates"] = templates
        if problem_type is not None:
            config["problem_type"] = problem_type
        other = type(self)(**config, parts=self)
        other.origin = getattr(self, "origin", None)
        other._read_labels()
        return other

    @property
    def words(self) -> list[str] | None:
        """What the head was read from; `None` if it was trained or loaded."""
        kernel = ops.convert_to_numpy(self.head.get_layer("logits").kernel)
        if self._read_kernel is None or not np.array_equal(kernel, self._read_kernel):
            return None
        return [*self.labels, *self.settings["templates"]]

    # === Loading and saving ===

    def save_pretrained(self, folder, *, repo_id: str | None = None) -> Path:
        """Save the model as a folder; as `PretrainedModel.save_pretrained`.

        Beside the three files lies `tokenizer.json`, with which it goes on reading.
        """
        folder = super().save_pretrained(folder, repo_id=repo_id)
        self.save_assets(folder)
        return folder

    def save_assets(self, folder) -> None:
        """Write the tokenizer into a folder; Keras does so for `.keras` files."""
        if self.tokenizer is not None:
            with replacing(Path(folder) / TOKENIZER_FILE) as part:
                part.write_text(self.tokenizer.description, "utf-8")

    def load_assets(self, folder) -> None:
        """Read the tokenizer from a folder; Keras does so for `.keras` files."""
        self.tokenizer = read_tokenizer(folder, self.settings["text"])

    def _complete(self, folder: Path | None, fresh_head: bool) -> None:
        if folder is not None:
            self.load_assets(folder)
        # Checkpoints of others have no head.
        kernel = self.head.get_layer("logits").kernel
        if fresh_head or not np.any(ops.convert_to_numpy(kernel)):
            self._read_labels()

    def _describe(self) -> dict:
        files = {"files": [TOKENIZER_FILE]} if self.tokenizer is not None else {}
        return {**super()._describe(), **files}

    # === Inner parts ===

    def _read_labels(self) -> None:
        """Let the head say what the labels mean."""
        means = np.zeros((len(self.labels), self.backbone.output.shape[-1]), "float32")
        for template in self.settings["templates"]:
            texts = [template.replace("{}", label) for label in self.labels]
            means += self.embed_text(texts)
        means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
        logits = self.head.get_layer("logits")
        logits.kernel.assign((means * self._scale).T)
        logits.bias.assign(np.zeros(len(means), "float32"))
        self._read_kernel = ops.convert_to_numpy(logits.kernel)

    @property
    def _scale(self) -> float:
        """What cosines are multiplied by."""
        if self.problem_type == "regression":
            return 1.0
        return math.exp(float(ops.convert_to_numpy(self.temperature.logit_scale)))

    @property
    def _inner_endpoints(self) -> dict:
        """The endpoints of the audio tower, symbolic tensors by name."""
        tensors = self._features.tensors
        return {k: v for k, v in tensors.items() if k not in ("penultimate", "scores")}


@keras.saving.register_keras_serializable(package="keras_musictag")
class Temperature(layers.Layer):
    """The logarithm of what cosines are multiplied by, a weight that is not trained."""

    def build(self, input_shape):
        self.logit_scale = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(math.log(FIRST_SCALE)),
            trainable=False,
            name="logit_scale",
        )
        self.built = True

    def call(self, cosines):
        return cosines * ops.exp(ops.cast(self.logit_scale, cosines.dtype))


def _mel(rate: int, spectrogram: dict) -> LogMelSpectrogram:
    return LogMelSpectrogram(
        rate,
        pad_mode="reflect",
        norm="slaney" if spectrogram["mel_scale"] == "slaney" else None,
        compression="db",
        **spectrogram,
        name="frontend",
    )


def _settings(given: dict | None, default: dict, name: str) -> dict:
    """Complete the settings of a tower."""
    given = dict(given or {})
    for key in given:
        if key not in default:
            raise ConfigError(
                f"`{name}` has no setting `{key}`.",
                received=f"{name}={given}",
                advice=did_you_mean(key, list(default)),
            )
    return {**default, **given}


def _templates(templates) -> list[str]:
    listed = [templates] if isinstance(templates, str) else list(templates)
    if not listed or not all(isinstance(t, str) and t.count("{}") == 1 for t in listed):
        raise LabelError(
            "`templates` are texts with one `{}`, where the label goes.",
            received=f"templates={listed}",
            advice="Write for example 'a {} song'.",
        )
    return listed
