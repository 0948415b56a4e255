"""A song from a seed: tempo, form, who plays what, and where nothing pitched sounds."""

from dataclasses import dataclass, field

import numpy as np

from . import drums
from .accompaniment import BASSES, Bass, Note, Voicer, Comping, random_comping
from .chords import choose
from .harmony import Harmony, Slot, weights
from .melodies import Melody, riff

#: General MIDI programs by role, with weights.
PROGRAMS = {
    "comp": "0 8 1 5 2 3 3 2 4 5 5 4 6 2 7 2 11 2 12 1 16 3 17 2 18 3 19 1 21 2 24 7 25 8 "
    "26 4 27 7 28 2 29 3 30 2 44 1 45 2 46 2 48 3 50 1 52 1 61 2 62 2 63 1 80 1 81 2 "
    "84 1 88 1 90 2 104 1 105 1 106 1 107 1 108 1 8 1 15 1",
    "pad": "48 6 49 5 50 4 51 3 52 3 53 2 54 2 88 2 89 5 90 3 91 2 92 2 93 1 94 2 95 2 16 2 "
    "17 1 18 2 19 2 21 1 23 1 61 1 44 1",
    "arp": "0 4 4 2 5 3 6 2 10 2 11 2 12 2 24 5 25 5 26 2 27 3 45 3 46 4 81 2 80 2 88 1 90 1 "
    "104 1 105 2 106 1 107 1 108 2 8 1 9 1 13 1 114 1",
    "solo": "0 9 1 4 4 3 5 2 6 2 24 7 25 6 26 3 27 3 46 3 19 2 16 1 21 2 11 2 48 2 52 1 105 1",
    "riff": "29 5 30 8 27 1 28 1 81 1 84 1 62 1",
    "bass": "32 4 33 9 34 5 35 3 36 2 37 1 38 4 39 4 43 2 58 1 0 1 87 1 19 1",
    "lead": "40 3 41 1 42 2 56 3 57 2 59 2 60 2 64 2 65 3 66 3 67 1 68 2 69 1 70 1 71 3 72 1 "
    "73 4 74 2 75 2 76 1 77 1 78 1 79 1 80 3 81 4 82 1 84 1 85 1 22 2 21 1 11 2 0 4 4 2 "
    "26 2 27 3 29 3 30 2 24 2 105 1 110 1 111 1 52 1 9 1",
    "drums": "0 8 8 2 16 3 24 2 25 2 32 2 40 2 48 1",
}
LEVELS = {"comp": -20, "arp": -21, "pad": -25, "bass": -20, "lead": -20, "drums": -19}


@dataclass
class Part:
    """What one instrument plays; notes in beats, later in seconds."""

    role: str
    notes: list[Note]
    program: int
    font: str
    bank: int = 0
    cents: float = 0.0
    level: float = -20.0  # dB of its mean square while it plays
    sung: bool = False
    late: bool = False  # it leaves out the beat on which a chord begins


@dataclass
class Song:
    """A whole song, ready to be heard.

    `slots` and the notes of `parts` are in beats; `seconds_at` tells the time of a beat.
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

    def seconds_at(self, beat):
        """Time of a beat in seconds (below 0: before the recording begins)."""
        whole = np.floor(beat)
        part = beat - whole
        half = self.swing
        part = np.where(part < 0.5, part * 2 * half, half + (part - 0.5) * 2 * (1 - half))
        steps = np.arange(len(self.clock)) - 1
        return np.interp(whole + part, steps, self.clock) + self.offset


def compose(rng, seconds, rich, fonts):
    """A song of some seconds.

    Args:
        rng: NumPy's random generator.
        seconds: Length of the recording.
        rich: Whether rare chord qualities are frequent.
        fonts: Names of soundfonts with weights.
    """
    tempo = float(np.exp(rng.normal(np.log(108), 0.27)).clip(60, 190))
    metre = int(choose(rng, {4: 74, 3: 14, 2: 5, 6: 7}))
    beat = 60 / tempo
    harmony = Harmony(rng, rich)
    count = int(np.ceil(seconds / beat)) + 4 * metre
    song = Song(seconds, tempo, metre, harmony, harmony.song(count, metre, beat))
    _clock(rng, song, count)
    _silences(rng, song, beat)
    if harmony.genre in ("jazz", "blues") and rng.random() < 0.6 or rng.random() < 0.12:
        song.swing = float(rng.uniform(0.55, 0.68))
    song.parts = Band(rng, song, fonts).parts()
    return song


def _clock(rng, song, count):
    """Times of the beats: steady as a machine, as players, or free."""
    looseness = float(choose(rng, {0.0: 5, 0.004: 4, 0.015: 1}))
    steps = np.cumsum(rng.standard_normal(count + 40)) * looseness
    steps -= np.linspace(0, steps[-1], len(steps))
    beats = 60 / song.tempo * np.exp(np.clip(steps, -0.12, 0.12))
    song.clock = np.concatenate([[0], np.cumsum(beats)]) - beats[0]


def _silences(rng, song, beat):
    """Puts slots without chord in front, within and behind."""
    begin = choose(rng, {"cut": 45, "silence": 25, "drums": 14, "speech": 6, "plain": 10})
    if begin in ("drums", "speech"):
        _insert(song, 0, rng.uniform(1.5, 4.5) / beat, begin)
    elif begin == "silence":
        song.offset = float(rng.uniform(0.3, 2.2))
        song.breaks[-1.0] = str(rng.choice(["silence", "noise"]))
    elif begin == "cut":
        song.offset = -float(rng.uniform(0.02, 0.9 * min(song.slots[0].beats * beat, 3)))
    if rng.random() < 0.18:
        kind = choose(rng, {"drums": 5, "speech": 3, "noise": 2, "silence": 1})
        middle = [i for i, s in enumerate(song.slots) if 10 < s.start * beat < song.seconds - 8]
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
    song.slots.insert(index, Slot(start, beats, None, song.slots[index].section))
    song.breaks[start] = kind


class Band:
    """Draws instruments and lets them play the slots of a song."""

    def __init__(self, rng, song, fonts):
        self.rng, self.song, self.beat = rng, song, 60 / song.tempo
        self.main_font = choose(rng, fonts)
        self.fonts = fonts
        riffs = song.harmony.genre == "riff"
        self.solo = not riffs and rng.random() < 0.13
        self.has_bass = not self.solo and rng.random() < 0.9
        self.has_drums = not self.solo and rng.random() < 0.74
        self.has_lead = rng.random() < (0.25 if self.solo else 0.62)
        self.sings = rng.random() < (0.33 if self.has_lead else 0.0)
        self.bars = {s.section for s in song.slots}

    def parts(self):
        """All parts of the song."""
        if self.song.harmony.genre == "riff":
            found = [self._power()]
            if self.rng.random() < 0.5:
                found.append(self._power())
        elif self.solo:
            found = [self._chords("solo", low=True)]
        else:
            found = self._chord_parts()
        if self.has_bass:
            found.append(self._bass())
        if self.has_lead:
            found.append(self._lead())
        if self.has_drums or "drums" in self.song.breaks.values():
            found.append(self._drums())
        return found

    def _font(self):
        return self.main_font if self.rng.random() < 0.55 else choose(self.rng, self.fonts)

    def _part(self, role, notes, table=None, **options):
        spread = {"lead": 5, "bass": 4}.get(role, 3.5)
        level = LEVELS.get(role, -20) + float(self.rng.normal(0, 2.8))
        program = int(choose(self.rng, weights(PROGRAMS[table or role])))
        cents = float(self.rng.normal(0, spread) if self.rng.random() < 0.4 else 0)
        return Part(role, notes, program, self._font(), 0, cents, level, **options)

    def _slots(self, role):
        """Slots with chords in which a part plays; sections may do without it."""
        out = set()
        if role in ("pad", "arp", "lead") and self.rng.random() < 0.5:
            out = {b for b in self.bars if self.rng.random() < 0.35}
        return [s for s in self.song.slots if s.chord and s.section not in out]

    def _chord_parts(self):
        rng = self.rng
        found = [self._chords("comp", low=not self.has_bass)]
        late = found[0].late
        if late and not self.has_bass or rng.random() < 0.42:
            found.append(self._chords("pad", low=False))
        if rng.random() < 0.4:
            found.append(self._chords("arp", low=False))
        return found

    def _chords(self, role, low):
        rng, song = self.rng, self.song
        centre = int(rng.integers(54, 67)) + (3 if role == "pad" else 0)
        if role == "arp" and rng.random() < 0.5:
            centre += 9
        plain = role == "pad" or (role == "comp" and rng.random() < 0.12)
        comp = random_comping(rng, song.metre, self.beat, centre, low, plain)
        if role in ("arp", "solo") and rng.random() < 0.75:
            kinds = ["eighths", "triplets", "eighths", "sixteenths", "beats"]
            layout = str(rng.choice(["close", "open", "spread", "full"]))
            voicer = Voicer(rng, centre, layout, low)
            kind = str(rng.choice(kinds))
            comp = Comping(rng, song.metre, voicer, kind, "arpeggio", self.beat)
        notes = [n for s in self._slots(role) for n in comp.play(s)]
        if self.has_bass:
            for note in notes:
                note.pitch += 12 if note.pitch < 45 else 0
        part = self._part("comp" if role == "solo" else role, notes, role)
        part.late = comp.kind in ("offbeats", "backbeats")
        return part

    def _power(self):
        rng, song = self.rng, self.song
        voicer = Voicer(rng, int(rng.integers(46, 56)), "close", True, True)
        kind = str(rng.choice(["eighths", "syncopated", "gallop", "beats", "sixteenths", "hold"]))
        comp = Comping(rng, song.metre, voicer, kind, "block", self.beat)
        notes = [n for s in self._slots("comp") for n in comp.play(s)]
        return self._part("comp", notes, "riff")

    def _bass(self):
        rng, song = self.rng, self.song
        table = dict(BASSES)
        if song.harmony.genre in ("jazz", "blues"):
            table["walking"] = 14
        kind = choose(rng, table)
        if self.beat < 0.42 and kind == "sixteenths":
            kind = "eighths"
        bass = Bass(rng, song.metre, kind, int(rng.choice([28, 28, 31, 33])))
        slots = self._slots("bass")
        following = [*slots[1:], None]
        notes = [n for s, f in zip(slots, following, strict=True) for n in bass.play(s, f)]
        return self._part("bass", notes)

    def _lead(self):
        rng, song = self.rng, self.song
        slots = self._slots("lead")
        if self.sings:
            low = int(rng.choice([43, 48, 53, 57]))
            line = Melody(rng, song.metre, song.harmony.scale, low, low + 17, True)
            return self._part("lead", line.play(slots), sung=True)
        if rng.random() < 0.22:
            low = int(rng.integers(55, 75))
            return self._part("lead", riff(rng, slots, song.metre, low), "arp")
        low = int(rng.integers(57, 70))
        line = Melody(rng, song.metre, song.harmony.scale, low, low + 20)
        return self._part("lead", line.play(slots))

    def _drums(self):
        rng, song = self.rng, self.song
        style = str(rng.choice(drums.STYLES))
        if song.harmony.genre in ("jazz",) and rng.random() < 0.6:
            style = str(rng.choice(["swing", "brushes", "latin"]))
        notes, late = [], rng.random() < 0.25
        for slot in song.slots:
            quiet = slot.chord is None and song.breaks.get(slot.start) != "drums"
            alone = slot.chord is not None and not self.has_drums
            if quiet or alone or (late and slot.section == 0 and slot.chord):
                continue
            notes.append((slot.start, slot.end))
        spans = _joined(notes)
        pattern = rng.integers(2**31)
        notes = []
        for start, end in spans:
            repeat = np.random.default_rng(pattern)  # the same beat after a break
            notes += drums.play(repeat, style, song.metre, start, end)
        part = self._part("drums", notes)
        part.bank, part.cents = 128, 0.0
        return part


def _joined(spans):
    """Touching spans as one."""
    found = []
    for start, end in spans:
        if found and abs(found[-1][1] - start) < 1e-6:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found
