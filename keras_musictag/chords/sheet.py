"""Chord sheets: text that musicians read, in the ChordPro format."""

from keras_musictag.checks import check_positive_int
from keras_musictag.chords import harte, keys, naming


def to_chordpro(
    sequence,
    *,
    title: str = "",
    artist: str = "",
    key: str | None = None,
    tempo: float | None = None,
    chords_per_line: int = 4,
) -> str:
    """Return a chord sheet in the ChordPro format, with the time of each line.

    Chords are written as musicians do, `Bbm7` for `A#:min7`, and only with names that
    ChordPro knows, so that it can transpose them: a bass is one of the 12 usual notes
    (`C#/F`), and what has no name gets the nearest (`C5` for `C:1`, `C` for
    `C:maj(b9)`). Equal neighbours are one chord.

    Args:
        sequence: The `ChordSequence`.
        title: Of the song.
        artist: Of the song.
        key: Decides between sharps and flats; `None` for the key of the chords.
        tempo: In beats per minute, if known.
        chords_per_line: How many chords stand in a line.

    Returns:
        The text; each line begins with the minute and second of its first chord.

    References:
        - "ChordPro Implementation: Chords", https://chordpro.org/chordpro/chordpro-chords
    """
    per_line = check_positive_int(chords_per_line, name="chords_per_line")
    estimated = None if key is not None else sequence.key()
    key = estimated.label if estimated else key
    lines = chordpro_head(title, artist, key, tempo, sequence.duration)
    segments = list(sequence.merged())
    for i in range(0, len(segments), per_line):
        row = segments[i : i + per_line]
        # [*text] is an annotation: ChordPro prints it and never transposes it.
        if i % (4 * per_line) == 0:
            lines.append("")
        chords = [f"[{chordpro_name(segment.label, key)}]" for segment in row]
        lines.append(" ".join([f"[*{clock(row[0].start)}]", *chords]))
    return "\n".join(lines) + "\n"


def chordpro_head(
    title: str,
    artist: str,
    key: str | None,
    tempo: float | None,
    duration: float,
    time: str = "",
) -> list[str]:
    """Return the directives that say what is known about a song, one per line.

    Args:
        title: Of the song; empty if unknown, as `artist`.
        artist: Of the song.
        key: As in `keys.spell`.
        tempo: In beats per minute.
        duration: In seconds.
        time: The time signature, such as `"4/4"`.
    """
    head = {"title": title, "artist": artist}
    if key is not None:
        tonic, mode = keys.parse_key(key)
        tonic = _note(harte.note_pitch_class(tonic), key)
        head["key"] = tonic + ("m" if mode == "min" else "")
    head["time"] = time
    head["tempo"] = "" if tempo is None else f"{tempo:.0f}"
    head["duration"] = clock(duration)
    return [f"{{{name}: {value}}}" for name, value in head.items() if value]


def chordpro_name(label: str, key: str | None) -> str:
    """Write a chord with a name that ChordPro knows, or as a text if it knows none."""
    chord = harte.parse(label)
    if chord.root is None:
        # What ChordPro cannot know is a text, like the times.
        return "N.C." if chord.quality == harte.NO_CHORD else "*?"
    name = _note(chord.root, key) + naming.nearest(chord, "chordpro")
    if chord.bass_pitch_class != chord.root:
        name += "/" + _note(chord.bass_pitch_class, key)
    return name


def clock(seconds: float) -> str:
    """Write a time as minutes and seconds: `1:05`."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _note(pitch, key):
    return harte.root_name(pitch, keys.uses_flats(key))
