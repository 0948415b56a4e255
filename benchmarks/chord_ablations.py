"""What would make `chords_small` better: short trainings, several seeds each.

    python benchmarks/chord_ablations.py --work work --songs SONGS --out runs \
        --variants plain key attention warm --seeds 1 2 3

`--work` holds the material of `examples/train_chords.py`, `--songs` songs with labels
that no training has. Every variant is trained from nothing, and judged in pieces of
20 s: how far it agrees with the ensemble on albums that training did not have, and how
right it is on the songs. `key` learns the key of the song as well; `attention` has a
block of self-attention behind the convolutions; `warm` first learned, for as many steps
and without any label, to fill gaps in the spectrum. What is done already is read from
`--out`.
"""

import argparse
import json
import sys
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops

from keras_musictag.chords import ChordSequence
from keras_musictag.chords.chordogram import Chordogram
from keras_musictag.chords.composing import compose
from keras_musictag.keys import KEYS
from keras_musictag.metrics import chord_scores
from keras_musictag.models.recognizers.networks import LikeInput
from keras_musictag.models.recognizers.tcn_chords import (
    CHOICE_CLASSES,
    TCNChordRecognizer,
)

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))
import train_chords as recipe
from chord_material.features import (
    FLOOR_DB,
    HOP,
    NET_BINS,
    SAMPLE_RATE,
    net_input,
    sound_of,
)
from chord_material.targets import KEY_SAID, KEYS_AT, NAMES, part
from chord_teachers import Listener

VARIANTS = ("plain", "key", "attention", "warm")
KEY_WEIGHT = 0.3
HIDDEN = 0.4  # of the frames, in gaps of 8 to 32
PIECE = recipe.CROP


# === Variants ===


def build(variant: str) -> keras.Model:
    """Return the network from decibels to logits, perhaps with those of the keys."""
    network = recipe.build_network()
    decibels = network.input
    if variant == "attention":
        x = network.get_layer(f"block{len(recipe.SIZES['dilations']) - 1}_add").output
        heard = layers.LayerNormalization(name="attention_norm")(x)
        heard = layers.MultiHeadAttention(4, 32, dropout=0.1, name="attention")(
            heard, heard
        )
        x = network.get_layer("norm")(layers.Add(name="attention_add")([x, heard]))
        logits = network.get_layer("head_frames")(
            [network.get_layer("head")(x), decibels]
        )
        return keras.Model(decibels, in_float32(logits))
    if variant == "key":
        steps = network.get_layer("norm").output
        keys = layers.Dense(2 * len(KEYS), name="key_head")(steps)
        keys = LikeInput(len(KEYS), name="key_frames")([keys, decibels])
        both = layers.Concatenate(dtype="float32")([network.output, in_float32(keys)])
        return keras.Model(decibels, both)
    return network


def in_float32(tensor):
    """Half precision would round what goes into the loss."""
    return layers.Activation("linear", dtype="float32")(tensor)


def with_key_loss(y_true, y_pred):
    """The loss of the recipe, and the cross-entropy of the key where it is said."""
    wanted, said = y_true[..., KEYS_AT:KEY_SAID], y_true[..., KEY_SAID]
    likely = ops.log_softmax(y_pred[..., CHOICE_CLASSES:], axis=-1)
    losses = -ops.sum(wanted * likely, axis=-1) * said
    return recipe.choices_loss(y_true, y_pred) + KEY_WEIGHT * losses


# === Without labels ===


class Gaps(recipe.Crops):
    """Crops with gaps, and what was there: decibels from 0 to 1, and 1 in a gap."""

    def __getitem__(self, index):
        values, _ = super().__getitem__(index)
        rng = np.random.default_rng([self.options.seed, self.epoch, index, 1])
        hidden = np.zeros(values.shape[:2], bool)
        while hidden.mean() < HIDDEN:
            row, at = rng.integers(len(values)), rng.integers(values.shape[1])
            hidden[row, at : at + rng.integers(8, 33)] = True
        wanted = np.concatenate([1 - values / FLOOR_DB, hidden[..., None]], axis=-1)
        return np.where(hidden[..., None], np.float32(FLOOR_DB), values), wanted


def gap_loss(y_true, y_pred):
    """Squared error of the spectrum within the gaps."""
    wanted, hidden = y_true[..., :-1], y_true[..., -1:]
    return 10 * ops.mean(hidden * ops.square(wanted - y_pred), axis=-1)


def warm(network, sources, options) -> None:
    """Let the body of a network fill gaps; its head stays as it was."""
    body = network.get_layer("norm").output
    spectrum = layers.Dense(2 * NET_BINS, name="spectrum")(body)
    spectrum = LikeInput(NET_BINS, name="spectrum_frames")([spectrum, network.input])
    filling = keras.Model(network.input, in_float32(spectrum))
    recipe.fit(filling, gap_loss, Gaps(sources, options), options)


# === Judging ===


def said(network, decibels) -> dict[str, np.ndarray]:
    """Return the six choices of a track, by pieces with half of one on either side.

    Args:
        network: Of `build`.
        decibels: float `(frames, 288)`, as stored.
    """
    window, half = net_input(decibels), PIECE // 2
    starts = range(0, max(1, len(window)), half)
    padded = np.pad(
        window, ((half // 2, PIECE), (0, 0)), constant_values=np.float32(FLOOR_DB)
    )
    logits = network.predict(
        np.stack([padded[at : at + PIECE] for at in starts]), batch_size=16, verbose=0
    )
    middle = logits[:, half // 2 : half // 2 + half].reshape(-1, logits.shape[-1])
    middle = middle[: len(window)]
    choices = {}
    for name in NAMES:
        scores = np.exp(middle[:, part(name)] - middle[:, part(name)].max(1)[:, None])
        choices[name] = scores / scores.sum(axis=1, keepdims=True)
    return choices


def agreement(network, work: Path) -> float:
    """Return for how much of the held-out albums triads are those of the ensemble."""
    same = of = 0
    for data, _, truth in recipe.heard(work, recipe.TEST_ALBUMS):
        found = recipe.triads(said(network, data["decibels"]))
        known = truth >= 0
        same += (truth[known] == found[known]).sum()
        of += known.sum()
    return float(same / of)


class Songs:
    """Songs with labels, their features computed once."""

    def __init__(self, folder: Path):
        listener = Listener()
        self.truth, self.features = {}, {}
        for lab in sorted(folder.glob("*.lab")):
            self.truth[lab.stem] = ChordSequence.from_lab(lab)
            self.features[lab.stem] = listener.decibels(str(sound_of(lab)))

    def scores(self, network) -> dict[str, float]:
        """Return majmin and tetrads, pooled over the time that they judge."""
        found = {}
        for stem, decibels in self.features.items():
            likely = compose(said(network, decibels), "tetrads")
            chordogram = Chordogram(
                {"chord": likely},
                recipe.TETRADS,
                HOP / SAMPLE_RATE,
                TCNChordRecognizer.boundary_shift,
                self.truth[stem].duration,
            )
            found[stem] = chordogram.decode()
        pooled = chord_scores(self.truth, found).pooled
        return {name: float(pooled[name]) for name in ("majmin", "tetrads")}


# === All of them ===


def run(variant: str, seed: int, sources, songs: Songs, options) -> dict[str, float]:
    """Train one variant and judge it."""
    keras.utils.set_random_seed(seed)
    options.seed = seed
    name = options.out / f"{variant}_{seed}"
    keras.config.set_dtype_policy("mixed_bfloat16")
    network = build(variant)
    if variant == "warm":
        options.out = name / "warm"
        warm(network, sources, options)
    options.out = name
    loss = with_key_loss if variant == "key" else recipe.choices_loss
    recipe.fit(network, loss, recipe.Crops(sources, options), options)
    options.out = name.parent
    return {"agreement": agreement(network, options.work), **songs.scores(network)}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="of the recipe")
    parser.add_argument("--songs", type=Path, required=True, help="with labels")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=VARIANTS)
    parser.add_argument("--seeds", type=int, nargs="+", default=(1, 2, 3))
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--rate", type=float, default=2e-3)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    options.material, options.believe, options.plain = "both", "ensemble", False
    options.epoch_steps = min(recipe.STEPS_PER_EPOCH, options.steps)
    sources, songs = recipe.load_sources(options), Songs(options.songs)
    kept = options.out / "figures.json"
    figures = json.loads(kept.read_text()) if kept.exists() else {}
    for seed in options.seeds:
        for variant in options.variants:
            name = f"{variant} {seed}"
            if name not in figures:
                figures[name] = run(variant, seed, sources, songs, options)
                kept.write_text(json.dumps(figures, indent=1))
            print(name, json.dumps(figures[name]), flush=True)


if __name__ == "__main__":
    main()
