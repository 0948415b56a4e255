"""`keras-musictag beats`: what it prints and writes; `evaluate --beats`, `--keys`."""

import csv
import io
import json

import mido
import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from keras_musictag.beats import BeatSequence
from keras_musictag.cli import app


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    """A folder with a drum loop of 120 beats per minute, silence, and a bad file."""
    folder = tmp_path_factory.mktemp("music")
    rng, rate = np.random.default_rng(0), 22050
    ramp = np.arange(2000) / rate
    track = np.zeros(12 * rate, "float32")
    for i in range(23):
        at = round((0.25 + 0.5 * i) * rate)
        hit = rng.normal(size=2000) * np.exp(-ramp / 0.015) * (0.6 if i % 4 else 1.0)
        track[at : at + 2000] += 0.4 * hit.astype("float32")
    soundfile.write(folder / "drums.wav", track, rate)
    soundfile.write(folder / "silence.wav", np.zeros(rate, "float32"), rate)
    (folder / "bad.wav").write_bytes(b"RIFF but no more than that")
    return folder


def test_a_folder_is_printed_and_the_bad_file_named(music):
    result = run("beats", music, "--format", "json")
    assert result.exit_code == 1
    assert "bad.wav" in result.stderr
    by_name = {r["path"].rpartition("/")[2]: r for r in json.loads(result.stdout)}
    assert by_name["drums.wav"]["tempo"] == pytest.approx(120, rel=0.01)
    assert by_name["silence.wav"]["beats"] == [] and not by_name["silence.wav"]["tempo"]


def test_files_in_every_format(music, tmp_path):
    for form, suffix in {"beats": "beats", "midi": "mid", "clicks": "wav"}.items():
        out = tmp_path / form
        result = run("beats", music / "drums.wav", "--format", form, "--output", out)
        assert result.exit_code == 0, result.output
        assert (out / f"drums.{suffix}").exists()
    beats = BeatSequence.from_file(tmp_path / "beats" / "drums.beats")
    assert beats.tempo == pytest.approx(120, rel=0.01)
    strokes = [
        m for m in mido.MidiFile(tmp_path / "midi" / "drums.mid") if m.type == "note_on"
    ]
    assert len(strokes) == len(beats)
    clicked, rate = soundfile.read(tmp_path / "clicks" / "drums.wav")
    song, _ = soundfile.read(music / "drums.wav")
    assert rate == 22050 and len(clicked) == len(song)
    assert np.abs(clicked - 0.5 * song).max() > 0.3
    table = run("beats", music / "drums.wav")
    assert "BPM" in table.stdout and "120" in table.stdout


def test_wrong_usage_is_said_before_anything_is_loaded(music):
    for arguments, message in (
        (("--preset", "crema"), "names chords, not beats"),
        (("--preset", "musicnn_mtt"), "keras-musictag tag"),
        (("--format", "midi"), "Name a folder with --output"),
        (("--tempo", "200", "100"), "slowest and a fastest"),
        (("--meter", "0"), "meters"),
    ):
        result = run("beats", music / "drums.wav", *arguments)
        assert result.exit_code == 2 and message in result.stderr, arguments
    assert (
        "names beats, not chords"
        in run("chords", music / "drums.wav", "--preset", "beatnet").stderr
    )
    assert (
        "names beats, not tags"
        in run("tag", music / "drums.wav", "--preset", "beatnet").stderr
    )


def test_beats_are_evaluated(tmp_path):
    for folder, shift in (("right", 0.0), ("guess", 0.02)):
        (tmp_path / folder).mkdir()
        for name in ("one", "two"):
            song = BeatSequence(np.arange(5.2, 30, 0.5) + shift, np.arange(50) % 4 + 1)
            song.to_beats(tmp_path / folder / f"{name}.beats")
    (tmp_path / "guess" / "alone.beats").write_text("1.0\n")
    (tmp_path / "guess" / "two.beats").write_text("2.0\n1.0\n")
    both = ("evaluate", "--beats", tmp_path / "right", tmp_path / "guess")
    result = run(*both, "--format", "json", "--tracks")
    assert result.exit_code == 1
    assert "alone" in result.stderr and "is not after the beat before" in result.stderr
    report = json.loads(result.stdout)
    assert report["count"] == 1 and report["mean"]["f_measure"] == 1.0
    assert report["tracks"]["one"]["downbeat_f_measure"] == 1.0
    rows = list(csv.DictReader(io.StringIO(run(*both, "--format", "csv").stdout)))
    assert rows[-1]["track"] == "all, mean" and float(rows[-1]["cemgil"]) < 1
    assert "f_measure" in run(*both).stdout


def test_keys_are_evaluated(tmp_path):
    for folder, keys in {"right": ("C major", "8A"), "guess": ("G maj", "Am")}.items():
        (tmp_path / folder).mkdir()
        for name, key in zip(("one", "two"), keys, strict=True):
            (tmp_path / folder / f"{name}.key").write_text(f"{key}\n")
    both = ("evaluate", "--keys", tmp_path / "right", tmp_path / "guess")
    report = json.loads(run(*both, "--format", "json").stdout)
    assert report["mean"] == {"weighted": 0.75, "correct": 0.5}
    (tmp_path / "right" / "one.key").write_text("H dur\n")
    result = run(*both)
    assert result.exit_code == 1 and "names no key" in result.stderr
