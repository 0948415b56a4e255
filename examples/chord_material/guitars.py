"""Guitars: chords as a hand grips them, and a recorded guitar that is strummed.

The recordings are those of Debian's `hydrogen-drumkits` (AC-Guitar-Strums of
belofilms.com, CC BY 3.0): 25 chords, strummed down and up at four strengths.
"""

import functools
import re
from pathlib import Path

import numpy as np
import soundfile
from scipy import signal

from .chords import QUALITIES

STRINGS = (40, 45, 50, 55, 59, 64)
STRUMS = Path("/usr/share/hydrogen/data/drumkits/belofilms_GuitarStrums")
NAME = re.compile(
    r"([A-G])(sharp|flat)?\s?(major|minor7b5|minro7b5|minor)(_UP|_DOWN)?_\d+"
)
#: The recordings whose chroma shows the chord that they are named after; of those with
#: open strings, most have a string out of tune.
IN_TUNE = [(4, "maj"), (5, "maj"), (6, "maj"), (1, "min"), (2, "min"), (3, "min")]
IN_TUNE += [(4, "min"), (11, "min"), (1, "hdim7"), (3, "hdim7"), (10, "hdim7")]
TUNED = 12  # cents by which that guitar is sharp
KINDS = {"major": "maj", "minor": "min", "minor7b5": "hdim7", "minro7b5": "hdim7"}


class Fretboard:
    """Lays chords out on six strings, the chord's bass on the lowest that sounds.

    Args:
        rng: NumPy's random generator.
        capo: Semitones by which the open strings are higher.
    """

    def __init__(self, rng, capo=0):
        self.rng, self.strings = rng, [s + capo for s in STRINGS]
        self.place = int(rng.integers(0, 6))
        self.grips = {}

    def pitches(self, chord):
        """Ascending MIDI pitches, at least three."""
        if chord not in self.grips or self.rng.random() < 0.1:
            grips = [
                grip
                for first in range(3)
                for fret in range(9)
                if (grip := self._grip(chord, first, fret))
            ]
            grip = min(grips, key=lambda g: g[0] + 1.5 * self.rng.random())
            self.place = grip[1]
            self.grips[chord] = grip[2]
        return self.grips[chord]

    def _grip(self, chord, first, fret):
        """(cost, fret, pitches) with the bass on a string, or None."""
        open_allowed = fret <= 2
        wanted, steps = set(chord.tones), QUALITIES[chord.quality]
        pitches = []
        for string in self.strings[first:]:
            frets = [*([0] if open_allowed else []), *range(max(fret, 1), fret + 4)]
            tones = {chord.bass_tone} if not pitches else set(chord.tones)
            places = [f for f in frets if (string + f) % 12 in tones]
            if not places and not pitches:
                return None
            have = {p % 12 for p in pitches}
            new = [f for f in places if (string + f) % 12 not in have]
            if places:
                pitches.append(string + (new or places)[0])
        missing = wanted - {p % 12 for p in pitches}
        if len(wanted) > 3 and 7 in steps:
            missing.discard((chord.root + 7) % 12)
        muted = 6 - first - len(pitches)
        cost = (
            100 * len(missing)
            + 0.6 * abs(fret - self.place)
            + 0.5 * muted
            + 0.3 * first
        )
        return cost, fret, sorted(set(pitches))


@functools.cache
def strums():
    """{(pitch class, quality): {"down": paths, "up": paths}} of the recorded guitar."""
    found = {}
    for path in sorted(STRUMS.glob("*.flac")):
        match = NAME.match(path.stem)
        if not match:
            continue
        letter, sign, kind, way = match.groups()
        root = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}[letter]
        root = (root + {"sharp": 1, "flat": -1, None: 0}[sign]) % 12
        ways = found.setdefault((root, KINDS[kind]), {"down": [], "up": []})
        if way:
            if (root, kind) != (4, "major"):
                ways["up" if way == "_UP" else "down"].append(path)
        elif (root, kind) == (4, "major"):  # whose strokes down are named so
            ways["down"].append(path)
            ways["up"] = ways["down"]
    return {chord: found[chord] for chord in IN_TUNE if chord in found}


#: Which recorded chord is a part of which.
PART_OF = {"maj": "maj 7 maj7 maj6 9 maj9 maj(9) maj6(9)", "hdim7": "hdim7"}
PART_OF |= {"min": "min min7 min6 minmaj7 min9 min(9)"}


def playable(chord):
    """The quality of the recorded chord that fits, or None."""
    for recorded, whole in PART_OF.items():
        if chord.quality in whole.split():
            return recorded
    return None


@functools.lru_cache(maxsize=64)
def _recorded(path, semitones, rate):
    sound, own = soundfile.read(path, dtype="float32")
    sound = sound.reshape(len(sound), -1).mean(axis=1)
    loud = np.flatnonzero(np.abs(sound) > 0.03 * np.abs(sound).max())
    sound = sound[max(loud[0] - own // 200, 0) :][: 4 * own]
    down = round(1000 * own * 2 ** (semitones / 12) / rate)
    return signal.resample(sound, round(len(sound) * 1000 / down)).astype(np.float32)


def strummed(rng, strokes, samples, rate, cents):
    """The recorded guitar.

    Args:
        rng: NumPy's random generator.
        strokes: (start, end, (chord, "down" or "up"), velocity 1 to 127) with times in
            samples.
        samples: Length in samples.
        rate: Sampling rate in Hz.
        cents: By how much it is tuned higher.

    Returns:
        float32 array of shape (samples,).
    """
    found = np.zeros(samples, np.float32)
    fade = int(0.03 * rate)
    for start, end, (chord, way), velocity in strokes:
        kind = playable(chord)
        roots = [r for r, k in strums() if k == kind]
        moves = {r: (chord.root - r + 6) % 12 - 6 for r in roots}
        root = min(roots, key=lambda r: abs(moves[r]))
        paths = strums()[root, kind][way]
        path = paths[int(rng.integers(len(paths)))]
        tuned = round((moves[root] + (cents - TUNED) / 100) * 20) / 20
        sound = _recorded(path, tuned, rate)
        first = max(int(start), 0)
        length = min(int(end) - first + fade, len(sound), samples - first)
        if length <= fade:
            continue
        sound = sound[:length].copy()
        sound[-fade:] *= np.linspace(1, 0, fade)
        found[first : first + length] += sound * (velocity / 127)
    return found
