"""`keras-musictag tag --write` and what belongs to it."""

import json
import os
import shutil

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
    assert int(found["tempo"][0]) == round(kmt.chords.find_beats(song).tempo)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--overwrite"], "--overwrite without --write"),
        (["--map", "MAP"], "--map without --write"),
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
