"""The recipe of `chords_small`, on one album of real music."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import keras_musictag as kmt

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
ALBUM = "pathological"  # two tracks, 9 MB

pytestmark = pytest.mark.slow


def run(script, *arguments, check=True):
    return subprocess.run(
        [sys.executable, EXAMPLES / script, *map(str, arguments)],
        env={**os.environ, "KERAS_BACKEND": "tensorflow"},
        capture_output=True,
        text=True,
        check=check,
    )


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        pytest.skip("the music comes from Debian's packages")
    folder = tmp_path_factory.mktemp("music")
    done = run("game_music.py", "--out", folder, "--packages", ALBUM, check=False)
    if done.returncode:
        pytest.skip(f"the package cannot be fetched: {done.stderr[-300:]}")
    return folder


def test_an_album_teaches_a_network(music, tmp_path):
    real, out = tmp_path / "work/real", tmp_path / "trained"
    run("chord_teachers.py", "--music", music, "--work", real, "--hours", 0.1)
    assert len(list(real.glob("*.npz"))) >= 1
    settings = ["--work", tmp_path / "work", "--out", out, "--material", "real"]
    done = run(
        *("train_chords.py", *settings, "--steps", 60, "--rate", 4e-3),
        *("--stage", "train", "export", "judge", "--albums", ALBUM),
    )
    said = json.loads(done.stdout[done.stdout.index("judge ") + 6 :])
    # One track, learned by heart for a moment; by chance it would be .04.
    assert said["together ours"] > 0.3
    model = kmt.ChordRecognizer.from_pretrained(out / "chords_small")
    assert isinstance(model, kmt.TCNChordRecognizer)
    track = next(path for path in sorted(music.rglob("*.ogg")))
    heard = model.recognize(track)
    assert heard.duration == pytest.approx(kmt.audio.duration(track), abs=0.1)
