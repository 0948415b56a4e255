"""Melodies and riffs over chords: chord tones where it counts, steps between."""

import numpy as np

from .accompaniment import Note

#: Degrees that clash with a quality if they are held (semitones above the root).
AVOIDED = {"sus4": (3, 4), "sus2": (3, 4), "5": (), "sus4(b7)": (3, 4)}


class Melody:
    """A line that repeats its rhythms.

    Args:
        rng: NumPy's random generator.
        metre: Beats of a bar.
        scale: Pitch classes of the key.
        low: Lowest MIDI pitch.
        high: Highest MIDI pitch.
        sung: Whether it is for a voice (longer notes, smaller leaps).
    """

    def __init__(self, rng, metre, scale, low, high, sung=False):
        self.rng, self.metre, self.scale = rng, metre, scale
        self.low, self.high, self.sung = low, high, sung
        self.density = rng.uniform(0.8, 1.6) if sung else rng.uniform(0.8, 2.6)
        self.motifs = [self._motif() for _ in range(3)]
        self.rests = rng.uniform(0.1, 0.45)
        self.pitch = int(rng.integers(low + 3, high - 2))
        self.chromatic = 0.0 if sung else float(rng.choice([0, 0, 0.1]))

    def _motif(self):
        onsets, at = [], float(self.rng.choice([0, 0, 0.5, 1]))
        lengths = [0.25, 0.5, 1, 1.5, 2]
        odds = np.exp(-np.abs(np.log(np.array(lengths) * self.density)) * 1.5)
        while at < self.metre - 0.2:
            onsets.append(at)
            at += float(self.rng.choice(lengths, p=odds / odds.sum()))
        return onsets or [0.0]

    def play(self, slots):
        """Notes over all slots, with rests between phrases."""
        notes, resting = [], False
        last = int(slots[-1].end // self.metre)
        for bar in range(last + 1):
            if bar % 2 == 0:
                resting = self.rng.random() < self.rests
            if resting:
                continue
            motif = self.motifs[bar % 2 if self.rng.random() < 0.7 else 2]
            ends = [*motif[1:], float(self.metre)]
            for start, end in zip(motif, ends, strict=True):
                note = self._note(slots, bar * self.metre + start, end - start)
                if note:
                    notes.append(note)
        return notes

    def _note(self, slots, start, length):
        slot = next((s for s in slots if s.start <= start + 1e-6 < s.end), None)
        if slot is None or slot.chord is None:
            return None
        length = min(length, slot.end - start) * 0.95
        strong = start % 1 < 0.01 or length >= 0.9 or start - slot.start < 0.3
        root, quality = slot.chord.root, slot.chord.quality
        if strong and self.rng.random() < 0.93:
            allowed = set(slot.chord.tones)
        else:
            allowed = self.scale | set(slot.chord.tones)
            allowed -= {(root + d) % 12 for d in AVOIDED.get(quality, ())}
            if self.rng.random() < self.chromatic:
                allowed = set(range(12))
        reach = 5 if self.sung else 8
        near = range(
            max(self.low, self.pitch - reach), min(self.high, self.pitch + reach) + 1
        )
        options = [p for p in near if p % 12 in allowed] or [self.pitch]
        middle = (self.low + self.high) / 2
        cost = np.array(
            [abs(p - self.pitch) * 0.35 + abs(p - middle) * 0.06 for p in options]
        )
        odds = np.exp(-cost) * np.where(np.array(options) == self.pitch, 0.6, 1)
        self.pitch = int(self.rng.choice(options, p=odds / odds.sum()))
        velocity = float(np.clip(0.8 + 0.08 * self.rng.standard_normal(), 0.3, 1))
        return Note(start, start + length, self.pitch, velocity)


def riff(rng, slots, metre, low):
    """A short figure of chord tones, the same in every slot, by number of the tone."""
    steps = [float(t) for t in np.arange(0, metre, 0.5) if rng.random() < 0.55] or [0.0]
    tones = [int(rng.integers(0, 4)) for _ in steps]
    notes = []
    for slot in slots:
        if slot.chord is None:
            continue
        for bar in np.arange(slot.start, slot.end, metre):
            for step, tone in zip(steps, tones, strict=True):
                if bar + step >= slot.end - 0.2:
                    continue
                kinds = slot.chord.tones
                pitch = low + (kinds[tone % len(kinds)] - low) % 12
                notes.append(Note(bar + step, bar + step + 0.45, pitch, 0.75))
    return notes
