"""Progressions: which chord follows which, in which colour, and for how long.

The loops are common property; the walks follow what corpora of songs report: of roots
in rock, I .33, IV .23, V .16, bVII .08, vi .07, then ii, bVI, bIII, iii (de Clercq and
Temperley, Popular Music 30, 2011; ascending and descending fourths and fifths make
most moves, IV comes before I oftener than V); of jazz, falling fifths (Broze and
Shanahan, Music Perception 31, 2013).
"""

import bisect
import math
import re
from dataclasses import dataclass

import numpy as np

from .chords import INVERSIONS, QUALITIES, RARE, Chord, choose

NUMERALS = {"i": 0, "ii": 2, "iii": 4, "iv": 5, "v": 7, "vi": 9, "vii": 11}
TOKEN = re.compile(r"([b#]?)([ivIV]+)([oh+s57Mm]*)(?:/(\d+))?")

#: Loops by genre. Numerals count from the major scale: bVI of A minor is F. Upper case
#: major, lower case minor, o diminished, h half-diminished, + augmented, s suspended,
#: 5 without a third, 7 dominant; /3 is a bass in semitones above the root.
LOOPS = {
    "pop": """I V vi IV|I vi IV V|vi IV I V|I IV V IV|IV I V vi|I iii IV V|I IV vi V
        I V/4 vi I/7 IV I/4 ii V|I bVII IV I|vi V IV V|IV V iii vi|I III7 vi IV
        I IV I V|I ii IV V|IV vi I V|I IV iv I|I V ii IV|vi ii V I|I vi iii IV
        I I7 IV iv|ii IV I V|I V/4 IV/4 IV|I Is IV IVs|IV iv I VI7 ii V I I""",
    "minor": """i bVII bVI bVII|i bVI bIII bVII|i iv V i|i bVII bVI V|i iv bVII bIII
        i bVI iv V|i v iv i|i bIII bVII iv|bVI bVII i i|i i/10 bVI V|i V i bVII
        i iv i V|i bIII bVI bVII|i v bVI bVII|i bVI bVII V|iih V i i""",
    "rock": """I bVII IV I|I IV I V|I bIII IV I|I bVI bVII I|i bIII IV bVI|I IV bVII IV
        I bVII bVI bVII|i IV i IV|I I IV I V IV I V|bVI bVII I I|I bIII bVII IV""",
    "riff": """I5 bIII5 IV5 I5|I5 bVII5 IV5 IV5|I5 I5 bVI5 bVII5|I5 bII5 I5 bIII5
        I5 IV5 bIII5 bVII5|I5 V5 vi5 IV5|I5 bVI5 bIII5 bVII5|I5 IV5 V5 IV5""",
    "blues": """I7 I7 I7 I7 IV7 IV7 I7 I7 V7 IV7 I7 V7
        I7 IV7 I7 I7 IV7 IV7 I7 VI7 ii V7 I7 V7
        i i i i iv iv i i bVI7 V7 i V7|I7 I7 IV7 IV7|I7 IV7 I7 V7
        I7 I7 IV7 #ivo I7 VI7 II7 V7
        I7 IV7 I7/4 #ivo I7/7 VI7 II7 V7""",
    "jazz": """ii V7 IM IM|ii V7 IM VI7|IM vi ii V7|iii VI7 ii V7|IM #io ii V7
        iih V7 i i
        IM bIIIo ii V7|ii bII7 IM IM|IM IV7 iii VI7 ii V7 IM V7
        i iv bVII7 bIIIM bVIM iih V7 i
        iih V7 i VI7 iih V7 i i|ii V7 iM VI7|IM iv bVII7 IM|iiih VI7 iih V7
        IM VII7 III7 VI7 II7 V7 IM IM|IM II7 ii V7|IM ii iii #iio
        #ivh iv iii bIIIo ii V7 IM IM
        I I+ vi I7 IV iv I V7|IM bIII bVIM bII|i bIIIM bVIM bII7|iv bVII7 IM VI7""",
    "film": """i bVI bIII bVII|i bvi i bvi|I bVI I bVI|i iv bVI V|I #iv I #iv
        i iii i iii
        I bIII bV bVI|i bII V i|i io V i|i viio i V|I II I II|i bvii bvi V|I iv I iv
        i i i bVI bVI iv iv V|iih V7 i bVIM|i V+ bIII IV bVI iv iih V7|i im bIIIs IV
        I bIIIM bVIM iv|i iio i viio|bVIM V+ i im|I viio I I+|i bviio bVI V+""",
    "modal": """i IV i IV|I bVII I bVII|I II I II|i bII i bII|i bVII i bVII|i ii bIII ii
        I bVII IV IV|I v IV I|i IV bVII i|I ii I ii|i v i v|I II vi V|i bII bIII bII
        I I I I
        i i i i|I Is I Is|I I/0 bVII I""",
    "soul": """IM ii iii ii|ii iii IV V7|IV iii ii V7|IM IVM IM IVM|i iv i iv
        IVM iii vi V
        ii V7 ii V7|I I7 IV #ivo I/7 V7 I I|bVIM bVII7 IM IM|IVM III7 vi I7
        vi III+ I/7 II7 IV V7 IM IM|IVs V7 IM vi|I III7 vi I7 IV iv I V7
        IM bVIIM IM bVIIM
        IVM iv iii bIIIo ii V7s IM IM""",
    "old": """I V vi iii IV I IV V|i bVII bIII bVI iv iio V i|I V I IV I V I I
        i V i bVII bIII bVII i V
        i v/3 iv V|i V/4 i iv/3 V i|I IV viio iii vi ii V7 I|I V7 I V7|i iv viio i
        I IV/7 I V/4 I
        I viio/3 I/4 IV I/7 V7 I I|I IVs IV I|i iv/3 V viio i V7 i i
        I V7/5 I/4 IV I/7 V7 I""",
}

#: Next numerals of a walk, by relative frequency.
WALK = {
    "I": "IV 33 V 22 vi 9 bVII 10 ii 7 iii 4 bVI 3 bIII 3 III7 2 VI7 2 iv 2 "
    "I7 2 viio 1 I+ 1 #io 1",
    "IV": "I 42 V 24 ii 6 vi 6 bVII 5 iv 5 iii 3 #ivo 2 bIII 2 V7 5",
    "V": "I 40 IV 24 vi 14 V7 6 ii 3 #vo 2 iii 3 bVI 3 III7 2",
    "V7": "I 60 vi 15 IV 8 iii 4 bVI 4 I7 3",
    "bVII": "IV 38 I 34 bVI 9 V 8 bIII 5 vi 3",
    "vi": "IV 30 V 20 ii 16 I 12 iii 8 II7 6 bVII 2 vim 3 V/4 4",
    "ii": "V 30 V7 20 I 12 IV 12 vi 8 iii 7 bII7 3 iih 3",
    "iii": "vi 35 IV 32 ii 12 bIIIo 4 V 6 VI7 6",
    "bVI": "bVII 42 I 18 V 14 iv 8 bIII 8 bII 4",
    "bIII": "IV 30 bVII 24 bVI 18 I 14 ii 6",
    "iv": "I 45 V 25 bVII 15 iih 5 iii 4",
    "III7": "vi 60 IV 18 VI7 10",
    "VI7": "ii 60 II7 20 IV 8",
    "II7": "V 50 V7 20 IV 15 ii 8",
    "I7": "IV 70 iv 10 vi 5",
    "viio": "I 60 vi 15 III7 15",
    "I+": "IV 30 vi 40 iv 10",
    "#io": "ii 90",
    "#ivo": "V 40 I/7 40",
    "#vo": "vi 90",
    "vim": "vi 40 II7 20 ii 20",
    "bIIIo": "ii 90",
    "bII7": "I 90",
    "bII": "V 50 I 30",
    "iih": "V7 70 V 20",
    "V/4": "I 50 vi 30",
    "I/7": "V 60 V7 30",
}
WALK_MINOR = {
    "i": "bVI 18 bVII 22 iv 20 V 9 v 9 bIII 8 IV 4 iih 4 V7 4 bII 3 viio 3 im 3 I7 1",
    "iv": "i 36 V 16 bVII 16 bVI 8 V7 8 v 6 iih 3 io 1",
    "bVI": "bVII 40 i 18 iv 10 V 12 bIII 10 iih 4 bII 2",
    "bVII": "i 42 bVI 24 bIII 16 iv 10 V 3 viio 2",
    "bIII": "bVII 30 bVI 26 iv 16 i 14 iio 3 bIII+ 3",
    "V": "i 65 bVI 14 iv 8",
    "V7": "i 75 bVI 14",
    "v": "i 36 iv 22 bVI 24 bVII 10",
    "IV": "i 50 bVII 22 bIII 10",
    "iih": "V7 60 V 25 i 5",
    "iio": "V 50 i 20 V7 20",
    "bII": "i 40 V 30 viio 6",
    "viio": "i 75 V 8",
    "im": "i 50 iv 30 bIII 10",
    "I7": "iv 80",
    "io": "i 50 V 40",
    "bIII+": "bVI 40 i 40",
}

FAMILIES = {
    "triads": {
        "M": "maj 90 sus2 3 sus4 3 maj(9) 2",
        "D": "maj 82 7 9 sus4 7",
        "m": "min 97 min7 3",
        "o": "dim 60 dim7 25 hdim7 15",
    },
    "sevenths": {
        "M": "maj 45 maj7 33 maj6 5 maj9 4 sus2 4 maj(9) 3",
        "D": "7 62 maj 16 9 7 sus4(b7) 5 sus4 5 7(b9) 2",
        "m": "min7 56 min 30 min9 6 min6 3 min(9) 2",
        "o": "hdim7 50 dim7 35 dim 10",
    },
    "rich": {
        "M": "maj7 15 maj 8 maj6 11 sus2 12 sus4 8 aug 7 maj9 4 maj6(9) 2 maj(9) 2",
        "D": "7 32 sus4 10 aug 8 9 5 sus4(b7) 5 dim7 13 7(b9) 3 7(#9) 2 maj 4",
        "m": "min7 15 min 6 min6 17 minmaj7 15 hdim7 8 min9 4 sus2 4 dim 10",
        "o": "dim 40 dim7 28 hdim7 30",
    },
}
FIXED = {"5": "5", "+": "aug", "s": "sus4", "h": "hdim7", "m": "minmaj7"}


def weights(text):
    """`"a 2 b 3"` as a dict."""
    words = text.split()
    return {k: float(v) for k, v in zip(words[::2], words[1::2], strict=True)}


def loops(genre):
    """The loops of a genre, each a list of tokens."""
    return [loop.split() for loop in re.split(r"[|\n]", LOOPS[genre]) if loop.strip()]


@dataclass
class Slot:
    """A chord (None: nothing pitched) from a beat on, for some beats.

    `shift` is by how many semitones the key has moved since the beginning.
    """

    start: float
    beats: float
    chord: Chord | None
    section: int = 0
    shift: int = 0

    @property
    def end(self):
        """The beat at which it ends."""
        return self.start + self.beats


def place(slots, beat):
    """The number of the slot that sounds at a beat."""
    return max(bisect.bisect(slots, beat, key=lambda slot: slot.start) - 1, 0)


class Harmony:
    """Makes the chords of one song.

    Args:
        rng: NumPy's random generator.
        rich: Whether rare qualities are frequent.
    """

    def __init__(self, rng, rich):
        self.rng = rng
        self.tonic = int(rng.integers(12))
        self.genre = choose(
            rng,
            weights("jazz 26 film 22 soul 14 old 8 minor 6 pop 6 random 18")
            if rich
            else weights(
                "pop 24 walk 16 minor 14 walk-minor 10 rock 10 modal 7 riff 4 "
                "blues 4 old 4 soul 4 film 3"
            ),
        )
        self.level = self._level(rich)
        self.favoured = set(rng.choice(RARE, 2 + rng.integers(3), replace=False))
        self.inversion_rate = float(
            rng.choice([0, 0.1, 0.2, 0.4], p=[0.28, 0.3, 0.28, 0.14])
        )
        self.habits = {}
        self.usual = float(choose(rng, {1.9: 85, 0.8: 15}))  # seconds of a chord
        self.minor = self.genre in ("minor", "walk-minor") or (
            self.genre in ("film", "modal") and rng.random() < 0.5
        )
        self.flats = (self.tonic + 3 * self.minor) % 12 in (1, 3, 5, 8, 10)

    def _level(self, rich):
        if rich:
            return "rich" if self.rng.random() < 0.85 else "sevenths"
        usual = {"blues": 0.8, "jazz": 1, "soul": 0.8, "rock": 0.1, "riff": 0.0}
        share = usual.get(self.genre, 0.32)
        return "sevenths" if self.rng.random() < share else "triads"

    @property
    def scale(self):
        """Pitch classes of the key's scale."""
        steps = (0, 2, 3, 5, 7, 8, 10) if self.minor else (0, 2, 4, 5, 7, 9, 11)
        return {(self.tonic + s) % 12 for s in steps}

    def quality(self, numeral, suffix):
        """A quality for a numeral, the same as last time most of the time."""
        key = numeral + suffix
        if key in self.habits and self.rng.random() < (
            0.5 if self.level == "rich" else 0.75
        ):
            return self.habits[key]
        fixed = [FIXED[s] for s in suffix if s in FIXED]
        if fixed and not ("s" in suffix and "7" in suffix):
            return fixed[0]
        if "s" in suffix:
            return "sus4(b7)"
        family = "o" if "o" in suffix else "m" if numeral.islower() else "M"
        if "7" in suffix or (numeral == "V" and self.rng.random() < 0.7):
            family = "D"
        table = weights(FAMILIES[self.level][family])
        if self.level == "rich":
            table = {q: w * (3 if q in self.favoured else 1) for q, w in table.items()}
        if "7" in suffix and self.level == "triads":
            table = {"7": 4, "maj": 1}
        self.habits[key] = choose(self.rng, table)
        return self.habits[key]

    def chord(self, token):
        """The chord of a token such as `bVI`, `V/4`, `iih`."""
        accidental, numeral, suffix, bass = TOKEN.fullmatch(token).groups()
        root = NUMERALS[numeral.lower()] + {"b": -1, "#": 1, "": 0}[accidental]
        quality = self.quality(numeral, suffix)
        bass = int(bass or 0)
        if bass not in INVERSIONS.get(quality, {}):
            bass = 0
        if not bass and self.rng.random() < self.inversion_rate:
            bass = choose(self.rng, INVERSIONS.get(quality, {0: 1}))
        return Chord((self.tonic + root) % 12, quality, bass)

    def random_chords(self, count):
        """Chords of any kind, by roots that move as in jazz or at random."""
        root, found = int(self.rng.integers(12)), []
        moves = weights("5 30 7 12 2 10 10 8 1 8 11 8 3 6 4 4 8 4 9 6 6 4")
        qualities = {q: 2.2 if q in RARE else 1.0 for q in QUALITIES if q != "5"}
        for _ in range(count):
            quality = choose(self.rng, qualities)
            bass = 0
            if self.rng.random() < self.inversion_rate:
                bass = choose(self.rng, INVERSIONS.get(quality, {0: 1}))
            found.append(Chord(root, quality, bass))
            root = (root + int(choose(self.rng, moves))) % 12
        return found

    def progression(self, count):
        """Some chords in a row: a loop of the genre or a walk."""
        rng = self.rng
        if self.genre == "random":
            return self.random_chords(count)
        if (
            self.genre.startswith("walk")
            or rng.random() < 0.25
            and self.genre != "riff"
        ):
            table = WALK_MINOR if self.minor else WALK
            token = ("i" if self.minor else "I") if rng.random() < 0.6 else None
            token = token or list(table)[int(rng.integers(6))]
            tokens = []
            for _ in range(count):
                tokens.append(token)
                token = choose(rng, weights(table[token]))
        else:
            known = loops(self.genre)
            tokens = known[int(rng.integers(len(known)))]
            tokens = [tokens[i % len(tokens)] for i in range(max(count, len(tokens)))]
        chords = [self.chord(token) for token in tokens]
        if rng.random() < 0.05 and self.level != "rich" and self.genre != "riff":
            chords = [self._over_tonic(chord) for chord in chords]
        return chords

    def _over_tonic(self, chord):
        """The chord over a pedal point, where that is usual."""
        bass = (self.tonic - chord.root) % 12
        usual = bass in (2, 3, 4, 5, 7, 10) and chord.quality in ("maj", "min", "7")
        return Chord(chord.root, chord.quality, bass) if usual else chord

    def lengths(self, metre, beat_seconds):
        """How many beats a chord lasts in a section, as a choice by weights."""
        options = {metre: 4.0, 2 * metre: 1.6, 4 * metre: 0.5}
        if metre % 2 == 0:
            options[metre // 2] = 2.2
        if self.usual < 1:
            options[1] = 2.0
        return {
            beats: w
            * math.exp(-(math.log(beats * beat_seconds / self.usual) ** 2) / 0.9)
            for beats, w in options.items()
        }

    def section(self, metre, beat_seconds):
        """(beats, chord) pairs of one section."""
        rng = self.rng
        usual = choose(rng, self.lengths(metre, beat_seconds))
        if self.genre == "blues":
            usual = metre if beat_seconds * metre < 3 else max(metre // 2, 1)
        uneven = rng.random() < 0.3
        pairs = []
        for chord in self.progression(int(rng.choice([4, 4, 8, 8, 6]))):
            beats = usual
            if uneven and rng.random() < 0.35:
                beats = usual * int(rng.choice([1, 2])) if usual < 2 * metre else metre
            passing = beats * beat_seconds > 1.6 and beats >= 3 and rng.random() < 0.06
            if passing and self.genre != "riff":
                pairs.append((beats - 1, chord))
                pairs.append((1, self._passing(chord)))
            else:
                pairs.append((beats, chord))
        return pairs

    def _passing(self, chord):
        kind = int(self.rng.integers(4))
        if kind == 0:
            return Chord(
                (chord.root + 7) % 12, "7" if self.level != "triads" else "maj"
            )
        if kind == 1:
            return Chord(
                (chord.root + 1) % 12, "dim7" if self.level != "triads" else "dim"
            )
        if kind == 2:
            return Chord(
                (chord.root + 2) % 12, "min7" if self.level != "triads" else "min"
            )
        return Chord((chord.root + 5) % 12, "maj")

    def song(self, beats, metre, beat_seconds):
        """Slots that fill some beats, section after section.

        Args:
            beats: How many beats to fill.
            metre: Beats of a bar.
            beat_seconds: Length of a beat in seconds.
        """
        rng = self.rng
        parts = [self.section(metre, beat_seconds) for _ in range(3)]
        form = str(rng.choice(["AABA", "ABAB", "AABC", "AAAA", "ABAC", "AAB"]))
        change = rng.random() < 0.14
        slots, at, shift, number = [], 0.0, 0, 0
        while at < beats:
            for letter in form:
                for length, chord in parts["ABC".index(letter)]:
                    slots.append(Slot(at, length, chord.moved(shift), number, shift))
                    at += length
                number += 1
                if change and rng.random() < 0.3:
                    shift += int(rng.choice([1, 2, 3, 5, -3, -2]))
        return _merged(slots, beats)


def _merged(slots, beats):
    """Equal neighbours become one chord of at most 16 beats; the end is cut."""
    found = []
    for slot in slots:
        last = found[-1] if found else None
        if last and last.chord == slot.chord and last.beats + slot.beats <= 16:
            last.beats += slot.beats
        else:
            found.append(slot)
    kept = [s for s in found if s.start < beats]
    kept[-1].beats = max(1.0, np.ceil(beats - kept[-1].start))
    return kept
