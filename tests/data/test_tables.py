"""Own data: CSV, TSV, DataFrame and folders; every bad row is named."""

import warnings

import numpy as np
import pytest
import soundfile

import keras_musictag as kmt


def write(path, text):
    path.write_text(text, "utf-8")
    return path


def write_tones(folder, *names):
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, np.full(800, 0.1), 8000)


GOOD = "path,tags,split\na.wav,rock|piano,train\nsub/b.wav,jazz,test\nc.wav,?,train\n"


def test_a_table_is_read(tmp_path):
    write_tones(tmp_path, "a.wav", "sub/b.wav", "c.wav")
    tracks = kmt.data.from_csv(write(tmp_path / "songs.csv", GOOD))
    assert tracks.labels == ["jazz", "piano", "rock"]
    assert tracks.ids == ["a.wav", "sub/b.wav", "c.wav"]
    assert tracks.paths[1] == str(tmp_path / "sub" / "b.wav")
    assert tracks.splits == {"train": 2, "test": 1}
    np.testing.assert_array_equal(tracks.targets[:2], [[0, 1, 1], [1, 0, 0]])
    assert np.isnan(tracks.targets[2]).all()
    assert tracks.check_files("raise") is tracks


def test_columns_separators_and_folders_can_be_named(tmp_path):
    write_tones(tmp_path / "music", "1.wav", "2.wav")
    text = "nr\tfile\tgenre\tfold\nx1\t1.wav\trock; soft\tA\nx2\t2.wav\tjazz\tB\n"
    tracks = kmt.data.from_csv(
        write(tmp_path / "songs.tsv", text),
        audio_folder=tmp_path / "music",
        path="file",
        tags="genre",
        split="fold",
        id="nr",
        separator=";",
        labels=["soft", "rock", "jazz"],
    )
    assert tracks.ids == ["x1", "x2"]
    assert tracks.split("B").tags == [("jazz",)]
    assert tracks.labels == ["soft", "rock", "jazz"]
    assert tracks.check_files("raise") is tracks


def test_spreadsheets_may_mark_their_utf8(tmp_path):
    file = tmp_path / "songs.csv"
    file.write_bytes(GOOD.replace("\n", "\r\n").encode("utf-8-sig"))
    assert len(kmt.data.from_csv(file)) == 3


def test_a_column_for_each_label(tmp_path):
    text = "path,sad,fast\na.wav,1,0\nb.wav,,1\n"
    tracks = kmt.data.from_csv(write(tmp_path / "w.csv", text), tags=["sad", "fast"])
    np.testing.assert_array_equal(tracks.targets, [[1, 0], [np.nan, 1]])
    text = "path,arousal,valence\na.wav,0.25,-1.5\n"
    file = write(tmp_path / "r.csv", text)
    tracks = kmt.data.from_csv(file, tags=["arousal", "valence"])
    np.testing.assert_array_equal(tracks.targets, [[0.25, -1.5]])
    tracks = kmt.data.from_csv(
        file, tags=["arousal", "valence"], labels=["valence", "arousal"]
    )
    np.testing.assert_array_equal(tracks.targets, [[-1.5, 0.25]])
    file = write(tmp_path / "bad.csv", "path,x\na.wav,1\nb.wav,much\n")
    with pytest.raises(kmt.LabelError, match="line 3: no number in the column 'x'"):
        kmt.data.from_csv(file, tags=["x"])


def test_data_frames_are_tables_too(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_csv(write(tmp_path / "songs.csv", GOOD))
    tracks = kmt.data.from_csv(frame, audio_folder=tmp_path)
    written = kmt.data.from_csv(tmp_path / "songs.csv")
    np.testing.assert_array_equal(tracks.targets, written.targets)
    assert tracks.paths == written.paths
    assert tracks.splits == written.splits
    frame.loc[1, "path"] = None
    with pytest.raises(kmt.LabelError, match="row 1: no path"):
        kmt.data.from_csv(frame, audio_folder=tmp_path)


def test_the_rendered_corpus(corpus):
    folder = corpus / "tags"
    tracks = kmt.data.from_csv(folder / "tags.csv")
    assert tracks.splits == {"train": 180, "valid": 60, "test": 60}
    assert len(tracks.labels) == 24
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tracks.split("test").check_files("raise") is not None
    # Exactly one tempo and one mode each, as its README says.
    for group in (["slow", "medium", "fast"], ["major", "minor"]):
        chosen = tracks.with_labels(group, extra="drop")
        assert chosen.is_single_label
    y, rate = tracks[0].load(16000)
    assert rate == 16000 and abs(len(y) / rate - 10) < 0.1


def test_a_missing_column_is_named(tmp_path):
    file = write(tmp_path / "x.csv", "file,tags\na.wav,rock\n")
    with pytest.raises(
        kmt.LabelError, match=r"x\.csv lacks a column: 'path'.*'file', 'tags'"
    ):
        kmt.data.from_csv(file)
    with pytest.raises(kmt.LabelError, match="lacks a column: 'fold'"):
        kmt.data.from_csv(file, path="file", split="fold")
    with pytest.raises(kmt.LabelError, match="without columns"):
        kmt.data.from_csv(write(tmp_path / "empty.csv", ""))


BAD = """path,tags
a.wav,rock
,jazz
b.wav
c.wav,pop,more
a.wav,jazz
./a.wav,jazz
d.wav,jazz
"""


def test_all_bad_rows_are_named_at_once(tmp_path):
    file = write(tmp_path / "bad.csv", BAD)
    with pytest.raises(kmt.LabelError) as caught:
        kmt.data.from_csv(file)
    message = str(caught.value)
    assert "5 of 7 rows of bad.csv are bad" in message
    assert "line 3: no path in the column 'path'" in message
    assert "line 4: too few columns" in message
    assert "line 5: too many columns ('more')" in message
    assert "line 6: the path" in message and "is also in line 2" in message
    assert "line 7: the path" in message


def test_bad_rows_can_be_left_out_and_nothing_else(tmp_path):
    file = write(tmp_path / "bad.csv", BAD)
    with pytest.warns(kmt.AudioWarning, match="5 of 7 rows.*line 3.*left out"):
        tracks = kmt.data.from_csv(file, bad_rows="skip")
    assert tracks.ids == ["a.wav", "d.wav"]
    assert tracks.tags == [("rock",), ("jazz",)]


def test_repeated_ids_are_bad_rows(tmp_path):
    text = "path,tags,id\na.wav,x,1\nb.wav,x,1\n"
    with pytest.raises(kmt.LabelError, match="line 3: the id '1' is also in line 2"):
        kmt.data.from_csv(write(tmp_path / "t.csv", text), id="id")


def test_unknown_tags_are_named_or_dropped(tmp_path):
    file = write(tmp_path / "songs.csv", "path,tags\na.wav,rock|jaz\nb.wav,jazz\n")
    with pytest.raises(kmt.LabelError, match="1 rows.*not labels.*line 2: 'jaz'"):
        kmt.data.from_csv(file, labels=["rock", "jazz"])
    with pytest.warns(kmt.AudioWarning, match="line 2: 'jaz'.*taken off"):
        tracks = kmt.data.from_csv(file, labels=["rock", "jazz"], unknown_tags="drop")
    assert tracks.tags == [("rock",), ("jazz",)]


def test_rows_and_labels_without_positives_are_mentioned(tmp_path):
    file = write(tmp_path / "songs.csv", "path,tags\na.wav,rock\nb.wav,\n")
    with pytest.warns(kmt.AudioWarning) as caught:
        tracks = kmt.data.from_csv(file, labels=["rock", "jazz"])
    messages = [str(warning.message) for warning in caught]
    assert any(
        "1 rows of songs.csv have no tag" in m and "line 3" in m for m in messages
    )
    assert any("1 labels have no track" in m and "jazz" in m for m in messages)
    np.testing.assert_array_equal(tracks.targets, [[1, 0], [0, 0]])
    with pytest.raises(kmt.LabelError, match="No row of none.csv has a tag"):
        kmt.data.from_csv(write(tmp_path / "none.csv", "path,tags\na.wav,\n"))


def test_another_separator_is_suspected(tmp_path):
    file = write(tmp_path / "songs.csv", 'path,tags\na.wav,"rock, soft"\nb.wav,x\n')
    with pytest.warns(kmt.AudioWarning, match="1 cells with ','.*separator=','"):
        tracks = kmt.data.from_csv(file)
    assert tracks.labels == ["rock, soft", "x"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tracks = kmt.data.from_csv(file, separator=",")
    assert tracks.labels == ["rock", "soft", "x"]


def test_tables_that_are_none(tmp_path):
    with pytest.raises(kmt.LabelError, match="cannot be read"):
        kmt.data.from_csv(tmp_path / "absent.csv")
    (tmp_path / "latin.csv").write_bytes("path,tags\nä.wav,x\n".encode("latin-1"))
    with pytest.raises(kmt.LabelError, match="UTF-8"):
        kmt.data.from_csv(tmp_path / "latin.csv")
    with pytest.raises(kmt.LabelError, match="no usable rows"):
        kmt.data.from_csv(write(tmp_path / "head.csv", "path,tags\n"))


def test_one_bad_file_among_many(tmp_path):
    names = [f"{i}.wav" for i in range(12)]
    write_tones(tmp_path, *names)
    (tmp_path / "7.wav").write_bytes(b"RIFF")
    text = "path,tags\n" + "".join(f"{name},x\n" for name in names)
    tracks = kmt.data.from_csv(write(tmp_path / "songs.csv", text))
    with pytest.warns(kmt.AudioWarning, match=r"1 of 12 tracks.*7\.wav"):
        assert len(tracks.check_files()) == 11


def test_a_folder_for_each_class(tmp_path):
    write_tones(tmp_path, "rock/1.wav", "rock/live/2.wav", "jazz/1.wav", ".x/y/1.wav")
    tracks = kmt.data.from_folders(tmp_path)
    assert tracks.labels == ["jazz", "rock"]
    assert tracks.ids == ["jazz/1.wav", "rock/1.wav", "rock/live/2.wav"]
    np.testing.assert_array_equal(tracks.classes, [0, 1, 1])
    assert tracks.splits == {None: 3}


def test_folders_of_splits(tmp_path):
    write_tones(tmp_path, "train/a/1.wav", "train/b/1.wav", "validation/a/2.wav")
    tracks = kmt.data.from_folders(tmp_path, labels=["b", "a"])
    assert tracks.split("train").ids == ["train/a/1.wav", "train/b/1.wav"]
    assert tracks.split("valid").tags == [("a",)]
    np.testing.assert_array_equal(tracks.classes, [1, 0, 1])


def test_stray_files_and_empty_classes_are_named(tmp_path):
    write_tones(tmp_path, "rock/1.wav", "stray.wav")
    (tmp_path / "pop").mkdir()
    with pytest.warns(kmt.AudioWarning) as caught:
        tracks = kmt.data.from_folders(tmp_path)
    messages = " ".join(str(warning.message) for warning in caught)
    assert (
        "stray.wav" in messages and "1 classes have no audio. Received: pop" in messages
    )
    assert tracks.labels == ["rock"]
    (tmp_path / "stray.wav").unlink()
    (tmp_path / "pop").rmdir()
    with pytest.raises(kmt.LabelError, match="'rock' in"):
        kmt.data.from_folders(tmp_path, labels=["jazz"])
    with pytest.raises(kmt.AudioError, match="no such folder"):
        kmt.data.from_folders(tmp_path / "absent")
