"""Lead sheets in MusicXML: against the published schema, and read again."""

import importlib.util
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from keras_musictag.beats import BeatSequence
from keras_musictag.chords.harte import QUALITIES
from keras_musictag.chords.sequence import ChordSequence
from keras_musictag.chords.vocabulary import get_vocabulary
from keras_musictag.errors import ConfigError, LabelError


def song_of(labels, length=0.73, after=0.0):
    edges = np.arange(len(labels) + 1) * length
    intervals = np.stack([edges[:-1], edges[1:]], axis=1)
    return ChordSequence(intervals, labels, None, edges[-1] + after)


def measures(text):
    return ElementTree.fromstring(text).findall("part/measure")


def harmonies(text):
    return ElementTree.fromstring(text).findall("part/measure/harmony")


def found(harmony, path):
    return [element.text for element in harmony.findall(path)]


def test_files_are_valid_by_the_schema(tmp_path):
    """The schema of MusicXML 4.0 comes with the package musicxml."""
    xmlschema = pytest.importorskip("xmlschema")
    package = importlib.util.find_spec("musicxml")
    if package is None:
        pytest.skip("needs the package musicxml")
    folder = Path(package.origin).parent / "generate_classes"
    xlink = Path(xmlschema.__file__).parent / "schemas" / "XLINK" / "xlink.xsd"
    places = {
        "http://www.w3.org/XML/1998/namespace": str(folder / "xml.xsd"),
        "http://www.w3.org/1999/xlink": str(xlink),
    }
    schema = xmlschema.XMLSchema(
        str(folder / "musicxml_4_0.xsd"), locations=places, allow="local"
    )
    labels = [*get_vocabulary("inversions").labels, *(f"Bb:{q}" for q in QUALITIES)]
    labels += ["N", "C:7(#9)", "X", "C:maj(*3)", "Gb:(1,b3,5)/b3", "C:aug7", "D:1"]
    for key in ("Gb:maj", "D#:min", "B#:maj", None):
        options = {"title": "A & <B>\x00\ud800", "artist": "ö", "tempo": 97.3}
        text = song_of(labels, after=3).to_musicxml(key=key, **options)
        (tmp_path / "a.musicxml").write_text(text, "utf-8")
        schema.validate(str(tmp_path / "a.musicxml"))
    for song in (ChordSequence([], []), ChordSequence([[0, 1]], ["N"])):
        schema.validate(song.to_musicxml())
        schema.validate(song.to_musicxml(beats=waltz()))
    schema.validate(WALTZ.to_musicxml(beats=waltz()))
    with pytest.raises(xmlschema.XMLSchemaException):
        schema.validate(text.replace(">dominant<", ">dominating<"))


def test_chords_stand_at_their_beats():
    song = ChordSequence(
        [[0, 2], [2, 3], [3, 3.25], [4, 7]], ["C:maj", "Bb:7/3", "Bb:7/3", "N"], None, 9
    )
    text = song.to_musicxml(title="Song", artist="Band", tempo=120, key="F:maj")
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE score-')
    # 120 beats a minute: a bar of four lasts 2 s, and 9 s are five bars.
    bars = measures(text)
    assert [bar.get("number") for bar in bars] == ["1", "2", "3", "4", "5"]
    placed = [
        (i, found(harmony, "kind")[0], int((found(harmony, "offset") or [0])[0]))
        for i, bar in enumerate(bars)
        for harmony in bar.findall("harmony")
    ]
    # 480 parts of a beat, two beats in a second; the gap from 3.25 s is no chord.
    wanted = [(0, "major", 0), (1, "dominant", 0), (1, "none", 1200)]
    assert placed == wanted
    assert {found(bar, "note/duration")[0] for bar in bars} == {"1920"}
    dominant = harmonies(text)[1]
    assert found(dominant, "root/root-step") == ["B"]
    assert found(dominant, "root/root-alter") == ["-1"]
    assert found(dominant, "bass/bass-step") == ["D"]
    assert found(dominant, "bass/bass-alter") == []
    assert dominant.find("kind").get("text") == "7"
    silence = harmonies(text)[2]
    assert silence.find("kind").get("text") == "N.C."
    assert silence.find("root/root-step").get("text") == ""
    root = ElementTree.fromstring(text)
    assert root.findtext("work/work-title") == "Song"
    assert root.findtext("identification/creator") == "Band"
    assert root.findtext("part/measure/attributes/key/fifths") == "-1"
    assert root.find("part/measure/direction/sound").get("tempo") == "120"


@pytest.mark.parametrize(
    ("key", "fifths", "mode"),
    [
        *[("C:maj", 0, "major"), ("A:min", 0, "minor"), ("E:maj", 4, "major")],
        *[("Gb:maj", -6, "major"), ("Eb:min", -6, "minor"), ("C#:min", 4, "minor")],
        *[("G:min", -2, "minor"), ("Db:maj", -5, "major"), ("8A", 0, "minor")],
    ],
)
def test_signatures_of_keys(key, fifths, mode):
    (bar,) = measures(song_of(["C:maj"]).to_musicxml(key=key))
    assert found(bar, "attributes/key/fifths") == [str(fifths)]
    assert found(bar, "attributes/key/mode") == [mode]


# Value, alteration and type. An added degree is counted from a dominant chord, whose
# seventh is minor, a subtracted one from the chord.
DEGREES = {
    "sus4(b7)": ("suspended-fourth", [(7, 0, "add")]),
    "maj(7)": ("major", [(7, 1, "add")]),
    "7(#9,b13)": ("dominant", [(9, 1, "add"), (13, -1, "add")]),
    "min7(*5,b13)": ("minor-seventh", [(5, 0, "subtract"), (13, -1, "add")]),
    "min(*b3)": ("minor", [(3, 0, "subtract")]),
    "min(*3)": ("minor", []),
    "maj(9)": ("major", [(9, 0, "add")]),
    "maj(5)": ("major", []),
    "(1,5)": ("other", [(1, 0, "add"), (5, 0, "add")]),
    "1": ("other", [(1, 0, "add")]),
    "5": ("power", []),
    "aug7": ("augmented-seventh", []),
    "maj11": ("major-ninth", [(11, 0, "add")]),
    "minmaj7": ("major-minor", []),
    "hdim7": ("half-diminished", []),
}


@pytest.mark.parametrize("chord", DEGREES)
def test_degrees_of_chords(chord):
    (harmony,) = harmonies(song_of([f"C:{chord}"]).to_musicxml(key="C:maj"))
    kind, degrees = DEGREES[chord]
    assert found(harmony, "kind") == [kind]
    columns = ("degree-value", "degree-alter", "degree-type")
    written = [found(harmony, f"degree/{name}") for name in columns]
    assert list(zip(*written, strict=True)) == [
        (str(value), str(alter), kind) for value, alter, kind in degrees
    ]


def test_bad_arguments_are_refused():
    song = song_of(["C:maj"])
    with pytest.raises(ConfigError, match="tempo"):
        song.to_musicxml(tempo=0)
    with pytest.raises(ConfigError, match="beats_per_bar"):
        song.to_musicxml(beats_per_bar=0)
    with pytest.raises(LabelError, match="no name of a key"):
        song.to_musicxml(key="H")


def test_spelling_follows_the_key():
    text = song_of(["C#:maj/3"]).to_musicxml(key="E:maj")
    assert re.sub(r"\s", "", text).count("<bass><bass-step>E</bass-step>") == 1
    assert found(harmonies(text)[0], "bass/bass-alter") == ["1"]
    flat = harmonies(song_of(["C#:maj/3"]).to_musicxml(key="Ab:maj"))[0]
    assert found(flat, "root/root-step") == ["D"]
    assert found(flat, "root/root-alter") == ["-1"]
    assert found(flat, "bass/bass-step") == ["F"]


def waltz():
    """A pickup of one beat, four bars of 3, one of 2, and one at half the tempo."""
    steps = [0.5] * (1 + 12 + 2) + [1.0] * 3
    times = np.concatenate([[0.25], 0.25 + np.cumsum(steps)])
    positions = [3, *[1, 2, 3] * 4, 1, 2, 1, 2, 3, 1]
    return BeatSequence(times, positions, None, 14.0)


# Bars begin at 0.75, 2.25, 3.75, 5.25, 6.75 (of 2), 7.75 and 10.75.
WALTZ = ChordSequence(
    [[0.2, 0.7], [0.7, 3.31], [3.31, 5.2], [5.2, 5.4], [5.4, 7.8], [7.8, 14.0]],
    ["G:7", "C:maj", "F:maj", "Bb:maj", "D:min", "G:maj"],
)


def test_measures_are_the_bars_of_the_beats():
    text = WALTZ.to_musicxml(beats=waltz(), key="C:maj", tempo=77)
    bars = measures(text)
    assert [bar.get("number") for bar in bars] == ["0", *"1234567"]
    assert [bar.get("implicit") for bar in bars] == ["yes"] + [None] * 7
    lengths = [sum(map(int, found(bar, "note/duration"))) // 480 for bar in bars]
    assert lengths == [1, 3, 3, 3, 3, 2, 3, 3]
    # The meter is told where it is another.
    times = [found(bar, "attributes/time/beats") for bar in bars]
    assert times == [["3"], [], [], [], [], ["2"], ["3"], []]
    placed = [
        (bar.get("number"), found(harmony, "root/root-step")[0])
        + ((found(harmony, "offset") or [0])[0],)
        for bar in bars
        for harmony in bar.findall("harmony")
    ]
    # F at 3.31 s is nearest to the third beat of bar 2; B flat is shorter than a beat.
    assert placed == [
        *[("0", "G", 0), ("1", "C", 0), ("2", "F", "960"), ("4", "D", 0)],
        ("6", "G", 0),
    ]
    tempi = [
        (bar.get("number"), s.get("tempo")) for bar in bars for s in bar.iter("sound")
    ]
    assert tempi == [("0", "120"), ("6", "60.0")]


def test_bars_are_counted_where_beats_do_not_know_them():
    times = np.arange(8) * 0.5
    song = ChordSequence([[0, 1.5], [1.5, 4]], ["C:maj", "G:maj"])
    bars = measures(song.to_musicxml(beats=times, beats_per_bar=3))
    assert [found(bar, "note/duration") for bar in bars] == [["1440"]] * 3
    assert [len(bar.findall("harmony")) for bar in bars] == [1, 1, 0]
    # A single beat tells no tempo.
    assert song.to_musicxml(beats=[1.0], tempo=90) == song.to_musicxml(tempo=90)
    with pytest.raises(ConfigError, match="rising times"):
        song.to_musicxml(beats=[1.0, 0.5])
