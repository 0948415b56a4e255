"""Data sets of mirdata: its own classes read files that the tests make up."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

import keras_musictag as kmt

mirdata = pytest.importorskip("mirdata", reason="mirdata is not installed")

GTZAN = ["blues.00000", "blues.00001", "hiphop.00000", "rock.00000"]
RATE = 22050


def write_tone(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(RATE // 2) / RATE
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * 220 * time), RATE)


def opened(name, folder, tracks):
    """Return mirdata's data set with an index of a few tracks, in mirdata's format."""
    index = {"version": "1.0", "tracks": tracks}
    (folder / "index.json").write_text(json.dumps(index))
    dataset = mirdata.initialize(name, data_home=str(folder))
    dataset.index_path = str(folder / "index.json")
    return dataset


@pytest.fixture
def gtzan(tmp_path):
    tracks = {}
    for key in GTZAN:
        place = f"gtzan_genre/genres/{key.split('.')[0]}/{key}.wav"
        write_tone(tmp_path / place)
        tracks[key] = {
            "audio": [place, "0" * 32],
            "beats": [None, None],
            "tempo": [None, None],
        }
    return opened("gtzan_genre", tmp_path, tracks)


def test_genres_are_those_of_mirdata(gtzan):
    tracks = kmt.data.from_mirdata(gtzan)
    assert tracks.is_single_label
    own = gtzan.load_tracks()
    assert {t.id: (t.path, t.tags) for t in tracks} == {
        key: (track.audio_path, (track.genre,)) for key, track in own.items()
    }
    assert list(tracks.labels) == ["blues", "hip-hop", "rock"]
    assert tracks.splits == {None: 4}  # mirdata has none for GTZAN
    assert len(tracks.check_files(on_missing="raise")) == 4


def test_audio_is_read_as_mirdata_reads_it(gtzan):
    (y, rate), (expected, own_rate) = (
        kmt.data.from_mirdata(gtzan)[0].load(),
        gtzan.track("blues.00000").audio,
    )
    assert rate == own_rate
    np.testing.assert_allclose(y, expected, atol=1e-6)


def test_functions_make_tags_splits_and_paths(gtzan):
    tracks = kmt.data.from_mirdata(
        gtzan,
        tags=lambda t: [t.genre, "first"] if t.track_id.endswith("0") else [t.genre],
        split=lambda t: "test" if t.genre == "rock" else "train",
        path=lambda t: t.audio_path.replace("genres", "other"),
    )
    assert tracks[0].tags == ("blues", "first") and tracks[1].tags == ("blues",)
    assert tracks.splits == {"train": 3, "test": 1}
    assert all("other" in path for path in tracks.paths)


def test_missing_audio_is_named(gtzan):
    tracks = kmt.data.from_mirdata(gtzan)
    (gone,) = [t.path for t in tracks if t.id == "rock.00000"]
    Path(gone).unlink()
    with pytest.warns(kmt.AudioWarning, match=r"1 of 4 .* rock\.00000"):
        left = tracks.check_files()
    assert len(left) == 3 and gone in left.problems


def test_tracks_without_audio_are_named(gtzan):
    gtzan._index["tracks"]["rock.00000"]["audio"] = [None, None]
    with pytest.warns(kmt.AudioWarning, match=r"1 of 4 tracks .*rock\.00000"):
        assert len(kmt.data.from_mirdata(gtzan)) == 3
    with pytest.raises(kmt.AudioError, match="4 of 4"):
        kmt.data.from_mirdata(gtzan, path=lambda t: None)


def test_splits_and_tags_of_mirdata(tmp_path):
    """MTG-Jamendo's moods, with the files of its repository."""
    rows = {"track_0000948": "happy", "track_0002165": "sad", "track_0003": "happy"}
    parts = dict(zip(rows, ("train", "validation", "test"), strict=True))
    lines = {
        key: f"{key}\tartist_1\talbum_1\t48/{key}.mp3\t9.9\tmood/theme---{tag}\n"
        for key, tag in rows.items()
    }
    data = tmp_path / "data"
    for i in range(5):
        (data / f"splits/split-{i}").mkdir(parents=True)
        for key, part in parts.items():
            file = data / f"splits/split-{i}/autotagging_moodtheme-{part}.tsv"
            file.write_text("TRACK_ID\n" + lines[key])
    header = "TRACK_ID\tARTIST_ID\tALBUM_ID\tPATH\tDURATION\tTAGS\n"
    (data / "autotagging_moodtheme.tsv").write_text(header + "".join(lines.values()))
    index = {key: {"audio": [f"audios/48/{key}.mp3", "0" * 32]} for key in rows}
    dataset = opened("mtg_jamendo_autotagging_moodtheme", tmp_path, index)
    tracks = kmt.data.from_mirdata(dataset)
    own = dataset.load_tracks()
    # A list, or in older releases of mirdata a string.
    assert {t.id: t.tags for t in tracks} == {
        key: tuple(np.atleast_1d(track.tags)) for key, track in own.items()
    }
    assert all(rows[t.id] in t.tags[0] for t in tracks)
    assert {t.id: t.split for t in tracks} == parts
    assert tracks.split("valid").ids == ["track_0002165"]


def test_chords_of_mirdata(tmp_path):
    lab = "0.0 2.0 N\n2.0 4.5 C:maj\n4.5 6.0 A:min7/b7\n"
    tracks = {}
    for key, text in (("0111", lab), ("0112", None)):
        paths = {k: [f"{k}/{key}.lab", "0" * 32] for k in ("chords", "sections")}
        paths |= {"beat": [None, None], "keys": [None, None]}
        tracks[key] = paths | {"audio": [f"audio/{key}.wav", "0" * 32]}
        write_tone(tmp_path / f"audio/{key}.wav")
        if text:
            (tmp_path / "chords").mkdir()
            (tmp_path / f"chords/{key}.lab").write_text(text)
    dataset = opened("beatles", tmp_path, tracks)
    songs = kmt.data.from_mirdata(dataset)
    assert songs.labels is None
    chords, expected = songs[0].chords(), dataset.track("0111").chords
    np.testing.assert_array_equal(chords.intervals, expected.intervals)
    assert list(chords.labels) == list(expected.labels)
    with pytest.warns(kmt.AudioWarning, match="0112"):
        assert songs.check_files().ids == ["0111"]


def test_confidences_leave_labels_unknown(gtzan):
    answers = {
        "blues.00000": {"flute": 0.9, "drums": 0.2},
        "blues.00001": {"drums": 0.5},
        "hiphop.00000": None,
        "rock.00000": {},
    }
    tracks = kmt.data.from_mirdata(gtzan, tags=lambda t: answers[t.track_id])
    assert list(tracks.labels) == ["drums", "flute"]
    unknown = np.nan
    np.testing.assert_array_equal(
        tracks.targets,
        [[0, 1], [1, unknown], [unknown, unknown], [unknown, unknown]],
    )


def test_mistakes_are_named(gtzan, tmp_path):
    with pytest.raises(kmt.ConfigError, match="no data set of mirdata.*str"):
        kmt.data.from_mirdata("gtzan_genre")
    with pytest.raises(kmt.LabelError, match=r"tags='mood'.*genre"):
        kmt.data.from_mirdata(gtzan, tags="mood")
    with pytest.raises(kmt.LabelError, match=r"3.*blues\.00000"):
        kmt.data.from_mirdata(gtzan, tags=lambda t: 3)
    bare = mirdata.initialize("gtzan_genre", data_home=str(tmp_path))
    bare.index_path = str(tmp_path / "none.json")
    with pytest.raises(kmt.LabelError, match=r"index.*download"):
        kmt.data.from_mirdata(bare)


def test_beats_and_their_genre_are_those_of_ballroom(tmp_path):
    tracks = {}
    for key, genre in (("Media-103901", "Tango"), ("Media-103902", "Waltz")):
        place, beats = f"B_1.0/audio/{genre}/{key}.wav", f"B_1.0/beats/{key}.beats"
        write_tone(tmp_path / place)
        (tmp_path / beats).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / beats).write_text("0.10 3\n0.22 1\n0.34 2\n0.46 3\n")
        tracks[key] = {
            "audio": [place, "0" * 32],
            "beats": [beats, "0" * 32],
            "tempo": [None, None],
        }
    found = kmt.data.from_mirdata(opened("ballroom", tmp_path, tracks))
    assert list(found.labels) == ["tango", "waltz"]
    for track in found:
        np.testing.assert_allclose(track.beats.times, [0.1, 0.22, 0.34, 0.46])
        np.testing.assert_array_equal(track.beats.positions, [3, 1, 2, 3])
        assert track.key is None


def test_keys_are_those_of_giantsteps(tmp_path):
    tracks = {}
    for key, name in (("1", "D minor"), ("2", "Gb major\n"), ("3", "unknown")):
        place = f"audio/{key}.wav"
        write_tone(tmp_path / place)
        (tmp_path / f"{key}.key").write_text(name)
        (tmp_path / f"{key}.json").write_text('{"categories": [], "artists": []}')
        tracks[key] = {
            "audio": [place, "0" * 32],
            "key": [f"{key}.key", "0" * 32],
            "meta": [f"{key}.json", "0" * 32],
        }
    dataset = opened("giantsteps_key", tmp_path, tracks)
    found = kmt.data.from_mirdata(dataset, tags=lambda track: ["all"])
    assert [track.key for track in found] == ["D:min", "Gb:maj", None]
    assert [track.beats for track in found] == [None] * 3
