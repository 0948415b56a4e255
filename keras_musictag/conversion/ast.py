"""AST and MAEST as the transformers library saves them, for our arguments and names."""

from collections.abc import Collection, Iterable, Mapping

import numpy as np

from keras_musictag.conversion.sota import Names, conv_2d, dense, layer_norm
from keras_musictag.conversion.transformers import Checkpoint, Layout
from keras_musictag.errors import PresetError

BETWEEN = "---"  # genre and style in the labels of MAEST


def ast_config(checkpoint: Checkpoint, keys: Collection[str]) -> dict:
    """Arguments of `ASTTagger`."""
    checkpoint.check("hidden_act", "gelu")
    get, settings = checkpoint.get, checkpoint.preprocessor
    musical = settings.get("feature_extractor_type") == "MAESTFeatureExtractor"
    _check_settings(checkpoint, musical)
    has_head = "classifier.dense.bias" in keys
    config = {
        "labels": grouped(checkpoint.labels()) if has_head else None,
        "problem_type": get("problem_type", "multi_label_classification"),
        "sample_rate": settings.get("sampling_rate", 16000),
        "spectrogram": "essentia" if musical else "kaldi",
        "n_mels": get("num_mel_bins", 128),
        "max_frames": get("max_length", 1024),
        "patch_size": get("patch_size", 16),
        "frequency_stride": get("frequency_stride", 10),
        "time_stride": get("time_stride", 10),
        "units": get("hidden_size", 768),
        "blocks": get("num_hidden_layers", 12),
        "num_heads": get("num_attention_heads", 12),
        "intermediate_units": get("intermediate_size", 3072),
        "qkv_bias": get("qkv_bias", True),
        "epsilon": get("layer_norm_eps", 1e-12),
        "encoder_dropout": get("hidden_dropout_prob", 0.0),
        "attention_dropout": get("attention_probs_dropout_prob", 0.0),
    }
    if not settings.get("do_normalize", True):
        return {**config, "mean": 0.0, "std": 0.5}
    return config | {k: settings[k] for k in ("mean", "std") if k in settings}


def ast_names(config: Mapping, keys: Collection[str]) -> Names:
    """Sources of the variables of `ASTTagger`."""
    front = "embeddings"
    names = conv_2d("patches", f"{front}.patch_embeddings.projection")
    names["tokens/tokens"] = (
        (f"{front}.cls_token", f"{front}.distillation_token"),
        lambda *pair: np.concatenate(pair, axis=1)[0],
    )
    bands = 1 + (config["n_mels"] - config["patch_size"]) // config["frequency_stride"]
    names["tokens/positions"] = (
        (f"{front}.position_embeddings",),
        lambda p: _time_first(p[0], bands),
    )
    for i in range(config["blocks"]):
        names |= _block(f"block_{i + 1}", f"encoder.layer.{i}", config["qkv_bias"])
    names |= layer_norm("norm", "layernorm")
    if config["labels"] is None:  # the normalisation before a head to come
        units = config["units"]
        names["head_norm/gamma"] = ((), lambda: np.ones(units))
        names["head_norm/beta"] = ((), lambda: np.zeros(units))
        return names
    names |= layer_norm("head_norm", "classifier.layernorm")
    return names | dense("logits", "classifier.dense")


def _block(layer: str, key: str, qkv_bias: bool) -> Names:
    """Sources of a `PreNormTransformerBlock`."""
    attention = f"{key}.attention.attention"
    parts = tuple(f"{attention}.{part}" for part in ("query", "key", "value"))
    names: Names = {
        f"{layer}/query_key_value/kernel": (
            tuple(f"{part}.weight" for part in parts),
            lambda *three: np.concatenate(three).transpose(1, 0),
        )
    }
    if qkv_bias:
        names[f"{layer}/query_key_value/bias"] = (
            tuple(f"{part}.bias" for part in parts),
            lambda *three: np.concatenate(three),
        )
    names |= layer_norm(f"{layer}/norm", f"{key}.layernorm_before")
    names |= dense(f"{layer}/merge", f"{key}.attention.output.dense")
    names |= layer_norm(f"{layer}/dense_norm", f"{key}.layernorm_after")
    names |= dense(f"{layer}/widen", f"{key}.intermediate.dense")
    return names | dense(f"{layer}/narrow", f"{key}.output.dense")


def grouped(names: Iterable[str]) -> dict:
    """Return labels such as "Electronic---House" as styles in groups of genres.

    A style that several genres have keeps the name of its genre, in brackets.
    """
    pairs = [name.rpartition(BETWEEN)[::2] for name in names]
    if not all(genre for genre, _ in pairs):
        return {"names": list(names)}
    styles = [style for _, style in pairs]
    return {
        "names": [s if styles.count(s) == 1 else f"{s} ({g})" for g, s in pairs],
        "groups": [genre for genre, _ in pairs],
    }


def _time_first(positions: np.ndarray, bands: int) -> np.ndarray:
    """Reorder patches: theirs are the frames of each band, ours the other way."""
    grid = positions[2:].reshape(bands, -1, positions.shape[1])
    patches = grid.transpose(1, 0, 2).reshape(-1, positions.shape[1])
    return np.concatenate([positions[:2], patches])


def _check_settings(checkpoint: Checkpoint, musical: bool) -> None:
    """Refuse front-ends with other settings than those of AST and of MAEST."""
    settings, get = checkpoint.preprocessor, checkpoint.get
    wanted = {
        "max_length": get("max_length", 1024),
        "num_mel_bins": get("num_mel_bins", 128),
        "padding_value": 0.0,
        "sampling_rate": 16000,
    }
    if musical:
        wanted |= {"n_fft": 512, "hop_length": 256, "log_compression": "logC"}
    else:
        wanted["feature_extractor_type"] = "ASTFeatureExtractor"
    for key, value in wanted.items():
        if settings.get(key, value) != value:
            raise PresetError(
                f"The front-end of the model in {checkpoint.folder} is not known here.",
                received=f"{key}={settings[key]!r}, expected {value!r}",
                advice="Make an ASTTagger with settings of your own, and assign the "
                "weights.",
            )


LAYOUT = Layout(
    class_name="ASTTagger",
    config_from=ast_config,
    names_from=ast_names,
    prefix="audio_spectrogram_transformer.",
)
