"""The live example, fed by a pipe, says what the tagger says about the whole clip."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import keras_musictag as kmt

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parents[2] / "examples" / "live_tags.py"


def test_scores_come_while_the_sound_goes_on():
    samples, rate = kmt.audio.load(kmt.audio.demo_path(), 16000)
    pcm = np.round(samples * 32767).astype("<i2").tobytes()
    command = [sys.executable, SCRIPT, "--rate", str(rate), "--channels", "1"]
    process = subprocess.Popen(
        [*command, "--every", "0.5", "--top", "3"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdin.write(pcm[: 8 * rate])  # four seconds, and the recorder goes on
    process.stdin.flush()
    first = process.stdout.readline().decode().split("\t")
    began = time.monotonic()
    rest, errors = process.communicate(pcm[8 * rate :], timeout=120)
    assert time.monotonic() - began < 60
    lines = [first, *(line.split("\t") for line in rest.decode().splitlines())]

    tagger = kmt.MusicTagger.from_pretrained("musicnn_msd")
    plan = tagger.chunking.replace(hop_samples=8000)
    expected = tagger.predict(samples, chunking=plan, aggregate=None)[0]
    assert len(lines) == len(expected)
    for line, scores in zip(lines, expected, strict=True):
        best = float(line[1].rsplit(" ", 1)[1])
        assert best == pytest.approx(scores.max(), abs=2e-3)
    assert f"{len(lines)} scores, delay" in errors.decode()
