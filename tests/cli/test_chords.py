"""`keras-musictag chords`: what it prints, writes and returns."""

import csv
import functools
import io
import json
import shutil

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

import keras_musictag as kmt
from keras_musictag.chords.sequence import ChordSequence
from keras_musictag.cli import app
from keras_musictag.models.recognizer import ChordRecognizer

RATE = 44100
SUFFIXES = {
    **{"table": "txt", "sheet": "txt", "midi": "mid", "chordpro": "cho"},
    "audacity": "txt",
}
FORMATS = (
    *("table", "sheet", "lab", "jams", "json", "csv"),
    *("midi", "chordpro", "musicxml", "audacity"),
)


def run(*arguments, preset=("--preset", "crema")):
    """Run the command, by the fastest of the large recognisers."""
    chosen = () if "--preset" in arguments else preset
    return CliRunner().invoke(app, ["chords", *map(str, (*arguments, *chosen))])


@pytest.fixture(scope="module")
def run_exported(exported_chords):
    """Run the command with the network that is there at once."""
    return functools.partial(run, "--preset", exported_chords)


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    """A folder with two files of the same stem: a triad, and the demo clip's start."""
    folder = tmp_path_factory.mktemp("music")
    t = np.arange(2 * RATE) / RATE
    pitches = [349.23 * ratio for ratio in (1, 1.26, 1.498)]
    y = sum(np.sin(2 * np.pi * f * k * t) / k for f in pitches for k in (1, 2, 3))
    soundfile.write(folder / "a.flac", 0.1 * y, RATE)
    clip, _ = kmt.audio.load(kmt.audio.demo_path(), RATE)
    soundfile.write(folder / "a.wav", clip[: 3 * RATE], RATE)
    return folder


def recognized(model, music):
    return {p: model.recognize(p) for p in (music / "a.flac", music / "a.wav")}


@pytest.fixture(scope="module")
def expected(music, exported_chords):
    chords = recognized(kmt.OnnxChordRecognizer(exported_chords), music)
    first, second = chords.values()
    assert first.labels != second.labels and {"N"} not in map(set, (first, second))
    return chords


def test_bad_files_never_lose_the_others(music, tmp_path):
    fake = tmp_path / "fake.mp3"
    fake.write_text("no music")
    short = tmp_path / "short.wav"
    soundfile.write(short, np.zeros(100), RATE)
    expected = recognized(ChordRecognizer.from_pretrained("crema"), music)
    result = run(music, fake, short, tmp_path / "missing.ogg", "--format", "json")
    assert result.exit_code == 1
    tracks = json.loads(result.stdout)
    assert [track["path"] for track in tracks] == [str(path) for path in expected]
    for track, chords in zip(tracks, expected.values(), strict=True):
        assert track["preset"] == "crema"
        assert track["duration"] == pytest.approx(chords.duration)
        labels = [segment["label"] for segment in track["segments"]]
        assert labels == chords.labels
        starts = [segment["start"] for segment in track["segments"]]
        np.testing.assert_allclose(starts, chords.intervals[:, 0], atol=1e-6)
    for name in ("fake.mp3: ", "short.wav: ", "missing.ogg: "):
        assert name in result.stderr
    assert "3 of 5 files could not be read." in result.stderr


def test_files_lie_in_the_folders_of_the_music(run_exported, music, expected, tmp_path):
    for folder, name in (("a", "a.wav"), ("b", "a.flac"), ("b", "a.wav")):
        (tmp_path / "two" / folder).mkdir(parents=True, exist_ok=True)
        shutil.copy(music / name, tmp_path / "two" / folder / name)
    result = run_exported(tmp_path / "two", "--output", tmp_path / "made")
    assert result.exit_code == 0, result.output
    chords = {path.name: sequence.labels for path, sequence in expected.items()}
    made = {"a/a": "a.wav", "b/a": "a.flac", "b/a-2": "a.wav"}
    assert len(list((tmp_path / "made").rglob("*.lab"))) == 3
    for name, source in made.items():
        file = tmp_path / "made" / f"{name}.lab"
        assert ChordSequence.from_lab(file).labels == chords[source]


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_for_each_track(run_exported, music, expected, tmp_path, format):
    folder = tmp_path / "made" / "here"
    result = run_exported(music, "--format", format, "--output", folder)
    assert result.exit_code == 0, result.output
    suffix = SUFFIXES.get(format, format)
    files = [folder / f"a.{suffix}", folder / f"a-2.{suffix}"]
    assert sorted(folder.iterdir()) == sorted(files)
    assert result.stdout.split() == [str(path) for path in files]
    readers = {
        "lab": ChordSequence.from_lab,
        "jams": ChordSequence.from_jams,
        "json": ChordSequence.from_json,
        "csv": ChordSequence.from_csv,
        "audacity": ChordSequence.from_audacity,
    }
    for file, chords in zip(files, expected.values(), strict=True):
        if format in readers:
            assert readers[format](file).labels == chords.labels
        elif format == "midi":
            assert file.read_bytes().startswith(b"MThd")
        else:
            root = chords.spelled().labels[0].partition(":")[0]
            if format == "musicxml":
                root = f"<root-step>{root[0]}</root-step>"
            assert root in file.read_text("utf-8")


def test_lab_is_what_a_folder_gets(run_exported, music, expected, tmp_path):
    assert run_exported(music / "a.wav", "--output", tmp_path).exit_code == 0
    stored = ChordSequence.from_lab(tmp_path / "a.lab")
    assert stored.labels == expected[music / "a.wav"].labels


def test_screen_formats(run_exported, music, expected):
    table = run_exported(music, "--vocabulary", "majmin")
    assert table.exit_code == 0
    assert "at" in table.stdout and str(music / "a.wav") in table.stdout
    rows = list(
        csv.DictReader(io.StringIO(run_exported(music, "--format", "csv").stdout))
    )
    labels = [label for chords in expected.values() for label in chords.labels]
    assert [row["label"] for row in rows] == labels
    assert set(rows[0]) == {"path", "start", "end", "label", "confidence"}
    lab = run_exported(music, "--format", "lab").stdout
    assert [x for x in lab.splitlines() if x.startswith("#")] == [
        f"# {path}" for path in expected
    ]
    sheets = run_exported(music, "--format", "chordpro").stdout
    assert sheets.count("{title: a}") == 2 and sheets.count("{new_song}") == 1


def test_agreement_of_a_second_recogniser(music):
    path = music / "a.wav"
    shown = run(path, "--agreement")
    assert shown.exit_code == 0 and "of the time" in shown.stdout
    track = json.loads(run(path, "--agreement", "--format", "json").stdout)[0]
    table = csv.DictReader(
        io.StringIO(run(path, "--agreement", "--format", "csv").stdout)
    )
    shares = [segment["agreement"] for segment in track["segments"]]
    assert [float(row["agreement"]) for row in table] == shares
    assert 0 <= track["agreed_share"] <= 1


def test_a_tuning_is_chosen(tmp_path):
    """A triad 40 cents flat, which a network for 440 Hz does not hear as it is."""
    time = np.arange(6 * 22050) / 22050
    hz = [440 * 2 ** ((pitch - 69 - 0.4) / 12) for pitch in (48, 55, 60, 64)]
    tones = [np.sin(2 * np.pi * f * k * time) / k for f in hz for k in range(1, 9)]
    path = tmp_path / "flat.wav"
    soundfile.write(path, (0.05 * np.sum(tones, axis=0)).astype("float32"), 22050)
    for tuning in ("-0.4", "auto"):
        result = run(path, "--tuning", tuning, "--format", "lab")
        assert "C:maj" in result.stdout and "N" not in result.stdout.split("C:maj")[1]
    for wrong in ("flat", "0.7"):
        result = run(path, "--tuning", wrong)
        assert result.exit_code == 2 and "from -0.5" in result.stderr


def test_choices_reach_the_model(music):
    result = run("--demo", "--vocabulary", "majmin", "--decoder", "argmax", "--format")
    assert result.exit_code == 2  # --format lacks its value
    options = ("--vocabulary", "majmin", "--decoder", "argmax")
    result = run("--demo", *options, preset=())
    model = ChordRecognizer.from_pretrained()
    wanted = model.recognize(
        kmt.audio.demo_path(), vocabulary="majmin", decoder="argmax"
    )
    lines = result.stdout.strip().splitlines()
    assert len(lines) == 2 + len(wanted)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to find chords in"),
        (["--demo", "--vocabulary", "majmn"], "majmin"),
        (["--demo", "--preset", "musicnn_mtt"], "keras-musictag tag"),
        (["--demo", "--preset", "crem"], "crema"),
        (["--demo", "--decoder", "viterby"], "viterbi"),
        (["--demo", "--format", "midi"], "--output"),
        (["--demo", "--format", "lab", "--roman"], "--format sheet or table or json"),
    ],
)
def test_wrong_usage_is_explained(arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize("format", ["jams", "musicxml", "audacity"])
def test_several_documents_need_a_folder(music, format):
    result = run(music, "--format", format)
    assert result.exit_code == 2
    assert "for 2 file(s)" in result.stderr and "--output" in result.stderr


def test_output_must_be_a_folder(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    result = run("--demo", "--output", file)
    assert result.exit_code == 2
    assert "which is a file" in result.stderr
    assert file.read_text() == ""


def test_presets_show_chord_recognisers():
    result = CliRunner().invoke(app, ["presets", "crema"])
    assert result.exit_code == 0
    assert "crema170" in result.stdout and "tetrads 0.6148" in result.stdout
    result = CliRunner().invoke(app, ["tag", "--demo", "--preset", "crema"])
    assert result.exit_code == 2
    assert "keras-musictag chords" in result.stderr


def test_keys_in_the_notation_that_is_asked_for(run_exported, music, expected):
    path = music / "a.wav"
    key = expected[path].key()
    shown = run_exported(path, "--key-notation", "openkey")
    assert shown.stdout.startswith(f"{path}  {key.open_key}\n")
    (record,) = json.loads(
        run_exported(path, "--key-notation", "camelot", "--format", "json").stdout
    )
    assert record["key"] == key.camelot
