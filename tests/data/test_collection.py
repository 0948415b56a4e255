"""Track lists: targets, splits, filters, weights, and reports of bad files."""

import numpy as np
import pytest
import soundfile

import keras_musictag as kmt
from keras_musictag.data import Track, TrackList

RATE = 8000
LABELS = ["jazz", "piano", "rock"]
TARGETS = [[1, 1, 0], [0, 0, 1], [1, 0, np.nan], [0, 0, 1]]
PARTS = ["train", "train", "valid", "test"]


def write_tone(path, seconds=0.3, rate=RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    tone = 0.5 * np.sin(np.arange(int(seconds * rate)) * 0.3)
    soundfile.write(path, tone.astype("float32"), rate, subtype="FLOAT")
    return tone.astype("float32")


@pytest.fixture
def tracks(tmp_path):
    made = []
    for i, part in enumerate(PARTS):
        write_tone(tmp_path / f"{i}.wav")
        made.append(Track(f"song {i}", tmp_path / f"{i}.wav", split=part))
    return TrackList(made, TARGETS, LABELS, name="test set")


def test_a_list_knows_its_tracks(tracks, tmp_path):
    assert len(tracks) == 4
    assert tracks.ids == ["song 0", "song 1", "song 2", "song 3"]
    assert tracks.paths[1] == str(tmp_path / "1.wav")
    assert tracks.tags == [("jazz", "piano"), ("rock",), ("jazz",), ("rock",)]
    assert tracks.splits == {"train": 2, "valid": 1, "test": 1}
    assert tracks[-1].tags == ("rock",)
    assert [track.id for track in tracks] == tracks.ids
    assert tracks[1:3].ids == ["song 1", "song 2"]
    assert "4 tracks" in repr(tracks) and "2 train" in repr(tracks)
    targets = tracks.targets
    assert targets.dtype == "float32"
    np.testing.assert_array_equal(targets, np.array(TARGETS, "float32"))
    with pytest.raises(ValueError, match="read-only"):
        targets[0, 0] = 0


def test_audio_is_loaded_at_the_wanted_rate(tmp_path):
    tone = write_tone(tmp_path / "a.wav")
    track = Track("a", tmp_path / "a.wav")
    y, rate = track.load()
    assert rate == RATE
    np.testing.assert_array_equal(y, tone)
    y, rate = track.load(16000)
    assert rate == 16000 and len(y) == 2 * len(tone)


def test_splits_go_by_any_usual_name(tracks):
    assert tracks.split("train").ids == ["song 0", "song 1"]
    assert tracks.split("validation").ids == tracks.split("valid").ids == ["song 2"]
    assert tracks.split(["train", "test"]).ids == ["song 0", "song 1", "song 3"]
    np.testing.assert_array_equal(tracks.split("test").targets, [[0, 0, 1]])


def test_an_empty_split_is_named_with_those_there(tracks):
    with pytest.raises(kmt.ConfigError, match=r"'extra'.*train \(2\), valid \(1\)"):
        tracks.split("extra")
    plain = tracks.with_splits({})
    with pytest.raises(kmt.ConfigError, match="random_splits"):
        plain.split("train")


def test_splits_of_another_release_name_the_strangers(tracks):
    moved = tracks.with_splits({"song 3": "train", "song 0": "test"})
    assert moved.split("train").ids == ["song 3"]
    assert moved.splits == {"test": 1, None: 2, "train": 1}
    with pytest.raises(kmt.LabelError, match=r"1 of 2: 'tune 9'; the first id here"):
        tracks.with_splits({"tune 9": "train", "song 0": "test"})


def test_random_splits_repeat_and_keep_groups_together():
    many = [Track(f"{i}", f"{i % 40}/{i}.wav") for i in range(200)]
    tracks = TrackList(many, np.ones((200, 1)), ["x"])
    dealt = tracks.random_splits(train=0.5, valid=0.25, test=0.25, seed=3)
    assert dealt.splits == {"train": 100, "valid": 50, "test": 50}
    again = tracks.random_splits(train=0.5, valid=0.25, test=0.25, seed=3)
    assert [t.split for t in dealt] == [t.split for t in again]
    other = tracks.random_splits(train=0.5, valid=0.25, test=0.25, seed=4)
    assert [t.split for t in dealt] != [t.split for t in other]
    grouped = tracks.random_splits(seed=0, by=lambda t: t.path.split("/")[0])
    parts = {}
    for track in grouped:
        parts.setdefault(track.path.split("/")[0], set()).add(track.split)
    assert all(len(names) == 1 for names in parts.values())
    assert grouped.splits == {"train": 160, "valid": 20, "test": 20}
    with pytest.raises(kmt.ConfigError, match="together 1"):
        tracks.random_splits(train=0.5)


def test_filters_and_choices(tracks):
    assert tracks.filter(lambda t: "rock" in t.tags).ids == ["song 1", "song 3"]
    assert tracks.take([2, 0]).ids == ["song 2", "song 0"]
    assert tracks[np.array([True, False, False, True])].ids == ["song 0", "song 3"]
    with pytest.raises(kmt.ConfigError, match="test set has no tracks"):
        tracks.filter(lambda t: "techno" in t.tags)


def test_labels_of_a_model(tracks):
    turned = tracks.with_labels(["rock", "jazz", "piano"])
    np.testing.assert_array_equal(turned.targets[:2], [[0, 1, 1], [1, 0, 0]])
    assert turned[0].tags == ("jazz", "piano")
    with pytest.raises(
        kmt.LabelError, match="only in the data: 'piano'; only asked for: 'techno'"
    ):
        tracks.with_labels(["rock", "jazz", "techno"])
    loose = tracks.with_labels(
        ["techno", "rock"], extra="drop", missing="unknown"
    ).targets
    assert np.isnan(loose[:, 0]).all()
    np.testing.assert_array_equal(loose[:, 1], [0, 1, np.nan, 1])


def test_weights_are_those_of_scikit_learn():
    from sklearn.utils.class_weight import compute_class_weight

    classes = np.array([0, 0, 0, 1, 2, 2])
    made = [Track(f"{i}", f"{i}.wav") for i in range(6)]
    tracks = TrackList(made, np.eye(3)[classes], LABELS)
    assert tracks.is_single_label
    np.testing.assert_array_equal(tracks.classes, classes)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=classes)
    np.testing.assert_allclose(list(tracks.class_weights().values()), expected)
    np.testing.assert_allclose(tracks.positive_weights(), [1, 5, 2])
    with pytest.raises(kmt.LabelError, match="all are negative.*1 of 3 labels: 'jazz'"):
        tracks.take([3, 4]).class_weights()


def test_unknown_labels_do_not_count_in_weights(tracks):
    assert not tracks.is_single_label
    np.testing.assert_allclose(tracks.positive_weights(), [1, 3, 0.5])
    with pytest.raises(kmt.LabelError, match="1 others: song 0"):
        tracks.class_weights()
    train = tracks.split("test")
    with pytest.raises(kmt.LabelError, match="2 of 3 labels: 'jazz', 'piano'"):
        train.positive_weights()
    np.testing.assert_allclose(train.positive_weights(unused=1.0), [1, 1, 0])


@pytest.fixture
def damaged(tracks, tmp_path):
    (tmp_path / "1.wav").unlink()
    (tmp_path / "2.wav").write_text("this is no sound")
    return tracks


def test_bad_files_are_skipped_by_name(damaged, tmp_path):
    with pytest.warns(kmt.AudioWarning, match=r"(?s)2 of 4 tracks.*song 1.*song 2"):
        good = damaged.check_files()
    assert good.ids == ["song 0", "song 3"]
    np.testing.assert_array_equal(good.targets, [[1, 1, 0], [0, 0, 1]])
    assert set(good.problems) == {str(tmp_path / "1.wav"), str(tmp_path / "2.wav")}
    # What was reported stays with shorter lists.
    assert good.split("train").problems == good.problems


def test_bad_files_are_kept_or_fatal_by_choice(damaged):
    with pytest.warns(kmt.AudioWarning, match="still listed"):
        assert len(damaged.check_files("warn")) == 4
    with pytest.raises(kmt.AudioError, match="2 of 4 tracks of the test set"):
        damaged.check_files("raise")
    with pytest.raises(kmt.ConfigError, match="on_missing"):
        damaged.check_files("ignore")


def test_nothing_to_report_gives_the_same_list(tracks):
    assert tracks.check_files() is tracks
    assert tracks.check_files("raise", whole=True) is tracks


def test_only_whole_decoding_finds_what_comes_late(tmp_path):
    y = np.zeros(4 * RATE, "float32")
    y[-5] = np.nan
    soundfile.write(tmp_path / "late.wav", y, RATE, subtype="FLOAT")
    write_tone(tmp_path / "good.wav")
    made = [Track(name, tmp_path / f"{name}.wav") for name in ("late", "good")]
    tracks = TrackList(made, [[1], [1]], ["x"])
    assert tracks.check_files() is tracks
    with pytest.warns(kmt.AudioWarning, match="late: .*NaN"):
        assert tracks.check_files(whole=True).ids == ["good"]


def test_when_all_files_are_bad_it_is_an_error(tmp_path):
    tracks = TrackList([Track("a", tmp_path / "a.wav")], [[1]], ["x"])
    with pytest.raises(kmt.AudioError, match="1 of 1 tracks"):
        tracks.check_files()


@pytest.mark.parametrize(
    ("targets", "labels", "match"),
    [
        ([[1, 0]], ["x"], r"shape \(1, 2\), 1 tracks, 1 labels"),
        ([1], ["x"], "row for each track"),
        ([[1]], None, "0 labels"),
        (None, ["x"], "row for each track"),
    ],
)
def test_targets_must_fit(targets, labels, match):
    with pytest.raises(kmt.LabelError, match=match):
        TrackList([Track("a", "a.wav")], targets, labels)


def test_empty_lists_and_repeated_ids_are_refused():
    with pytest.raises(kmt.ConfigError, match="no tracks"):
        TrackList([], [], ["x"])
    with pytest.raises(kmt.ConfigError, match="'a'"):
        TrackList([Track("a", "a.wav"), Track("a", "b.wav")], [[1], [1]], ["x"])


def test_lists_without_labels_say_so():
    tracks = TrackList([Track("a", "a.wav")])
    with pytest.raises(kmt.LabelError, match="no labels"):
        _ = tracks.targets
    with pytest.raises(kmt.LabelError, match="no chords"):
        tracks[0].chords()
    assert tracks[0].tags == () and not tracks.is_single_label
