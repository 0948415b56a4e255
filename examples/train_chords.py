"""Train the chord recogniser `chords_small`: rendered songs and real music together.

Material. Rendered songs have exact labels; real music, which nobody annotated, has what
three teachers of different origin hear in it. All of it can be had by anyone:

    python examples/game_music.py --out music
    python examples/chord_songs.py --count 500 --seed 41 --out songs
    python examples/chord_songs.py --count 260 --seed 42 --style studies --out studies
    python examples/chord_songs.py --count 280 --seed 43 --style grooves --out grooves
    python examples/chord_teachers.py --music music --work work/real --hours 0.5
    python examples/train_chords.py --songs songs studies grooves --work work \
        --stage features

Training, and a folder for `from_pretrained`:

    python examples/train_chords.py --work work --out trained --stage train export

The published weights come from 17,600 steps in six runs, four hours on busy machines
of two cores, each with `--believe ensemble --precision mixed_bfloat16`: `--steps 3000
--seed 7`; then with `--initial` `--steps 2600 --rate 1.5e-3 --seed 8`, the first 500 of
them on a schedule for 4,000; `--steps 1000 --rate 1.2e-3 --seed 9`; `--steps 4000
--rate 1.5e-3 --seed 11`; `--steps 4500 --rate 1.5e-3 --seed 12`; and `--steps 2500
--rate 1e-3 --seed 13`. The last two had the material above (but that SFZ instruments
were cut in their first notes), 13 hours of songs and 4.8 of games, of some albums .6
hours. What those before them had was made by earlier states of `chord_songs.py` and of
this recipe: up to 900 songs and 9.8 hours in the first three, 700 songs, 180 studies
and 3.6 hours in the fourth; changes of chords counted as the rest there, and
`SMOOTHING` was .05. Until the third the weights of seventh and thirteenth in the loss
were .4 and .2, and what the ensemble says about thirteenths counted. Of the albums held
out there was half an hour each. So another run gives other weights.

A run that was killed goes on where it was, and gives the same weights. `--material`,
`--believe` and `--plain` are what the ablations vary; `--stage judge` says how far the
result agrees with the teachers on albums that training did not have.
"""

import argparse
import csv
import json
import math
from pathlib import Path

import keras
import numpy as np
from chord_material.features import (
    BASE_BIN,
    BINS_PER_SEMITONE,
    FLOOR_DB,
    HOP,
    NET_BINS,
    SAMPLE_RATE,
    equaliser,
    evaluate,
    net_input,
    noise_floor,
)
from chord_material.targets import (
    CREMA,
    KEY_SAID,
    KEYS_AT,
    NAMES,
    believed,
    one_hot,
    part,
    transpose,
    weigh_changes,
)
from chord_teachers import Listener
from keras import ops

import keras_musictag as kmt
from keras_musictag import chords
from keras_musictag.chords.composing import compose
from keras_musictag.chords.structure import CHOICES
from keras_musictag.keys import KeySequence
from keras_musictag.models.recognizers.tcn_chords import CHOICE_CLASSES, choice_logits

PRESET = "chords_small"
SIZES = {
    "channels": (16, 32),
    "units": 128,
    "dilations": (1, 2, 4, 8, 16, 32),
    "dropout": 0.1,
}

# Albums that training has not: of these come the clips that everything is tested with.
TEST_ALBUMS = ("hedgewars-data", "0ad-data", "singularity-music", "megaglest-data")
CHOICE_ALBUM = "supertux-data"  # decides between settings
# From tracks of other albums such clips were cut too.
CUT_TRACKS = ("legends_of_the_north", "sad", "love_theme", "menu", "frontiers")

BATCH, CROP = 16, 432  # crops of 20 s
STEPS_PER_EPOCH, WARM_UP = 100, 200
SMOOTHING = 0.02
# What frames next to a change count: labels say exactly when it is, teachers do not.
EXACT_CHANGES, HEARD_CHANGES = 2.0, 0.0
LOSS_WEIGHTS = {
    **{"triad": 1.0, "bass": 0.4, "seventh": 0.7},
    **{"ninth": 0.1, "eleventh": 0.1, "thirteenth": 1.0},
}

# Sixths are rare, and their choice is made apart from the rest: what is added to their
# logit, in nats. Of 0, 1, 1.5, 2 and 2.5 the best for tetrads on 24 invented songs.
SIXTHS = 1.5

MAJMIN, TETRADS = chords.get_vocabulary("majmin"), chords.get_vocabulary("tetrads")


# === Features of rendered songs ===


def make_features(folders, work: Path) -> None:
    """Store features and exact targets of songs that are not there yet."""
    work.mkdir(parents=True, exist_ok=True)
    listener = Listener()
    for folder in folders:
        with open(folder / "manifest.csv", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            target = work / f"{folder.name}_{Path(row['file']).stem}.npz"
            if target.exists():
                continue
            # Its tuning is known: an estimate might take the other side of a semitone.
            cents = float(row.get("cents") or row.get("tuning_cents") or 0)
            values = listener.decibels(str(folder / row["file"]), cents / 100)
            lab = (folder / row["file"]).with_suffix(".lab")
            song = chords.ChordSequence.from_lab(lab)
            # Half a frame behind the time at which recognition begins a segment.
            times = np.arange(len(values)) * HOP / SAMPLE_RATE
            at = np.searchsorted(song.intervals[:, 0], times, side="right") - 1
            np.savez(
                target,
                decibels=values,
                segments=np.clip(at, 0, None).astype("int16"),
                labels=np.array(song.labels),
                keys=_keys(lab.with_suffix(".key"), times),
            )


def _keys(path: Path, times) -> np.ndarray:
    """Return the number of the key at each time; -1 where nobody says it."""
    numbers = np.full(len(times), -1, "int8")
    if path.exists():
        for region in KeySequence.from_lab(path):
            numbers[(times >= region.start) & (times < region.end)] = region.number
    return numbers


def load_rendered(folder: Path) -> list[tuple]:
    """Return pairs of decibels and targets."""
    songs = []
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as data:
            rows = one_hot([str(label) for label in data["labels"]])
            rows = rows[data["segments"]]
            (known,) = np.nonzero(data["keys"] >= 0)
            rows[known, KEYS_AT + data["keys"][known]] = 1
            rows[known, KEY_SAID] = 1
            weigh_changes(rows, EXACT_CHANGES)
            songs.append((data["decibels"], rows.astype("float16")))
    return songs


def load_real(folder: Path, believe: str) -> list[tuple]:
    """Return such pairs of the tracks that training may have."""
    songs = []
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as data:
            album, track = str(data["album"]), Path(str(data["track"])).stem
            if album in (*TEST_ALBUMS, CHOICE_ALBUM) or track in CUT_TRACKS:
                continue
            rows = believed(data, believe)
            weigh_changes(rows, HEARD_CHANGES)
            songs.append((data["decibels"], rows))
    return songs


# === Crops ===


def draw(song, rng, augmented: bool):
    """Return a crop: decibels `(432, 252)` and targets `(432, 131)`."""
    values, targets = song
    last = max(0, len(values) - CROP)
    at = int(rng.integers(0, last + 1))
    semitones = int(rng.integers(-6, 6))
    low = BASE_BIN - BINS_PER_SEMITONE * semitones
    rows = values[at : at + CROP].astype("float32")
    window = rows[:, low : low + NET_BINS]
    targets = transpose(targets[at : at + CROP].astype("float32"), semitones)
    if augmented and rng.random() < 0.3:  # up to a bin beside its pitch
        beside = low + rng.choice([-1, 1])
        share = np.float32(rng.uniform(0, 1))
        window = (1 - share) * window
        window += share * rows[:, beside : beside + NET_BINS]
    window = window - values[:, low : low + NET_BINS].max().astype("float32")
    if augmented:
        if rng.random() < 0.7:
            window += equaliser(rng, 12)
        window += rng.uniform(-8, 4)
        if rng.random() < 0.5:
            window = noise_floor(window, rng, -30)
    window = np.clip(window, FLOOR_DB, 0)
    missing = ((0, CROP - len(window)), (0, 0))
    window = np.pad(window, missing, constant_values=FLOOR_DB)
    return window, np.pad(targets, missing)


class Crops(keras.utils.PyDataset):
    """Batches of crops, the same for the same seed and step, drawn in a thread.

    Args:
        sources: Lists of songs; a batch has as many crops of each.
        options: Of the command.
    """

    def __init__(self, sources, options):
        super().__init__(workers=1, max_queue_size=4)
        self.sources, self.options = sources, options
        # Long songs come as often as they are long.
        lengths = [[len(values) for values, _ in songs] for songs in sources]
        self.shares = [np.array(each) / np.sum(each) for each in lengths]
        self.epoch = 0

    def __len__(self):
        return self.options.epoch_steps

    def on_epoch_end(self):
        self.epoch += 1

    def __getitem__(self, index):
        step = self.epoch * len(self) + index
        rng = np.random.default_rng([self.options.seed, step])
        crops = []
        for songs, shares in zip(self.sources, self.shares, strict=True):
            for i in rng.choice(len(songs), BATCH // len(self.sources), p=shares):
                crops.append(draw(songs[i], rng, not self.options.plain))
        values, targets = (np.stack(each) for each in zip(*crops, strict=True))
        return values, targets


# === Network, loss, training ===


def build_network() -> keras.Model:
    """Return the body of the recogniser, all frames valid, with its logits."""
    decibels = keras.Input((None, NET_BINS))
    logits = choice_logits(decibels, None, **SIZES)
    # In float32: half precision would round them in the loss.
    cast = keras.layers.Activation("linear", dtype="float32", name="logits")
    return keras.Model(decibels, cast(logits))


@keras.saving.register_keras_serializable(package="train_chords")
def choices_loss(y_true, y_pred):
    """Cross-entropy of the six choices, each with its weight where it is said."""
    total = 0.0
    for number, name in enumerate(NAMES):
        logits, wanted = y_pred[..., part(name)], y_true[..., part(name)]
        wanted = (1 - SMOOTHING) * wanted + SMOOTHING / CHOICES[name]
        said = y_true[..., CHOICE_CLASSES + number]
        losses = -ops.sum(wanted * ops.log_softmax(logits, axis=-1), axis=-1)
        total = total + LOSS_WEIGHTS[name] * losses * said
    return total


class Course(keras.callbacks.Callback):
    """Warm-up and cosine schedule by steps, so that a run can be repeated."""

    def __init__(self, options):
        super().__init__()
        self.options = options

    def on_epoch_begin(self, epoch, logs=None):
        self.step = epoch * self.options.epoch_steps

    def on_train_batch_begin(self, batch, logs=None):
        done = min(1.0, self.step / self.options.steps)
        rate = self.options.rate * (0.5 + 0.5 * math.cos(math.pi * done))
        rate *= min(1.0, (self.step + 1) / min(WARM_UP, self.options.steps / 4))
        self.model.optimizer.learning_rate.assign(max(rate, 1e-6))
        self.step += 1

    def on_epoch_end(self, epoch, logs=None):
        loss = round(float(logs["loss"]), 4)
        print(f"step {self.step} loss {loss}", flush=True)


def load_sources(options) -> list[list]:
    """Return the lists of songs of which each batch has as many crops."""
    sources = []
    if options.material != "real":
        sources.append(load_rendered(options.work / "rendered"))
    if options.material != "rendered":
        sources.append(load_real(options.work / "real", options.believe))
    for songs in sources:
        hours = sum(len(values) for values, _ in songs) * HOP / SAMPLE_RATE / 3600
        print(f"{len(songs)} songs, {hours:.1f} hours", flush=True)
    return sources


def fit(network, loss, crops, options) -> None:
    """Train with AdamW; the weights are an average over the last steps."""
    # A short run must not end as an average with the weights it began with.
    memory = min(0.995, max(0.0, 1 - 10 / options.steps))
    optimizer = keras.optimizers.AdamW(
        options.rate, weight_decay=0.01, clipnorm=1.0, use_ema=True, ema_momentum=memory
    )
    # oneDNN's convolutions beat XLA's on a processor.
    network.compile(optimizer, loss, jit_compile=False)
    backup = keras.callbacks.BackupAndRestore(options.out / "backup")
    resumed = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: setattr(crops, "epoch", epoch)
    )
    network.fit(
        crops,
        epochs=max(1, round(options.steps / options.epoch_steps)),
        callbacks=[backup, resumed, Course(options)],
        verbose=0,
    )


def train(options) -> None:
    """Train the network and keep its weights."""
    keras.utils.set_random_seed(options.seed)
    sources = load_sources(options)
    keras.config.set_dtype_policy(options.precision)
    network = build_network()
    if options.initial:
        network.load_weights(options.initial)
    fit(network, choices_loss, Crops(sources, options), options)
    network.save_weights(options.out / "network.weights.h5")


# === The recogniser ===


def make_recognizer(options) -> kmt.TCNChordRecognizer:
    """Put the trained network behind the transform's layer."""
    keras.config.set_dtype_policy("float32")
    network = build_network()
    network.load_weights(options.out / "network.weights.h5")
    model = kmt.TCNChordRecognizer(options.vocabulary, name=PRESET, **SIZES)
    for layer in network.layers:
        if layer.weights:
            model.backbone.get_layer(layer.name).set_weights(layer.get_weights())
    head = model.backbone.get_layer("head")
    kernel, bias = head.get_weights()
    sixth = part("thirteenth").start + 1
    bias[sixth::CHOICE_CLASSES] += SIXTHS  # of both frames of a step
    head.set_weights([kernel, bias])
    return model


def judge(model, options) -> dict[str, float]:
    """Say for how much of the time triads are those of the ensemble, per album.

    The same is said of CREMA, and of the recogniser of rendered songs. What the
    teachers said about each frame becomes their path; frames that the ensemble calls
    neither major, minor nor `N` do not count.
    """
    rows = []
    for data, album, truth in heard(options.work, options.albums):
        found = {
            name: majmin(
                chords.reduce_probabilities(
                    data[name].astype("float32"), CREMA, TETRADS
                )
            )
            for name in ("crema", "rendered")
        }
        outputs = model.whole_track.predict(10 ** (net_input(data["decibels"]) / 20))
        found["ours"] = triads(outputs)
        known = truth >= 0
        rows += [
            (album, name, float((path[known] == truth[known]).sum()), int(known.sum()))
            for name, path in found.items()
        ]
    shares = {}
    for album in sorted({row[0] for row in rows}):
        for name in ("crema", "rendered", "ours"):
            same = [row for row in rows if row[:2] == (album, name)]
            right, of = (sum(row[i] for row in same) for i in (2, 3))
            shares[f"{album} {name}"] = right / of
    for name in ("crema", "rendered", "ours"):
        same = [r for r in rows if r[1] == name and r[0] != CHOICE_ALBUM]
        if same:
            share = sum(r[2] for r in same) / sum(r[3] for r in same)
            shares[f"together {name}"] = share
    return shares


def heard(work: Path, albums):
    """Iterate over the tracks of albums: what is stored, the album, its triads.

    Args:
        work: Of the command.
        albums: Names.
    """
    for path in sorted((work / "real").glob("*.npz")):
        with np.load(path) as data:
            album = str(data["album"])
            if album in albums:
                choices = split_choices(data["choices"].astype("float32"))
                yield data, album, triads(choices)


def split_choices(values) -> dict[str, np.ndarray]:
    """Return the six choices that stand beside each other."""
    return {name: values[:, part(name)] for name in NAMES}


def triads(choices) -> np.ndarray:
    """Return the best path through the six choices, as `majmin` does."""
    return majmin(compose(choices, "tetrads"))


def majmin(probabilities) -> np.ndarray:
    """Decode `tetrads` into classes of `majmin`; -1 for none of them."""
    path = chords.decode(probabilities, TETRADS, frame_period=HOP / SAMPLE_RATE)
    return MAJMIN.indices(TETRADS.labels)[path]


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    stages = ("features", "train", "export", "judge", "evaluate")
    parser.add_argument("--stage", nargs="+", choices=stages, default=stages)
    parser.add_argument("--songs", type=Path, nargs="+", default=[], metavar="FOLDER")
    parser.add_argument("--work", type=Path, default=Path("work"), metavar="FOLDER")
    parser.add_argument("--out", type=Path, default=Path("trained"), metavar="FOLDER")
    parser.add_argument("--vocabulary", default="tetrads", help="of the recogniser")
    materials = ("both", "rendered", "real")
    parser.add_argument("--material", choices=materials, default="both")
    teachers = ("majority", "ensemble")
    parser.add_argument("--believe", choices=teachers, default="majority")
    parser.add_argument("--plain", action="store_true", help="without augmentation")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--rate", type=float, default=2e-3, help="of learning")
    parser.add_argument("--initial", type=Path, help="weights to go on from")
    precisions = ("float32", "mixed_bfloat16")
    parser.add_argument("--precision", choices=precisions, default="float32")
    parser.add_argument(
        "--albums", nargs="+", default=(*TEST_ALBUMS, CHOICE_ALBUM), help="to judge"
    )
    options = parser.parse_args()
    options.epoch_steps = min(STEPS_PER_EPOCH, options.steps)
    options.out.mkdir(parents=True, exist_ok=True)
    if "features" in options.stage:
        make_features(options.songs, options.work / "rendered")
    if "train" in options.stage:
        train(options)
    if "export" in options.stage:
        make_recognizer(options).save_pretrained(options.out / PRESET)
    for stage, run in (("judge", judge), ("evaluate", evaluate)):
        if stage in options.stage:
            model = kmt.TCNChordRecognizer.from_pretrained(options.out / PRESET)
            given = options if stage == "judge" else options.songs
            scores = {key: round(value, 4) for key, value in run(model, given).items()}
            print(stage, json.dumps(scores, indent=1), flush=True)


if __name__ == "__main__":
    main()
