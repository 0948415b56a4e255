"""Musicnn: musically motivated convolutions (Pons et al. 2018)."""

import keras
from keras import layers, ops

from keras_musictag import audio
from keras_musictag.checks import check_choice
from keras_musictag.errors import ConfigError
from keras_musictag.layers import FrequencyMaxConv2D, LogMelSpectrogram
from keras_musictag.layers.residual import NORM
from keras_musictag.models.tagger import MusicTagger

# The tall filters in the order of their channels: name, share of the mel bands.
TIMBRAL = {
    "pons": (("timbral_40", 0.4), ("timbral_70", 0.7)),
    "won": (("timbral_70", 0.7), ("timbral_40", 0.4)),
}


class MusicnnTagger(MusicTagger):
    """Musicnn: filters shaped for timbre and for rhythm, then a dense network.

    Five convolutions read the log-mel spectrogram: two tall ones that see
    timbre wherever it lies in frequency, three long ones that see rhythm. Three
    residual convolutions over time follow; maximum and mean over time go
    through a dense layer to the scores.

    The same network was published twice, with details that the trained weights
    depend on:

    | | `variant="pons"` | `variant="won"` |
    |---|---|---|
    | from | the `musicnn` package, 2019 | Won et al., 2020 |
    | spectrogram | `"musicnn"`: Slaney mel, logarithm | `"torchaudio"`: HTK mel, dB |
    | chunk | 187 frames and the audio around them | 48,000 samples: 188 frames |
    | after each layer | ReLU, then normalisation | normalisation, then ReLU |
    | timbre | 0.4, then 0.7 of the bands | 0.7, then 0.4 of the bands |
    | rhythm | convolved, then maximum over bands | mean over bands, then convolved |
    | its lengths | 128, 64, 32 frames | 129, 65, 33 frames |
    | pooled | maximum and mean in turn, normalised | all maxima, then all means |

    The defaults are the sizes of `musicnn_mtt` and `musicnn_msd`. Won's models for
    MagnaTagATune and MTG-Jamendo have the same sizes, the one for the Million Song
    Dataset has `midend_filters=512, dense_units=500`.

    `tail` is `"drop"` for `"pons"`, as in the original, and `"overlap"` for `"won"`,
    whose authors evaluate 16 equally spaced, always complete chunks per track
    (`audio.ChunkPlan.spaced`).

    Args:
        labels: Label names in output order, or `Labels`.
        variant: `"pons"` or `"won"`, see above.
        n_fft: Window of the spectrogram, in samples.
        hop_length: Between frames, in samples.
        n_mels: Mel bands.
        chunk_frames: Frames per chunk of `"pons"`; `None` means 187, 3 seconds.
        chunk_samples: Samples per chunk of `"won"`; `None` means 48,000, 3 seconds.
        timbral_filters: Channels of each of the two timbral branches.
        temporal_filters: Channels of each of the three temporal branches.
        midend_filters: Channels of the three convolutions over time.
        dense_units: Size of the `penultimate` embedding.
        dropout: Rate before both dense layers; before the last one for `"won"`.
        **options: `sample_rate`, `problem_type`, `tail`, `dtype` and `name`: see
            `MusicTagger`.

    Call:
        float32 `(batch, chunk_samples)`, 48,128 samples by default (48,000 for
        `"won"`), to `(batch, n_labels)`.

    Raises:
        ConfigError: If an argument belongs to the other variant.

    References:
        - Pons et al., "End-to-end learning for music audio tagging at scale",
          ISMIR 2018.
        - Pons and Serra, "musicnn: pre-trained convolutional neural networks
          for music audio tagging", ISMIR late-breaking 2019.
        - Won et al., "Evaluation of CNN-based automatic music tagging models",
          SMC 2020.

    Example:

    ```python
    import keras_musictag as kmt

    model = kmt.MusicnnTagger.from_pretrained("musicnn_mtt")
    model.tag(kmt.audio.demo_path(), top_k=5)
    ```
    """

    def __init__(
        self,
        labels,
        *,
        variant: str = "pons",
        n_fft: int = 512,
        hop_length: int = 256,
        n_mels: int = 96,
        chunk_frames: int | None = None,
        chunk_samples: int | None = None,
        timbral_filters: int = 204,
        temporal_filters: int = 51,
        midend_filters: int = 64,
        dense_units: int = 200,
        dropout: float = 0.5,
        **options,
    ):
        _check_variant(variant, chunk_frames, chunk_samples)
        won = variant == "won"
        if won:
            chunk_samples = 48000 if chunk_samples is None else chunk_samples
            plan = audio.ChunkPlan(chunk_samples, chunk_samples, tail="overlap")
        else:
            chunk_frames = 187 if chunk_frames is None else chunk_frames
            plan = audio.ChunkPlan.for_frames(chunk_frames, n_fft, hop_length)
        spectrogram = {"n_fft": n_fft, "hop_length": hop_length, "n_mels": n_mels}
        filters = {
            "timbral_filters": timbral_filters,
            "temporal_filters": temporal_filters,
            "midend_filters": midend_filters,
            "dense_units": dense_units,
        }
        convention = "torchaudio" if won else "musicnn"
        chunks = {"chunk_frames": chunk_frames, "chunk_samples": chunk_samples}
        super().__init__(
            labels,
            # Not centred for Pons: the chunks bring their neighbours along.
            frontend=lambda rate: LogMelSpectrogram.from_convention(
                convention, rate, **spectrogram, center=won, name="frontend"
            ),
            backbone=lambda shape: _backbone(shape, won, dropout, **filters),
            chunking=plan,
            settings={"variant": variant, **spectrogram, **chunks, **filters},
            dropout=dropout,
            **options,
        )


def _backbone(
    shape,
    won: bool,
    dropout: float,
    timbral_filters: int,
    temporal_filters: int,
    midend_filters: int,
    dense_units: int,
):
    inputs = keras.Input(shape, name="spectrogram")
    x = layers.Reshape((*shape, 1), name="add_channel")(inputs)
    x = _norm("input_norm", won)(x)
    timbre = _timbral_branches(x, shape[1], timbral_filters, won)
    rhythm = _temporal_branches(x, temporal_filters, won)
    front = layers.Concatenate(name="front")([timbre, rhythm])
    cnn1 = _over_time(front, midend_filters, "midend_1", won)
    cnn2 = _over_time(cnn1, midend_filters, "midend_2", won)
    cnn2 = layers.Add(name="sum_2")([cnn1, cnn2])
    cnn3 = _over_time(cnn2, midend_filters, "midend_3", won)
    cnn3 = layers.Add(name="sum_3")([cnn2, cnn3])
    x = layers.Concatenate(name="all_features")([front, cnn1, cnn2, cnn3])
    max_pool = layers.GlobalMaxPooling1D(name="max_pool")(x)
    mean_pool = layers.GlobalAveragePooling1D(name="mean_pool")(x)
    if won:
        x = layers.Concatenate(name="pooled")([max_pool, mean_pool])
    else:
        # The trained weights expect maximum and mean of each channel side by side.
        x = ops.stack([max_pool, mean_pool], axis=-1)
        x = layers.Flatten(name="interleave")(x)
        x = _norm("pool_norm", won)(x)
        x = layers.Dropout(dropout, name="pool_dropout")(x)
    x = layers.Dense(dense_units, name="dense")(x)
    x = _norm_and_relu(x, "dense", won)
    endpoints = {
        "timbral": timbre,
        "temporal": rhythm,
        "cnn1": cnn1,
        "cnn2": cnn2,
        "cnn3": cnn3,
        "mean_pool": mean_pool,
        "max_pool": max_pool,
    }
    return keras.Model(inputs, x, name="backbone"), endpoints


def _timbral_branches(x, n_mels: int, filters: int, won: bool):
    """See a whole share of the bands at once, wherever it fits best."""
    x = layers.ZeroPadding2D(((3, 3), (0, 0)), name="timbral_padding")(x)
    branches = [
        _frequency_max(filters, (7, int(share * n_mels)), "valid", name, won)(x)
        for name, share in TIMBRAL["won" if won else "pons"]
    ]
    return layers.Concatenate(name="timbral")(branches)


def _temporal_branches(x, filters: int, won: bool):
    """See long stretches of time, whatever the band."""
    if won:
        x = ops.mean(x, axis=2)
    branches = []
    for frames in (129, 65, 33) if won else (128, 64, 32):
        name = f"temporal_{frames}"
        if won:
            y = layers.Conv1D(filters, frames, padding="same", name=f"{name}_conv")(x)
            y = _norm_and_relu(y, name, won)
        else:
            y = _frequency_max(filters, (frames, 1), "same", name, won)(x)
        branches.append(y)
    return layers.Concatenate(name="temporal")(branches)


def _frequency_max(filters: int, kernel: tuple, padding: str, name: str, won: bool):
    norm = NORM if won else {}
    return FrequencyMaxConv2D(
        filters, kernel, padding=padding, norm_first=won, name=name, **norm
    )


def _over_time(x, filters: int, name: str, won: bool):
    x = layers.Conv1D(filters, 7, padding="same", name=f"{name}_conv")(x)
    return _norm_and_relu(x, name, won)


def _norm_and_relu(x, name: str, won: bool):
    norm, relu = _norm(f"{name}_norm", won), layers.ReLU(name=f"{name}_relu")
    # The order matters: after the ReLU, a negative scale turns values below zero.
    return relu(norm(x)) if won else norm(relu(x))


def _norm(name: str, won: bool):
    """Normalise with the constants of PyTorch (Won) or of Keras (Pons)."""
    return layers.BatchNormalization(name=name, **(NORM if won else {}))


def _check_variant(variant: str, chunk_frames, chunk_samples) -> None:
    check_choice(variant, tuple(TIMBRAL), name="variant")
    if (chunk_frames if variant == "won" else chunk_samples) is not None:
        raise ConfigError(
            "Chunks are set by `chunk_frames` with variant='pons', by "
            "`chunk_samples` with variant='won'.",
            received=f"variant={variant!r}, chunk_frames={chunk_frames!r}, "
            f"chunk_samples={chunk_samples!r}",
            advice="Leave the other one out.",
        )
