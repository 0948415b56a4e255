"""Trainings, builds and exports, killed; `benchmarks/killed_runs.py` in short."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "killed_runs.py"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "kills"), [("train", 5), ("build", 5), ("export", 3)]
)
def test_what_is_killed_goes_on_as_if_nothing_had_been(command, kills):
    if not SCRIPT.exists():
        pytest.skip("needs benchmarks/ of a clone")
    if command != "export":
        pytest.importorskip("torch", reason="needs PyTorch, whose processes fork")
    done = subprocess.run(
        [sys.executable, SCRIPT, command, "--kills", str(kills)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
