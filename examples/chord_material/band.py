"""Who plays a song, on which instruments, and what."""

import numpy as np

from . import drums, grooves, guitars, kits, sfz, synth, waves
from .accompaniment import BASSES, Bass, Comping, Note, Voicer, random_comping
from .arranging import Part
from .chords import QUALITIES, Chord, choose
from .harmony import Slot, weights
from .melodies import Melody, riff

#: General MIDI programs by role, with weights.
PROGRAMS = {
    "comp": "0 8 1 5 2 3 3 2 4 5 5 4 6 2 7 2 11 2 12 1 16 3 17 2 18 3 19 1 21 2 24 3 "
    "26 2 27 3 28 1 29 1 44 1 45 2 46 2 48 3 50 1 52 1 61 2 62 2 63 1 80 1 81 2 "
    "84 1 88 1 90 2 104 1 105 1 106 1 107 1 108 1 8 1 15 1 22 1 64 1 65 1",
    "guitar": "24 5 25 8 26 4 27 7 28 1 29 3 30 2 104 1 105 1",
    "pad": "48 6 49 5 50 4 51 3 52 3 53 2 54 2 88 2 89 5 90 3 91 2 92 2 93 1 94 2 95 2 "
    "16 2 17 1 18 2 19 2 21 1 23 1 61 1 44 1",
    "arp": "0 4 4 2 5 3 6 2 10 2 11 2 12 2 24 5 25 5 26 2 27 3 45 3 "
    "46 4 81 2 80 2 88 1 "
    "90 1 104 1 105 2 106 1 107 1 108 2 8 1 9 1 13 1 114 1",
    "solo": "0 9 1 4 4 3 5 2 6 2 24 5 26 2 46 3 19 2 16 1 21 2 11 2 48 2 52 1 22 1",
    "riff": "29 5 30 8 27 1 28 1 81 1 84 1 62 1",
    "bass": "32 4 33 9 34 5 35 3 36 2 37 1 38 4 39 4 43 2 58 1 0 1 87 1 19 1",
    "lead": "40 3 41 1 42 2 56 3 57 2 59 2 60 2 64 2 65 3 66 3 67 1 "
    "68 2 69 1 70 1 71 3 "
    "72 1 73 4 74 2 75 2 76 1 77 1 78 1 79 1 80 3 81 4 82 1 84 1 85 1 22 2 21 1 11 2 "
    "0 4 4 2 26 2 27 3 29 3 30 2 24 2 105 1 110 1 111 1 52 1 9 1",
    "drums": "0 8 8 2 16 3 24 2 25 2 32 2 40 2 48 1",
}
#: Instruments that are heard together; other roles take what `PROGRAMS` has.
ENSEMBLES = {
    "rock": {
        "comp": "29 4 30 5 27 4 26 1 18 1 16 1 0 1",
        "arp": "27 4 29 3 30 1 4 1",
        "bass": "33 4 34 5",
        "lead": "29 4 30 5 27 2 81 1",
    },
    "acoustic": {
        "comp": "25 6 24 4 0 3 21 1",
        "pad": "48 2 21 1 42 1 49 1",
        "arp": "25 4 24 4 46 1 105 1 12 1",
        "bass": "32 4 33 2",
        "lead": "22 2 110 2 73 1 40 2 78 1 24 1 25 1",
    },
    "jazz": {
        "comp": "0 5 26 4 4 2 16 1 11 1 1 1",
        "pad": "11 1 48 1 16 1",
        "arp": "0 2 11 2 26 2",
        "bass": "32 9 35 1",
        "lead": "66 4 65 3 56 3 59 2 71 2 73 1 11 1 64 1 57 1",
    },
    "orchestra": {
        "comp": "48 5 45 2 49 2 61 1 60 2 46 1 0 1 6 1",
        "pad": "48 4 49 3 60 2 52 2 44 1 57 1",
        "arp": "45 3 46 4 0 2 71 1 68 1 40 1 73 1 6 1",
        "bass": "43 5 42 2 58 2 70 2",
        "lead": "40 4 68 3 71 3 73 4 60 2 56 2 42 2 69 1 70 1",
    },
    "soul": {
        "comp": "4 4 5 3 27 4 16 3 18 3 7 2 61 2 1 1",
        "pad": "16 2 18 2 48 2 50 1 53 1",
        "bass": "33 5 36 2 38 2",
        "lead": "65 2 66 3 56 2 61 2 4 1 81 1",
    },
    "winds": {
        "comp": "61 4 60 2 66 2 71 2 21 2 19 1 20 1",
        "pad": "60 2 61 2 68 1 71 2 19 2",
        "arp": "71 2 73 2 68 1 11 1",
        "bass": "58 4 70 2 67 2",
        "lead": "56 3 71 2 73 2 64 1 72 1",
    },
}
#: Which ensembles a genre likes; the others are drawn from all.
CUSTOMS = {"jazz": "jazz", "rock": "rock", "blues": "rock jazz", "soul": "soul"}
CUSTOMS |= {
    "old": "orchestra winds acoustic",
    "film": "orchestra",
    "pop": "acoustic rock",
}
LEVELS = {"comp": -20, "arp": -21, "pad": -25, "bass": -20, "lead": -20, "drums": -19}
PEDALLED = (*range(6), 8, 9, 10, 11, 46)  # instruments that ring on
SWELLING = (*range(40, 45), *range(48, 55), *range(56, 76), *range(88, 96))


class Band:
    """Draws instruments and lets them play the slots of a song.

    Args:
        rng: NumPy's random generator.
        song: The `arranging.Song`.
        fonts: {name: weight} of soundfonts.
    """

    def __init__(self, rng, song, fonts):
        self.rng, self.song, self.beat = rng, song, 60 / song.tempo
        self.main_font, self.fonts = choose(rng, fonts), fonts
        self.electronic = rng.random() < 0.12
        self.sfz_share = 0.2 if song.style == "studies" else 0.07
        self.ensemble = self._ensemble()
        self.riffs = song.harmony.genre == "riff"
        self.solo = not self.riffs and rng.random() < 0.13
        self.has_bass = not self.solo and rng.random() < 0.9
        self.has_drums = not self.solo and rng.random() < 0.74
        self.has_lead = rng.random() < (0.25 if self.solo else 0.62)
        self.sings = rng.random() < (0.36 if self.has_lead else 0.0)
        self.sections = {s.section for s in song.slots}

    def _ensemble(self):
        """{role: programs} of players who belong together; {}: anything goes."""
        if self.rng.random() < 0.45:
            return {}
        usual = CUSTOMS.get(self.song.harmony.genre, " ".join(ENSEMBLES)).split()
        names = usual if self.rng.random() < 0.7 else list(ENSEMBLES)
        return ENSEMBLES[str(self.rng.choice(names))]

    def parts(self):
        """All parts of the song."""
        rng = self.rng
        if self.song.style == "studies":
            return [self._study()]
        if self.song.style == "grooves":
            return self._groove()
        if self.riffs:
            found = [self._power() for _ in range(int(rng.integers(1, 3)))]
        elif self.solo:
            found = [self._chords("solo", low=True)]
        else:
            found = self._chord_parts()
        if self.has_bass:
            found.append(self._bass())
        if self.has_lead:
            found.append(self._lead())
        if not self.solo and rng.random() < 0.05:
            found.append(self._choir())
        if self.song.harmony.genre in ("rock", "minor", "pop") and rng.random() < 0.12:
            found.append(self._power())
        if self.has_drums or "drums" in self.song.breaks.values():
            found.append(self._drums())
        if rng.random() < 0.12:
            found.append(self._double(found[0]))
        return found

    def _instrument(self, role, table):
        """(font, program) for a role."""
        rng = self.rng
        if role in waves.BY_ROLE and rng.random() < (0.6 if self.electronic else 0.08):
            return "waves", str(rng.choice(waves.BY_ROLE[role]))
        if role in sfz.installed() and rng.random() < self.sfz_share:
            return "sfz", str(rng.choice(sfz.installed()[role]))
        font = self.main_font if rng.random() < 0.55 else choose(rng, self.fonts)
        programs = PROGRAMS[table or role]
        if table in (None, role):
            programs = self.ensemble.get(role, programs)
        program = int(choose(rng, weights(programs)))
        return font, synth.WITH_FIFTHS.get((font, program), program)

    def _part(self, role, notes, table=None, instrument=None):
        rng, spread = self.rng, {"lead": 5, "bass": 4}.get(role, 3.5)
        level = LEVELS.get(role, -20) + float(rng.normal(0, 2.8))
        font, program = instrument or self._instrument(role, table)
        cents = float(rng.normal(0, spread) if rng.random() < 0.4 else 0)
        part = Part(role, notes, program, font, 0, cents, level)
        part.pedal = program in PEDALLED and rng.random() < 0.35
        part.swells = program in SWELLING and rng.random() < 0.4
        return part

    def _slots(self, role):
        """Slots with chords in which a part plays; sections may do without it."""
        out = set()
        if role in ("pad", "arp", "lead") and self.rng.random() < 0.5:
            out = {b for b in self.sections if self.rng.random() < 0.35}
            out = out if len(out) < len(self.sections) else set()
        return [s for s in self.song.slots if s.chord and s.section not in out]

    def _chord_parts(self):
        rng = self.rng
        found = [self._chords("comp", low=not self.has_bass)]
        if (found[0].late and not self.has_bass) or rng.random() < 0.42:
            found.append(self._chords("pad", low=False))
        if rng.random() < 0.4:
            found.append(self._chords("arp", low=False))
        known = [s for s in self.song.slots if s.chord and guitars.playable(s.chord)]
        enough = guitars.strums() and len(known) > 0.6 * len(self.song.slots)
        if enough and rng.random() < 0.13:
            found.append(self._strums(known))
        return found

    def _voicer(self, role, low):
        """(voicer, table of programs): on a guitar's strings or on keys."""
        rng = self.rng
        if role in ("comp", "solo") and rng.random() < 0.4:
            capo = int(rng.choice([0, 0, 0, -1, -2, 2, 3, 5]))
            return guitars.Fretboard(rng, capo), "guitar"
        centre = int(rng.integers(54, 67)) + (3 if role == "pad" else 0)
        if role == "arp" and rng.random() < 0.5:
            centre += 9
        layout = choose(
            rng, {"close": 5, "drop": 2, "open": 2, "spread": 2, "full": 1.5}
        )
        return Voicer(rng, centre, layout, low, rng.random() < 0.3), role

    def _chords(self, role, low):
        """A part that plays chords, one way or, in other sections, another."""
        rng, song = self.rng, self.song
        voicer, table = self._voicer(role, low)
        plain = role == "pad" or (role == "comp" and rng.random() < 0.12)
        ways = []
        for _ in range(2):
            comp = random_comping(rng, song.metre, self.beat, voicer, plain, low)
            if role in ("arp", "solo") and rng.random() < 0.75:
                kinds = ["eighths", "triplets", "eighths", "sixteenths", "beats"]
                kind = str(rng.choice(kinds))
                comp = Comping(rng, song.metre, voicer, kind, "arpeggio", self.beat)
            if table == "guitar" and comp.gesture == "block":
                comp.gesture = "strum"
            ways.append(comp)
        varied = rng.random() < 0.4
        notes = []
        for slot in self._slots(role):
            notes += ways[slot.section % 2 if varied else 0].play(slot)
        bottom = 43 if self.has_bass else 0 if low else 55
        for note in notes:
            note.pitch += 12 if note.pitch < bottom else 0
        part = self._part("comp" if role == "solo" else role, notes, table)
        part.late = any(c.kind in ("offbeats", "backbeats") for c in ways)
        return part

    def _study(self):
        """One instrument of any kind that holds each chord."""
        rng = self.rng
        table = str(rng.choice(["comp", "guitar", "pad", "solo"]))
        voicer, _ = self._voicer("comp" if table == "guitar" else table, low=True)
        gesture = choose(rng, {"block": 4, "roll": 1})
        comp = Comping(rng, self.song.metre, voicer, "hold", gesture, self.beat)
        notes = [note for slot in self._slots("comp") for note in comp.play(slot)]
        return self._part("comp", notes, table)

    def _groove(self):
        """What MMA plays, with the chord's bass, perhaps a melody and other drums."""
        rng, song = self.rng, self.song
        for groove in rng.permutation(grooves.installed()[song.metre]):
            played = grooves.accompany(rng, song.slots, str(groove), song.metre)
            if played:
                break
        else:
            raise RuntimeError("MMA can play none of its grooves.")
        song.groove = str(groove)
        found = [
            self._played(role, program, notes)
            for role, program, notes in played
            if role != "drums"
        ]
        if not any(part.role == "bass" for part in found) and rng.random() < 0.8:
            found.append(self._bass())
        if grooves.thin(played, song.slots) > 0.1 or rng.random() < 0.1:
            found.append(self._chords("pad", low=False))
        if rng.random() < 0.5:
            found.append(self._lead())
        beaten = [notes for role, _, notes in played if role == "drums"]
        if self.has_drums and beaten and rng.random() < 0.7:
            notes = [note for notes in beaten for note in notes]
            found.append(self._part("drums", self._audible(notes)))
            found[-1].bank = 128
        elif self.has_drums or "drums" in song.breaks.values():
            found.append(self._drums())
        return found

    def _played(self, role, program, notes):
        """A part of MMA's, by its own instrument or another."""
        kept = [note for note in notes if self.song.slot_at(note.start).chord]
        instrument = None
        if self.rng.random() < 0.6:
            font = self.main_font
            instrument = font, synth.WITH_FIFTHS.get((font, program), program)
        return self._part(role, kept, instrument=instrument)

    def _audible(self, notes):
        """Notes of drums where nothing forbids them."""
        kept = []
        for note in notes:
            slot = self.song.slot_at(note.start)
            if slot.chord or self.song.breaks.get(slot.start) == "drums":
                kept.append(note)
        return kept

    def _strums(self, slots):
        """The recorded guitar, strummed in eighths or so."""
        comp = random_comping(
            self.rng, self.song.metre, self.beat, Voicer(self.rng, 60)
        )
        if comp.kind in ("hold", "two-bars") or comp.gesture == "arpeggio":
            comp.kind = "syncopated"
        notes = []
        for slot in slots:
            onsets = comp.onsets(slot)
            for start, end in zip(onsets, [*onsets[1:], slot.end], strict=True):
                way = "down" if start % 1 < 0.01 or self.rng.random() < 0.2 else "up"
                velocity = float(self.rng.uniform(0.5, 1))
                notes.append(Note(start, end, (slot.chord, way), velocity))
        return self._part("comp", notes, instrument=("strums", "guitar"))

    def _double(self, part):
        """Another instrument with the same notes, now and then an octave higher."""
        if part.font == "strums":
            return self._chords("pad", low=False)
        up = 12 * int(self.rng.random() < 0.3)
        notes = [Note(**{**vars(n), "pitch": n.pitch + up}) for n in part.notes]
        found = self._part("comp", notes)
        found.level -= 5
        return found

    def _power(self):
        rng, song = self.rng, self.song
        voicer = Voicer(rng, int(rng.integers(46, 56)), "close", True, True)
        kinds = ["eighths", "syncopated", "gallop", "beats", "sixteenths", "hold"]
        kind = str(rng.choice(kinds))
        comp = Comping(rng, song.metre, voicer, kind, "block", self.beat)
        notes = []
        for slot in self._slots("comp"):  # what is labelled otherwise has its fifths
            chord = slot.chord
            if not {7, 0} - set(QUALITIES[chord.quality]) and not chord.bass:
                fifths = Chord(chord.root, "5")
                notes += comp.play(Slot(slot.start, slot.beats, fifths, slot.section))
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
        notes = [
            n for s, f in zip(slots, following, strict=True) for n in bass.play(s, f)
        ]
        return self._part("bass", notes)

    def _lead(self):
        rng, song = self.rng, self.song
        slots = self._slots("lead")
        if self.sings:
            low = int(rng.choice([43, 48, 53, 57]))
            line = Melody(rng, song.metre, song.harmony.scale, low, low + 17, True)
            return self._part("lead", line.play(slots), instrument=("voice", "vowels"))
        if rng.random() < 0.22:
            low = int(rng.integers(55, 75))
            return self._part("lead", riff(rng, slots, song.metre, low), "arp")
        low = int(rng.integers(57, 70))
        line = Melody(rng, song.metre, song.harmony.scale, low, low + 20)
        return self._part("lead", line.play(slots))

    def _choir(self):
        """Three voices that hold the chords."""
        rng = self.rng
        voicer = Voicer(rng, int(rng.integers(55, 66)), "close", False)
        notes = []
        for slot in self._slots("pad"):
            for pitch in voicer.pitches(slot.chord)[-3:]:
                notes.append(
                    Note(slot.start, slot.end, pitch, float(rng.uniform(0.6, 0.9)))
                )
        return self._part("pad", notes, instrument=("voice", "choir"))

    def _drums(self):
        rng, song = self.rng, self.song
        style = str(rng.choice(drums.STYLES))
        if song.harmony.genre == "jazz" and rng.random() < 0.6:
            style = str(rng.choice(["swing", "brushes", "latin"]))
        spans, late = [], rng.random() < 0.25
        for slot in song.slots:
            quiet = slot.chord is None and song.breaks.get(slot.start) != "drums"
            alone = slot.chord is not None and not self.has_drums
            if not (quiet or alone or (late and slot.section == 0 and slot.chord)):
                spans.append((slot.start, slot.end))
        spans = joined(spans)
        if song.metre == 4 and kits.loops() and rng.random() < 0.1:
            notes = [Note(start, end, 0, 0.8) for start, end in spans]
            loop = str(rng.choice(kits.loops()))
            return self._part("drums", notes, instrument=("loop", loop))
        pattern, notes = rng.integers(2**31), []
        for start, end in spans:
            again = np.random.default_rng(pattern)  # the same beat after a break
            notes += drums.play(again, style, song.metre, start, end)
        instrument = None
        if kits.kits() and rng.random() < 0.4:
            instrument = ("kit", str(rng.choice(kits.kits())))
        part = self._part("drums", notes, instrument=instrument)
        part.bank = 128
        return part


def joined(spans):
    """Touching spans as one."""
    found = []
    for start, end in spans:
        if found and abs(found[-1][1] - start) < 1e-6:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found
