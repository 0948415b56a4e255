"""Chord files of data sets and other programs, with values computed by hand."""

import io
import random
import textwrap

import numpy as np
import pytest

from keras_musictag.chords import formats, read_keys
from keras_musictag.chords.naming import read_name
from keras_musictag.chords.sequence import ChordSequence
from keras_musictag.errors import LabelError
from tests.fuzz.mutations import damaged_text


def rows(song):
    return [(s.start, s.end, s.label) for s in song]


def read(form, text, **options):
    file = io.StringIO(textwrap.dedent(text))
    return getattr(ChordSequence, f"from_{form}")(file, **options)


# === RWC ===


def test_tables_of_rwc():
    song = read("rwc", "t_start;t_end;chord\n0.0;0.104;N\n0.104;1.858;Ab:min\n")
    assert rows(song) == [(0, 0.104, "N"), (0.104, 1.858, "Ab:min")]
    starts = "t;chord\n0.0;N\n0.104;Ab:min\n1.858;Bb:maj(*3)\n3.646;N\n"
    song = read("rwc", starts)
    wanted = [(0, 0.104, "N"), (0.104, 1.858, "Ab:min"), (1.858, 3.646, "Bb:maj(*3)")]
    assert rows(song) == wanted and song.duration == 3.646
    longer = read("rwc", starts, duration=5.0)
    assert rows(longer) == [*wanted, (3.646, 5.0, "N")] and longer.duration == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0.0;1.0;N\n", "line 1: the header is not t_start;t_end;chord"),
        ("", "line 1: the header is not"),
        ("t_start;t_end;chord\n0;1\n", "line 2 of the file has not 3 columns"),
        ("t_start;t_end;chord\n0;x;N\n", "no number of at least 0: line 2"),
        ("t_start;t_end;chord\n0;1;N\n0.5;2;C:maj\n", "above it ends: line 3"),
        ("t_start;t_end;chord\n0;1;H\n", "line 2 of the file is not legal"),
        ("t;chord\n0;C:maj\n", "where its last chord ends: line 2"),
        ("t;chord\n", "has no chords"),
    ],
)
def test_bad_tables_of_rwc(text, message):
    with pytest.raises(LabelError, match=message) as caught:
        read("rwc", text)
    assert caught.value.received is not None and caught.value.advice


# === Chordino ===


def test_lists_of_chordino():
    wanted = [
        (0.371519274, 0.743038548, "N"),
        (0.743038548, 8.5, "C"),
        (8.5, 9.75, "A"),
    ]
    wanted[2] = (8.5, 9.75, "A:min7/b7")
    text = '0.371519274,"N"\n0.743038548,"C"\n8.5,"Am7/G"\n9.75,"N"\n'
    song = read("chordino", text)
    assert rows(song) == wanted and song.duration == 9.75
    # With the audio file on the first line, on all, and with ends.
    named = '"/a/b, c.wav",0.371519274,"N"\n' + "".join(
        f",{line}\n" for line in text.splitlines()[1:]
    )
    assert rows(read("chordino", named)) == wanted
    assert rows(read("chordino", named.replace("\n,", '\n"/a/b, c.wav",'))) == wanted
    song = read("chordino", '0.5,2.0,"F#m7b5"\n2.0,3.25,"Bb6"\n')
    assert rows(song) == [(0.5, 2, "F#:hdim7"), (2, 3.25, "Bb:maj6")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('0.5,"C"\n1.0\n', "line 2 of the file is not a start and a chord"),
        ('0.5,"C"\n', "where its last chord ends: line 1"),
        ('0.5,"Cfoo"\n1,"N"\n', "line 1 of the file is not legal"),
        ('1.0,"C"\n0.5,"N"\n', "does not end after its start: line 1"),
        ('a.wav,1.0,"C"\nb.wav,2,"N"\n', "line 2 of the file begins a second song"),
        ("", "has no chords"),
    ],
)
def test_bad_lists_of_chordino(text, message):
    with pytest.raises(LabelError, match=message):
        read("chordino", text)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        *[("C", "C"), ("Am", "A:min"), ("F#m7b5", "F#:hdim7"), ("Ebmaj7", "Eb:maj7")],
        *[("Gdim7", "G:dim7"), ("Caug", "C:aug"), ("Bbm6", "Bb:min6"), ("D/5", "D/5")],
        *[("C/E", "C:maj/3"), ("Cm/Eb", "C:min/b3"), ("G7/F", "G:7/b7"), ("N", "N")],
        *[("C/C", "C:maj"), ("A/G#", "A:maj/7"), ("Csus4", "C:sus4")],
        ("C:min7/b3", "C:min7/b3"),
    ],
)
def test_names_of_chord_sheets_are_read(name, label):
    assert read_name(name) == label


@pytest.mark.parametrize("name", ["H", "Cfoo", "C/H", "", "c", None])
def test_what_is_no_name_of_a_chord_is_refused(name):
    with pytest.raises(LabelError):
        read_name(name)


# === Audacity ===


def test_label_tracks_of_audacity_in_and_out(tmp_path):
    text = (
        "0.500000\t2.000000\tC:maj\n"
        "\\\t100.000000\t200.000000\n"
        "2.000000\t2.000000\tAm7\n"
        "4.000000\t6.250000\tN\n"
    )
    song = read("audacity", text)
    assert rows(song) == [(0.5, 2, "C:maj"), (2, 4, "A:min7"), (4, 6.25, "N")]
    written = song.to_audacity(tmp_path / "song.txt")
    assert written.splitlines()[1] == "2.000000\t4.000000\tA:min7"
    assert ChordSequence.from_file(tmp_path / "song.txt") == song


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 1 C:maj\n", "line 1 of the file is not start, end and chord"),
        ("0.0\t1.0\n", "line 1 of the file is not start"),
        ("0.0\t1.0\t\n", "line 1 of the file is not legal"),
        ("0.0\t1.0\tC:maj\n1.0\t1.0\tG:maj\n", "last chord ends: line 2"),
        ("0.0\t2.0\tC:maj\n1.0\t3.0\tG:maj\n", "above it ends: line 2"),
    ],
)
def test_bad_label_tracks(text, message):
    with pytest.raises(LabelError, match=message):
        read("audacity", text)


# === Sonic Visualiser ===

LAYER = """\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE sonic-visualiser>
<sv>
  <data>
    <model id="5" name="" sampleRate="44100" start="0" end="{end}" type="sparse"
      dimensions="{dimensions}" resolution="1" notifyOnAdd="true" dataset="4" />
    <dataset id="4" dimensions="{dimensions}">
{points}
    </dataset>
  </data>
  <display>
    <layer id="3" type="timeinstants" name="Time Instants" model="5" />
  </display>
</sv>
"""


def layer(*points, end=441000, dimensions=1):
    text = "\n".join(f"      <point {point} />" for point in points)
    return LAYER.format(end=end, dimensions=dimensions, points=text)


def test_layers_of_sonic_visualiser():
    instants = ['frame="0" label="N"', 'frame="4410" label="Ab:min"']
    wanted = [(0, 0.1, "N"), (0.1, 10, "Ab:min")]
    song = read("svl", layer(*instants))
    assert rows(song) == wanted and song.duration == 10
    # A last point that says so is the end.
    ended = [*instants, 'frame="88200" label="end"']
    assert rows(read("svl", layer(*ended, end=88200))) == [
        *wanted[:1],
        (0.1, 2, "Ab:min"),
    ]
    values = ['frame="0" value="3" label="Am7/G"', 'frame="22050" value="1" label="N"']
    song = read("svl", layer(*values, end=22050, dimensions=2))
    assert rows(song) == [(0, 0.5, "A:min7/b7")] and song.duration == 0.5
    regions = [
        'frame="0" value="1" duration="22050" label="C"',
        'frame="44100" value="1" duration="44100" label="G7"',
    ]
    song = read("svl", layer(*regions, dimensions=3))
    assert rows(song) == [(0, 0.5, "C"), (1, 2, "G:7")] and song.duration == 10


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<sv><data></sv>", "line 1: no XML"),
        ("<sv></sv>", "is no layer of Sonic Visualiser"),
        (layer(), "has no chords"),
        (layer('frame="0"'), "line 8 of the file is not legal"),
        (layer('frame="a" label="C"'), "line 8 of the file has no number for a start"),
        (layer('frame="0" label="C"', end=0), "last chord ends: line 8"),
        (
            layer('frame="9" label="C"', 'frame="0" label="N"'),
            "does not end after its start: line 8",
        ),
    ],
)
def test_bad_layers(text, message):
    with pytest.raises(LabelError, match=message):
        read("svl", text)


# === McGill's Billboard ===

SHEET = """\
# title: A Song
# artist: Somebody
# metre: 4/4
# tonic: C

0.0\tsilence
1.0\tA, intro, | C:maj | C:maj G:7 |, (guitar)
5.0\tB, verse, | C:maj . . F:maj | N | x2, (voice
13.0\t| (2/4) D:min | * |
# metre: 6/8
16.0\tC, outro, | E:min . A:min/b3 . | &pause | ->
20.0\tZ, fadeout
22.0\tend
"""


def test_sheets_of_billboard():
    song = read("billboard", SHEET)
    assert rows(song) == [
        (0, 1, "N"),
        (1, 4, "C:maj"),
        (4, 5, "G:7"),
        # Four bars in eight seconds: three beats and one, a bar without chords, twice.
        (5, 6.5, "C:maj"),
        (6.5, 7, "F:maj"),
        (7, 9, "N"),
        (9, 10.5, "C:maj"),
        (10.5, 11, "F:maj"),
        (11, 13, "N"),
        # Two beats and four.
        (13, 14, "D:min"),
        (14, 16, "X"),
        (16, 17, "E:min"),
        (17, 18, "A:min/b3"),
        (18, 22, "N"),
    ]
    assert song.duration == 22


def test_times_of_a_published_song():
    """The beginning of number 181 of the collection, as it is published."""
    text = (
        "# title: Naked Eyes\n# artist: Always Something There to Remind Me\n"
        "# metre: 4/4\n# tonic: D\n\n0.0\tsilence\n"
        "0.877460317\tA, intro, | D:maj | D:maj/b7 | D:maj/13 | D:maj/5 | x2, "
        "(synthesiser)\n14.571723356\tsilence\n220.865306122\tend\n"
    )
    song = read("billboard", text)
    bar = (14.571723356 - 0.877460317) / 8
    assert len(song) == 10 and song.labels[1:5] == song.labels[5:9]
    starts = 0.877460317 + bar * np.arange(9)
    np.testing.assert_allclose(song.intervals[1:, 0], starts, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("22.0\tend\n", "", "has no phrases up to a line with the end"),
        ("C:maj G:7", "C:mjaor G:7", "line 7 of the file is not legal"),
        ("| N | x2", "| | x2", "line 8 of the file has a bar without a chord"),
        ("C:maj . . F:maj", ". C:maj", "line 8 of the file has a bar without a chord"),
        ("x2", "x0", "line 8 of the file is repeated 0 times"),
        ("x2", "x99999999999", "line 8 of the file is repeated 99999999999 times"),
        ("(2/4)", "(2/0)", "line 9 of the file has no metre such as 4/4"),
        ("metre: 6/8", "metre: fast", "line 10 of the file has no metre"),
        ("Z, fadeout", "D, solo", "line 12 of the file has neither bars nor silence"),
        ("16.0\tC", "x\tC", "no number of at least 0"),
        ("5.0\tB", "99.0\tB", "does not end after its start: line 8"),
        ("20.0\tZ", "20.0\tend\n21.0\tZ", "line 12 of the file is not the last one"),
    ],
)
def test_bad_sheets_of_billboard(old, new, message):
    assert old in SHEET
    with pytest.raises(LabelError, match=message) as caught:
        read("billboard", SHEET.replace(old, new))
    assert caught.value.received is not None and caught.value.advice


# === Isophonics' keys ===


def test_keys_of_isophonics():
    text = (
        "0.0\t1.2\tSilence\n1.2\t50.5\tKey\tE\n50.5\t60\tKey\tD:mixolydian\n"
        "60\t70\tKey\tC#:minor\n70\t80\tKey\tBb:dorian\n80\t81\tKey\tA:modal\n"
    )
    keys = read_keys(io.StringIO(text))
    assert [segment.key for segment in keys] == [
        *(None, "E:maj", "D:maj"),
        *("C#:min", "Bb:min", None),
    ]
    assert keys[1][:2] == (1.2, 50.5) and keys[2].written == "D:mixolydian"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0\t1\tC:maj\n", "line 1: a line must be start, end, Key"),
        ("0\t1\tKey\tH\n", "line 1: 'H' is no key"),
        ("0\t1\tKey\tC\n0.5\t2\tKey\tD\n", "line 2: a key must have a start"),
        ("1\t1\tKey\tC\n", "line 1: a key must have a start"),
        ("0\tx\tSilence\n", "line 1: a key must have"),
        ("\n", "has no keys"),
    ],
)
def test_bad_keys_of_isophonics(text, message):
    with pytest.raises(LabelError, match=message):
        read_keys(io.StringIO(text))


# === Damage ===

DAMAGED = {
    "rwc": "t_start;t_end;chord\n0.0;0.104;N\n0.104;1.858;Ab:min\n1.9;3;C:7\n",
    "chordino": '"a.wav",0.0,"N"\n,0.74,"C"\n,8.5,"Am7/G"\n,9.75,"N"\n',
    "audacity": "0.5\t2.0\tC:maj\n\\\t1.0\t2.0\n2.0\t2.0\tAm7\n4.0\t6.25\tN\n",
    "svl": layer('frame="0" label="N"', 'frame="4410" label="Ab:min"'),
    "billboard": SHEET,
}


@pytest.mark.parametrize("form", DAMAGED)
def test_damaged_files_end_in_chords_or_a_clear_error(form):
    text = DAMAGED[form].encode()
    for seed in range(400):
        data = damaged_text(text, random.Random(seed), DAMAGED["billboard"].encode())
        try:
            song = getattr(ChordSequence, f"from_{form}")(io.BytesIO(data))
        except LabelError:
            continue
        assert 0 < len(song) < 2000 and song.to_lab()


@pytest.mark.parametrize("form", ["csv", "rwc", "chordino"])
def test_a_field_that_never_ends_is_no_csv(form):
    heads = {"csv": "start,end,label\n", "rwc": "t;chord\n", "chordino": '0,"C"\n'}
    with pytest.raises(LabelError, match=r"line \d of the file is no CSV"):
        read(form, heads[form] + '"' + "x" * 200_000)


# === Which format ===

FILES = {
    "a.lab": "0 1 C:maj\n",
    "b.svl": layer('frame="0" duration="44100" label="C:maj"'),
    "c.csv": "t_start;t_end;chord\n0;1;C:maj\n",
    "d.csv": 'x.wav,0.0,"C:maj"\n,1.0,"N"\n',
    "e.csv": "start,end,label,confidence\n0,1,C:maj,0.5\n",
    "f.txt": "# title: A\n# metre: 4/4\n\n0.0\t| C:maj |\n1.0\tend\n",
    "g.txt": "0.0\t1.0\tC:maj\n",
    "h.txt": "0.0 1.0 C:maj\n",
    "i.csv": '0.0,"C:maj"\n1.0,"N"\n',
}
OTHERS = {
    "list.csv": "path,genre\na.mp3,rock\n",
    "readme.txt": "0 1 two\n",
    "x.json": "{}",
    "beats.csv": "0.5,1\n1.0,2\n",
    "cover.jpg": "0 1 C:maj\n",
}


def test_files_are_known_by_suffix_and_content(tmp_path):
    for name, text in {**FILES, **OTHERS}.items():
        (tmp_path / name).write_text(text)
    ChordSequence([[0, 1]], ["C:maj"]).to_json(tmp_path / "j.json")
    found = formats.find_files(tmp_path)
    assert [path.name for path in found] == [*FILES, "j.json"]
    for path in found:
        assert rows(ChordSequence.from_file(path)) == [(0, 1, "C:maj")]
    for name in OTHERS:
        with pytest.raises(LabelError, match="no chord file") as caught:
            ChordSequence.from_file(tmp_path / name)
        assert caught.value.received == str(tmp_path / name) and caught.value.advice
    # The same chords in another format count once.
    (tmp_path / "a.svl").write_text(FILES["b.svl"])
    assert formats.find_files(tmp_path) == found
