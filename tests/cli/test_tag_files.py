"""`keras-musictag tag --write` and what belongs to it."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

import keras_musictag as kmt
from keras_musictag.cli import app

pytest.importorskip("mutagen", reason="needs the extra `files`")


def run(*arguments):
    return CliRunner().invoke(app, ["tag", *map(str, arguments)])


def untag(*arguments):
    return CliRunner().invoke(app, ["untag", *map(str, arguments)])


@pytest.fixture
def song(tmp_path):
    path = tmp_path / "song.ogg"
    shutil.copyfile(kmt.audio.demo_path(), path)
    before = kmt.tagfiles.read(path)
    assert "mood" not in before and "genre" not in before
    return path


def test_show_write_and_take_back(song, tmp_path):
    before = song.read_bytes()
    shown = run(song, "--dry-run")
    assert shown.exit_code == 0, shown.output
    assert "genre: - -> " in shown.stdout
    assert song.read_bytes() == before

    table = tmp_path / "map.toml"
    table.write_text(
        'max_labels = 1\n[fields]\ngenre = "genre"\n[labels]\njazz = "Jazz!"\n'
    )
    written = run(song, "--write", "--map", table, "--format", "json")
    (track,) = json.loads(written.stdout)  # what is written does not spoil it
    found = kmt.tagfiles.read(song)
    assert found["genre"] == ["Jazz!"]
    assert found["KMT_PRESET"] == ["musicnn_msd"]
    scores = {tag["label"]: tag["score"] for tag in track["tags"]}
    assert float(found["KMT_JAZZ"][0]) == pytest.approx(scores["jazz"], abs=1e-4)

    assert "genre: Jazz!" in untag(song, "--dry-run").stdout
    assert kmt.tagfiles.read(song) == found
    assert untag(song).exit_code == 0
    assert kmt.tagfiles.read(song) == {}


@pytest.mark.slow
def test_a_file_that_cannot_be_written_is_named_and_the_others_go_on(song, tmp_path):
    path = tmp_path / "tone.au"
    soundfile.write(path, 0.1 * np.sin(np.arange(64000) / 20), 16000)
    result = run(tmp_path, "--write", "--key", "--tempo")
    assert result.exit_code == 1
    assert f"{path}: Files of this format hold no tags" in result.stderr
    assert "1 of 2 files could not be tagged" in result.stderr
    found = kmt.tagfiles.read(song)
    assert found["genre"]
    assert found["key"] == [
        kmt.ChordRecognizer.from_pretrained().recognize(song).key().short
    ]
    exact = kmt.BeatTracker.from_pretrained().track(song).tempo
    assert found["tempo"] == [str(round(exact))]
    assert found["KMT_TEMPO"] == [f"{exact:.2f}"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--overwrite"], "--overwrite without --write"),
        (["--map", "MAP"], "--map without --write"),
        (["--key-notation", "camelot"], "No key is shown or written"),
        (["--write", "--key-notation", "camelot"], "No key is shown or written"),
        (["--write", "--map", "MAP"], "group that the model does not have"),
        (["--write", "--map", "missing.toml"], "map of fields cannot be read"),
    ],
)
def test_wrong_use_is_one_message(song, tmp_path, options, message):
    table = tmp_path / "map.toml"
    table.write_text('[fields]\nmoood = "mood"\n')
    before = os.stat(song).st_mtime_ns
    result = run(song, *[str(table) if o == "MAP" else o for o in options])
    assert result.exit_code == 2
    assert message in result.stderr
    assert os.stat(song).st_mtime_ns == before


# === In a real process ===
# A runner of tests replaces the streams, and so hides what a terminal does not show.


def run_process(*arguments, **options):
    program = "from keras_musictag.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        **options,
    )


@pytest.fixture
def bad_files(tmp_path):
    """Files that hold no tags or cannot be written, each with the reason."""
    sound = 0.1 * np.sin(np.arange(64000) / 20)
    soundfile.write(tmp_path / "tone.au", sound, 16000)
    soundfile.write(tmp_path / "protected.flac", sound, 16000)
    (tmp_path / "protected.flac").chmod(0o444)
    soundfile.write(tmp_path / "streamed.wav", sound, 16000)
    data = bytearray((tmp_path / "streamed.wav").read_bytes())
    data[4:8] = data[40:44] = b"\xff" * 4
    (tmp_path / "streamed.wav").write_bytes(data)
    return {
        tmp_path / "tone.au": "Files of this format hold no tags",
        tmp_path / "protected.flac": "it is write-protected",
        tmp_path / "streamed.wav": "written as a stream",
    }


@pytest.mark.parametrize(
    "format",
    ["json", *(pytest.param(f, marks=pytest.mark.slow) for f in ("table", "csv"))],
)
def test_a_process_says_what_it_could_not_write_and_what_it_did(
    song, bad_files, format
):
    done = run_process("tag", song.parent, "--write", "--format", format)
    assert done.returncode == 1
    for path, reason in bad_files.items():
        (line,) = [x for x in done.stderr.splitlines() if x.startswith(f"{path}: ")]
        assert reason in line
    assert "3 of 4 files could not be tagged" in done.stderr
    told = done.stdout if format == "table" else done.stderr
    assert f"{song}\n" in told and "\n  genre: - -> " in told
    assert "fields KMT_* with scores" in told
    if format == "json":
        assert len(json.loads(done.stdout)) == 4
    assert kmt.tagfiles.read(song)["genre"]


@pytest.mark.slow
def test_a_process_of_a_file_that_is_immutable(song):
    program = shutil.which("chattr")
    if program is None or subprocess.run([program, "+i", song]).returncode:
        pytest.skip("needs chattr, and a file system that knows it")
    try:
        done = run_process("tag", song, "--write")
        undone = run_process("untag", song)
    finally:
        subprocess.run([program, "-i", song], check=True)
    assert done.returncode == 1
    assert f"{song}: The tags cannot be written" in done.stderr
    assert undone.returncode == 0 and "nothing changes" in undone.stdout


def test_the_tempo_is_that_of_the_drums_to_two_decimals_without_librosa(tmp_path):
    rate, bpm = 22050, 127.5
    y = np.zeros(20 * rate)
    noise = np.random.default_rng(0).normal(size=rate // 20)
    hit = noise * np.exp(-np.arange(len(noise)) / 150)
    for beat in np.arange(0.2, 19.5, 60 / bpm):
        y[round(beat * rate) :][: len(hit)] += 0.3 * hit
    path = tmp_path / "drums.flac"
    soundfile.write(path, y, rate)
    program = "import sys; sys.modules['librosa'] = None; "  # as if not installed
    program += "from keras_musictag.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "tag", str(path), "--write", "--tempo"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = kmt.tagfiles.read(path)
    assert found["tempo"] in (["127"], ["128"])
    assert float(found["KMT_TEMPO"][0]) == pytest.approx(bpm, abs=0.05)
    assert f"KMT_TEMPO: - -> {found['KMT_TEMPO'][0]}" in done.stdout


def test_the_key_as_programs_of_djs_show_it(song):
    options = ("--key", "--key-notation", "camelot", "--engine", "keras")
    shown = run(song, "--dry-run", *options)
    key = kmt.ChordRecognizer.from_pretrained().recognize(song).key()
    assert f"  key: - -> {key.camelot}\n" in shown.stdout
