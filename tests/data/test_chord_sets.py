"""Audio with chords: pairs of files, RWC, and the samples of Peeters' tutorial."""

import json

import numpy as np
import pytest
import soundfile

import keras_musictag as kmt

LAB = "0.0\t1.0\tC:maj\n1.0\t2.0\tA:min\n"


def write_song(path, lab=None, text=LAB):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full(800, 0.1), 8000)
    if lab is not None:
        lab.parent.mkdir(parents=True, exist_ok=True)
        lab.write_text(text)


def test_files_of_one_name_are_pairs(tmp_path):
    songs, labs = tmp_path / "audio", tmp_path / "labs"
    write_song(songs / "Help" / "01_Help.wav", labs / "Help" / "01_help.lab")
    write_song(songs / "Help" / "00_Intro.wav", labs / "Help" / "00_Intro.lab")
    write_song(songs / "Red" / "00_Intro.wav", labs / "Red" / "00_Intro.lab", "0 3 N\n")
    write_song(songs / "x" / "other.flac", labs / "elsewhere" / "other.chords.lab")
    tracks = kmt.data.chord_folder(songs, labs)
    assert tracks.ids == ["Help/00_Intro", "Help/01_Help", "Red/00_Intro", "x/other"]
    assert [t.chords().labels for t in tracks] == [
        ["C:maj", "A:min"],
        ["C:maj", "A:min"],
        ["N"],
        ["C:maj", "A:min"],
    ]
    assert tracks.check_files("raise") is tracks
    assert tracks.labels is None


def test_jams_files_are_chords_too(tmp_path):
    write_song(tmp_path / "a.wav")
    song = kmt.chords.sequence.ChordSequence([[0, 1.5]], ["D:min7"])
    (tmp_path / "a.jams").write_text(song.to_jams())
    tracks = kmt.data.chord_folder(tmp_path)
    assert tracks[0].chords().labels == ["D:min7"]


def test_lonely_files_are_named(tmp_path):
    write_song(tmp_path / "a.wav", tmp_path / "a.lab")
    write_song(tmp_path / "b.wav")
    (tmp_path / "c.lab").write_text(LAB)
    with pytest.warns(
        kmt.AudioWarning, match=r"2 files have no partner.*b\.wav.*c\.lab"
    ):
        assert kmt.data.chord_folder(tmp_path).ids == ["a"]
    with pytest.raises(kmt.LabelError, match="2 files have no partner"):
        kmt.data.chord_folder(tmp_path, on_missing="raise")
    (tmp_path / "a.lab").unlink()
    with pytest.raises(kmt.LabelError, match="No chord file belongs"):
        kmt.data.chord_folder(tmp_path)
    with pytest.raises(kmt.AudioError, match="no such folder"):
        kmt.data.chord_folder(tmp_path, tmp_path / "labs")


def test_two_files_of_one_song_are_refused(tmp_path):
    write_song(tmp_path / "a.wav", tmp_path / "a.lab")
    (tmp_path / "a.jams").write_text("{}")
    with pytest.raises(kmt.LabelError, match=r"(?s)Two chord files.*a\.jams"):
        kmt.data.chord_folder(tmp_path)
    (tmp_path / "a.jams").unlink()
    write_song(tmp_path / "a.flac")
    with pytest.raises(kmt.LabelError, match="Two audio files"):
        kmt.data.chord_folder(tmp_path)


def test_malformed_chords_are_found_by_name(tmp_path):
    write_song(tmp_path / "a.wav", tmp_path / "a.lab")
    write_song(tmp_path / "b.wav", tmp_path / "b.lab", "0 1 C:maj\n1 x D\n")
    tracks = kmt.data.chord_folder(tmp_path)
    with pytest.warns(kmt.AudioWarning, match=r"1 of 2.*line 2 of .*b\.lab"):
        assert tracks.check_files().ids == ["a"]
    (tmp_path / "a.lab").unlink()
    with pytest.raises(kmt.LabelError, match="cannot be read"):
        tracks[0].chords()


def test_the_rendered_songs(corpus):
    folder = corpus / "chords"
    labs = sorted(folder.rglob("*.lab"))
    if not labs:
        pytest.skip("needs songs with .lab files in corpus/chords")
    tracks = kmt.data.chord_folder(folder)
    assert {t.annotation for t in tracks} <= set(labs)
    for track in tracks[:3]:
        rows = [line.split() for line in track.annotation.read_text().splitlines()]
        assert track.chords().labels == [row[2] for row in rows]


def test_rwc_popular(tmp_path):
    write_song(tmp_path / "RM-P001.wav", tmp_path / "N001-M01-T01.lab")
    write_song(tmp_path / "disc7" / "100.wav", tmp_path / "N100-M07-T04.lab")
    write_song(tmp_path / "disc1" / "RM-P010.wav", tmp_path / "RM-P010.CHORD.LAB")
    tracks = kmt.data.rwc_popular(tmp_path)
    assert tracks.ids == ["001", "010", "100"]
    assert tracks[2].annotation.name == "N100-M07-T04.lab"
    write_song(tmp_path / "notes.wav")
    with pytest.warns(kmt.AudioWarning, match=r"1 files.*notes\.wav"):
        assert len(kmt.data.rwc_popular(tmp_path)) == 3


@pytest.fixture(scope="module")
def samples(reference):
    folder = reference / "peeters" / "samples"
    if not list(folder.glob("*.hdf5")):
        pytest.skip("needs reference/peeters/samples of the shared data")
    return folder


def pairs(folder):
    found = [(file.stem, file) for file in sorted(folder.glob("*.pyjama"))]
    assert found
    return found


def test_the_samples_give_what_the_notebooks_make_of_them(samples):
    expected = np.load(samples / "expected.npz")
    for base, file in pairs(samples):
        tracks = kmt.data.peeters(samples / f"{base}_audio.hdf5", file)
        labels = expected[f"{base}.labels"].tolist()
        assert [t.split for t in tracks] == ["valid", "train"]
        assert tracks.check_files("raise", whole=True) is tracks
        for i, track in enumerate(tracks):
            y = expected[f"{base}.y.{i}"]
            if tracks.labels is None:
                np.testing.assert_array_equal(frames(track, labels, len(y)), y)
            elif np.ndim(y):
                assert tracks.labels == labels
                np.testing.assert_array_equal(tracks.targets[i], y)
            else:
                assert tracks.labels == labels
                assert tracks.classes[i] == y


def frames(track, labels, n):
    """Label frames by the notebooks' rule: time < t <= time + duration, else 0."""
    times = np.arange(n) * 512 / 22050
    index = np.zeros(n, int)
    for start, end, label, _ in track.chords():
        name = "N:-" if label == "N" else label
        index[(start < times) & (times <= end)] = labels.index(name)
    return index


def test_waveforms_come_as_they_are_stored(samples):
    import h5py

    for base, file in pairs(samples):
        hdf5 = samples / f"{base}_audio.hdf5"
        track = kmt.data.peeters(hdf5, file)[1]
        with h5py.File(hdf5) as stored:
            expected = stored[track.id][...]
        y, rate = track.load()
        assert rate == 22050
        np.testing.assert_array_equal(y, expected)
        y, rate = track.load(16000)
        assert rate == 16000
        assert abs(len(y) - len(expected) * 16000 / 22050) <= 1


def write_pair(folder, entries, definition=None, names=("a", "b")):
    import h5py

    collection = {"descriptiondefinition": definition or {}, "entry": entries}
    (folder / "x.pyjama").write_text(json.dumps({"collection": collection}))
    with h5py.File(folder / "x.hdf5", "w") as file:
        for name in names:
            file.create_dataset(name, data=np.full(4000, 0.1, "float32"))
            file[name].attrs["sr_hz"] = 22050
    return folder / "x.hdf5", folder / "x.pyjama"


def entry(name, **atoms):
    return {"filepath": [{"value": name}], **atoms}


def test_a_track_that_the_hdf5_lacks_is_named(tmp_path):
    entries = [entry(n, genre=[{"value": "pop"}]) for n in ("a", "missing", "b")]
    tracks = kmt.data.peeters(*write_pair(tmp_path, entries), key="genre")
    with pytest.warns(kmt.AudioWarning, match="1 of 3 tracks.*'missing'"):
        good = tracks.check_files()
    assert good.ids == ["a", "b"]
    assert list(good.problems) == [f"{tmp_path / 'x.hdf5'}::missing"]


def test_tracks_without_the_annotation_are_unknown(tmp_path):
    entries = [entry("a", tag=[{"value": "y"}, {"value": "x"}]), entry("b")]
    tracks = kmt.data.peeters(*write_pair(tmp_path, entries), key="tag")
    np.testing.assert_array_equal(tracks.targets, [[1, 1], [np.nan, np.nan]])


@pytest.mark.parametrize(
    ("entries", "key", "match"),
    [
        ([entry("a", genre=[{"value": "pop"}])], "mood", "one of 'filepath', 'genre'"),
        ([entry("a", genre=[{"value": "pop"}])], None, "does not say which"),
        ([entry("a", genre=[{"value": 3}])], "genre", "no text, entry a"),
        ([{"genre": [{"value": "pop"}]}], "genre", "no file path in entry 0"),
        ([entry("a", genre=[{"value": "pop"}])] * 2, "genre", "'a'"),
        ([], "genre", "no list of entries"),
    ],
)
def test_malformed_collections_are_refused(tmp_path, entries, key, match):
    with pytest.raises(kmt.MusicTagError, match=match):
        kmt.data.peeters(*write_pair(tmp_path, entries), key=key)


def test_files_that_do_not_belong_together(tmp_path):
    entries = [entry("c", genre=[{"value": "pop"}])]
    hdf5, pyjama = write_pair(tmp_path, entries)
    with pytest.raises(kmt.AudioError, match="'c' wanted, 'a' in x.hdf5"):
        kmt.data.peeters(hdf5, pyjama, key="genre")
    with pytest.raises(kmt.AudioError, match="cannot be read"):
        kmt.data.peeters(pyjama, pyjama, key="genre")
    pyjama.write_text("no JSON")
    with pytest.raises(kmt.LabelError, match="cannot be read as JSON"):
        kmt.data.peeters(hdf5, pyjama)
