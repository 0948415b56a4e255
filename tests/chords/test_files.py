"""Chord files: round trips, files of others, and what is refused."""

import io
import json

import mir_eval
import numpy as np
import pytest

from keras_musictag.chords.files import read_pyjama
from keras_musictag.chords.harte import parse, transpose
from keras_musictag.chords.sequence import ChordSequence
from keras_musictag.chords.vocabulary import get_vocabulary
from keras_musictag.errors import ConfigError, LabelError


def random_song(n=200, seed=0):
    rng = np.random.default_rng(seed)
    edges = np.cumsum(rng.uniform(0.01, 3.0, n + 1))
    labels = [
        str(label) for label in rng.choice(get_vocabulary("inversions").labels, n)
    ]
    labels[1] = "Gb:maj7(*5,9,#11)/7"
    confidences = [None, *rng.uniform(size=n - 1)]
    intervals = np.stack([edges[:-1], edges[1:]], axis=1)
    intervals[5, 1] -= 0.005  # a gap
    return ChordSequence(intervals, labels, confidences, edges[-1] + 1.25)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("form", ["json", "jams"])
def test_json_and_jams_lose_nothing(form, seed, tmp_path):
    song = random_song(seed=seed)
    text = getattr(song, f"to_{form}")(tmp_path / "song")
    assert getattr(ChordSequence, f"from_{form}")(tmp_path / "song") == song
    assert getattr(ChordSequence, f"from_{form}")(io.StringIO(text)) == song


def test_csv_loses_only_the_silence_after_the_end(tmp_path):
    song = random_song()
    song.to_csv(tmp_path / "song.csv")
    read = ChordSequence.from_csv(tmp_path / "song.csv")
    assert list(read) == list(song) and read.duration == song[-1].end
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_csv(tmp_path / "song.csv")
    np.testing.assert_allclose(frame["start"], song.intervals[:, 0], rtol=1e-15)
    assert frame["label"].tolist() == song.labels


def test_lab_files_keep_six_decimals_and_mir_eval_reads_them(tmp_path):
    song = random_song()
    song.to_lab(tmp_path / "song.lab")
    read = ChordSequence.from_lab(tmp_path / "song.lab")
    np.testing.assert_allclose(read.intervals, song.intervals, rtol=0, atol=5.1e-7)
    assert read.labels == song.labels
    assert read.to_lab() == song.to_lab()
    intervals, labels = mir_eval.io.load_labeled_intervals(str(tmp_path / "song.lab"))
    np.testing.assert_array_equal(intervals, read.intervals)
    assert labels == read.labels


def test_lab_files_of_the_collections_are_read_as_mir_eval_does(corpus, reference):
    files = sorted((corpus / "chords").glob("*.lab"))
    files += sorted((reference / "crema" / "annotations").glob("*/*.lab"))
    for file in files:
        song = ChordSequence.from_lab(file)
        intervals, labels = mir_eval.io.load_labeled_intervals(str(file))
        np.testing.assert_array_equal(song.intervals, intervals)
        assert song.labels == labels
    assert files


def test_jams_documents_are_valid_for_the_jams_package(tmp_path):
    jams = pytest.importorskip("jams")
    labels = list(dict.fromkeys(get_vocabulary("inversions").labels))
    labels += ["C:maj(9)/9", "Ab:(1,5)", "F:13"]
    edges = np.arange(len(labels) + 1.0)
    song = ChordSequence(np.stack([edges[:-1], edges[1:]], axis=1), labels)
    song.to_jams(tmp_path / "song.jams", title="A", artist="B")
    document = jams.load(str(tmp_path / "song.jams"), validate=True, strict=True)
    assert document.validate(strict=True)
    annotation = document.search(namespace="chord")[0]
    intervals, values = annotation.to_interval_values()
    np.testing.assert_array_equal(intervals, song.intervals)
    assert values == labels and document.file_metadata.title == "A"
    # And back: what the jams package writes.
    document.save(str(tmp_path / "other.jams"))
    assert ChordSequence.from_jams(tmp_path / "other.jams") == song


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 1 C:maj\n1 2\n", "song.lab, line 2: a line must hold start, end and label"),
        ("0 1 C:maj\n\n# x\n1 two N\n", "no number.*line 4 of .*song.lab"),
        ("0 1 C:maj extra\n", "line 1: a line must hold"),
        ("0 2 C:maj\n1 3 N\n", "above it ends: line 2 of .*song.lab"),
        ("2 1 C:maj\n", "does not end after its start: line 1 of"),
        ("0 1 C:maj\n1 2 H:maj\n", "line 2 of .*song.lab is not legal"),
        ("# nothing\n", "song.lab has no chords"),
    ],
)
def test_bad_lab_files_are_refused_with_file_and_line(text, message, tmp_path):
    path = tmp_path / "song.lab"
    path.write_text(text)
    with pytest.raises(LabelError, match=message) as caught:
        ChordSequence.from_lab(path)
    assert caught.value.received is not None and caught.value.advice


def test_lab_files_may_have_a_byte_order_mark_and_windows_lines(tmp_path):
    (tmp_path / "a.lab").write_bytes(b"\xef\xbb\xbf0.0\t1.5\tC:maj\r\n1.5\t2\tN\r\n")
    assert ChordSequence.from_lab(tmp_path / "a.lab").labels == ["C:maj", "N"]
    (tmp_path / "b.lab").write_bytes(b"0 1 \xff\xfe")
    with pytest.raises(LabelError, match="no text in UTF-8"):
        ChordSequence.from_lab(tmp_path / "b.lab")
    with pytest.raises(FileNotFoundError):
        ChordSequence.from_lab(tmp_path / "c.lab")
    with pytest.raises(ConfigError, match="path or an open file"):
        ChordSequence.from_lab(3)


def jams_text(namespace="chord", **atom):
    data = [{"time": 0, "duration": 2, "value": "C:maj", "confidence": None, **atom}]
    annotation = {"namespace": namespace, "data": data}
    return json.dumps(
        {"annotations": [annotation], "file_metadata": {"duration": None}}
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (jams_text("beat"), "has no chord annotation.*namespaces .'beat'"),
        (jams_text(value="C:foo"), "label of chord 0 of .*is not legal"),
        (jams_text(value=None), "label of chord 0"),
        (jams_text(duration=0), "does not end after its start: chord 0"),
        (jams_text(time=None), "no number"),
        (jams_text(confidence="high"), "confidence in chord 0"),
        ('{"annotations": []}', "has no chord annotation"),
        ('{"annotations": [{"namespace": "chord", "data": []}]}', "has no chords"),
        ('{"what": 1}', "is no JAMS file"),
        ("not json", "is no JSON"),
    ],
)
def test_bad_jams_files_are_refused(text, message):
    with pytest.raises(LabelError, match=message) as caught:
        ChordSequence.from_jams(io.StringIO(text))
    assert caught.value.received is not None and caught.value.advice


def test_one_of_several_jams_annotations():
    both = json.loads(jams_text("chord_harte"))
    both["annotations"] += json.loads(jams_text(value="G:min"))["annotations"]
    text = json.dumps(both)
    assert ChordSequence.from_jams(io.StringIO(text)).labels == ["C:maj"]
    assert ChordSequence.from_jams(io.StringIO(text), index=1).labels == ["G:min"]
    with pytest.raises(LabelError, match="annotation number 2"):
        ChordSequence.from_jams(io.StringIO(text), index=2)


def test_events_of_jams_files_may_stand_in_any_order(tmp_path):
    jams = pytest.importorskip("jams")
    order = [2, 0, 1]
    data = [
        {"time": 2.0 * i, "duration": 2.0, "value": label, "confidence": i / 10}
        for i, label in enumerate(["C:maj", "N:-", "G:7"])
    ]
    document = json.loads(jams_text())
    document["annotations"][0]["data"] = [data[i] for i in order]
    text = json.dumps(document)
    song = ChordSequence.from_jams(io.StringIO(text))
    assert song.labels == ["C:maj", "N", "G:7"]
    np.testing.assert_array_equal(song.confidences, [0.0, 0.1, 0.2])
    judge = jams.load(io.StringIO(text), validate=False, strict=False)
    intervals, labels = judge.annotations[0].to_interval_values()
    np.testing.assert_array_equal(song.intervals, intervals)
    assert labels == ["C:maj", "N:-", "G:7"]
    # Sorted or not, an overlap is refused, with the place in the file.
    data[0]["duration"] = 3.0
    document["annotations"][0]["data"] = [data[i] for i in order]
    with pytest.raises(LabelError, match="above it ends: chord 2 of"):
        ChordSequence.from_jams(io.StringIO(json.dumps(document)))


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("lab", "0 1 N:-\n1 2 C:maj\n"),
        ("csv", "start,end,label\n0,1,N:-\n1,2,C:maj\n"),
        (
            "json",
            '{"format": "keras_musictag.chords", "segments": ['
            '{"start": 0, "end": 1, "label": "N:-"},'
            '{"start": 1, "end": 2, "label": "C:maj"}]}',
        ),
    ],
)
def test_no_chord_spelled_out_is_read_everywhere(form, text):
    song = getattr(ChordSequence, f"from_{form}")(io.StringIO(text))
    assert song.labels == ["N", "C:maj"]
    # mir_eval knows no N:-.
    scores = mir_eval.chord.evaluate(*[song.intervals, song.labels] * 2)
    assert scores["majmin"] == 1
    assert parse("N:-") == parse("N") and transpose("N:-", 3) == "N"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"annotations": []}', "holds no chords of this package"),
        ('{"format": "keras_musictag.chords", "segments": []}', "has no chords"),
        ('{"format": "keras_musictag.chords", "segments": [3]}', "no number"),
    ],
)
def test_bad_json_files_are_refused(text, message):
    with pytest.raises(LabelError, match=message):
        ChordSequence.from_json(io.StringIO(text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "lacks the columns"),
        ("start,end,label\n0,1,C:maj,0.5\n", "line 2 of .* too many columns"),
        ("start,end,label\n0,1\n", "line 2 of .*is not legal"),
        ("start,end,label,confidence\n0,1,N,x\n", "confidence in line 2"),
        ("start,end,label\n", "has no chords"),
        ("", "lacks the columns"),
    ],
)
def test_bad_csv_files_are_refused(text, message):
    with pytest.raises(LabelError, match=message):
        ChordSequence.from_csv(io.StringIO(text))


def test_pyjama_files_give_the_tutorials_targets(reference):
    folder = reference / "peeters" / "samples"
    stored = np.load(folder / "expected.npz")
    songs = ChordSequence.from_pyjama(folder / "toy_chord.pyjama")
    names = stored["toy_chord.labels"]
    assert len(songs) == 2
    for i, song in enumerate(songs.values()):
        wanted = stored[f"toy_chord.y.{i}"]
        times = np.arange(len(wanted)) * 512 / 22050
        # The tutorial gives frame 0 and the time after the last segment the class 0.
        inside = (times > song[0].start) & (times <= song[-1].end)
        expected = [names[j].replace("N:-", "N") for j in wanted[inside]]
        assert song.sample(times[inside]) == expected
        assert (wanted[~inside] == 0).all()


def test_bad_pyjama_files_are_refused(reference):
    folder = reference / "peeters" / "samples"
    with pytest.raises(LabelError, match="has no chords.*annotation 'chord'"):
        ChordSequence.from_pyjama(folder / "toy_multiclass.pyjama")
    for text, message in (
        ('{"collection": 3}', "no .pyjama collection"),
        ('{"collection": {"entry": [{"chord": [{}]}]}}', "has no file path"),
    ):
        with pytest.raises(LabelError, match=message):
            read_pyjama(io.StringIO(text))


def test_midi_files_play_the_chords_at_their_times(tmp_path):
    mido = pytest.importorskip("mido")
    song = random_song(60)
    for tempo in (120, 97.3):
        data = song.to_midi(tmp_path / "song.mid", tempo=tempo, program=5)
        assert (tmp_path / "song.mid").read_bytes() == data
        file = mido.MidiFile(tmp_path / "song.mid")
        assert file.length == pytest.approx(song.duration, abs=1e-3)
        now, sounding, markers, program = 0.0, {}, [], None
        notes = []
        for message in file:
            now += message.time
            if message.type == "marker":
                markers.append((now, message.text))
            elif message.type == "program_change":
                program = message.program
            elif message.type == "note_on":
                assert message.note not in sounding
                sounding[message.note] = now
            elif message.type == "note_off":
                notes.append((sounding.pop(message.note), now, message.note))
        assert not sounding and program == 5
        assert [label for _, label in markers] == song.labels
        starts = [time for time, _ in markers]
        np.testing.assert_allclose(starts, song.intervals[:, 0], atol=1e-3)
        for start, end, label, _ in song:
            own = sorted(
                n for a, b, n in notes if abs((a + b) / 2 - (start + end) / 2) < 1e-3
            )
            chord = parse(label)
            assert {n % 12 for n in own} == set(np.flatnonzero(chord.pitch_classes))
            assert not own or own[0] % 12 == chord.bass_pitch_class


# Yamaha's table: root (accidental in the high half, 3 natural, 2 flat, 4 sharp; C is 1
# in the low half), type, bass, and 127 for no bass chord.
XF_CHORDS = {
    "C:maj": (0x31, 0x00, 0x7F, 0x7F),
    "A:min7": (0x36, 0x0A, 0x7F, 0x7F),
    "Bb:7": (0x27, 0x13, 0x7F, 0x7F),
    "F#:hdim7": (0x44, 0x0B, 0x7F, 0x7F),
    "E:dim7": (0x33, 0x12, 0x7F, 0x7F),
    "C:maj/3": (0x31, 0x00, 0x33, 0x7F),
    "Eb:min7/b3": (0x23, 0x0A, 0x25, 0x7F),
    "D:maj6": (0x32, 0x01, 0x7F, 0x7F),
    "D:maj7": (0x32, 0x02, 0x7F, 0x7F),
    "D:maj(9)": (0x32, 0x04, 0x7F, 0x7F),
    "D:maj9": (0x32, 0x05, 0x7F, 0x7F),
    "D:aug": (0x32, 0x07, 0x7F, 0x7F),
    "D:min": (0x32, 0x08, 0x7F, 0x7F),
    "D:min6": (0x32, 0x09, 0x7F, 0x7F),
    "D:min9": (0x32, 0x0D, 0x7F, 0x7F),
    "D:minmaj7": (0x32, 0x0F, 0x7F, 0x7F),
    "D:dim": (0x32, 0x11, 0x7F, 0x7F),
    "D:sus4(b7)": (0x32, 0x14, 0x7F, 0x7F),
    "D:9": (0x32, 0x16, 0x7F, 0x7F),
    "D:13": (0x32, 0x18, 0x7F, 0x7F),
    "D:7(b9)": (0x32, 0x19, 0x7F, 0x7F),
    "D:7(#9)": (0x32, 0x1B, 0x7F, 0x7F),
    "D:aug(b7)": (0x32, 0x1D, 0x7F, 0x7F),
    "D:1": (0x32, 0x1E, 0x7F, 0x7F),
    "D:5": (0x32, 0x1F, 0x7F, 0x7F),
    "D:sus4": (0x32, 0x20, 0x7F, 0x7F),
    "D:sus2": (0x32, 0x21, 0x7F, 0x7F),
    "N": (0x31, 0x22, 0x7F, 0x7F),
    "X": (0x31, 0x22, 0x7F, 0x7F),
}


def test_midi_files_name_the_chords_for_yamahas_keyboards():
    mido = pytest.importorskip("mido")
    edges = np.arange(len(XF_CHORDS) + 1.0)
    intervals = np.stack([edges[:-1], edges[1:]], axis=1)
    intervals[-1, 0] += 0.5
    song = ChordSequence(intervals, list(XF_CHORDS))
    now, events = 0.0, []
    for message in mido.MidiFile(file=io.BytesIO(song.to_midi())):
        now += message.time
        if message.type == "sequencer_specific":
            events.append((now, message.data))
    assert events[0] == (0, (0x43, 0x7B, 0x00, *b"XF02", 0x00, 0x02))
    assert {data[:3] for _, data in events[1:]} == {(0x43, 0x7B, 0x01)}
    assert [data[3:] for _, data in events[1:-1]] == list(XF_CHORDS.values())
    # The gap before the last chord is none.
    starts = [*intervals[:-1, 0], intervals[-2, 1], intervals[-1, 0]]
    np.testing.assert_allclose([t for t, _ in events[1:]], starts[: len(events) - 1])


@pytest.mark.parametrize("bad", [{"tempo": 2}, {"program": 128}, {"velocity": 0}])
def test_bad_midi_arguments_are_refused(bad):
    with pytest.raises(ConfigError, match="out of range"):
        random_song(9).to_midi(**bad)
