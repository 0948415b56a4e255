"""Make `beat_this/`: what the original says with random weights.

    pip install beat-this==1.1.0
    python tests/parity/data/make_beat_this.py FOLDER                  # a tiny network
    python tests/parity/data/make_beat_this.py FOLDER --full --seconds 70

Writes `random.ckpt`, a checkpoint like the authors', and `outputs.npz`: the waveform,
the spectrogram, the logits and what the original's peak picking makes of them.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from beat_this.inference import split_predict_aggregate
from beat_this.model.beat_tracker import BeatThis
from beat_this.model.postprocessor import Postprocessor
from beat_this.preprocessing import LogMelSpect

TINY = {"stem_dim": 8, "head_dim": 8, "transformer_dim": 32, "n_layers": 2}
RATE = 22050


def main() -> None:
    """Make both files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--full", action="store_true", help="the network of final0")
    parser.add_argument("--seconds", type=float, default=4)
    options = parser.parse_args()
    sizes = {} if options.full else TINY
    samples = make_sound(options.seconds)
    spectrogram = LogMelSpect()(torch.tensor(samples.astype("float32") / 32768))
    model = BeatThis(**sizes).eval()
    randomise(model, spectrogram)
    options.folder.mkdir(parents=True, exist_ok=True)
    state = {f"model.{key}": value for key, value in model.state_dict().items()}
    checkpoint = {"state_dict": state, "hyper_parameters": sizes}
    torch.save(checkpoint, options.folder / "random.ckpt")
    with torch.inference_mode():
        logits = split_predict_aggregate(spectrogram, 1500, 6, "keep_first", model)
    beats, downbeats = Postprocessor()(logits["beat"], logits["downbeat"])
    np.savez_compressed(
        options.folder / "outputs.npz",
        waveform_int16=samples,
        spectrogram=spectrogram.numpy(),
        beat=logits["beat"].numpy(),
        downbeat=logits["downbeat"].numpy(),
        beats=beats,
        downbeats=downbeats,
    )


def make_sound(seconds: float) -> np.ndarray:
    """Return noise that fades twice a second, over a tone, int16."""
    time = np.arange(int(seconds * RATE)) / RATE
    noise = np.random.default_rng(0).standard_normal(len(time))
    sound = 0.1 * noise * (np.exp(-8 * (2 * time % 1)) + 0.02)
    sound += 0.1 * np.sin(2 * np.pi * 220 * time)
    return np.round(sound.clip(-1, 1) * 32767).astype("int16")


@torch.no_grad()
def randomise(model, spectrogram) -> None:
    """Give every number of a network another value, so that each matters."""
    random = torch.Generator().manual_seed(0)
    for key, values in model.state_dict().items():
        if key.endswith("freqs") or not values.is_floating_point():
            continue
        if key.endswith(("running_var", "gamma", "norm.weight")) or ".bn" in key:
            values.copy_(torch.rand(values.shape, generator=random) + 0.5)
        elif values.ndim > 1:
            width = np.prod(values.shape[1:])
            values.copy_(torch.randn(values.shape, generator=random) / width**0.5)
        else:
            values.copy_(0.1 * torch.randn(values.shape, generator=random))
    head = model.task_heads.beat_downbeat_lin
    head.weight.mul_(12)  # peaks on both sides of the threshold
    head.weight[0].mul_(0.2)  # a downbeat is always a beat, as in trained networks
    head.bias.zero_()
    logits = model(spectrogram[None, :1400])
    beat, downbeat = logits["beat"], logits["downbeat"]
    means = [2.0 - (beat - downbeat).mean(), -1.0 - downbeat.mean()]
    head.bias.copy_(torch.stack(means))


if __name__ == "__main__":
    main()
