"""Chords that one can listen to: a Standard MIDI File.

The format is written here, not by a library: a file with one track of block chords
takes fewer lines than using one, and so this needs no extra.
"""

import struct

from keras_musictag.checks import check_positive
from keras_musictag.chords import naming
from keras_musictag.chords.harte import parse, root_name
from keras_musictag.errors import ConfigError

TICKS_PER_BEAT = 960
LOWEST_BASS = 36  # C2
LOWEST_CHORD = 55  # G3
# Yamaha's events: XF version 2 with style messages, and the start of a chord's name.
XF_VERSION = b"\x43\x7b\x00XF02\x00\x02"
XF_CHORD = b"\x43\x7b\x01"
XF_ACCIDENTALS = {"b": 0x20, "": 0x30, "#": 0x40}
XF_CANCEL, XF_NONE = 0x22, 0x7F


def to_midi(
    sequence, *, tempo: float = 120.0, program: int = 0, velocity: int = 80
) -> bytes:
    """Return a MIDI file that plays the chords of a sequence.

    The bass sounds between C2 and B2, all tones of the chord in close position between
    G3 and F#4, so that neighbours need small moves only. `N` and `X` are silent. A
    marker at the start of each chord holds its label, and an XF event its name for
    keyboards that play along. XF knows 34 types of chords; others have the nearest.

    Args:
        sequence: The `ChordSequence`.
        tempo: Beats per minute that a notation program shows, from 4 to 960. Times in
            seconds do not depend on it; they are rounded to a 960th of a beat, which
            is 0.5 ms at 120.
        program: Sound, General MIDI's 0 (piano) to 127.
        velocity: Loudness, 1 to 127.

    Returns:
        The bytes of a Standard MIDI File of format 0.

    Raises:
        ConfigError: If an argument is out of range.

    References:
        - Yamaha, "XF Format Specifications", version 2.01, 1999.

    Example:

    ```python
    from keras_musictag.chords import ChordSequence

    song = ChordSequence([[0, 2], [2, 4]], ["C:maj", "G:7/3"])
    song.to_midi("song.mid", tempo=100)
    ```
    """
    tempo = check_positive(tempo, name="tempo")
    for name, value, low, high in (
        ("tempo", tempo, 4, 960),
        ("program", program, 0, 127),
        ("velocity", velocity, 1, 127),
    ):
        if not low <= value <= high or (name != "tempo" and value != int(value)):
            raise ConfigError(
                f"`{name}` is out of range.",
                received=f"{name}={value!r}",
                advice=f"Choose from {low} to {high}.",
            )
    # The file holds whole microseconds per beat: ticks are counted with that.
    beat = round(60e6 / tempo)
    second = TICKS_PER_BEAT * 1e6 / beat
    events = [
        (0, -1, meta_event(0x7F, XF_VERSION)),
        (0, 0, meta_event(0x51, beat.to_bytes(3, "big"))),
        (0, 0, _program(program)),
    ]
    for start, end, label, _ in sequence:
        on, off = round(start * second), round(end * second)
        events.append((on, 1, meta_event(0x06, label.encode())))
        for note in chord_notes(label) if off > on else ():
            events.append((on, 2, bytes((0x90, note, int(velocity)))))
            events.append((off, 0, bytes((0x80, note, 0))))
    # Without gaps: a keyboard plays a chord until the next one.
    for start, _, label, _ in sequence.filled() if len(sequence) else ():
        event = meta_event(0x7F, XF_CHORD + xf_chord(label))
        events.append((round(start * second), 1, event))
    events.append((round(sequence.duration * second), 3, meta_event(0x2F, b"")))
    return midi_file(sorted(events))


def chord_notes(label: str) -> list[int]:
    """Return the MIDI notes of a chord, rising; none for `N` and `X`.

    Args:
        label: A chord in Harte's notation.

    Returns:
        The bass note and, above it, one note for each pitch class of the chord.
    """
    chord = parse(label)
    bass = chord.bass_pitch_class
    if bass is None:
        return []
    pitches = [pitch for pitch, sounds in enumerate(chord.pitch_classes) if sounds]
    upper = [LOWEST_CHORD + (pitch - LOWEST_CHORD) % 12 for pitch in pitches]
    return [LOWEST_BASS + bass, *sorted(upper)]


def xf_chord(label: str) -> bytes:
    """Return a chord in four bytes of Yamaha's XF: root, type, bass, type of the bass.

    Args:
        label: A chord in Harte's notation.

    Returns:
        The bytes; no chord and an unknown one end the chord before.
    """
    chord = parse(label)
    if chord.root is None:
        return bytes((_xf_note(0, False), XF_CANCEL, XF_NONE, XF_NONE))
    kind = list(naming.XF_TYPES).index(naming.nearest(chord, "xf"))
    flats, bass = label[1:2] == "b", chord.bass_pitch_class
    on_bass = XF_NONE if bass == chord.root else _xf_note(bass, flats)
    return bytes((_xf_note(chord.root, flats), kind, on_bass, XF_NONE))


def _xf_note(pitch, flats):
    name = root_name(pitch, flats)
    return "CDEFGAB".index(name[0]) + 1 + XF_ACCIDENTALS[name[1:]]


def _program(program):
    return bytes((0xC0, int(program)))


def meta_event(kind: int, data: bytes) -> bytes:
    """Return an event that says something and sounds nothing."""
    return bytes((0xFF, kind)) + _variable(len(data)) + data


def _variable(number):
    """Seven bits per byte, highest first; all bytes but the last have the top bit."""
    out = [number & 0x7F]
    while number := number >> 7:
        out.append(0x80 | number & 0x7F)
    return bytes(reversed(out))


def midi_file(events: list[tuple[int, int, bytes]]) -> bytes:
    """Return a Standard MIDI File of format 0, `TICKS_PER_BEAT` ticks to the quarter.

    Args:
        events: Time in ticks, order among events of the same time, and bytes; sorted.
    """
    track, now = b"", 0
    for time, _, data in events:
        track += _variable(time - now) + data
        now = time
    header = struct.pack(">4sIHHH", b"MThd", 6, 0, 1, TICKS_PER_BEAT)
    return header + struct.pack(">4sI", b"MTrk", len(track)) + track
