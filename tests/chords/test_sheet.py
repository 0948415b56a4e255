"""Chord sheets: what ChordPro knows, and times."""

import re

import numpy as np
import pytest

from keras_musictag.chords.sequence import ChordSequence
from keras_musictag.chords.vocabulary import get_vocabulary
from keras_musictag.errors import ConfigError

# What the reference parser of ChordPro takes for a chord, as it documents it.
CHORDPRO_NOTES = "A A# Ab B Bb C C# D D# Db E Eb F F# G G# Gb".split()
CHORDPRO_MAJOR = """ 11 13 13#11 13#9 13b9 2 3 4 5 6 69 6add9 7 711 7add11 7#11 7#5
7#9 7#9#11 7#9#5 7#9b5 7alt 7b13 7b13sus 7b5 7b9 7b9#11 7b9#5 7b9#9 7b9b13 7b9b5 7b9sus
7sus 7susadd3 9 911 9#11 9#5 9b5 9sus 9add6 maj maj13 maj7 maj711 maj7#11 maj7#5 maj7sus
maj7sus2 maj7sus4 maj9 maj911 maj9#11 alt h h7 h9 add2 add4 add9 add11 sus sus2 sus4
sus9 6sus 6sus2 6sus4 7sus2 7sus4 13sus 13sus2 13sus4""".split()
CHORDPRO_MINOR = """#5 11 13 6 69 7b5 711 7 maj7 9 maj9 9maj7 add9 b6 #7 sus sus4 sus9
7sus 7sus4""".split()
CHORDPRO_NAMES = {
    *("", "m", "aug", "aug7", "dim", "dim7"),
    *CHORDPRO_MAJOR,
    *(f"m{name}" for name in CHORDPRO_MINOR),
}


def test_chord_sheets_have_only_chords_that_chordpro_knows():
    labels = list(get_vocabulary("inversions").labels)
    labels += [f"{root}:{chord}" for root in ("C#", "Gb", "B") for chord in EXTENDED]
    edges = np.arange(len(labels) + 1.0)
    song = ChordSequence(np.stack([edges[:-1], edges[1:]], axis=1), labels)
    for key in ("Gb:maj", "C#:min", "Cb:maj", "B#:min", "C:maj"):
        text = song.to_chordpro(key=key)
        written = [c for c in re.findall(r"\[([^]]*)\]", text) if c[0] not in "*N"]
        assert len(written) > 400
        for chord in written:
            name, _, bass = chord.partition("/")
            root = name[:2] if name[1:2] in ("#", "b") else name[:1]
            assert root in CHORDPRO_NOTES and name[len(root) :] in CHORDPRO_NAMES
            assert not bass or bass in CHORDPRO_NOTES
        (name,) = re.findall(r"{key: (.*)}", text)
        assert name.removesuffix("m") in CHORDPRO_NOTES


EXTENDED = {
    **{"minmaj7": "mmaj7", "maj(9)": "add9", "7(#9)": "7#9", "7(b9)": "7b9"},
    **{"min(9)": "madd9", "maj6(9)": "69", "9(*5,b5)": "9b5", "7(13)": "13"},
    **{"sus4(b7)": "7sus4", "sus4(b7,9)": "9sus", "aug7": "aug7", "(1,5)": "5"},
    **{"maj(*3)": "5", "hdim7": "m7b5", "min6": "m6", "maj7(#11)": "maj7#11"},
    # No name has these tones; the nearest has none that do not sound, if it can.
    **{"maj(b9)": "", "1": "5", "maj11": "maj9", "dim(9)": "dim"},
}


@pytest.mark.parametrize("chord", EXTENDED)
def test_names_of_chords_in_chord_sheets(chord):
    text = ChordSequence([[0, 1]], [f"C:{chord}"]).to_chordpro(key="C:maj")
    assert text.endswith(f"[C{EXTENDED[chord]}]\n")


def test_basses_in_chord_sheets_are_usual_notes():
    labels = ["C#:maj/3", "Ab:min/b3", "G#:maj/3", "Gb:maj/4", "D:maj/3"]
    edges = np.arange(6.0)
    song = ChordSequence(np.stack([edges[:-1], edges[1:]], axis=1), labels)
    sharps = song.to_chordpro(key="E:maj").splitlines()[-2:]
    assert sharps[0].endswith("[C#/F] [G#m/B] [G#/C] [F#/B]")
    assert song.to_chordpro(key="Db:maj").splitlines()[-1].endswith("[D/Gb]")


def test_a_chord_sheet_has_times_and_the_keys_accidentals():
    song = ChordSequence(
        [[0, 61], [61, 63], [63, 65], [65, 66], [66, 70], [70, 72]],
        ["N", "A#:maj", "Bb:maj", "D#:maj7/5", "X", "F:7"],
    )
    text = song.to_chordpro(title="Song", tempo=99.6, key="Bb:maj", chords_per_line=3)
    assert text == (
        "{title: Song}\n{key: Bb}\n{tempo: 100}\n{duration: 1:12}\n\n"
        "[*0:00] [N.C.] [Bb] [Ebmaj7/Bb]\n"
        "[*1:06] [*?] [F7]\n"
    )
    assert "{key: Bb}" in song.to_chordpro()
    with pytest.raises(ConfigError, match="chords_per_line"):
        song.to_chordpro(chords_per_line=0)
