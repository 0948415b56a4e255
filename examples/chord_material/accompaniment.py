"""What chord parts and basses play: rhythms, voicings, gestures."""

from dataclasses import dataclass

import numpy as np

from .chords import QUALITIES, choose

#: Rhythms with weights, of which a song draws some.
RHYTHMS = {
    "hold": 5,
    "beats": 5,
    "eighths": 5,
    "offbeats": 2,
    "backbeats": 2,
    "tresillo": 2,
    "charleston": 2,
    "syncopated": 6,
    "sixteenths": 1.5,
    "triplets": 1.5,
    "halves": 3,
    "gallop": 1,
    "boom-chick": 2,
    "two-bars": 1.5,
}
GESTURES = {
    "block": 9,
    "strum": 6,
    "arpeggio": 7,
    "roll": 1.5,
    "boom-chick": 2,
    "repeat": 1,
}
BASSES = {
    "hold": 4,
    "beats": 4,
    "eighths": 4,
    "octaves": 2,
    "root-fifth": 4,
    "walking": 3,
    "syncopated": 4,
    "arpeggio": 2,
    "halves": 2,
    "sixteenths": 1,
}


@dataclass
class Note:
    """One note, `start` and `end` in beats.

    `pitch` is MIDI's; of the strummed guitar, the pair of a chord and "down" or "up".
    """

    start: float
    end: float
    pitch: int | tuple
    velocity: float  # 0 to 1
    spread: float = 0.0  # seconds by which it comes late (strums, rolls)


def rhythm(rng, kind, metre):
    """Onsets in a bar, in beats, for a kind of `RHYTHMS`."""
    fixed = {
        "hold": [0],
        "two-bars": [0],
        "beats": list(range(metre)),
        "eighths": list(np.arange(0, metre, 0.5)),
        "offbeats": list(np.arange(0.5, metre, 1)),
        "backbeats": list(range(1, metre, 2 if metre % 2 == 0 else 1)),
        "tresillo": [t for t in (0, 1.5, 3, 4.5) if t < metre],
        "charleston": [0, 1.5],
        "sixteenths": list(np.arange(0, metre, 0.25)),
        "triplets": list(np.arange(0, metre - 0.01, 1 / 3)),
        "halves": list(range(0, metre, 2)) if metre % 3 else [0],
        "gallop": sorted(
            [*range(metre), *np.arange(0.5, metre), *np.arange(0.75, metre)]
        ),
        "boom-chick": list(range(metre)),
    }
    if kind in fixed:
        return [float(t) for t in fixed[kind]]
    step = float(rng.choice([0.5, 0.25, 0.5]))
    grid = np.arange(0, metre, step)
    odds = np.where(grid % 1 == 0, 0.45, np.where(grid % 0.5 == 0, 0.45, 0.22))
    odds[0] = 0.9
    return [float(t) for t, p in zip(grid, odds, strict=True) if rng.random() < p] or [
        0.0
    ]


class Voicer:
    """Lays chords out as pitches, each near the one before.

    Args:
        rng: NumPy's random generator.
        centre: MIDI pitch around which they lie.
        kind: `close`, `open`, `drop`, `spread`, `full` (close with octaves) or `power`.
        low: Whether the lowest tone has to be the chord's bass (no bass part plays).
        doubled: Whether a tone of a triad is doubled at the octave.
    """

    def __init__(self, rng, centre, kind="close", low=False, doubled=False):
        self.rng, self.centre, self.kind, self.low = rng, centre, kind, low
        self.doubled = doubled
        self.last = None

    def pitches(self, chord):
        """Ascending MIDI pitches with every tone of the chord."""
        tones = list(dict.fromkeys(chord.tones))
        steps = QUALITIES[chord.quality]
        if len(tones) > 4 and 7 in steps and self.rng.random() < 0.6:
            tones.remove((chord.root + 7) % 12)  # the fifth tells least
        best = min(
            self._stacks(tones),
            key=lambda s: self._distance(s) + 0.5 * self.rng.random(),
        )
        self.last = best
        best = self._opened(best)
        if self.doubled or len(best) < 3:
            best = sorted({*best, best[0] + 12})
        if self.low:
            under = best[0] - (best[0] - chord.bass_tone) % 12
            if under < best[0]:
                best = [p for p in best if (p - under) % 12 or p - under > 12]
                best = [under, *best]
        return best

    def _stacks(self, tones):
        for turn in range(len(tones)):
            order = [*tones[turn:], *tones[:turn]]
            order = [order[0], *sorted(order[1:], key=lambda t: (t - order[0]) % 12)]
            for octave in (-12, 0, 12):
                bottom = self.centre - 6 + octave
                pitch = bottom + (order[0] - bottom) % 12
                yield [pitch + (t - order[0]) % 12 for t in order]

    def _distance(self, stack):
        middle = abs(np.mean(stack) - self.centre)
        if self.last is None:
            return 2 * middle
        return abs(np.mean(stack) - np.mean(self.last)) + max(0.0, middle - 5) * 2

    def _opened(self, stack):
        if self.kind == "drop" and len(stack) > 2:
            return sorted([*stack[:-2], stack[-2] - 12, stack[-1]])
        if self.kind == "open" and len(stack) > 2:
            return sorted([p + 12 * (i % 2) for i, p in enumerate(stack)])
        if self.kind == "spread":
            return sorted(
                [
                    stack[0] - 12,
                    *(p + 12 * (i % 2 == 0) for i, p in enumerate(stack[1:])),
                ]
            )
        if self.kind == "full":
            return sorted({stack[0] - 12, *stack, stack[-1] - 12, stack[0] + 12})
        return stack


class Comping:
    """One chord part: plays each slot with a rhythm and a gesture.

    Args:
        rng: NumPy's random generator.
        metre: Beats of a bar.
        voicer: Lays out the pitches.
        kind: A rhythm.
        gesture: A gesture.
        beat_seconds: Length of a beat in seconds.
    """

    def __init__(self, rng, metre, voicer, kind, gesture, beat_seconds):
        self.rng, self.metre, self.voicer = rng, metre, voicer
        self.kind, self.gesture, self.beat_seconds = kind, gesture, beat_seconds
        if beat_seconds < 0.45 and kind in ("sixteenths", "gallop"):
            self.kind = "eighths"
        if gesture == "arpeggio" and kind in (
            "hold",
            "two-bars",
            "halves",
            "charleston",
        ):
            self.kind = str(
                rng.choice(["eighths", "triplets", "eighths", "beats", "sixteenths"])
            )
        self.bar = rhythm(rng, self.kind, metre)
        self.fill = float(rng.choice([0.98, 0.98, 0.9, 0.6, 0.35]))
        if self.kind in ("hold", "two-bars", "charleston"):
            self.fill = max(self.fill, 0.85)
        self.spread = float(rng.uniform(0.004, 0.03 if gesture == "strum" else 0.07))
        self.order = str(rng.choice(["up", "down", "updown", "alberti", "random"]))
        self.ring = rng.random() < 0.4
        self.early = float(rng.choice([0, 0, 0, 0.3]))
        self.accents = rng.uniform(0.75, 1.0, 16)
        self.ornaments = float(rng.choice([0, 0, 0, 0, 0.25]))

    def onsets(self, slot):
        """Onsets within a slot, the first at its start for most rhythms."""
        bars = range(int(slot.start // self.metre), int(slot.end // self.metre) + 1)
        found = [b * self.metre + t for b in bars for t in self.bar]
        if self.kind in ("hold", "two-bars"):
            found = [slot.start]
            step = self.metre * (2 if self.kind == "two-bars" else 1)
            found += list(np.arange(slot.start + step, slot.end - 0.01, step))
        found = [t for t in found if slot.start - 1e-6 <= t < slot.end - 0.05]
        late = self.kind in ("offbeats", "backbeats")
        if not found or (found[0] > slot.start + 0.01 and not late):
            found.insert(0, slot.start)
        return found

    def play(self, slot):
        """The notes of a slot."""
        pitches = self.voicer.pitches(slot.chord)
        onsets = self.onsets(slot)
        if self.gesture == "arpeggio" and len(onsets) >= len(pitches):
            notes = self._broken(slot, onsets, pitches)
        else:
            notes = self._struck(slot, onsets, pitches)
        if self.early and self.rng.random() < self.early and slot.start > 1:
            shift = min(0.25, 0.12 / self.beat_seconds)
            first = min(n.start for n in notes)
            for note in notes:
                if note.start == first:
                    note.start -= shift
        return notes

    def _broken(self, slot, onsets, pitches):
        turns = {
            "up": list(range(len(pitches))),
            "down": list(range(len(pitches)))[::-1],
            "updown": [*range(len(pitches)), *range(len(pitches) - 2, 0, -1)],
            "alberti": [
                0,
                -1,
                *(x for i in range(1, len(pitches) - 1) for x in (i, -1)),
            ],
            "random": list(self.rng.permutation(len(pitches))),
        }[self.order]
        if len(onsets) < len(turns):
            turns = list(range(len(pitches)))
        ends = [*onsets[1:], slot.end]
        notes = []
        for i, (start, end) in enumerate(zip(onsets, ends, strict=True)):
            end = slot.end if self.ring else start + (end - start) * max(self.fill, 0.8)
            pitch = pitches[turns[i % len(turns)]]
            notes.append(Note(start, end, pitch, self._velocity(start)))
        return notes

    def _struck(self, slot, onsets, pitches):
        notes = []
        ends = [*onsets[1:], slot.end]
        for i, (start, end) in enumerate(zip(onsets, ends, strict=True)):
            played, down = pitches, (start % 1) < 0.01
            if self.gesture == "boom-chick" and len(onsets) > 1 and len(pitches) > 2:
                played = pitches[:1] if i % 2 == 0 else pitches[1:]
            if self.gesture == "repeat" and i % 2 and len(pitches) > 3:
                played = pitches[1:]
            if i and self.ornaments and self.rng.random() < self.ornaments:
                played = self._ornamented(slot.chord, played, start, end)
            length = (end - start) * self.fill
            if self.kind not in ("hold", "two-bars"):
                length = max(length, min(end - start, 0.12 / self.beat_seconds))
            velocity = self._velocity(start)
            order = played if down or self.gesture != "strum" else played[::-1]
            for j, pitch in enumerate(order):
                late = j * self.spread if self.gesture in ("strum", "roll") else 0.0
                late = min(late, 0.4 * length * self.beat_seconds)
                notes.append(Note(start, start + length, pitch, velocity, late))
        return notes

    def _ornamented(self, chord, pitches, start, end):
        """The third gives way to a neighbour for a moment, as guitarists do it."""
        if chord.quality not in ("maj", "min") or end - start > 0.6 or start % 1 < 0.01:
            return pitches
        third, step = chord.tones[1], int(self.rng.choice([-2, 1, 2]))
        step = {"min": {-2: -1, 1: 2, 2: 2}, "maj": {-2: -2, 1: 1, 2: 1}}[
            chord.quality
        ][step]
        return [p + step if p % 12 == third else p for p in pitches]

    def _velocity(self, beat):
        accent = self.accents[int(round(beat % self.metre * 2)) % 16]
        return float(
            np.clip(0.72 * accent + 0.05 * self.rng.standard_normal(), 0.25, 1)
        )


class Bass:
    """A bass part: the chord's bass first, then what its kind plays.

    Args:
        rng: NumPy's random generator.
        metre: Beats of a bar.
        kind: A kind of `BASSES`.
        low: Lowest MIDI pitch.
    """

    def __init__(self, rng, metre, kind, low=28):
        self.rng, self.metre, self.kind, self.low = rng, metre, kind, low
        names = {
            "hold": "hold",
            "beats": "beats",
            "eighths": "eighths",
            "halves": "halves",
        }
        names |= {"octaves": "eighths", "root-fifth": "halves", "walking": "beats"}
        names |= {"sixteenths": "sixteenths", "arpeggio": "beats"}
        if kind == "root-fifth" and metre % 2:
            names["root-fifth"] = "beats"
        self.bar = rhythm(rng, names.get(kind, "syncopated"), metre)
        self.fill = float(rng.choice([0.95, 0.95, 0.8, 0.5]))
        self.approach = float(rng.choice([0, 0, 0.2, 0.4]))

    def pitch(self, tone):
        """The pitch of a pitch class in the bass's octave."""
        return self.low + (tone - self.low) % 12

    def play(self, slot, following):
        """The notes of a slot; `following` is the next slot or None."""
        bars = range(int(slot.start // self.metre), int(slot.end // self.metre) + 1)
        onsets = [b * self.metre + t for b in bars for t in self.bar]
        onsets = [t for t in onsets if slot.start - 1e-6 <= t < slot.end - 0.05]
        if self.kind == "hold":
            onsets = [slot.start]
        elif not onsets or onsets[0] > slot.start + 0.01:
            onsets.insert(0, slot.start)
        notes, base = [], self.pitch(slot.chord.bass_tone)
        for i, (start, end) in enumerate(
            zip(onsets, [*onsets[1:], slot.end], strict=True)
        ):
            pitch = base
            if i:
                pitch = self._later(slot, following, base, i, len(onsets) - i == 1)
            velocity = float(np.clip(0.78 + 0.06 * self.rng.standard_normal(), 0.3, 1))
            notes.append(
                Note(start, start + (end - start) * self.fill, pitch, velocity)
            )
        return notes

    def _later(self, slot, following, base, number, last):
        chord = slot.chord
        tones = [self.pitch(t) for t in chord.tones[:3]]
        inverted = chord.bass != 0
        leads = last and following and following.chord and slot.beats >= 2
        if leads and self.rng.random() < self.approach:
            steps = [-2, -1, 1, 2, 0]
            return self.pitch(following.chord.bass_tone) + int(self.rng.choice(steps))
        if self.kind == "octaves":
            return base + 12 * (number % 2)
        if inverted and self.kind != "walking":
            return base + (12 if number % 4 == 3 else 0)
        if self.kind == "root-fifth":
            fifth = base + (chord.tones[2 if len(chord.tones) > 2 else 1] - base) % 12
            return (fifth if fifth - base < 8 else fifth - 12) if number % 2 else base
        if self.kind == "arpeggio":
            return sorted(p if p >= base else p + 12 for p in tones)[
                number % len(tones)
            ]
        if self.kind == "walking":
            if last and following and following.chord and self.rng.random() < 0.6:
                return self.pitch(following.chord.bass_tone) + int(
                    self.rng.choice([-1, 1, 2])
                )
            return int(self.rng.choice([p if p >= base else p + 12 for p in tones]))
        if self.kind == "syncopated" and self.rng.random() < 0.2:
            return base + int(self.rng.choice([12, 12, (chord.tones[-1] - base) % 12]))
        return base


def random_comping(rng, metre, beat_seconds, voicer, plain=False, alone=False):
    """A chord part drawn at random.

    `plain` keeps to sustained, full chords; `alone`, to rhythms that do not wait for
    somebody else to sound the beat.
    """
    kinds = {"hold": 4, "two-bars": 2, "beats": 1, "halves": 1} if plain else RHYTHMS
    if alone:
        kinds = {k: w for k, w in kinds.items() if k not in ("offbeats", "backbeats")}
    gestures = {"block": 4, "roll": 1} if plain else GESTURES
    kind, gesture = choose(rng, kinds), choose(rng, gestures)
    return Comping(rng, metre, voicer, kind, gesture, beat_seconds)
