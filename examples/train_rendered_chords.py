"""Train the chord recognisers `crnn_majmin_rendered` and `crnn_170_rendered`.

The songs are rendered from style grooves and soundfonts; their labels are exact,
since they come from the notes that were rendered. The tool needs the Debian packages
mma, fluidsynth, fluid-soundfont-gm, musescore-general-soundfont-lossless and
opl3-soundfont; grooves and soundfonts for testing are kept out by its defaults:

    render_chords.py --count 720 --seed 11 --vocabulary tetrads \
        --sample-rate 22050 --format flac --out songs/tetrads
    render_chords.py --count 480 --seed 12 --vocabulary majmin \
        --sample-rate 22050 --format flac --out songs/majmin

Then features, training, and the two recognisers as folders for `from_pretrained`:

    KERAS_BACKEND=tensorflow python examples/train_rendered_chords.py \
        --songs songs/tetrads songs/majmin --work work --out trained \
        --stage features train export
    python examples/train_rendered_chords.py --stage evaluate --out trained \
        --songs FOLDER

`features` keeps one array per song in `--work` and skips those that are there. One
network learns all vocabularies at once, each with a head of its own; `--vocabulary`
chooses which of them are exported and evaluated. Songs of the groove families in
`HELD_OUT` are not trained on: they decide which weights are kept.

The published weights come from 4,654 steps in three runs on one busy machine, two hours
in all: 1,000 steps with seed 7 on a schedule meant for 46 minutes, then 1,537 from the
best weights so far with `--initial ... --rate 1e-3 --minutes 28 --seed 8`, then 2,117
with `--initial ... --rate 6e-4 --minutes 70 --seed 9`. A schedule that ends by the
clock depends on the machine, so another run gives other weights. On the validation
songs 96.3 % of the major, minor and silent frames are right (`tetrads`: 90.4 % of all
frames); the last run added 0.2 and 2.8 points.
"""

import argparse
import csv
import math
import time
from pathlib import Path

import keras
import numpy as np
from chord_material.features import (
    BASE_BIN,
    BINS_PER_OCTAVE,
    BINS_PER_SEMITONE,
    FLOOR_DB,
    HOP,
    LOWEST_HZ,
    NET_BINS,
    SAMPLE_RATE,
    STORED_BINS,
    STORED_FLOOR_DB,
    equaliser,
    evaluate,
    net_input,
    noise_floor,
)
from keras import ops

from keras_musictag import chords
from keras_musictag.models.recognizers.crnn_chords import CRNNChordRecognizer
from keras_musictag.models.recognizers.networks import strong_features, strong_head

# Six of the 40 groove families on the training side of the tool.
HELD_OUT = ("ballad", "bebop", "house", "quickstep", "rhumba", "rock")

BATCH, CROP = 8, 484  # crops of 22.5 s
STEPS_PER_EPOCH, EPOCHS_PER_VALIDATION, VALIDATION_BATCH = 250, 3, 20
LAST_RATE, WARM_UP = 1e-6, 100
SMOOTHING = 0.05
BALANCE = 0.25  # the loss of a quality goes with its frequency ** -0.25
CLASSES = {"majmin": 25, "crema170": 170, "bass": 13}
LOSS_WEIGHTS = {"majmin": 1.0, "crema170": 0.5, "bass": 0.15}
NO_BASS = 12
# Classes of `majmin`, then 12 for chords that are neither, of which only the root
# counts.
ROOT_ONLY = 25

BEST = "best.weights.h5"
MAJMIN = chords.get_vocabulary("majmin")
CREMA = chords.get_vocabulary("crema170")
NO_CHORD = CREMA.index("N")
PRESETS = {"majmin": "crnn_majmin_rendered", "crema170": "crnn_170_rendered"}
# The head that a recogniser gets; its classes are summed to those of the vocabulary.
# On the validation songs the large head, summed, beats the `majmin` head: 96.3 % of
# the frames are right against 96.1 %; their mean is no better.
HEADS = {"majmin": "crema170", "crema170": "crema170"}


# === Targets: class of `crema170` and pitch class of the bass, (frames, 2) ===


def frame_targets(lab, frames: int) -> np.ndarray:
    """Read a `.lab` file at the centres of the frames."""
    song = chords.ChordSequence.from_lab(lab)
    basses = [chords.parse(label).bass_pitch_class for label in song.labels]
    basses = [NO_BASS if bass is None else bass for bass in basses]
    rows = np.stack([CREMA.indices(song.labels), basses], axis=1)
    times = np.arange(frames) * HOP / SAMPLE_RATE
    segment = np.searchsorted(song.intervals[:, 0], times, side="right") - 1
    return rows[np.clip(segment, 0, len(rows) - 1)].astype("int16")


def transpose(targets: np.ndarray, semitones: int) -> np.ndarray:
    """Move chords and basses; no chord stays no chord."""
    basses = np.append((np.arange(12) + semitones) % 12, NO_BASS)
    moved = CREMA.transpose_index(semitones)[targets[..., 0]]
    return np.stack([moved, basses[targets[..., 1]]], axis=-1)


def majmin_classes() -> np.ndarray:
    """Return the target of the `majmin` head for each class of `crema170`."""
    classes = MAJMIN.indices(CREMA.labels)
    return np.where(classes < 0, ROOT_ONLY + np.maximum(CREMA.roots, 0), classes)


# === Features ===


def decibels(audio: np.ndarray) -> np.ndarray:
    """Return the stored transform, float16 (frames, 288), loudest value 0 dB."""
    import librosa

    transform = librosa.cqt(
        audio,
        sr=SAMPLE_RATE,
        hop_length=HOP,
        fmin=LOWEST_HZ,
        n_bins=STORED_BINS,
        bins_per_octave=BINS_PER_OCTAVE,
    )
    level = 20 * np.log10(np.maximum(np.abs(transform.T), 1e-12))
    return np.maximum(level - level.max(), STORED_FLOOR_DB).astype("float16")


def make_features(folders, work: Path) -> None:
    """Store the features of all songs that are not there yet."""
    import soundfile

    work.mkdir(parents=True, exist_ok=True)
    for folder in folders:
        with open(folder / "manifest.csv", encoding="utf-8") as file:
            families = {row["file"]: row["family"] for row in csv.DictReader(file)}
        for name, family in families.items():
            target = work / f"{Path(name).stem}.npz"
            if target.exists():
                continue
            audio, rate = soundfile.read(folder / name, dtype="float32")
            assert rate == SAMPLE_RATE, f"{name} has {rate} Hz, not {SAMPLE_RATE}"
            values = decibels(audio)
            lab = (folder / name).with_suffix(".lab")
            targets = frame_targets(lab, len(values))
            np.savez(target, decibels=values, targets=targets, family=family)


def load_songs(work: Path) -> tuple[list, list]:
    """Return training and validation songs, pairs of decibels and targets."""
    split: tuple[list, list] = ([], [])
    for path in sorted(work.glob("*.npz")):
        with np.load(path) as data:
            song = data["decibels"], data["targets"]
            split[str(data["family"]) in HELD_OUT].append(song)
    return split


# === Augmentation ===


def fade_out(window, targets, rng) -> np.ndarray:
    """Let the crop decay; as in the songs, 40 dB further down there is no chord."""
    start = rng.uniform(0.3, 0.95) * CROP
    slope = rng.uniform(12, 80) * HOP / SAMPLE_RATE
    fall = np.maximum(np.arange(CROP) - int(start), 0) * slope
    targets[fall > 40] = NO_CHORD, NO_BASS
    return window - fall[:, None]


def draw(song, rng):
    """Return an augmented crop: decibels (CROP, 252) and targets (CROP, 2)."""
    values, targets = song
    last = len(values) - CROP
    # Beginnings and ends, where there is no chord, come more often.
    choices = [0, last, int(rng.integers(0, last + 1))]
    at = rng.choice(choices, p=[0.15, 0.15, 0.7])
    semitones = int(rng.integers(-6, 6))
    detune = int(rng.choice([-1, 0, 1], p=[0.15, 0.7, 0.15]))
    low = BASE_BIN - BINS_PER_SEMITONE * semitones + detune
    window = values[:, low : low + NET_BINS]
    window = window[at : at + CROP].astype("float32") - window.max()
    targets = transpose(targets[at : at + CROP], semitones)
    if rng.random() < 0.7:
        window += equaliser(rng, 10)
    window += rng.uniform(-8, 4)
    if rng.random() < 0.12:
        window = fade_out(window, targets, rng)
    if rng.random() < 0.5:
        window = noise_floor(window, rng, -35)
    return np.clip(window, FLOOR_DB, 0).astype("float32"), targets


class Crops(keras.utils.PyDataset):
    """Batches of augmented crops, drawn in a second thread."""

    def __init__(self, songs, rng):
        super().__init__(workers=1)
        self.songs, self.rng, self.majmin = songs, rng, majmin_classes()

    def __len__(self):
        return STEPS_PER_EPOCH

    def __getitem__(self, index):
        chosen = self.rng.integers(0, len(self.songs), BATCH)
        crops = [draw(self.songs[i], self.rng) for i in chosen]
        values, targets = (np.stack(part) for part in zip(*crops, strict=True))
        chord, bass = targets[..., 0], targets[..., 1]
        wanted = {"majmin": self.majmin[chord], "crema170": chord, "bass": bass}
        return values, wanted


# === Network and losses ===


def build_network() -> keras.Model:
    """Return the body of the recogniser with three heads of logits."""
    values = keras.Input((None, NET_BINS))
    x = strong_features(values, mask=None)
    heads = {key: strong_head(x, values, n, key) for key, n in CLASSES.items()}
    return keras.Model(values, heads)


def allowed_loss(allowed, weights=1.0):
    """Return the loss -log of the sum of the allowed classes' probabilities.

    A diminished, augmented or suspended chord is neither major nor minor; the
    `majmin` head may answer it with either chord on its root.

    Args:
        allowed: Array (targets, classes): 1 where a target allows a class.
        weights: Array (targets,), weights of the targets.
    """
    allowed = np.asarray(allowed, "float32")
    weights = np.broadcast_to(np.asarray(weights, "float32"), len(allowed))

    def loss(y_true, y_pred):
        y_true = ops.cast(y_true, "int32")
        log_p = y_pred - ops.logsumexp(y_pred, axis=-1, keepdims=True)
        chosen = ops.take(ops.convert_to_tensor(allowed), y_true, axis=0)
        hit = ops.logsumexp(log_p + (chosen - 1) * 1e4, axis=-1)
        smoothed = (1 - SMOOTHING) * hit + SMOOTHING * ops.mean(log_p, axis=-1)
        weight = ops.take(ops.convert_to_tensor(np.array(weights)), y_true)
        return -ops.mean(smoothed * weight)

    return loss


def quality_weights(songs) -> np.ndarray:
    """Weights of the classes of `crema170`, 1 on average over the songs."""
    frames = np.concatenate([targets[:, 0] for _, targets in songs])
    names, kind = np.unique(CREMA.qualities, return_inverse=True)
    counts = np.bincount(kind[frames], minlength=len(names))
    weights = np.maximum(counts, 1.0) ** -BALANCE
    return (weights / np.average(weights, weights=counts))[kind]


def make_losses(songs) -> dict:
    roots = np.pad(np.tile(np.eye(12), 2), ((0, 0), (0, 1)))
    return {
        "majmin": allowed_loss(np.concatenate([np.eye(25), roots])),
        "crema170": allowed_loss(np.eye(170), quality_weights(songs)),
        "bass": allowed_loss(np.eye(13)),
    }


# === Training ===


def validate(network, songs) -> dict[str, float]:
    """Return the shares of frames that are right after decoding."""
    to_majmin, period = majmin_classes(), HOP / SAMPLE_RATE
    rows = []
    for begin in range(0, len(songs), VALIDATION_BATCH):
        part = songs[begin : begin + VALIDATION_BATCH]
        # All songs have the same length.
        logits = network.predict_on_batch(np.stack([net_input(v) for v, _ in part]))
        p = {key: ops.convert_to_numpy(ops.softmax(v)) for key, v in logits.items()}
        for i, (_, targets) in enumerate(part):
            small = chords.decode(p["majmin"][i], MAJMIN, frame_period=period)
            large = chords.decode(p["crema170"][i], CREMA, frame_period=period)
            truth = targets[:, 0]
            plain = to_majmin[truth] < ROOT_ONLY
            right = (small == to_majmin[truth])[plain], large == truth
            root = MAJMIN.roots[small] == CREMA.roots[truth]
            rows.append((right[0].sum(), plain.sum(), root.sum(), right[1].sum()))
    majmin, plain, root, tetrads = np.sum(rows, axis=0)
    frames = sum(len(targets) for _, targets in songs)
    scores = {"majmin": majmin / plain, "root": root / frames}
    scores |= {"tetrads": tetrads / frames}
    return {key: float(value) for key, value in scores.items()}


class Course(keras.callbacks.Callback):
    """Cosine schedule to the end of the steps or the time; keeps the best weights."""

    def __init__(self, songs, options):
        super().__init__()
        self.songs, self.path = songs, options.out / BEST
        self.steps, self.rate = options.steps, options.rate
        self.seconds = 60 * (options.minutes or math.inf)
        self.step, self.best, self.begin = 0, -1.0, time.monotonic()

    def on_train_batch_begin(self, batch, logs=None):
        passed = time.monotonic() - self.begin
        done = min(1.0, max(self.step / self.steps, passed / self.seconds))
        rate = self.rate * (0.5 + 0.5 * math.cos(math.pi * done))
        rate *= min(1.0, (self.step + 1) / WARM_UP)
        self.model.optimizer.learning_rate.assign(rate + LAST_RATE)
        self.model.stop_training = done >= 1
        self.step += 1

    def on_epoch_end(self, epoch, logs=None):
        losses = {key: round(float(value), 3) for key, value in logs.items()}
        print(f"step {self.step}", losses, flush=True)
        due = (epoch + 1) % EPOCHS_PER_VALIDATION == 0
        if not due and not self.model.stop_training and self.step < self.steps:
            return
        scores = validate(self.model, self.songs)
        print("validation", scores, flush=True)
        value = scores["majmin"] + 0.3 * scores["tetrads"]
        if value > self.best:
            self.best = value
            self.model.save_weights(self.path)


def train(options) -> None:
    """Train with Adam and keep the weights that do best on the held-out families."""
    keras.utils.set_random_seed(options.seed)
    training, validation = load_songs(options.work)
    print(f"{len(training)} songs for training, {len(validation)} for validation")
    network = build_network()
    if options.initial:
        network.load_weights(options.initial)
    network.compile(
        keras.optimizers.Adam(options.rate, clipnorm=1.0),
        make_losses(training),
        loss_weights=LOSS_WEIGHTS,
        jit_compile=False,  # oneDNN's convolutions beat XLA's on a processor
    )
    network.fit(
        Crops(training, np.random.default_rng(options.seed)),
        epochs=math.ceil(options.steps / STEPS_PER_EPOCH),
        callbacks=[Course(validation, options)],
        verbose=0,
    )


# === Recognisers ===


def make_recognizer(network, vocabulary: str) -> CRNNChordRecognizer:
    """Put the trained body and one of its heads behind the transform's layer."""
    head, name = HEADS[vocabulary], PRESETS[vocabulary]
    detail = None if head == vocabulary else head
    model = CRNNChordRecognizer(vocabulary, detail=detail, name=name)
    for layer in model.backbone.layers:
        if layer.weights:
            source = head if layer.name == "head" else layer.name
            layer.set_weights(network.get_layer(source).get_weights())
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    stages = ("features", "train", "export", "evaluate")
    parser.add_argument("--stage", nargs="+", choices=stages, default=stages)
    parser.add_argument("--songs", type=Path, nargs="+", default=[], metavar="FOLDER")
    parser.add_argument("--work", type=Path, default=Path("work"), metavar="FOLDER")
    parser.add_argument("--out", type=Path, default=Path("trained"), metavar="FOLDER")
    parser.add_argument("--vocabulary", nargs="+", choices=PRESETS, default=PRESETS)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument(
        "--minutes", type=float, help="end the schedule after this time"
    )
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--rate", type=float, default=1.5e-3, help="of learning")
    parser.add_argument("--initial", type=Path, help="weights to go on from")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if "features" in options.stage:
        make_features(options.songs, options.work)
    if "train" in options.stage:
        train(options)
    if "export" in options.stage:
        network = build_network()
        network.load_weights(options.out / BEST)
        for vocabulary in options.vocabulary:
            model = make_recognizer(network, vocabulary)
            model.save_pretrained(options.out / PRESETS[vocabulary])
    if "evaluate" in options.stage:
        for vocabulary in options.vocabulary:
            folder = options.out / PRESETS[vocabulary]
            model = CRNNChordRecognizer.from_pretrained(folder)
            print(PRESETS[vocabulary], evaluate(model, options.songs))


if __name__ == "__main__":
    main()
