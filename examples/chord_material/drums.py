"""Drum patterns on General MIDI's percussion keys."""

import numpy as np

from .accompaniment import Note

KICK, SNARE, RIM, CLAP, HAT, PEDAL, OPEN, RIDE, CRASH = (
    36,
    38,
    37,
    39,
    42,
    44,
    46,
    51,
    49,
)
TOMS = (50, 48, 47, 45, 43, 41)
SHAKERS = (70, 82, 69, 54)
HANDS = (60, 61, 62, 63, 64, 65, 66, 75, 76, 77, 56)
STYLES = (
    "rock rock funk floor half swing latin hands brushes ballad march break".split()
)


def _rows(rng, style, metre):
    """{key: [(beat, velocity), ...]} of one bar."""
    beats = [float(b) for b in range(metre)]
    eighths = [float(b) for b in np.arange(0, metre, 0.5)]
    sixteenths = [float(b) for b in np.arange(0, metre, 0.25)]
    back = [b for b in beats if b % 2 == 1] if metre % 2 == 0 else beats[1:]
    top = int(rng.choice([HAT, HAT, HAT, RIDE, OPEN]))
    rows = {}

    def put(key, onsets, velocity):
        rows.setdefault(key, []).extend((t, velocity) for t in onsets)

    def some(grid, odds):
        return [t for t in grid if rng.random() < odds]

    if style == "swing":
        put(RIDE, beats, 0.65)
        put(RIDE, [b + 2 / 3 for b in back if b + 2 / 3 < metre], 0.5)
        put(PEDAL, back, 0.5)
        put(SNARE, some([b + 2 / 3 for b in beats], 0.2), 0.35)
        put(KICK, some(beats, 0.4), 0.4)
    elif style in ("latin", "hands"):
        for key in rng.choice(HANDS, 2 + rng.integers(3), replace=False):
            put(
                int(key),
                some(eighths if metre > 3 else sixteenths, 0.4),
                rng.uniform(0.4, 0.8),
            )
        put(int(rng.choice(SHAKERS)), eighths, 0.45)
        if style == "latin":
            put(KICK, [0.0, *some(eighths, 0.25)], 0.7)
            put(RIM, some(eighths, 0.35), 0.6)
    elif style == "march":
        put(SNARE, some(sixteenths, 0.5), 0.6)
        put(KICK, beats[::2], 0.8)
    else:
        kicks = {"floor": beats, "half": [0.0], "ballad": [0.0, *some(eighths, 0.15)]}
        put(KICK, kicks.get(style, [0.0, *some(eighths[1:], 0.3)]), 0.9)
        snares = [beats[len(beats) // 2]] if style == "half" else back
        put(CLAP if style == "floor" and rng.random() < 0.5 else SNARE, snares, 0.85)
        dense = style in ("funk", "break") or rng.random() < 0.15
        tops = sixteenths if dense else beats if style == "ballad" else eighths
        put(top, some(tops, 0.93), 0.55 if style != "brushes" else 0.35)
        if style in ("funk", "break"):
            put(SNARE, some(sixteenths, 0.12), 0.3)
            put(KICK, some(sixteenths, 0.15), 0.6)
        if rng.random() < 0.25:
            put(int(rng.choice(SHAKERS)), sixteenths if dense else eighths, 0.4)
    return rows


def play(rng, style, metre, start, end):
    """Drum notes from one beat to another, with fills and crashes now and then."""
    rows = _rows(rng, style, metre)
    loud = style not in ("swing", "brushes", "ballad", "hands")
    notes = []
    first = int(start // metre)
    for bar in range(first, int(np.ceil(end / metre))):
        fill = bar % 4 == 3 and rng.random() < 0.4 and style not in ("hands", "swing")
        for key, hits in rows.items():
            for beat, velocity in hits:
                if fill and beat >= metre - 1 and key != KICK:
                    continue
                level = float(np.clip(velocity + 0.06 * rng.standard_normal(), 0.1, 1))
                at = bar * metre + beat
                notes.append(Note(at, at + 0.2, key, level))
        if fill:
            keys = sorted(rng.choice([SNARE, *TOMS], 4), reverse=True)
            at = (bar + 1) * metre - 1
            notes += [
                Note(at + i / 4, at + i / 4 + 0.2, int(k), 0.8)
                for i, k in enumerate(keys)
            ]
        if loud and bar % 8 == 0 and rng.random() < 0.6:
            notes.append(Note(bar * metre, bar * metre + 1, CRASH, 0.75))
    return [n for n in notes if start - 1e-6 <= n.start < end]
