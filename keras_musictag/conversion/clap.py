"""CLAP as the transformers library saves it: settings and names of its weights."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from keras_musictag.conversion.sota import (
    Names,
    dense,
    encoder_block,
    layer_norm,
    norm,
)
from keras_musictag.conversion.transformers import Checkpoint, Layout
from keras_musictag.errors import PresetError
from keras_musictag.presets import records

# Whose labels a model has as long as nobody has named any.
LABELS_OF = "musicnn_msd"
ENCODER = "audio_model.audio_encoder"
# What checkpoints with feature fusion have for clips that are longer than a chunk, and
# the scale of the other direction, which scores of labels do not need.
IGNORED = (
    f"{ENCODER}.patch_embed.fusion_model.",
    f"{ENCODER}.patch_embed.mel_conv2d.",
    "logit_scale_t",
)


# Settings of ours and theirs, and what these are where they are not written.
AUDIO: dict[str, tuple[str, Any]] = {
    "image_size": ("spec_size", 256),
    "patch_size": ("patch_size", 4),
    "patch_units": ("patch_embeds_hidden_size", 96),
    "patch_norm": ("enable_patch_layer_norm", True),
    "depths": ("depths", [2, 2, 6, 2]),
    "num_heads": ("num_attention_heads", [4, 8, 16, 32]),
    "window_size": ("window_size", 8),
    "expansion": ("mlp_ratio", 4.0),
    "query_key_value_bias": ("qkv_bias", True),
    "encoder_dropout": ("hidden_dropout_prob", 0.1),
    "attention_dropout": ("attention_probs_dropout_prob", 0.0),
    "epsilon": ("layer_norm_eps", 1e-5),
}
TEXT: dict[str, tuple[str, Any]] = {
    "vocabulary_size": ("vocab_size", 50265),
    "units": ("hidden_size", 768),
    "encoder_blocks": ("num_hidden_layers", 12),
    "num_heads": ("num_attention_heads", 12),
    "intermediate_units": ("intermediate_size", 3072),
    "positions": ("max_position_embeddings", 514),
    "padding": ("pad_token_id", 1),
    "epsilon": ("layer_norm_eps", 1e-12),
}
# What is not known here in any other form, by part of the description.
ONLY: dict[str, dict[str, tuple]] = {
    "audio_config": {
        "hidden_act": ("gelu",),
        "patch_embed_input_channels": (1,),
        "flatten_patch_embeds": (True,),
        "fusion_type": (None, "aff_2d", "daf_2d", "iaff_2d"),
    },
    "text_config": {"hidden_act": ("gelu",)},
}


def clap_config(checkpoint: Checkpoint, keys: Iterable[str]) -> dict:
    """Arguments of `CLAPTagger` from the description of a `ClapModel`."""
    parts = {name: _part(checkpoint, name) for name in ONLY}
    for name, part in parts.items():
        for key, allowed in ONLY[name].items():
            part.check(key, *allowed)
    heard, read = parts["audio_config"], parts["text_config"]
    patch, stride = heard.get("patch_size", 4), heard.get("patch_stride", [4, 4])
    if isinstance(patch, list):
        patch = patch[0]
    if stride not in (patch, [patch, patch]):
        raise PresetError(
            f"The patches of the model in {checkpoint.folder} overlap.",
            received=f"patch_size={patch}, patch_stride={stride}",
            advice="Only those that lie side by side are known here.",
        )
    audio = {ours: heard.get(*theirs) for ours, theirs in AUDIO.items()}
    text = {ours: read.get(*theirs) for ours, theirs in TEXT.items()}
    labels = records.preset_info(LABELS_OF)["config"]["labels"]
    return {
        "labels": {key: labels[key] for key in ("names", "groups")},
        **_features(checkpoint, heard.get("enable_fusion", False)),
        "n_mels": heard.get("num_mel_bins", 64),
        "audio": {**audio, "patch_size": patch},
        "text": text,
        "projection_units": checkpoint.get("projection_dim", 512),
        "projection_activation": checkpoint.get("projection_hidden_act", "relu"),
    }


def _part(checkpoint: Checkpoint, name: str) -> Checkpoint:
    return Checkpoint(checkpoint.folder, checkpoint.get(name, {}), {})


def _features(checkpoint: Checkpoint, fused: bool) -> dict:
    """Arguments about the spectrogram, from `preprocessor_config.json`."""
    said = Checkpoint(checkpoint.folder, checkpoint.preprocessor, {})
    said.check("padding", "repeatpad")
    fused = said.get("truncation", "fusion" if fused else "rand_trunc") == "fusion"
    rate = said.get("sampling_rate", 48000)
    return {
        "sample_rate": rate,
        "n_fft": said.get("fft_window_size", 1024),
        "hop_length": said.get("hop_length", 480),
        "fmin": said.get("frequency_min", 50),
        "fmax": said.get("frequency_max", 14000),
        "mel_scale": "htk" if fused else "slaney",
        "chunk_samples": int(said.get("max_length_s", 10) * rate),
    }


def clap_names(config: Mapping, keys: Iterable[str] = ()) -> Names:
    """Sources of the variables of `CLAPTagger`; those of its head are zeros."""
    audio, text = config["audio"], config["text"]
    units, labels = config["projection_units"], len(config["labels"]["names"])
    names: Names = {
        "logits/kernel": ((), lambda: np.zeros((units, labels))),
        "logits/bias": ((), lambda: np.zeros(labels)),
        "temperature/logit_scale": (("logit_scale_a",), np.asarray),
    }
    names |= norm("bands_norm", f"{ENCODER}.batch_norm")
    names |= dense("patches", f"{ENCODER}.patch_embed.proj")
    # The image lies as theirs: rows, then columns.
    names["patches/kernel"] = (
        (f"{ENCODER}.patch_embed.proj.weight",),
        lambda w: w.transpose(2, 3, 1, 0),
    )
    if audio["patch_norm"]:
        names |= layer_norm("patches_norm", f"{ENCODER}.patch_embed.norm")
    for stage, depth in enumerate(audio["depths"]):
        key = f"{ENCODER}.layers.{stage}"
        for block in range(depth):
            names |= _window_block(
                f"stage_{stage + 1}_block_{block + 1}",
                f"{key}.blocks.{block}",
                audio["query_key_value_bias"],
            )
        if stage + 1 < len(audio["depths"]):
            ours = f"stage_{stage + 1}_merging"
            names |= layer_norm(f"{ours}/norm", f"{key}.downsample.norm")
            names |= _without_bias(f"{ours}/reduce", f"{key}.downsample.reduction")
    names |= layer_norm("encoder_norm", f"{ENCODER}.norm")
    names |= _projection("projection", "audio_projection")
    return names | _text_names(text)


def _text_names(text: Mapping) -> Names:
    embeddings = "text_model.embeddings"
    names: Names = {
        "text_embedding/words": (
            (f"{embeddings}.word_embeddings.weight",),
            np.asarray,
        ),
        # All tokens are of the first type.
        "text_embedding/places": (
            (
                f"{embeddings}.position_embeddings.weight",
                f"{embeddings}.token_type_embeddings.weight",
            ),
            lambda places, types: places + types[:1],
        ),
    }
    names |= layer_norm("text_embedding_norm", f"{embeddings}.LayerNorm")
    for block in range(text["encoder_blocks"]):
        names |= encoder_block(
            f"text_encoder_{block + 1}",
            f"text_model.encoder.layer.{block}",
            text["num_heads"],
        )
    names |= dense("text_pooler", "text_model.pooler.dense")
    return names | _projection("text_projection", "text_projection")


def _window_block(layer: str, key: str, has_bias: bool) -> Names:
    """Sources of a `ShiftedWindowBlock`."""
    attention = f"{key}.attention.self"
    parts = [f"{attention}.{part}" for part in ("query", "key", "value")]
    names: Names = {
        f"{layer}/distance_bias": (
            (f"{attention}.relative_position_bias_table",),
            np.asarray,
        ),
        f"{layer}/query_key_value/kernel": (
            tuple(f"{part}.weight" for part in parts),
            lambda *kernels: np.concatenate(kernels).transpose(),
        ),
    }
    if has_bias:
        names[f"{layer}/query_key_value/bias"] = (
            tuple(f"{part}.bias" for part in parts),
            lambda *biases: np.concatenate(biases),
        )
    names |= layer_norm(f"{layer}/attention_norm", f"{key}.layernorm_before")
    names |= dense(f"{layer}/merge", f"{key}.attention.output.dense")
    names |= layer_norm(f"{layer}/dense_norm", f"{key}.layernorm_after")
    names |= dense(f"{layer}/widen", f"{key}.intermediate.dense")
    return names | dense(f"{layer}/narrow", f"{key}.output.dense")


def _projection(layer: str, key: str) -> Names:
    return dense(f"{layer}_1", f"{key}.linear1") | dense(f"{layer}_2", f"{key}.linear2")


def _without_bias(layer: str, key: str) -> Names:
    return {f"{layer}/kernel": ((f"{key}.weight",), np.transpose)}


LAYOUT = Layout(
    "CLAPTagger",
    clap_config,
    clap_names,
    ignored=IGNORED,
    files=("tokenizer.json", "vocab.json", "merges.txt"),
)
