"""Chords by root, quality and bass, and how Harte's notation writes them."""

from dataclasses import dataclass

from keras_musictag.chords import harte

#: Semitones above the root. Tones from 12 on are ninths: they lie above the others.
QUALITIES = {
    quality: harte.QUALITIES[quality]
    for quality in (
        *("maj", "min", "dim", "aug", "sus2", "sus4", "5", "7", "maj7", "min7"),
        *("minmaj7", "dim7", "hdim7", "maj6", "min6"),
    )
} | {
    "sus4(b7)": (0, 5, 7, 10),
    "maj(9)": (0, 4, 7, 14),
    "min(9)": (0, 3, 7, 14),
    "9": harte.QUALITIES["9"],
    "maj9": harte.QUALITIES["maj9"],
    "min9": harte.QUALITIES["min9"],
    "maj6(9)": (0, 4, 7, 9, 14),
    "7(b9)": (0, 4, 7, 10, 13),
    "7(#9)": (0, 4, 7, 10, 15),
}

#: Qualities of which few songs have enough: those of `rich` songs.
RARE = "sus2 sus4 dim aug dim7 hdim7 maj6 min6 minmaj7".split()

#: Inverted, these stay what they are. (C:maj6/6 would be A:min7 and so on.)
INVERSIONS = {
    "maj": {4: 5, 7: 3},
    "min": {3: 4, 7: 3},
    "7": {4: 4, 7: 2, 10: 3},
    "maj7": {4: 2, 7: 2},
    "min7": {7: 2, 10: 3},
    "dim": {3: 1},
    "hdim7": {6: 1},
    "min6": {7: 1},
    "sus4": {7: 1},
    "9": {4: 1},
}

DEGREES = "1 b2 2 b3 3 4 b5 5 b6 6 b7 7".split()


@dataclass(frozen=True)
class Chord:
    """A chord: pitch class of the root, quality, bass in semitones above the root."""

    root: int
    quality: str
    bass: int = 0

    @property
    def tones(self):
        """Pitch classes, the root first."""
        return tuple((self.root + step) % 12 for step in QUALITIES[self.quality])

    @property
    def bass_tone(self):
        """Pitch class of the lowest tone."""
        return (self.root + self.bass) % 12

    def moved(self, semitones):
        """The same chord higher by some semitones."""
        return Chord((self.root + semitones) % 12, self.quality, self.bass)

    def label(self, flats=False):
        """Harte's label, as `Bb:min7/b7`."""
        roots = harte.ROOTS_FLAT if flats else harte.ROOTS_SHARP
        name = f"{roots[self.root]}:{self.quality}"
        return f"{name}/{DEGREES[self.bass]}" if self.bass else name


def choose(rng, weights):
    """One key of a dict of weights."""
    keys = list(weights)
    total = sum(weights.values())
    limit, passed = rng.random() * total, 0.0
    for key in keys:
        passed += weights[key]
        if limit < passed:
            return key
    return keys[-1]
