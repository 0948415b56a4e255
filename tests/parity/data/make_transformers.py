"""Make `transformers/`: what models of that library say with random weights.

    pip install transformers torch
    python tests/parity/data/make_transformers.py FOLDER              # tiny networks
    python tests/parity/data/make_transformers.py FOLDER --full ast   # one, whole

Each folder in it is what the library's `save_pretrained` writes, and `outputs.npz`:
waveforms, what the feature extractor makes of them, hidden states and logits. The
feature extractor of MAEST is code of its repository; its settings are given to the
functions of the library that it calls.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
import transformers
from transformers import audio_utils

AST = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "num_mel_bins": 32,
    "max_length": 60,
    "patch_size": 8,
    "frequency_stride": 6,
    "time_stride": 5,
}
HUBERT = {
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "conv_dim": [8, 8, 12],
    "conv_kernel": [10, 3, 2],
    "conv_stride": [5, 2, 2],
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
}
STYLES = ["Electronic---House", "Electronic---Experimental", "Rock---Experimental"]
MAEST = {
    "auto_map": {
        "AutoFeatureExtractor": "feature_extraction_maest.MAESTFeatureExtractor"
    },
    "feature_extractor_type": "MAESTFeatureExtractor",
    "do_normalize": True,
    "sampling_rate": 16000,
    "n_fft": 512,
    "hop_length": 256,
    "log_compression": "logC",
    "mean": 2.06755686098554,
    "std": 1.268292820667291,
    "padding_value": 0.0,
}


def main() -> None:
    """Make all folders, or one of a whole network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--full", choices=("ast", "maest", "mert"))
    options = parser.parse_args()
    if options.full == "ast":
        make_ast(options.folder / "full_ast", {"num_labels": 527}, 12.0)
    elif options.full == "maest":
        sizes = {"num_mel_bins": 96, "max_length": 1876, "layer_norm_eps": 1e-6}
        make_ast(
            options.folder / "full_maest", {"num_labels": 400, **sizes}, 31.0, True
        )
    elif options.full == "mert":
        make_hubert(options.folder / "full_mert", {}, 5.0)
    else:
        make_tiny(options.folder)


def make_tiny(folder: Path) -> None:
    """Make networks that have every option between them."""
    make_ast(folder / "ast", {**AST, "num_labels": 3}, 0.8)
    labels = dict(enumerate(STYLES))
    other = {"qkv_bias": False, "layer_norm_eps": 1e-6, "frequency_stride": 8}
    other |= {"max_length": 40, "id2label": labels, "label2id": {}}
    make_ast(folder / "maest", {**AST, **other}, 0.8, musical=True)
    make_hubert(folder / "mert", HUBERT, 0.2)
    stable = {
        "do_stable_layer_norm": True,
        "feat_extract_norm": "layer",
        "conv_bias": True,
        "feat_proj_layer_norm": False,
        "num_conv_pos_embeddings": 7,
        "layer_norm_eps": 1e-6,
    }
    make_hubert(folder / "hubert", {**HUBERT, **stable}, 0.2, normalize=False)
    batch = {"conv_pos_batch_norm": True, "num_hidden_layers": 1}
    make_hubert(folder / "batch_norm", {**HUBERT, **batch}, 0.2, pickled=True)


def make_ast(folder: Path, sizes: dict, seconds: float, musical=False) -> None:
    """Make an AST, and what it says of a long and of a short sound."""
    config = transformers.ASTConfig(**sizes)
    model = transformers.ASTForAudioClassification(config).eval()
    randomise(model)
    model.save_pretrained(folder)
    about = {"num_mel_bins": config.num_mel_bins, "max_length": config.max_length}
    if musical:
        settings = MAEST | about
        text = json.dumps(settings, indent=2)
        (folder / "preprocessor_config.json").write_text(text, "utf-8")
        extract = musical_features
    else:
        extractor = transformers.ASTFeatureExtractor(**about)
        extractor.save_pretrained(folder)

        def extract(sound, about):
            return extractor(sound, 16000, return_tensors="np")["input_values"][0]

    sound = make_sound(seconds, 16000)
    found = {"waveform_int16": sound}
    for name, part in (("long", sound), ("short", sound[: int(0.3 * 16000) + 77])):
        features = extract(part.astype("float32") / 32768, about)
        inputs = torch.tensor(features, dtype=torch.float32)[None]
        with torch.inference_mode():
            said = model(inputs, output_hidden_states=True)
            pooled = model.audio_spectrogram_transformer(inputs).pooler_output
        found[f"{name}_features"] = features
        found[f"{name}_logits"] = said.logits.numpy()[0]
        found[f"{name}_pooled"] = pooled.numpy()[0]
        found[f"{name}_last"] = said.hidden_states[-1].numpy()[0]
    save(folder, found)


def musical_features(sound, about: dict) -> np.ndarray:
    """Return the spectrogram of MAEST."""
    filters = audio_utils.mel_filter_bank(
        257, about["num_mel_bins"], 0, 8000, 16000, norm="slaney", mel_scale="slaney"
    )
    window = audio_utils.window_function(512, "hann")
    mel = audio_utils.spectrogram(
        sound, window, 512, 256, power=2, pad_mode="constant", mel_filters=filters
    )
    mel = np.log10(1 + 10000 * mel.T)[: about["max_length"]]
    mel = np.pad(mel, [(0, about["max_length"] - len(mel)), (0, 0)])
    return (mel - MAEST["mean"]) / (2 * MAEST["std"])


def make_hubert(
    folder: Path, sizes: dict, seconds: float, normalize=True, pickled=False
) -> None:
    """Make a HuBERT, and its hidden states for a sound at 24 kHz."""
    model = transformers.HubertModel(transformers.HubertConfig(**sizes)).eval()
    randomise(model)
    model.save_pretrained(folder)
    if pickled:
        (folder / "model.safetensors").unlink()
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
    extractor = transformers.Wav2Vec2FeatureExtractor(
        sampling_rate=24000, do_normalize=normalize
    )
    extractor.save_pretrained(folder)
    sound = make_sound(seconds, 24000)
    values = extractor(sound.astype("float32") / 32768, sampling_rate=24000)
    inputs = torch.tensor(np.asarray(values["input_values"], "float32"))
    with torch.inference_mode():
        said = model(inputs, output_hidden_states=True)
    hidden = np.stack([state.numpy()[0] for state in said.hidden_states])
    last = said.last_hidden_state.numpy()[0]
    save(folder, {"waveform_int16": sound, "hidden": hidden, "last": last})


def save(folder: Path, found: dict) -> None:
    """Write the outputs, floats in float32."""
    floats = {k: v.astype("float32") for k, v in found.items() if v.dtype != "int16"}
    np.savez_compressed(folder / "outputs.npz", **{**found, **floats})


def make_sound(seconds: float, rate: int) -> np.ndarray:
    """Return noise that fades twice a second, over a tone, int16."""
    time = np.arange(int(seconds * rate)) / rate
    noise = np.random.default_rng(0).standard_normal(len(time))
    sound = 0.1 * noise * (np.exp(-8 * (2 * time % 1)) + 0.02)
    sound += 0.1 * np.sin(2 * np.pi * 220 * time)
    return np.round(sound.clip(-1, 1) * 32767).astype("int16")


@torch.no_grad()
def randomise(model) -> None:
    """Give every number of a network another value, so that each matters."""
    random = torch.Generator().manual_seed(0)
    for key, values in model.state_dict().items():
        if not values.is_floating_point():
            continue
        drawn = torch.randn(values.shape, generator=random)
        if key.endswith(("running_var", "original0")) or "norm" in key:
            values.copy_(1 + 0.2 * drawn.clamp(-2, 2))
        elif values.ndim > 1 and "embedding" not in key:
            values.copy_(drawn / np.prod(values.shape[1:]) ** 0.5)
        else:
            values.copy_(0.3 * drawn)


if __name__ == "__main__":
    main()
