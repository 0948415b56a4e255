"""How right keys are: from chords, by S-KEY and by KeyNet, by mir_eval.

    python benchmarks/keys.py --songs SONGS --keys keys.csv

`SONGS` is a folder of audio files; the table has the columns `file` and `key`. Where a
`.lab` file with the right chords lies beside a song, the key is found from these too.
Intervals are of 95 %, by resampling songs. `--change` joins songs three by three and
says how much of the time a region has the right key.
"""

import argparse
import csv
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import soundfile

import keras_musictag as kmt
from keras_musictag.keys import Keygram, keygram_of_chords
from keras_musictag.keys.keygram import mean_of_logarithms
from keras_musictag.metrics import key_scores

JOINED = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--songs", type=Path, nargs="+", required=True)
    parser.add_argument("--keys", type=Path, nargs="+", required=True)
    parser.add_argument("--change", action="store_true")
    options = parser.parse_args()
    right = {}
    for table in options.keys:
        with table.open(encoding="utf-8") as rows:
            right |= {Path(r["file"]).stem: r["key"] for r in csv.DictReader(rows)}
    files = {
        path.stem: path
        for folder in options.songs
        for path in sorted(folder.iterdir())
        if path.stem in right and path.suffix not in (".lab", ".csv")
    }
    right = {name: right[name] for name in files}
    chords = kmt.ChordKeyRecognizer.from_pretrained()
    ways = {
        "chords": chords,
        "skey": kmt.SKeyRecognizer.from_pretrained(),
        "keynet": kmt.KeyNetRecognizer.from_pretrained(),
    }
    if options.change:
        changes(ways, files, right)
        return
    print(f"{len(files)} songs\n\n| | weighted | 95 % | correct | mistakes |")
    print("|---|---:|---|---:|---|")
    for profile in ("mean", "temperley", "krumhansl"):
        labs = {name: path.with_suffix(".lab") for name, path in files.items()}
        if all(lab.exists() for lab in labs.values()):
            found = {
                name: keygram_of_chords(
                    kmt.ChordSequence.from_lab(lab), profile=profile
                ).decode()
                for name, lab in labs.items()
            }
            show(f"right chords, {profile}", right, found)
    heard = chords.chords.recognize(list(files.values()))
    for profile in ("temperley", "krumhansl"):
        found = {
            name: keygram_of_chords(sequence, profile=profile).decode()
            for name, sequence in zip(files, heard, strict=True)
        }
        show(f"chords, {profile}", right, found)
    grams = {
        title: dict(zip(files, way.keygram(list(files.values())), strict=True))
        for title, way in ways.items()
    }
    for title, heard in grams.items():
        show(title, right, {name: heard[name].decode() for name in files})
    pairs = {name: [grams[t][name] for t in ("chords", "skey")] for name in files}
    show("chords x skey", right, {name: both(*pairs[name]) for name in files})


def both(one: Keygram, other: Keygram) -> kmt.KeySequence:
    """The key that is most probable by the geometric mean of two recognisers."""
    overall = mean_of_logarithms([one.overall, other.overall])
    return Keygram(np.zeros((0, 24)), np.zeros((0, 2)), overall, one.duration).decode()


def show(title, right, found) -> None:
    """Print a row; a song without a key has a wrong one."""
    some = {name: keys.key for name, keys in found.items() if keys.key}
    scores = key_scores({name: right[name] for name in some}, some)
    rows = [
        scores.tracks.get(name, {"weighted": 0.0, "correct": 0.0}) for name in right
    ]
    values = np.array([row["weighted"] for row in rows])
    rng = np.random.default_rng(0)
    means = values[rng.integers(0, len(values), (10000, len(values)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    names = {0.5: "fifth", 0.3: "relative", 0.2: "parallel", 0.0: "other"}
    wrong = Counter(names[round(float(v), 1)] for v in values if v < 1)
    mistakes = ", ".join(f"{count} {name}" for name, count in wrong.items())
    correct = np.mean([row["correct"] for row in rows])
    print(
        f"| {title} | {values.mean():.3f} | {low:.3f} to {high:.3f} | {correct:.3f} "
        f"| {mistakes} |",
        flush=True,
    )


def changes(ways, files, right) -> None:
    """Print how right the regions are where songs follow one another."""
    names = sorted(files)
    np.random.default_rng(0).shuffle(names)
    groups = [names[i : i + JOINED] for i in range(0, len(names) - JOINED + 1, JOINED)]
    print(f"{len(groups)} times {JOINED} songs\n\n| | weighted | regions |")
    print("|---|---:|---:|")
    rate = 22050
    parts = {name: kmt.audio.load(files[name], rate)[0] for name in names}
    for title, way in ways.items():
        scores, counts = [], []
        for group in groups:
            with tempfile.NamedTemporaryFile(suffix=".wav") as file:
                joined = np.concatenate([parts[name] for name in group])
                soundfile.write(file.name, joined, rate)
                found = way.recognize(file.name)
            ends = np.cumsum([len(parts[name]) / rate for name in group])
            counts.append(len(found))
            for time in np.arange(0.5, ends[-1], 1.0):
                wanted = right[group[int(np.searchsorted(ends, time))]]
                now = [r.label for r in found if r.start <= time < r.end]
                scores.append(key_scores(wanted, now[0])["weighted"] if now else 0.0)
        print(
            f"| {title} | {np.mean(scores):.3f} | {np.mean(counts):.1f} |", flush=True
        )


if __name__ == "__main__":
    main()
