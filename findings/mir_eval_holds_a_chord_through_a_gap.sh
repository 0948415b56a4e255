#!/usr/bin/env bash
# mir_eval.chord.evaluate takes intervals that leave out a part of the song, and what counts
# there depends on where the gap lies. Before the first and after the last interval it is
# 'N', as one expects; between two intervals the chord before the gap is held until the next
# one begins, with no warning. So a program that writes no line where it hears no chord gets
# rests wrong which it got right, and a program that wrote the first and the last second of
# a song of one chord is right about all of it. A gap in the reference is filled likewise.
# .lab files with gaps load without a word as well.
# Found with mir_eval 0.8.2: a rest of 2 s in 10 s scores 1.0 written as 'N', 0.8 left out;
# 2 s of 10 s written score 1.0 with the gap inside, 0.2 with the same gap at the end.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check mir_eval==0.8.2 numpy==2.4.6 scipy==1.17.1 2>/dev/null
venv/bin/python - <<'PY'
import pathlib
import warnings

import mir_eval

warnings.simplefilter("error")

def load(*lines):
    pathlib.Path("chords.lab").write_text("".join(f"{line}\n" for line in lines))
    return mir_eval.io.load_labeled_intervals("chords.lab")

def score(title, reference, estimate):
    scores = mir_eval.chord.evaluate(*reference, *estimate)
    print(f"{title:47s} majmin {scores['majmin']:.1f}  seg {scores['seg']:.1f}")
    return round(scores["majmin"], 6)

song = load("0 4 C:maj", "4 6 N", "6 10 G:maj")
written = load("0 4 C:maj", "4 6 N", "6 10 G:maj")
left_out = load("0 4 C:maj", "6 10 G:maj")
assert score("the rest written as N", song, written) == 1.0
assert score("the rest left out of the estimate", song, left_out) == 0.8
assert score("the rest left out of the reference", left_out, written) == 0.8

one_chord = load("0 10 C:maj")
assert score("seconds 1 to 9 left out", one_chord, load("0 1 C:maj", "9 10 C:maj")) == 1.0
assert score("seconds 1 to 9 written as N", one_chord, load("0 1 C:maj", "1 9 N", "9 10 C:maj")) == 0.2
assert score("seconds 2 to 10 left out", one_chord, load("0 2 C:maj")) == 0.2
assert score("seconds 0 to 8 left out", one_chord, load("8 10 C:maj")) == 0.2
PY
