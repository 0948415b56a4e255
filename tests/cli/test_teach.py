"""`keras-musictag teach`: a tag by examples, from the command line."""

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

import keras_musictag as kmt
from keras_musictag.cli import app


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("songs")
    rng = np.random.default_rng(0)
    time = np.arange(50000) / 16000
    for name, pitch in {"low": 120, "high": 2500}.items():
        (folder / name).mkdir()
        for i in range(4):
            wave = 0.2 * np.sin(2 * np.pi * pitch * (1 + i / 20) * time)
            wave = wave + rng.normal(0, 0.01, len(time))
            soundfile.write(folder / name / f"{i}.wav", wave, 16000)
    return folder


def run(*arguments, input=None):
    return CliRunner().invoke(app, ["teach", *map(str, arguments)], input=input)


def test_several_files_after_one_option(songs, tmp_path):
    low, high = songs / "low", songs / "high"
    examples = ["--yes", low / "0.wav", low / "1.wav", "--no", high / "0.wav"]
    out = tmp_path / "tag"
    result = run("late night", *examples, "--preset", "musicnn_mtt", "--out", out)
    assert result.exit_code == 0, result.output
    assert "2 tracks with the tag, 1 without" in result.stderr
    assert f"--preset {out}" in result.stdout
    tagger = kmt.MusicTagger.from_pretrained(out)
    assert tagger.labels == ["late night"]
    assert tagger.predict(low / "3.wav")[0, 0] > tagger.predict(high / "3.wav")[0, 0]


def test_it_asks_about_a_pool(songs, tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"")
    arguments = ["tag", "--yes", songs / "low" / "0.wav", bad]
    arguments += ["--no", songs / "high" / "0.wav", "--pool", songs / "low"]
    arguments += [songs / "high", "--ask", 5, "--preset", "musicnn_mtt"]
    result = run(*arguments, "--out", tmp_path / "tag", input="y\ns\nn\nq\n")
    assert result.exit_code == 1  # a file could not be read
    assert "bad.wav" in result.stderr
    assert [f"{i}/5 " in result.stderr for i in range(1, 6)] == [True] * 4 + [False]
    assert kmt.MusicTagger.from_pretrained(tmp_path / "tag").labels == ["tag"]


def test_wrong_usage_costs_no_start(songs, tmp_path):
    low = songs / "low"
    result = run("tag", "--yes", low, "--out", tmp_path / "tag")
    assert result.exit_code == 2
    assert "--no" in result.stderr
    file = tmp_path / "file"
    file.write_text("")
    result = run("tag", "--yes", low, "--no", songs / "high", "--out", file)
    assert result.exit_code == 2
    assert "Name another folder" in result.stderr
    result = run("tag", "--yes", low, "--no", low, "--out", tmp_path / "tag")
    assert result.exit_code == 2
    assert "in `yes` and in `no`" in result.stderr
