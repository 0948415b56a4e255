"""What makes beats hard: drums of every tempo, and songs whose tempo drifts or jumps.

    python benchmarks/beats_hard.py --songs SONGS --grid beat_grid.json

Drums: kick, snare and hi-hats at 62 to 180 beats per minute, 20 s each: how often a
tracker names the tempo, its half, its double, or two thirds or three halves of it (to
4 %). Songs: those of `benchmarks/beats.py`, played faster and slower as a tape would
be, so that their beats are known exactly; the speed drifts by 6 % either way once in
20 s, or jumps up by 12 % in the middle. F-measures are mir_eval's.
"""

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np

import keras_musictag as kmt
from keras_musictag.beats import BeatSequence
from keras_musictag.metrics.beats import beat_scores

RATE = 22050
TEMPI = range(62, 181, 2)
RATIOS = {"right": 1, "half": 1 / 2, "double": 2, "2/3": 2 / 3, "3/2": 3 / 2}


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--songs", type=Path, required=True)
    parser.add_argument("--grid", type=Path, required=True)
    options = parser.parse_args()
    tracker = kmt.BeatTracker.from_pretrained()
    drums(tracker)
    songs(tracker, options.songs, options.grid)


def ways_of(tracker, samples) -> dict[str, BeatSequence]:
    """Return the beats that each way finds."""
    beatgram = tracker.beatgram(samples, RATE)
    return {
        "BeatNet": beatgram.decode(),
        "BeatNet, steadiness=30": beatgram.decode(steadiness=30),
        "librosa": BeatSequence(kmt.chords.find_beats(samples, RATE).times),
    }


# === Drums ===


def drums(tracker) -> None:
    """Count which tempo is named for which."""
    counts: dict[str, Counter] = {}
    for tempo in TEMPI:
        for way, beats in ways_of(tracker, drum_track(tempo)).items():
            ratio = beats.tempo / tempo
            names = [n for n, r in RATIOS.items() if abs(ratio / r - 1) < 0.04]
            counts.setdefault(way, Counter())[names[0] if names else "other"] += 1
    names = [*RATIOS, "other"]
    print(f"{len(TEMPI)} drum tracks\n\n| | {' | '.join(names)} |")
    print(f"|---|{'---:|' * len(names)}")
    for way, count in counts.items():
        print(f"| {way} | {' | '.join(str(count[n]) for n in names)} |")


def drum_track(tempo: float, seconds: float = 20.0) -> np.ndarray:
    """Return a beat of kick, snare and hi-hats, float32 `(samples,)`."""
    chance = np.random.default_rng(tempo)
    track = np.zeros(int(seconds * RATE))
    ramp = np.arange(int(0.15 * RATE)) / RATE
    kick = np.sin(2 * np.pi * (50 * ramp + 2 * (1 - np.exp(-ramp / 0.02))))
    kick = 0.8 * kick * np.exp(-ramp / 0.06)
    for half in range(int(2 * seconds * tempo / 60)):
        beat, rest = divmod(half, 2)
        hit = 0.1 * chance.normal(size=len(ramp)) * np.exp(-ramp / 0.015)
        if not rest:
            snare = 0.4 * chance.normal(size=len(ramp)) * np.exp(-ramp / 0.05)
            hit += snare if beat % 2 else kick
        at = int(half * 30 / tempo * RATE)
        part = track[at : at + len(hit)]
        part += hit[: len(part)]
    return track.astype("float32")


# === Songs that do not keep their tempo ===


def songs(tracker, folder: Path, grid: Path) -> None:
    """Score the songs as they are, drifting and jumping."""
    known = json.loads(grid.read_text("utf-8"))["songs"]
    files = [p for p in sorted(folder.iterdir()) if p.stem in known]
    files = [p for p in files if p.suffix != ".lab"]
    right: dict[str, dict] = {}
    found: dict[tuple[str, str], dict] = {}
    for path in files:
        samples, _ = kmt.audio.load(path, RATE)
        for kind in ("steady", "drifting", "jumping"):
            played, times = replayed(samples, kind)
            # When the tape is where it was at a time of the song.
            beats = np.interp(known[path.stem]["beats"], times, np.arange(len(times)))
            inside = np.diff(beats, prepend=-1.0) > 0
            positions = np.array(known[path.stem]["positions"])
            truth = BeatSequence(beats[inside] / RATE, positions[inside])
            right.setdefault(kind, {})[path.stem] = truth
            for way, sequence in ways_of(tracker, played).items():
                found.setdefault((kind, way), {})[path.stem] = sequence
    print(f"\n{len(files)} songs, F-measure of the beats\n")
    print("| | steady | drifting | jumping |")
    print("|---|---:|---:|---:|")
    for way in dict.fromkeys(way for _, way in found):
        scores = [
            beat_scores(right[kind], found[kind, way])["f_measure"] for kind in right
        ]
        print(f"| {way} | {' | '.join(f'{score:.3f}' for score in scores)} |")


def replayed(samples: np.ndarray, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Play at another speed, which changes.

    Returns:
        float32 samples, and the time of the song in seconds at each of them.
    """
    count = int(1.2 * len(samples))
    clock = np.arange(count) / RATE
    speed = np.ones(count)
    if kind == "drifting":
        speed += 0.06 * np.sin(2 * np.pi * clock / 20)
    elif kind == "jumping":
        speed[len(samples) // 2 :] = 1.12
    place = np.concatenate([[0.0], np.cumsum(speed[:-1])])
    place = place[place < len(samples) - 1]
    played = np.interp(place, np.arange(len(samples)), samples)
    return played.astype("float32"), place / RATE


if __name__ == "__main__":
    main()
