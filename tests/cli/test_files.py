"""The loop over files: what it says, returns and opens."""

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

CODE = "from keras_musictag.cli import main; main()"
# Counts what Python opens; libraries that open a path themselves are seen by strace.
COUNTED = """
import sys
opened = []
def watch(event, arguments):
    if event == "open" and str(arguments[0]).endswith("song.mp3"):
        opened.append(arguments[0])
sys.addaudithook(watch)
try:
    from keras_musictag.cli import main; main()
finally:
    hidden = {"IPython", "jax", "matplotlib", "pandas", "sklearn"}
    print(len(opened), *sorted(hidden & set(sys.modules)))
    import matplotlib.figure, pandas
    print(pandas.DataFrame({"a": [1]}).shape)
"""


def command(*arguments, code=CODE, before=()):
    words = [*before, sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True)


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def song(tmp_path):
    path = tmp_path / "song.mp3"
    soundfile.write(path, 0.3 * np.sin(np.arange(4 * 16000) / 20), 16000)
    return path


@pytest.fixture
def mixed(tmp_path):
    """A folder: a file whose format has no tags, a song, and text."""
    pytest.importorskip("mutagen", reason="needs the extra `files`")
    folder = tmp_path / "mixed"
    folder.mkdir()
    soundfile.write(folder / "a.au", np.sin(np.arange(64000) / 20) / 9, 16000)
    shutil.copyfile(kmt.audio.demo_path(), folder / "b.ogg")
    (folder / "c.ogg").write_text("no music")
    return folder


@pytest.mark.parametrize("engine", ["keras", "ready"])
def test_a_file_is_looked_at_once_and_decoded_once(song, tmp_path, monkeypatch, engine):
    monkeypatch.setenv("KMT_ENGINE", engine)
    pytest.importorskip("pandas")
    pytest.importorskip("matplotlib")
    calls = tmp_path / "calls"
    calls.touch()
    strace = ["strace", "-f", "-qq", "-e", "trace=open,openat", "-o", calls]
    before = strace if shutil.which("strace") else []
    done = command("tag", song, "--format", "csv", code=COUNTED, before=before)
    if "ptrace" in done.stderr:  # processes may not be followed here
        done = command("tag", song, "--format", "csv", code=COUNTED)
    assert done.returncode == 0, done.stderr
    # Keras starts without what it can do without, and they can be imported later.
    assert done.stdout.splitlines()[-2:] == ["2", "(1, 1)"]
    lines = [line for line in calls.read_text().splitlines() if f'"{song}"' in line]
    assert len(lines) in (0, 2), lines


def test_what_is_written_is_told_and_taken_back(mixed):
    paths = [mixed / name for name in ("a.au", "b.ogg", "c.ogg")]
    done = run("tag", mixed, "--write", "--format", "json")
    assert done.exit_code == 1
    # Tagging went well for both; only writing failed for the first.
    tracks = json.loads(done.stdout)
    assert [track["path"] for track in tracks] == [str(path) for path in paths[:2]]
    lines = done.stderr.splitlines()
    assert lines[0].startswith(f"{paths[2]}: The file holds text")
    assert lines[1].startswith(f"{paths[0]}: Files of this format hold no tags")
    assert lines[2] == str(paths[1])
    assert lines[3].startswith("  genre: - -> ")
    assert lines[-1] == "2 of 3 files could not be tagged."
    written = kmt.tagfiles.read(paths[1])
    assert written["KMT_PRESET"] == ["musicnn_msd"]

    shown = run("untag", paths[1], "--dry-run")
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert kmt.tagfiles.read(paths[1]) == written
    done = run("untag", mixed)
    assert done.exit_code == 1
    assert done.stdout == shown.stdout
    path, genre, *_, scores = done.stdout.splitlines()
    assert path == str(paths[1])
    assert genre == f"  genre: {'; '.join(written['genre'])} -> -"
    own = [name for name in written if name.startswith("KMT_")]
    assert scores == f"  {len(own)} fields KMT_* with scores"
    lines = done.stderr.splitlines()
    assert lines[0].startswith(f"{paths[2]}: The file holds text")
    assert lines[1].startswith(f"{paths[0]}: Files of this format hold no tags")
    assert lines[2:] == ["2 of 3 files could not be taken back."]
    assert kmt.tagfiles.read(paths[1]) == {}
    again = run("untag", paths[1])
    assert again.stdout.splitlines() == [str(paths[1]), "  nothing changes"]


def test_wrong_use_of_untag(song):
    done = run("untag")
    assert done.exit_code == 2
    assert "There is nothing to take back." in done.stderr
    assert "--demo" not in done.stderr
    done = run("tag", song, "--undo")
    assert done.exit_code == 2
    assert "No such option" in done.stderr


def test_a_chord_file_that_cannot_be_written_costs_only_itself(tmp_path):
    for name in ("a.ogg", "b.ogg"):
        shutil.copyfile(kmt.audio.demo_path(), tmp_path / name)
    out = tmp_path / "out"
    (out / "a.lab").mkdir(parents=True)
    done = command("chords", tmp_path / "a.ogg", tmp_path / "b.ogg", "--output", out)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{tmp_path / 'a.ogg'}: ")
    assert done.stderr.endswith("1 of 2 files could not be read.\n")
    assert done.stdout == f"{out / 'b.lab'}\n"
    assert (out / "b.lab").read_text()
