"""Keys: their names, and the spelling of chords that follows from them."""

import re

from keras_musictag.chords.harte import (
    ACCIDENTAL,
    ROOT,
    note_pitch_class,
    parse,
    root_name,
)
from keras_musictag.chords.parsing import malformed, read_text
from keras_musictag.errors import LabelError

_FLAT_MAJOR = ("F", "Bb", "Eb", "Ab", "Db", "Gb", "Cb")
_FLAT_MINOR = ("D", "G", "C", "F", "Bb", "Eb", "Ab")
NOTATIONS = ("musical", "camelot", "openkey")
_KEY = re.compile(
    rf"([A-G]{ACCIDENTAL})[ :]?(major|maj|minor|min|m|)\Z"
    r"|(1[0-2]|[1-9])([ABab]|[dm])\Z"
)


def spell(label: str, key: str | None) -> str:
    """Write a chord label with the accidentals of a key.

    Args:
        label: A label in Harte's notation.
        key: The key, as `"Bb:maj"`, `"G minor"`, `"F#m"`, Camelot's `"8A"` or Open
            Key's `"1m"`; `None` for no key.

    Returns:
        The label with flats if the key signature has flats, otherwise with sharps.

    Raises:
        LabelError: If the label or the key is malformed.

    Example:

    ```python
    from keras_musictag.chords import spell

    print(spell("A#:min7", "F:min"))  # Bb:min7
    ```
    """
    return parse(label).label(flats=uses_flats(key))


def pretty(label: str, key: str | None = None) -> str:
    """Write a chord label as a chord sheet does.

    Args:
        label: A label in Harte's notation.
        key: Decides between sharps and flats, as in `spell`; `None` keeps the root
            as it is written.

    Returns:
        Text such as `Am7/C`, `F#m7b5`, `Bb7sus4(9)`; `N.C.` for `N`, `?` for `X`.

    Raises:
        LabelError: If the label or the key is malformed.
    """
    chord = parse(label)
    if key is not None:
        return chord.pretty(flats=uses_flats(key))
    root = ROOT.match(label)
    return chord.sheet(root.group() if root else "")


def parse_key(key: str) -> tuple[str, str]:
    """Read the name of a key.

    Args:
        key: As in `spell`.

    Returns:
        Its tonic, such as `"Bb"`, and its mode, `"maj"` or `"min"`.

    Raises:
        LabelError: If it names no key.
    """
    match = _KEY.match(key) if isinstance(key, str) else None
    if match is None:
        raise LabelError(
            "This is no name of a key.",
            received=repr(key),
            advice='Write "Bb:maj", "G:min", "Bb major", "Gm", Camelot\'s "8A" or Open '
            'Key\'s "1m".',
        )
    if match[3]:
        hour, letter = int(match[3]), match[4]
        if letter in "dm":  # Open Key counts from C major, which is Camelot's 8
            return _from_camelot((hour + 6) % 12 + 1, "A" if letter == "m" else "B")
        return _from_camelot(hour, letter.upper())
    return match[1], "min" if match[2] in ("m", "min", "minor") else "maj"


def read_key(path) -> str:
    """Read a file with the key of a song in its first line, as GiantSteps has them.

    Args:
        path: File, or an open text file.

    Returns:
        The key, as `"Bb:maj"`.

    Raises:
        LabelError: If the line names no key.
    """
    text, name = read_text(path)
    line = next(iter(text.strip().splitlines()), "").strip()
    try:
        return ":".join(parse_key(line))
    except LabelError as error:
        raise malformed(f"{name} names no key", repr(line[:80])) from error


def camelot(key: str) -> str:
    """Name a key by its place on Camelot's wheel.

    Args:
        key: As in `spell`.

    Returns:
        `"1A"` to `"12B"`; keys that mix well are neighbours. A is minor, B major.

    Raises:
        LabelError: If it names no key.

    Example:

    ```python
    from keras_musictag.chords import camelot

    print(camelot("A:min"), camelot("C:maj"))  # 8A 8B
    ```
    """
    tonic, mode = parse_key(key)
    pitch = note_pitch_class(tonic) + (3 if mode == "min" else 0)
    # A fifth up is one hour on; C major stands at 8.
    return f"{(pitch * 7 + 7) % 12 + 1}{'A' if mode == 'min' else 'B'}"


def open_key(key: str) -> str:
    """Name a key in Open Key Notation, as Traktor and others do.

    Args:
        key: As in `spell`.

    Returns:
        `"1m"` to `"12d"`: 1 is C major or A minor, each fifth up is one more. m is
        minor, d (dur) major.

    Raises:
        LabelError: If it names no key.

    Example:

    ```python
    from keras_musictag.chords import open_key

    print(open_key("A:min"), open_key("G:maj"))  # 1m 2d
    ```
    """
    code = camelot(key)
    return f"{(int(code[:-1]) + 4) % 12 + 1}{'m' if code[-1] == 'A' else 'd'}"


def uses_flats(key: str | None) -> bool:
    """Say whether the signature of a key has flats; `False` without a key."""
    if key is None:
        return False
    tonic, mode = parse_key(key)
    return tonic in (_FLAT_MINOR if mode == "min" else _FLAT_MAJOR)


def _from_camelot(hour, letter):
    pitch = (hour - 8) * 7 % 12
    # F major to Gb major lie at 7 down to 2; F# major is written as Gb.
    flats = 2 <= hour <= 7
    if letter == "B":
        return root_name(pitch, flats), "maj"
    return root_name((pitch - 3) % 12, flats), "min"
