"""Make `clap/`: what the transformers library says with random weights.

    pip install torch==2.13.0 transformers==5.24.0
    python tests/parity/data/make_clap.py FOLDER          # tiny networks
    python tests/parity/data/make_clap.py FOLDER --full   # of the size of the published

Writes for `plain` and `fused` (with feature fusion, and other options) a folder as
`save_pretrained` makes it, tokenizer and settings of the features included, and
`outputs.npz`: a waveform, features, embeddings of sound and texts, and logits.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import (
    ClapConfig,
    ClapFeatureExtractor,
    ClapModel,
    RobertaTokenizerFast,
)

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
# Of the published `larger_clap_music`: what differs from the library's own settings.
FULL = {"depths": [2, 2, 12, 2], "patch_embeds_hidden_size": 128, "hidden_size": 1024}
AUDIO = {
    "spec_size": 64,
    "num_mel_bins": 16,
    "patch_embeds_hidden_size": 8,
    "depths": [2, 2, 1],
    "num_attention_heads": [2, 2, 4],
    "num_hidden_layers": 3,
    "window_size": 4,
    "hidden_size": 32,
    "mlp_ratio": 3.0,
}
TEXT = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 34,
}
FEATURES = {
    "feature_size": 16,
    "sampling_rate": 16000,
    "hop_length": 128,
    "fft_window_size": 512,
    "max_length_s": 2,
    "frequency_min": 50,
    "frequency_max": 7000,
}
OTHER = {
    "qkv_bias": False,
    "enable_patch_layer_norm": False,
    "enable_fusion": True,
    "fusion_type": "aff_2d",
    "layer_norm_eps": 1e-3,
}
TEXTS = [
    "sad piano",
    "driving techno",
    "This is a sound of rain.",
    "Rainy late-night jazz, játék: naïve 雨!",
    "x" * 80,  # longer than the tower reads
]


def main() -> None:
    """Make both folders."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--full", action="store_true", help="networks of full size")
    options = parser.parse_args()
    make(options.folder / "plain", {}, {}, "rand_trunc", options.full)
    if not options.full:
        activation = {"projection_hidden_act": "gelu"}
        make(options.folder / "fused", OTHER, activation, "fusion", False)


def make(folder: Path, audio: dict, whole: dict, truncation: str, full: bool) -> None:
    """Make one of the folders."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = make_tokenizer(folder, small=not full)
    text = {} if full else {**TEXT, "vocab_size": len(tokenizer)}
    config = ClapConfig(
        text_config={**text, "attn_implementation": "eager"},
        audio_config=FULL if full else {**AUDIO, **audio},
        projection_dim=512 if full else 12,
        **whole,
    )
    features = {} if full else FEATURES
    extractor = ClapFeatureExtractor(
        **{"frequency_min": 50, **features}, truncation=truncation
    )
    model = ClapModel(config).eval()
    randomise(model)
    for part in (model, extractor, tokenizer):
        part.save_pretrained(folder)
    # One folder has the tokens in one file, the other in two, as older ones have.
    leftover = {
        "rand_trunc": ("vocab.json", "merges.txt"),
        "fusion": ("tokenizer.json",),
    }
    for name in (*leftover[truncation], "tokenizer_config.json"):
        (folder / name).unlink()
    (folder / "model.safetensors").chmod(0o644)
    rate = extractor.sampling_rate
    length = 10.0 if full else 2.0
    outputs = {}
    sounds = [make_sound(length, rate), make_sound(length * 0.3, rate)]
    inputs = tokenizer(
        TEXTS,
        padding=True,
        truncation=True,
        max_length=config.text_config.max_position_embeddings - 2,
        return_tensors="pt",
    )
    with torch.inference_mode():
        text_vectors = model.get_text_features(**inputs).pooler_output
        for number, sound in enumerate(sounds):
            samples = sound.astype("float32") / 32768
            found = extractor(samples, sampling_rate=rate, return_tensors="pt")
            found["is_longer"] = torch.tensor([[False]])
            heard = model.get_audio_features(**found).pooler_output
            whole = model(**inputs, **found)
            outputs[f"waveform_{number}"] = sound
            outputs[f"mel_{number}"] = found["input_features"][0, 0].numpy()
            outputs[f"audio_{number}"] = heard[0].numpy()
            outputs[f"logits_{number}"] = whole.logits_per_audio[0].numpy()
    tokens = [
        row[mask == 1].numpy() for row, mask in zip(*inputs.values(), strict=True)
    ]
    np.savez_compressed(
        folder / "outputs.npz",
        texts=np.array(TEXTS),
        tokens=np.concatenate(tokens).astype("int32"),
        lengths=[len(row) for row in tokens],
        text=text_vectors.numpy(),
        **outputs,
    )


def make_tokenizer(folder: Path, small: bool):
    """Train a byte-level tokenizer like RoBERTa's on a few words; save its files."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator([*TEXTS[:4], "a song of sad rain and jazz"] * 3, trainer)
    ends = [(name, raw.token_to_id(name)) for name in ("</s>", "<s>")]
    raw.post_processor = processors.RobertaProcessing(*ends, add_prefix_space=False)
    vocabulary, merges = raw.model.save(str(folder))
    return RobertaTokenizerFast(vocab=vocabulary, merges=merges)


def make_sound(seconds: float, rate: int) -> np.ndarray:
    """Return noise that fades three times a second, over a tone, int16."""
    time = np.arange(int(seconds * rate)) / rate
    noise = np.random.default_rng(0).standard_normal(len(time))
    sound = 0.1 * noise * (np.exp(-8 * (3 * time % 1)) + 0.02)
    sound += 0.1 * np.sin(2 * np.pi * 220 * time)
    return np.round(sound.clip(-1, 1) * 32767).astype("int16")


@torch.no_grad()
def randomise(model) -> None:
    """Give every number of a network another value, so that each matters."""
    random = torch.Generator().manual_seed(0)
    for key, values in model.state_dict().items():
        if not values.is_floating_point():
            continue
        if key.startswith("logit_scale"):
            values.fill_(2.5)
        elif key.endswith("batch_norm.running_mean"):
            values.copy_(torch.randn(values.shape, generator=random) * 3 - 30)
        elif key.endswith("batch_norm.running_var"):
            values.copy_(torch.rand(values.shape, generator=random) * 100 + 100)
        elif "norm" in key.lower() and key.endswith("weight"):
            values.copy_(torch.rand(values.shape, generator=random) + 0.5)
        elif "bias_table" in key or "embeddings" in key and values.ndim > 1:
            values.copy_(torch.randn(values.shape, generator=random))
        elif values.ndim > 1:
            width = np.prod(values.shape[1:])
            values.copy_(torch.randn(values.shape, generator=random) / width**0.5)
        else:
            values.copy_(0.1 * torch.randn(values.shape, generator=random))


if __name__ == "__main__":
    main()
