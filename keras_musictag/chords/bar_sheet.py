"""Chord sheets by bars: a chord where it begins, a dot for each beat that it lasts."""

from collections.abc import Callable
from typing import NamedTuple

from keras_musictag.checks import check_positive_int
from keras_musictag.chords import harte, keys
from keras_musictag.chords.bars import Bar, BarChart, lay_bars
from keras_musictag.chords.roman import BORROWED, SECONDARY, Numeral, numerals
from keras_musictag.chords.sheet import (
    chordpro_head,
    chordpro_name,
    clock,
    to_chordpro,
)

HELD, REPEATED = ".", "%"
NO_BEATS = "No beats were found, so there are no bars."
# Lines of a group; 16 bars, the length of many verses.
LINES = 4
# More of what is not shown is counted only.
TOLD = 6


def to_sheet(
    sequence,
    beats=None,
    *,
    title: str = "",
    artist: str = "",
    key: str | None = None,
    bars_per_line: int = 4,
    beats_per_bar: int = 4,
    roman: bool = False,
) -> str:
    """Return a chord sheet by bars, as plain text in columns.

    A line such as `0:08 | C . . . | Am . F . |` has the time of its first bar and four
    bars, each with a chord or a dot for every beat: a dot holds the chord before it.
    `%` is a bar that repeats the one before it; the first bar of a line is written out.
    Beats before the first whole bar stand before the first bar line.

    A chord begins on the beat that is nearest to its start. One that would begin and
    end on the same beat is shorter than a beat and has no place; the last line names
    those, so that nothing is lost in silence.

    Args:
        sequence: The `ChordSequence`.
        beats: A `BeatSequence`, as `BeatTracker.track` finds it, or the times of beats
            in seconds, rising. `None` or fewer than two beats: a line for each four
            chords, with their time.
        title: Of the song.
        artist: Of the song.
        key: Decides between sharps and flats, and numerals count from it; `None` for
            the key of the chords.
        bars_per_line: How many bars stand in a line.
        beats_per_bar: How bars are counted, from the first beat on, if `beats` does
            not know where they begin; the sheet says that they are counted.
        roman: Whether the Roman numeral of each chord stands below it, see
            `chords.numerals`.

    Returns:
        The text. It begins with the title, key, time signature, tempo and length.

    Raises:
        ConfigError: If beats do not rise, or a number is not one from 1 on.
        LabelError: If the key is malformed.

    Example:

    ```python
    from keras_musictag.beats import BeatSequence
    from keras_musictag.chords import ChordSequence

    song = ChordSequence([[0, 2], [2, 3], [3, 4]], ["C:maj", "A:min", "F:maj"])
    beats = BeatSequence([0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5], [1, 2, 3, 4, 1, 2, 3, 4])
    print(song.to_sheet(beats))  # ... 0:00 | C . . . | Am . F . |
    ```
    """
    per_line = check_positive_int(bars_per_line, name="bars_per_line")
    estimated = None if key is not None else sequence.key()
    key = estimated.label if estimated else key
    chart = None if beats is None else lay_bars(sequence, beats, beats_per_bar)
    if chart is None:
        notes = [] if beats is None else [NO_BEATS]
        rows, found = _rows_of_chords(sequence, key, roman)
    else:
        notes = _notes(chart, key)
        rows, found = _rows_of_bars(chart, key, per_line, roman)
    notes += _roles(found, key) if roman else []
    lines = [*filter(None, (title, artist)), _facts(sequence.duration, chart, key)]
    for i in range(0, len(rows), LINES):
        lines += ["", *("\n".join(row) for row in rows[i : i + LINES])]
    return "\n".join([*lines, *([""] if notes else []), *notes]) + "\n"


def to_chordpro_grid(
    sequence,
    beats,
    *,
    title: str = "",
    artist: str = "",
    key: str | None = None,
    bars_per_line: int = 4,
    beats_per_bar: int = 4,
) -> str:
    """Return a chord sheet in the ChordPro format with a grid of bars.

    Bars are those of `to_sheet`; beats before the first whole bar are a bar in a line
    of its own, filled up with dots. Chords have the names that ChordPro knows, as in
    `sheet.to_chordpro`, whose lines stand here as well where there are no beats.

    Args:
        sequence, title, artist, key, bars_per_line, beats_per_bar: As in `to_sheet`.
        beats: A `BeatSequence` or the times of beats in seconds, rising.

    Returns:
        The text.

    Raises:
        ConfigError, LabelError: As `to_sheet`.

    References:
        - "ChordPro Directives: start_of_grid",
          https://www.chordpro.org/chordpro/directives-env_grid/
    """
    per_line = check_positive_int(bars_per_line, name="bars_per_line")
    estimated = None if key is not None else sequence.key()
    key = estimated.label if estimated else key
    chart = lay_bars(sequence, beats, beats_per_bar)
    if chart is None:
        plain = to_chordpro(sequence, title=title, artist=artist, key=key)
        return plain + f"\n{{comment: {NO_BEATS}}}\n"
    signature = f"{chart.meter}/4"
    duration = sequence.duration
    lines = chordpro_head(title, artist, key, chart.tempo, duration, signature)
    cells = max(chart.meter, *(len(bar.labels) for bar in chart.bars))
    # A cell for the time on the left, those of the bars, none on the right.
    lines += ["", f"{{start_of_grid 1+{per_line}x{cells}}}"]
    begun, rows = _lines_of(chart.bars, per_line)
    for row in [[begun], *rows] if begun else rows:
        texts = [
            _tokens(bar, before, _chordpro_names(key)) for bar, before in _pairs(row)
        ]
        if row[0].number == 0:
            texts[0] = [HELD] * (chart.meter - len(texts[0])) + texts[0]
        bars = " | ".join(" ".join(text) for text in texts)
        lines.append(f"{_clock(row[0])} | {bars} |")
    lines += ["{end_of_grid}", *(f"{{comment: {x}}}" for x in _notes(chart, key))]
    return "\n".join(lines) + "\n"


# === Bars ===


def _lines_of(bars, per_line):
    """Return the bar before the first whole one, if there is one, and lines of bars."""
    begun = bars[0] if bars[0].number == 0 and len(bars) > 1 else None
    whole = bars[1:] if begun else bars
    starts = range(0, len(whole), per_line)
    return begun, [list(whole[i : i + per_line]) for i in starts]


def _pairs(row):
    """Give each bar with the one before it in the line."""
    return zip(row, [None, *row[:-1]], strict=True)


def _tokens(bar: Bar, before: Bar | None, name: Callable[[str], str]) -> list[str]:
    """Return what stands on each beat of a bar."""
    tokens = [HELD] * len(bar.labels)
    if before is not None and _same(bar, before):
        tokens[0] = REPEATED
        return tokens
    for beat, label in bar.changes():
        tokens[beat] = name(label)
    return tokens


def _same(bar, before):
    chords = [[harte.parse(label) for label in one.labels] for one in (bar, before)]
    return chords[0] == chords[1]


def _chordpro_names(key):
    return lambda label: chordpro_name(label, key)


def _pretty_names(key):
    return lambda label: keys.pretty(label, key)


def _clock(bar):
    # The first bar may begin a little before the recording does.
    return clock(max(bar.times[0], 0.0))


# === Rows ===


class _Column(NamedTuple):
    """What stands in a bar: chords, and the numerals below them or an empty text."""

    chords: str
    numerals: str


def _rows_of_bars(chart: BarChart, key, per_line, roman):
    """Return rows of one line, or two with numerals, and all numerals."""
    found = _numerals_of_bars(chart, key) if roman else {}
    begun, lines = _lines_of(chart.bars, per_line)
    columns = [
        [_column(bar, old, key, found.get(bar.number)) for bar, old in _pairs(row)]
        for row in lines
    ]
    count = range(len(columns[0]))
    widths = [max(_width(row[i]) for row in columns if i < len(row)) for i in count]
    first = _column(begun, None, key, found.get(0)) if begun else _Column("", "")
    rows = []
    for i, (row, bars) in enumerate(zip(columns, lines, strict=True)):
        margin = first if not i else _Column("", "")
        chords = _clock(begun if begun and not i else bars[0]).rjust(5)
        below = " " * 5
        if begun:
            chords += f" {margin.chords:{_width(first)}}"
            below += f" {margin.numerals:{_width(first)}}"
        chords, below = chords + " |", below + "  "
        for column, width in zip(row, widths, strict=False):
            chords += f" {column.chords:{width}} |"
            below += f" {column.numerals:{width}}  "
        rows.append([chords, below.rstrip()] if roman else [chords])
    return rows, [numeral for bar in found.values() for numeral in bar]


def _width(column):
    return max(map(len, column))


def _column(bar, before, key, found: list[Numeral] | None) -> _Column:
    tokens = _tokens(bar, before, _pretty_names(key))
    if tokens[0] == REPEATED:
        return _Column(REPEATED, "")
    if found is None:
        return _Column(" ".join(tokens), "")
    below = ["" if x == HELD else n.figure for x, n in zip(tokens, found, strict=True)]
    widths = [max(map(len, pair)) for pair in zip(tokens, below, strict=True)]
    return _Column(
        " ".join(f"{x:{w}}" for x, w in zip(tokens, widths, strict=True)),
        " ".join(f"{x:{w}}" for x, w in zip(below, widths, strict=True)),
    )


def _numerals_of_bars(chart, key) -> dict[int, list[Numeral]]:
    """Return the numeral of each beat by the numbers of the bars.

    Named in the order of the song: a chord over a bar line is one chord.
    """
    labels = [label for bar in chart.bars for label in bar.labels]
    chords = [harte.parse(label) for label in labels]
    begins = [i for i, x in enumerate(chords) if not i or x != chords[i - 1]]
    named = numerals([labels[i] for i in begins], key or "C:maj")
    by_beat: list[Numeral] = []
    for begin, end, numeral in zip(
        begins, [*begins[1:], len(labels)], named, strict=True
    ):
        by_beat += [numeral] * (end - begin)
    found, at = {}, 0
    for bar in chart.bars:
        found[bar.number] = by_beat[at : at + len(bar.labels)]
        at += len(bar.labels)
    return found


def _rows_of_chords(sequence, key, roman):
    """Return rows of four chords with the time of the first, where no beat is known."""
    segments = list(sequence.merged())
    found = numerals([s.label for s in segments], key or "C:maj") if roman else []
    rows = []
    for i in range(0, len(segments), LINES):
        row = segments[i : i + LINES]
        names = [keys.pretty(segment.label, key) for segment in row]
        below = [numeral.figure for numeral in found[i : i + LINES]]
        widths = [max(map(len, pair)) for pair in zip(names, below, strict=False)]
        widths = widths or [len(name) for name in names]
        lines = [names, below] if roman else [names]
        texts = ["  ".join(map(str.ljust, line, widths)) for line in lines]
        times = [f"{clock(row[0].start):>5}", " " * 5]
        rows.append([f"{t}  {x}".rstrip() for t, x in zip(times, texts, strict=False)])
    return rows, found


# === What is said besides ===


def _facts(duration, chart, key):
    facts = []
    if key is not None:
        tonic, mode = keys.parse_key(key)
        facts.append(f"Key: {tonic} {'minor' if mode == 'min' else 'major'}")
    if chart is not None:
        facts += [f"Time: {chart.meter}/4", f"Tempo: {chart.tempo:.0f}"]
    return "   ".join([*facts, f"Length: {clock(duration)}"])


def _notes(chart: BarChart, key) -> list[str]:
    """Say what is not as it seems."""
    notes = []
    if chart.counted:
        notes.append(
            f"Bars are counted in {chart.meter} from the first beat: it is not known "
            "where they begin."
        )
    if chart.hidden:
        names = [
            f"{keys.pretty(s.label, key)} at {clock(s.start)}" for s in chart.hidden
        ]
        more = len(names) - TOLD
        told = ", ".join(names[:TOLD]) + (f" and {more} more" if more > 0 else "")
        notes.append(f"Not shown, shorter than a beat: {told}.")
    return notes


def _roles(found: list[Numeral], key) -> list[str]:
    """Say which chords are not of the key."""
    notes = []
    if key is not None:
        mode = keys.parse_key(key)[1]
        parallel = f"Borrowed from the parallel {'major' if mode == 'min' else 'minor'}"
        for role, text in ((BORROWED, parallel), (SECONDARY, "Lead to another degree")):
            figures = dict.fromkeys(x.figure for x in found if x.role == role)
            if figures:
                notes.append(f"{text}: {', '.join(figures)}.")
    return notes
