"""Accompaniments of the style grooves that MMA (Musical MIDI Accompaniment) brings."""

import functools
import os
import re
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path

from .accompaniment import Note
from .harmony import place

LIBRARY = Path("/usr/share/mma/lib")
#: Styles whose names hold one of these are reserved for test material.
RESERVED = (
    *("68", "afro", "bluegrass", "blues", "bolero", "bossa", "calypso", "cntry"),
    *("country", "folk", "foxtrot", "hymn", "latin", "lullaby", "polka", "pop"),
    *("reggae", "salsa", "samba", "shuffle", "soul", "spiritual", "swing", "tango"),
    "techno",
)
NOT_A_SONG = re.compile("intro|end|fill|break|stop|rall", re.IGNORECASE)
TICKS = 192  # of a beat
EARLY = 1 / 6  # beats by which a player may be before a chord
#: What MMA calls our qualities.
SUFFIXES = {
    **{"maj": "", "min": "m", "dim": "dim3", "maj7": "M7", "min7": "m7"},
    **{"minmaj7": "mM7", "hdim7": "m7b5", "maj6": "6", "min6": "m6"},
    **{"sus4(b7)": "7sus4", "maj(9)": "add9", "min(9)": "m(add9)", "maj9": "M9"},
    **{"min9": "m9", "maj6(9)": "69", "7(b9)": "7b9", "7(#9)": "7#9"},
}
NAMES = "C Db D Eb E F Gb G Ab A Bb B".split()
#: Shares of the time of a part that must be tones of the chord.
SHARES = {"comp": 0.92, "bass": 0.7}
THIN = 0.4  # of the time of a chord


@functools.cache
def installed():
    """{metre: references} of grooves that may be trained on."""
    found = defaultdict(list)
    for path in sorted(LIBRARY.glob("*/*.mma")):
        stem = path.stem.lower().replace("-", "").replace("_", "")
        text = path.read_text(errors="replace")
        metre = re.search(r"^\s*Time\s+(\d)", text, re.MULTILINE | re.IGNORECASE)
        if any(word in stem for word in RESERVED):
            continue
        for name in re.findall(r"(?im)^\s*DefGroove\s+(\S+)", text):
            if not NOT_A_SONG.search(name):
                reference = f"{path.parent.name}/{path.stem}:{name}"
                found[int(metre[1]) if metre else 4].append(reference)
    return dict(found)


def accompany(rng, slots, groove, metre):
    """Let MMA play some slots.

    Args:
        rng: NumPy's random generator.
        slots: The `harmony.Slot`s, in whole beats.
        groove: A reference of `installed()`.
        metre: Beats of a bar.

    Returns:
        (role, program, notes) of each part that plays the chords: `comp`, `bass` or
        `drums`. None if there is none but drums.
    """
    import mido

    with tempfile.TemporaryDirectory() as name:
        chart, midi = Path(name) / "song.mma", Path(name) / "song.mid"
        head = [f"RndSeed {rng.integers(1, 2**31)}", "Tempo 120", f"Groove {groove}"]
        chart.write_text("\n".join([*head, *_bars(slots, metre)]) + "\n")
        subprocess.run(
            ["mma", "-w", "-f", midi, chart],
            cwd=name,
            env={**os.environ, "PYTHONHASHSEED": "0"},
            capture_output=True,
            timeout=60,
        )
        if not midi.exists():  # not every groove of the library can be played
            return None
        tracks = mido.MidiFile(midi).tracks
    found = []
    for track in tracks:
        role, program, notes = _read(track)
        notes = _fitted(notes, slots)
        if role == "bass":
            _begin_with_the_bass(notes, slots)
        if role == "drums":
            found += [(role, 0, notes)] if notes else []
        elif notes and _share(notes, slots) >= SHARES[role]:
            found.append((role, program, notes))
    return found if any(role == "comp" for role, *_ in found) else None


def thin(parts, slots):
    """Share of the chords that a band does not play in full, or only for a moment.

    Args:
        parts: What `accompany` gave.
        slots: As there.
    """
    tones, spans = defaultdict(set), defaultdict(list)
    for role, _, notes in parts:
        for note in notes if role != "drums" else ():
            place = _slot_at(note.start, slots)
            tones[place].add(note.pitch % 12)
            if role == "comp":
                spans[place].append((note.start, note.end))
    chords = [i for i, slot in enumerate(slots) if slot.chord]
    weak = [
        i
        for i in chords
        if set(slots[i].chord.tones[:4]) - tones[i]
        or _covered(spans[i]) < THIN * slots[i].beats
    ]
    return len(weak) / max(len(chords), 1)


def _covered(spans):
    """Beats in which one of some spans lies."""
    total, reached = 0.0, 0.0
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def _bars(slots, metre):
    """The chart, a line for each bar; where there is no chord the next one stands."""
    chord, chords = None, []
    for slot in reversed(slots):
        chord = slot.chord or chord
        chords = [chord] * int(slot.beats) + chords
    chords = [chord or chords[0] for chord in chords]
    while len(chords) % metre:
        chords.append(chords[-1])
    for first in range(0, len(chords), metre):
        bar = chords[first : first + metre]
        yield " ".join(
            "/" if i and bar[i - 1] == chord else _name(chord)
            for i, chord in enumerate(bar)
        )


def _name(chord):
    return NAMES[chord.root] + SUFFIXES.get(chord.quality, chord.quality)


def _read(track):
    """(role, program, notes) of a track."""
    tick, held, program, notes, channels = 0, defaultdict(list), 0, [], set()
    for message in track:
        tick += message.time
        if message.type == "program_change":
            program = message.program
        elif message.type == "note_on" and message.velocity:
            channels.add(message.channel)
            held[message.note].append((tick, message.velocity))
        elif message.type in ("note_on", "note_off") and held[message.note]:
            start, velocity = held[message.note].pop(0)
            end = max(tick, start + 6)
            notes.append(Note(start / TICKS, end / TICKS, message.note, velocity / 127))
    bass = track.name.upper().startswith(("BASS", "WALK"))
    return "drums" if 9 in channels else "bass" if bass else "comp", program, notes


def _slot_at(beat, slots):
    """The number of the slot that a note belongs to, which may come early."""
    return place(slots, beat + EARLY)


def _fitted(notes, slots):
    """Notes within their chords: what comes early begins with it, none rings on."""
    found = []
    for note in notes:
        slot = slots[_slot_at(note.start, slots)]
        start, end = max(note.start, slot.start), min(note.end, slot.end)
        if end - start > 0.02:
            found.append(Note(start, end, note.pitch, note.velocity))
    return found


def _begin_with_the_bass(notes, slots):
    """The first note of a chord, and in inverted ones each root, becomes its bass."""
    last = None
    for note in sorted(notes, key=lambda note: note.start):
        place = _slot_at(note.start, slots)
        chord = slots[place].chord
        if chord is None:
            continue
        if place != last or (chord.bass and note.pitch % 12 == chord.root):
            note.pitch += (chord.bass_tone - note.pitch + 6) % 12 - 6
        last = place


def _share(notes, slots):
    inside = total = 0.0
    for note in notes:
        chord = slots[_slot_at(note.start, slots)].chord
        if chord:
            total += note.end - note.start
            inside += (note.end - note.start) * (note.pitch % 12 in chord.tones)
    return inside / total if total else 0.0
