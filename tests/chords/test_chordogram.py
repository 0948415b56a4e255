"""`Chordogram`: probabilities decoded, drawn, written and read."""

import json
import zipfile

import numpy as np
import pytest

import keras_musictag as kmt
from keras_musictag.chords import Chordogram, Vocabulary, get_vocabulary
from keras_musictag.chords.chordogram import silent_outputs, starts_on_beats
from keras_musictag.errors import ConfigError

MAJMIN = get_vocabulary("majmin")
PERIOD = 0.5


def make(path, vocabulary=MAJMIN, bass=None, shift=0.0, sure=0.9):
    """A chordogram whose most probable classes are those of `path`."""
    labels = list(vocabulary.labels)
    rest = (1 - sure) / (len(labels) - 1)
    chord = np.full((len(path), len(labels)), rest, "float32")
    chord[np.arange(len(path)), [labels.index(label) for label in path]] = sure
    outputs = {"chord": chord}
    if bass is not None:
        outputs["bass"] = np.eye(13, dtype="float32")[bass]
    return Chordogram(outputs, vocabulary, PERIOD, shift, len(path) * PERIOD)


@pytest.fixture
def song():
    return make(["C:maj"] * 8 + ["A:min"] * 8, bass=[4] * 8 + [9] * 8)


def test_it_says_what_it_holds(song):
    assert kmt.Chordogram is Chordogram
    np.testing.assert_allclose(song.times, np.arange(16) * PERIOD)
    assert song.times.dtype == np.float64
    assert song.labels == MAJMIN.labels
    assert song.probabilities().shape == (16, 25)
    assert song.probabilities("bass").shape == (16, 13)
    with pytest.raises(ConfigError, match="'chord', 'bass'"):
        song.probabilities("pitch")


def test_inversions_belong_to_all_that_the_model_knows(song):
    assert song.decode().labels == ["C:maj/3", "A:min"]
    assert song.decode("majmin").labels == ["C:maj", "A:min"]
    assert song.decode().intervals.tolist() == [[0.0, 4.0], [4.0, 8.0]]
    np.testing.assert_allclose(song.decode().confidences, 0.9, atol=1e-6)


@pytest.mark.parametrize(("shift", "change"), [(0.0, 4.0), (-0.5, 3.75), (0.5, 4.25)])
def test_the_shift_says_where_segments_begin(shift, change):
    chords = make(["C:maj"] * 8 + ["A:min"] * 8, shift=shift).decode()
    assert chords.intervals.tolist() == [[0.0, change], [change, 8.0]]


def test_decoders_and_beats():
    jumpy = make(["C:maj"] * 4 + ["F:maj"] + ["C:maj"] * 4, sure=0.5)
    assert jumpy.decode(decoder="argmax").labels == ["C:maj", "F:maj", "C:maj"]
    assert jumpy.decode().labels == ["C:maj"]
    late = make(["C:maj"] * 9 + ["F:maj"] * 7)
    chords = late.decode(beats=[0.3, 2.1, 4.2, 6.3])
    assert chords.intervals.tolist() == [[0.0, 4.2], [4.2, 8.0]]
    with pytest.raises(ConfigError, match="list of times"):
        late.decode(beats="auto")
    with pytest.raises(ConfigError, match="majmin"):
        late.decode("majmn")


def test_probabilities_of_chords_that_become_one_are_summed():
    sevenths = get_vocabulary("sevenths")
    values = np.zeros((3, len(sevenths)), "float32")
    for label, share in {"C:maj": 0.3, "C:7": 0.3, "F:maj": 0.4}.items():
        values[:, sevenths.index(label)] = share
    found = Chordogram({"chord": values}, sevenths, PERIOD, 0.0, 1.5)
    assert found.decode().labels == ["F:maj"]
    assert found.decode("majmin").labels == ["C:maj"]


@pytest.mark.parametrize(
    ("shift", "wanted"),
    [
        (-0.5, [-0.25, 0.25, 0.7, 1.25, 1.75]),
        (0.0, [0.0, 0.7, 1.0, 1.5, 2.0]),
        (0.5, [0.25, 0.7, 1.25, 1.75, 2.25]),
    ],
)
def test_a_beat_moves_the_frame_that_begins_nearest(shift, wanted):
    starts = starts_on_beats(5, PERIOD, shift, [-0.3, 0.7, 9.0])
    np.testing.assert_allclose(starts, wanted)


@pytest.mark.parametrize("shift", [-0.5, 0.0, 0.5])
@pytest.mark.parametrize("change", [3.81, 3.99, 4.2, 4.3])
def test_chords_change_on_the_beat_whatever_the_shift(shift, change):
    """The frames are those of a chord that begins about there."""
    first = round(change / PERIOD - shift)
    song = make(["C:maj"] * first + ["F:maj"] * (16 - first), shift=shift)
    chords = song.decode(beats=[1.9, change, 6.3])
    assert chords.intervals[:, 0].tolist() == [0.0, change]


def test_silence_is_certainly_no_chord():
    shapes = {"chord": 25, "pitch": 12, "root": 13, "bass": 13}
    outputs = {n: np.full((2, k), 0.1, "float32") for n, k in shapes.items()}
    silent = silent_outputs(outputs, MAJMIN)
    assert {
        n: v.argmax(axis=1).tolist() for n, v in silent.items() if n != "pitch"
    } == {
        "chord": [24, 24],
        "root": [12, 12],
        "bass": [12, 12],
    }
    assert [silent[n].sum() for n in shapes] == [2.0, 0.0, 2.0, 2.0]
    blues = Vocabulary("blues", ("A:7", "D:7"))
    same = silent_outputs({"chord": outputs["chord"][:, :2]}, blues)["chord"]
    np.testing.assert_array_equal(same, outputs["chord"][:, :2])
    assert outputs["root"].max() < 1


@pytest.mark.parametrize(
    ("outputs", "times"),
    [
        ({}, (1.0, 1.0)),
        ({"bass": np.zeros((2, 13))}, (1.0, 1.0)),
        ({"chord": np.zeros((2, 24))}, (1.0, 1.0)),
        ({"chord": np.zeros(25)}, (1.0, 1.0)),
        ({"chord": np.zeros((2, 25)), "bass": np.zeros((3, 13))}, (1.0, 1.0)),
        ({"chord": np.zeros((2, 25))}, (0.0, 1.0)),
        ({"chord": np.zeros((2, 25))}, (1.0, float("nan"))),
    ],
)
def test_what_does_not_fit_is_refused(outputs, times):
    with pytest.raises(ConfigError):
        Chordogram(outputs, MAJMIN, times[0], 0.0, times[1])


def test_a_data_frame_has_a_column_for_each_class(song):
    pytest.importorskip("pandas")
    frame = song.to_dataframe()
    assert list(frame.columns) == list(MAJMIN.labels)
    assert frame.loc[4.0, "A:min"] == pytest.approx(0.9)
    bass = song.to_dataframe("bass")
    assert bass.columns[-1] == "N" and bass.loc[0.0].idxmax() == "E"


def test_a_picture_shows_the_strongest_in_order(song, tmp_path):
    pytest.importorskip("matplotlib")
    ax = song.plot(top_k=2)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["C", "Am"]
    shown = np.ravel(ax.collections[0].get_array()).reshape(2, 16)
    np.testing.assert_allclose(shown, song.probabilities()[:, [0, 21]].T)
    assert ax.get_xlim() == (0.0, 8.0)
    ax.figure.savefig(tmp_path / "chordogram.png")
    assert (tmp_path / "chordogram.png").stat().st_size > 5000


# === Files ===


def test_a_file_brings_back_the_same(song, tmp_path):
    own = Vocabulary("blues", ("A:7", "D:7", "E:7", "N"))
    for name, one in {"song": song, "own": make(["A:7", "N"], own, shift=-0.5)}.items():
        one.to_npz(tmp_path / name)  # the name as it is, without a suffix
        again = Chordogram.from_npz(tmp_path / name)
        assert again.vocabulary == one.vocabulary
        assert (again.frame_period, again.shift, again.duration) == (
            one.frame_period,
            one.shift,
            one.duration,
        )
        assert set(again.outputs) == set(one.outputs)
        for output, values in one.outputs.items():
            np.testing.assert_array_equal(again.outputs[output], values)
        assert again.decode() == one.decode()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["own", "song"]


def test_any_reader_of_numpy_reads_it(song, tmp_path):
    song.to_npz(tmp_path / "song.npz")
    with np.load(tmp_path / "song.npz", allow_pickle=False) as data:
        about = json.loads(str(data["about"]))
        np.testing.assert_array_equal(data["outputs/bass"], song.outputs["bass"])
    assert about["vocabulary"] == "majmin" and about["duration"] == 8.0


def test_damaged_files_end_in_one_clear_error(song, tmp_path):
    song.to_npz(tmp_path / "song.npz")
    whole = (tmp_path / "song.npz").read_bytes()
    rng = np.random.default_rng(0)
    broken = [whole[:n] for n in (0, 1, 30, len(whole) // 2, len(whole) - 1)]
    for _ in range(60):
        changed = bytearray(whole)
        changed[rng.integers(len(whole))] ^= int(rng.integers(1, 256))
        broken.append(bytes(changed))
    messages = []
    for data in broken:
        (tmp_path / "bad.npz").write_bytes(data)
        try:
            read = Chordogram.from_npz(tmp_path / "bad.npz")
        except ConfigError as error:
            messages.append(str(error))
            continue
        # What is read after all, with another date in its head, is what was written.
        assert read.decode() == song.decode()
        for name, values in song.outputs.items():
            np.testing.assert_array_equal(read.outputs[name], values)
    assert all("chordogram" in text and "bad.npz" in text for text in messages)
    assert len(messages) > 40


def test_other_files_are_refused(song, tmp_path):
    song.to_npz(tmp_path / "song.npz")
    with np.load(tmp_path / "song.npz") as data:
        arrays = {name: data[name] for name in data.files}
    about = json.loads(str(arrays["about"]))

    def changed(**entries):
        return {**arrays, "about": np.array(json.dumps({**about, **entries}))}

    for wrong in (
        {"x": np.zeros(3)},
        {**arrays, "about": np.array([{"a": 1}], dtype=object)},
        {**arrays, "outputs/chord": np.array([[None] * 25] * 16, dtype=object)},
        {**arrays, "about": np.array("[]")},
        {**arrays, "about": np.array("[" * 100000)},
        changed(kind="other"),
        changed(version=2),
        changed(frame_period="long"),
        changed(shift=None),
        changed(vocabulary="tetrads"),
        changed(vocabulary={"name": "x"}),
    ):
        np.savez(tmp_path / "wrong.npz", **wrong)
        with pytest.raises(ConfigError, match="no chordogram"):
            Chordogram.from_npz(tmp_path / "wrong.npz")
    np.save(tmp_path / "one.npy", np.zeros(3))
    with zipfile.ZipFile(tmp_path / "text.zip", "w") as archive:
        archive.writestr("about.npy", "no array")
    for name in ("one.npy", "text.zip", ""):
        with pytest.raises(ConfigError, match="no chordogram"):
            Chordogram.from_npz(tmp_path / name)
    with pytest.raises(ConfigError, match="no such file"):
        Chordogram.from_npz(tmp_path / "missing.npz")
