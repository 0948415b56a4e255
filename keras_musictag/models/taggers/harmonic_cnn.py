"""Harmonic CNN: convolutions over stacked harmonics (Won et al. 2020)."""

import keras
from keras import layers

from keras_musictag import audio
from keras_musictag.checks import check_filters
from keras_musictag.errors import ConfigError
from keras_musictag.layers import ConvBlock2D, HarmonicSTFT, Residual2D
from keras_musictag.layers.residual import NORM
from keras_musictag.models.base import dtype_scope
from keras_musictag.models.tagger import MusicTagger

# Of each block: pools over (time, frequency), and whether it is residual.
BLOCKS = (
    ((2, 2), False),
    ((2, 2), True),
    ((2, 2), True),
    ((2, 2), True),
    ((2, 2), False),
    ((3, 2), True),
    ((3, 2), True),
)
LEAST_FRAMES, LEAST_LEVELS = 2**5 * 3**2, 2**7


class HarmonicCNNTagger(MusicTagger):
    """Harmonic CNN: sees each pitch together with its overtones.

    A bank of filters whose bandwidth is learned gives, for each pitch, the level at
    its first six harmonics as channels of a picture over time and pitch. Seven
    blocks of 3 x 3 convolutions, five of them residual, and the maximum over the
    time that is left lead to a dense layer and the scores.

    Args:
        labels: Label names in output order, or `Labels`.
        problem_type: See `MusicTagger`.
        sample_rate: Of the waveform, in Hz.
        n_fft: Window of the spectrogram, in samples.
        hop_length: Between frames, in samples.
        n_harmonics: Harmonics per pitch, see `HarmonicSTFT`.
        steps_per_semitone: Pitches per semitone, see `HarmonicSTFT`.
        learnable_q: Whether training moves the bandwidth of the filters.
        chunk_samples: Samples per chunk; 80,000 are 5 s.
        filters: Channels of the seven blocks.
        dense_units: Size of the `penultimate` embedding.
        tail: What becomes of an incomplete last chunk: `"overlap"`, `"pad"` or
            `"drop"`. The original scores 16 equally spaced chunks, all of them full
            of music, and so does `chunking.spaced(16)`; `"overlap"`, one more chunk
            that ends with the track, comes closest to it.
        dropout: Rate before the last dense layer.
        dtype: Dtype policy of the layers; the global one if `None`.
        name: Name of the model.

    Call:
        float32 `(batch, chunk_samples)`, 80,000 samples by default, to
        `(batch, n_labels)`.

    References:
        - Won et al., "Data-driven harmonic filters for audio representation
          learning", ICASSP 2020.
        - Won et al., "Evaluation of CNN-based automatic music tagging models",
          SMC 2020.

    Example:

    ```python
    import keras_musictag as kmt

    model = kmt.HarmonicCNNTagger(["calm", "wild"], filters=[8] * 7, dense_units=16)
    model.tag(kmt.audio.demo_path())  # untrained
    ```
    """

    default_preset = "harmonic_cnn_msd"

    def __init__(
        self,
        labels,
        *,
        problem_type: str = "multi_label_classification",
        sample_rate: int = 16000,
        n_fft: int = 512,
        hop_length: int = 256,
        n_harmonics: int = 6,
        steps_per_semitone: int = 2,
        learnable_q: bool = True,
        chunk_samples: int = 80000,
        filters=(128, 128, 128, 128, 256, 256, 256),
        dense_units: int = 256,
        tail: str = "overlap",
        dropout: float = 0.5,
        dtype=None,
        name: str = "harmonic_cnn_tagger",
    ):
        filters = check_filters(filters, blocks=len(BLOCKS))
        chunking = audio.ChunkPlan(chunk_samples, chunk_samples, tail=tail)
        # === Functional Model ===
        with dtype_scope(dtype):
            frontend = HarmonicSTFT(
                sample_rate=sample_rate,
                n_fft=n_fft,
                hop_length=hop_length,
                n_harmonics=n_harmonics,
                steps_per_semitone=steps_per_semitone,
                learnable_q=learnable_q,
                name="frontend",
            )
            shape = frontend.compute_output_shape((None, chunk_samples))[1:]
            backbone, endpoints = _backbone(shape, filters, dense_units)
        super().__init__(
            frontend=frontend,
            backbone=backbone,
            endpoints=endpoints,
            labels=labels,
            sample_rate=sample_rate,
            chunking=chunking,
            problem_type=problem_type,
            dropout=dropout,
            dtype=dtype,
            name=name,
        )
        # === Config ===
        self.settings = {
            "n_fft": n_fft,
            "hop_length": hop_length,
            "n_harmonics": n_harmonics,
            "steps_per_semitone": steps_per_semitone,
            "learnable_q": learnable_q,
            "chunk_samples": chunk_samples,
            "filters": filters,
            "dense_units": dense_units,
        }

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return {**super().get_config(), **self.settings}


def _backbone(shape, filters: list[int], dense_units: int):
    _check_size(*shape[:2])
    inputs = x = keras.Input(shape, name="spectrogram")
    x = layers.BatchNormalization(name="input_norm", **NORM)(x)
    endpoints = {}
    for i, (channels, (pool, residual)) in enumerate(
        zip(filters, BLOCKS, strict=True), 1
    ):
        if residual:
            x = Residual2D(channels, name=f"block_{i}")(x)
            x = layers.MaxPooling2D(pool, name=f"pool_{i}")(x)
        else:
            x = ConvBlock2D(channels, pool_size=pool, name=f"block_{i}")(x)
        endpoints[f"block{i}"] = x
    x = layers.GlobalMaxPooling2D(name="global_pool")(x)
    x = layers.Dense(dense_units, name="dense")(x)
    x = layers.BatchNormalization(name="dense_norm", **NORM)(x)
    x = layers.ReLU(name="dense_relu")(x)
    return keras.Model(inputs, x, name="backbone"), endpoints


def _check_size(frames: int, levels: int) -> None:
    if frames < LEAST_FRAMES or levels < LEAST_LEVELS:
        raise ConfigError(
            f"The pools need at least {LEAST_FRAMES} frames and {LEAST_LEVELS} "
            "levels of pitch.",
            received=f"{frames} frames, {levels} levels",
            advice="Use longer chunks, a smaller `hop_length` or more "
            "`steps_per_semitone`.",
        )
