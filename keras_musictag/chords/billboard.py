"""The chord sheets of McGill's Billboard: `salami_chords.txt`."""

import re
from fractions import Fraction
from typing import Any

from keras_musictag.chords.harte import NO_CHORD, UNKNOWN_CHORD
from keras_musictag.chords.parsing import checked, malformed, number, read_text

METRE = re.compile(r"(\d{1,3})/(\d{1,3})", re.ASCII)
# A bar too elaborate for chords, a rest of any length, and the chord before once more.
ELABORATE, PAUSE, SAME = "*", "&pause", "."
# Words in place of bars: no chord sounds.
NO_MUSIC = {"silence", "noise", "applause", "talking", "fadeout", "pre-intro"}
_REPEAT = re.compile(r"\bx(\d+)\b", re.ASCII)
MOST_REPEATS = 100


def read_billboard(path) -> dict[str, Any]:
    """Read a song of McGill's Billboard annotations, `salami_chords.txt`.

    A line is a phrase: where it begins, and its bars. All beats until the next line
    are taken to be equally long. A bar with several chords is shared among them, one
    for each beat or half; `.` is the chord before once more, `x4` behind the bars
    repeats the phrase, `(2/4)` is the metre of one bar. `*`, a bar too elaborate for
    chords, is read as `X`; `&pause`, `Z` and silence are `N`. Equal neighbours are one
    chord.

    Args:
        path: File, or an open text file.

    Returns:
        dict with `intervals`, `labels` and `duration`.

    Raises:
        LabelError: If a line is malformed; the message names the file and the line.

    References:
        - Burgoyne, Wild and Fujinaga, "An expert ground truth set for audio chord
          recognition and music analysis", ISMIR 2011.
    """
    text, name = read_text(path)
    metre, phrases = Fraction(1), []
    for i, line in enumerate(text.splitlines(), 1):
        place = f"line {i} of {name}"
        if line.startswith("#"):
            key, _, value = line[1:].partition(":")
            if key.strip() == "metre":
                metre = _metre(value.strip(), place)
        elif line.strip():
            time, _, content = line.partition("\t")
            phrases.append((number(time), _beats(content.strip(), metre, place), place))
    if not phrases or phrases[-1][1] != "end":
        raise malformed(
            f"{name} has no phrases up to a line with the end", text[-80:].strip()
        )
    rows, places = _timed(phrases)
    read = checked(rows, places, name, "phrases of bars")
    return {**read, "duration": max(phrases[-1][0], float(read["intervals"][-1, 1]))}


def _metre(text, place):
    match = METRE.fullmatch(text)
    if match is None or 0 in map(int, match.groups()):
        raise malformed(f"{place} has no metre such as 4/4", repr(text))
    return Fraction(int(match[1]), int(match[2]))


def _beats(content, metre, place):
    """Return a phrase as `(label, length)` with lengths in bars of 4/4; or `"end"`."""
    if content == "end":
        return content
    before, bar_line, rest = content.partition("|")
    if not bar_line:
        words = {word.strip() for word in content.split(",")}
        if not words & NO_MUSIC and not re.fullmatch("Z'*", before.split(",")[0]):
            raise malformed(f"{place} has neither bars nor silence", repr(content))
        return [(NO_CHORD, Fraction(1))]
    *bars, after = rest.split("|")
    # `| x2` may stand behind a bar line of its own.
    repeat = _REPEAT.search(after)
    times = int(repeat[1]) if repeat else 1
    if not 1 <= times <= MOST_REPEATS:
        raise malformed(f"{place} is repeated {times} times", repr(content))
    if not bars:
        raise malformed(f"{place} has no bar line at its end", repr(content))
    beats: list[tuple[str, Fraction]] = []
    for bar in bars:
        beats += _bar(bar, metre, beats, place)
    return beats * times


def _bar(bar, metre, beats, place):
    tokens = bar.split()
    if tokens and tokens[0].startswith("("):
        metre = _metre(tokens.pop(0).strip("()"), place)
    if not tokens or (tokens[0] == SAME and not beats):
        raise malformed(f"{place} has a bar without a chord", repr(bar))
    labels = [beats[-1][0]] if beats else []
    for token in tokens:
        label = {ELABORATE: UNKNOWN_CHORD, PAUSE: NO_CHORD}.get(token, token)
        labels.append(labels[-1] if token == SAME else label)
    return [(label, metre / len(tokens)) for label in labels[-len(tokens) :]]


def _timed(phrases):
    """Return start, end and label of each chord, and its place in the file."""
    rows: list[tuple[float, float, str]] = []
    places: list[str] = []
    for (start, beats, place), (end, *_) in zip(phrases, phrases[1:], strict=False):
        if beats == "end":
            raise malformed(f"{place} is not the last one", "a line after the end")
        if start == end and {label for label, _ in beats} == {NO_CHORD}:
            continue
        total = sum(length for _, length in beats)
        done = Fraction(0)
        for label, length in beats:
            at = start + (end - start) * float(done / total)
            done += length
            until = start + (end - start) * float(done / total)
            if rows and rows[-1][2] == label and abs(rows[-1][1] - at) < 1e-9:
                rows[-1] = (rows[-1][0], until, label)
                continue
            rows.append((at, until, label))
            places.append(place)
    return rows, places
