"""The command on bad input: one clear message, the right exit code, at once."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

import keras_musictag as kmt
from keras_musictag.cli import app


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    path = tmp_path_factory.mktemp("music") / "song.wav"
    y = np.random.default_rng(0).uniform(-0.3, 0.3, 4 * 16000)
    soundfile.write(path, y, 16000)
    return path


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    """A saved tagger that is there at once: two labels without priors."""
    model = kmt.VGGTagger(["calm", "wild"], filters=4)
    return model.save_pretrained(tmp_path_factory.mktemp("models") / "narrow")


WRONG_USE = {
    "no path": ([], "There is nothing to tag.", "tag --demo"),
    "near preset": (
        ["--demo", "--preset", "musicn_msd"],
        "no such preset",
        "musicnn_msd",
    ),
    "far preset": (["--demo", "--preset", "zzz"], "Choose from", "vgg_msd"),
    "group": (["--demo", "--group", "colour"], "['colour']", "'genre'"),
    "empty pattern": (["nothing*.mp3"], "nothing*.mp3", "Check the path"),
    "top-k": (["--demo", "--top-k", "0"], "--top-k", "1"),
    "format": (["--demo", "--format", "xml"], "xml", "csv"),
    "sort": (["--demo", "--sort", "name"], "name", "lift"),
    "tail": (["--demo", "--tail", "cut"], "cut", "overlap"),
    "taggram": (["--demo", "--taggram", "x.gif"], "x.gif", ".png"),
    "output": (["--demo", "--output", "no/such/x.csv"], "no/such/x.csv", "folder"),
}


@pytest.mark.parametrize("case", WRONG_USE)
def test_wrong_use_is_named_with_the_way_out(case):
    arguments, problem, advice = WRONG_USE[case]
    result = run("tag", *arguments)
    assert result.exit_code == 2
    assert problem in result.output
    assert advice in result.output
    assert "Traceback" not in result.output


def test_unknown_preset_to_show():
    result = run("presets", "vgg_mt")
    assert result.exit_code == 2
    assert "vgg_mtt" in result.output


def test_folder_without_music_and_folder_that_is_no_model(song, tmp_path):
    result = run("tag", tmp_path)
    assert (result.exit_code, str(tmp_path) in result.output) == (2, True)
    result = run("tag", song, "--preset", tmp_path)
    assert result.exit_code == 2
    assert "does not hold a saved model" in result.output


def test_lift_needs_priors(song, narrow):
    result = run("tag", song, "--preset", narrow, "--sort", "lift")
    assert result.exit_code == 2
    assert "priors" in result.output


def test_damaged_weights(song, narrow, tmp_path):
    folder = shutil.copytree(narrow, tmp_path / "mine")
    weights = folder / "model.safetensors"
    blob = bytearray(weights.read_bytes())
    blob[-1] ^= 1
    weights.write_bytes(blob)
    result = run("tag", song, "--preset", folder)
    assert result.exit_code == 2
    assert result.output.startswith("Error: ")
    assert "model.safetensors" in result.output


def test_each_bad_file_is_named_and_the_good_ones_go_on(song, narrow, tmp_path):
    bad = {
        "missing.wav": (None, "does not exist"),
        "empty.flac": (b"", "empty"),
        "text.mp3": (b"hello, this is no music\n", "text"),
        "noise.ogg": (bytes(range(256)) * 40, "noise.ogg"),
    }
    for name, (content, _) in bad.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
    nan = tmp_path / "nan.wav"
    soundfile.write(nan, np.full(80000, np.nan, "float32"), 16000, subtype="FLOAT")
    output = tmp_path / "tags.json"
    files = [*(tmp_path / name for name in bad), nan]
    paths = (files[0], song, *files[1:])
    result = run("tag", *paths, "--output", output, "--preset", narrow)

    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert len(lines) == len(files) + 1
    for name, (_, problem) in (bad | {"nan.wav": (None, "NaN")}).items():
        (line,) = (text for text in lines if text.startswith(str(tmp_path / name)))
        assert problem in line
    assert lines[-1] == f"{len(files)} of {len(files) + 1} files could not be tagged."
    assert [t["path"] for t in json.loads(output.read_text())] == [str(song)]


def test_file_cut_short_is_tagged_with_a_warning(song, narrow, tmp_path):
    cut = tmp_path / "cut.wav"
    cut.write_bytes(song.read_bytes()[:-40000])
    options = ("--format", "csv", "--preset", narrow)
    result = run("tag", cut, *options)
    assert result.exit_code == 0
    assert "Warning: The audio file is cut short" in result.output
    assert str(cut) + "," in result.output
    assert "Warning" not in run("tag", cut, *options, "--quiet").output


def test_the_extra_for_pictures_is_named(song, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # as if not installed
    result = run("tag", song, "--taggram", "x.png")
    assert result.exit_code == 2
    assert 'pip install "keras-musictag[plot]"' in result.output


def test_answers_that_need_no_model_start_no_backend(song, tmp_path):
    code = (
        "import sys\n"
        "from keras_musictag.cli import app\n"
        "cases = [['--help'], ['tag', '--help'], ['presets'], ['presets', 'vgg_mtt'],\n"
        "  ['tag', 'no.mp3'], ['tag', '--demo', '--preset', 'x'],\n"
        "  ['tag', '--demo', '--group', 'x'], ['tag', '--demo', '--tail', 'x']]\n"
        "codes = []\n"
        "for case in cases:\n"
        "    try: app(case)\n"
        "    except SystemExit as end: codes.append(end.code)\n"
        "heavy = {'keras', 'tensorflow', 'jax', 'torch', 'librosa', 'matplotlib'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "assert codes == [0, 0, 0, 0, 1, 2, 2, 2], codes\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "no.mp3: The audio file does not exist." in done.stderr


@pytest.mark.skipif(shutil.which("head") is None, reason="needs head")
def test_reader_that_leaves_early_ends_it_quietly():
    code = "from keras_musictag.cli import main; main()"
    command = f"'{sys.executable}' -c '{code}' presets --format json | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert done.stdout == "[\n"
    assert done.stderr == ""
