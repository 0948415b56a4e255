"""A song from a seed: tempo, form, and where nothing pitched sounds."""

from dataclasses import dataclass, field

import numpy as np

from . import grooves
from .accompaniment import Note
from .chords import INVERSIONS, QUALITIES, Chord, choose
from .harmony import Harmony, Slot, place

#: How frequent qualities are in studies; others have 1.
STUDIED = {"maj": 5.0, "min": 5.0, "dim": 3.0, "7": 2.0, "min7": 2.0, "maj7": 2.0}


@dataclass
class Part:
    """What one instrument plays.

    `font` is a soundfont's name, or one of `waves`, `voice`, `strums`, `sfz`, `kit`,
    `loop`; `program` is General MIDI's number, or the name of a wave, an SFZ
    instrument, a kit or a loop.
    """

    role: str
    notes: list[Note]
    program: int | str
    font: str
    bank: int = 0
    cents: float = 0.0
    level: float = -20.0  # dB of its mean square while it plays
    late: bool = False  # it leaves out the beat on which a chord begins
    pedal: bool = False
    swells: bool = False


@dataclass
class Song:
    """A whole song, ready to be heard.

    `slots` and the notes of `parts` are in beats, whose times `seconds_at` tells.
    """

    seconds: float
    tempo: float
    metre: int
    harmony: Harmony
    slots: list[Slot]
    breaks: dict = field(default_factory=dict)  # start beat: kind
    parts: list[Part] = field(default_factory=list)
    ends: bool = False
    offset: float = 0.0
    swing: float = 0.5
    clock: np.ndarray | None = None
    style: str = "mixed"  # of `compose`
    groove: str = ""  # which one MMA plays

    def slot_at(self, beat):
        """The slot that sounds at a beat."""
        return self.slots[place(self.slots, beat + 1e-6)]

    def seconds_at(self, beat):
        """Time of a beat in seconds (below 0: before the recording begins)."""
        whole = np.floor(beat)
        part = beat - whole
        half = self.swing
        part = np.where(
            part < 0.5, part * 2 * half, half + (part - 0.5) * 2 * (1 - half)
        )
        steps = np.arange(len(self.clock)) - 1
        return np.interp(whole + part, steps, self.clock) + self.offset


def compose(rng, seconds, rich, style="mixed"):
    """A song of some seconds; nobody plays it yet.

    Args:
        rng: NumPy's random generator.
        seconds: Length of the recording.
        rich: Whether rare chord qualities are frequent.
        style: `"studies"` for chords that follow each other by chance, held by one
            instrument; `"grooves"` for songs that MMA accompanies; others are songs of
            the band.
    """
    by_mma = style == "grooves"
    tempo = float(np.exp(rng.normal(np.log(108), 0.27)).clip(60, 190))
    metres = {4: 74, 3: 14, 2: 5, 6: 7}
    if by_mma:
        metres = {m: w for m, w in metres.items() if m in grooves.installed()}
    metre = int(choose(rng, metres))
    beat = 60 / tempo
    harmony = Harmony(rng, rich)
    count = int(np.ceil(seconds / beat)) + 4 * metre
    if style == "studies":
        slots = _study(rng, harmony, count, beat)
    else:
        slots = harmony.song(count, metre, beat)
    song = Song(seconds, tempo, metre, harmony, slots, style=style)
    _clock(rng, song, count)
    _silences(rng, song, beat)
    swings = harmony.genre in ("jazz", "blues") and rng.random() < 0.6
    if (swings or rng.random() < 0.12) and not by_mma:  # MMA swings by itself
        song.swing = float(rng.uniform(0.55, 0.68))
    return song


def _study(rng, harmony, count, beat):
    """Slots of some beats in all: a second or so each, or as short as a quarter.

    The chords come by chance from all qualities, or from the progressions of a key.
    """
    weights = {quality: STUDIED.get(quality, 1.0) for quality in QUALITIES}
    usual = choose(rng, {1.35: 5, 0.7: 2, 0.35: 2})  # seconds
    grid = 1 if usual > 1 else 2  # chords of half a beat
    chords = harmony.progression(8) if rng.random() < 0.3 else []
    slots, start = [], 0
    while start < count:
        if chords:
            chord = chords[len(slots) % len(chords)]
        else:
            quality, bass = choose(rng, weights), 0
            if rng.random() < 0.25:
                bass = choose(rng, INVERSIONS.get(quality, {0: 1}))
            chord = Chord(int(rng.integers(12)), quality, bass)
        seconds = usual * float(np.exp(rng.normal(0, 0.5 if usual > 1 else 0.3)))
        beats = max(1, round(grid * seconds / beat)) / grid
        slots.append(Slot(start, beats, chord))
        start += beats
    return slots


def _clock(rng, song, count):
    """Times of the beats: steady as a machine, as players, or free."""
    looseness = float(choose(rng, {0.0: 5, 0.004: 4, 0.015: 1}))
    steps = np.cumsum(rng.standard_normal(count + 40)) * looseness
    steps -= np.linspace(0, steps[-1], len(steps))
    beats = 60 / song.tempo * np.exp(np.clip(steps, -0.12, 0.12))
    song.clock = np.concatenate([[0], np.cumsum(beats)]) - beats[0]


def _silences(rng, song, beat):
    """Puts slots without chord in front, within and behind."""
    begin = choose(
        rng, {"cut": 45, "silence": 25, "drums": 14, "speech": 6, "plain": 10}
    )
    if begin in ("drums", "speech"):
        _insert(song, 0, rng.uniform(1.5, 4.5) / beat, begin)
    elif begin == "silence":
        song.offset = float(rng.uniform(0.3, 2.2))
        song.breaks[-1.0] = str(rng.choice(["silence", "noise"]))
    elif begin == "cut":
        song.offset = -float(
            rng.uniform(0.02, 0.9 * min(song.slots[0].beats * beat, 3))
        )
    if rng.random() < 0.18:
        kind = choose(rng, {"drums": 5, "speech": 3, "noise": 2, "silence": 1})
        middle = [
            i
            for i, s in enumerate(song.slots)
            if 10 < s.start * beat < song.seconds - 8
        ]
        if middle:
            _insert(song, int(rng.choice(middle)), rng.uniform(1.8, 6.5) / beat, kind)
    song.ends = bool(rng.random() < 0.36)
    limit = song.seconds - (rng.uniform(1.0, 4.5) if song.ends else -0.5)
    kept = [s for s in song.slots if song.seconds_at(s.start) < limit - 0.4 * song.ends]
    if song.ends and song.seconds_at(kept[-1].end) > limit:
        kept[-1].beats = max(1.0, np.floor(kept[-1].beats / 2))
    song.slots = kept


def _insert(song, index, beats, kind):
    """A slot without chord of about some beats (whole bars) before a slot."""
    beats = max(1, round(beats / song.metre)) * song.metre
    start = song.slots[index].start if index else 0.0
    for slot in song.slots[index:]:
        slot.start += beats
    section, shift = song.slots[index].section, song.slots[index].shift
    song.slots.insert(index, Slot(start, beats, None, section, shift))
    song.breaks[start] = kind
