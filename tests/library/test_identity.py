"""Files keep their own scores, whatever becomes of their names and however runs end.

`KMT_SEQUENCES=1000 pytest -m slow tests/library/test_identity.py` tries more.
"""

import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from keras_musictag.library import Library
from tests.library.albums import Album, built, check_rows

SEQUENCES = int(os.environ.get("KMT_SEQUENCES", 50))


class Stopper:
    """Ctrl-C in the moment in which a file is to take its place."""

    def __init__(self):
        self.left = 0
        sys.addaudithook(self)

    def __call__(self, event, arguments):
        if event == "os.rename" and self.left:
            self.left -= 1
            if not self.left:
                raise KeyboardInterrupt


@pytest.fixture(scope="module")
def stopper():
    return Stopper()


def rows_of(folder):
    """The rows of a library by path, those left out whose file is bad by now."""
    rows = Library(folder).search().to_pylist()
    return {row["path"]: row for row in rows if row["error"] is None}


def check_same(folder, fresh):
    """Two libraries have the same rows and the same failures."""
    rows, expected = rows_of(folder), rows_of(fresh)
    assert set(rows) == set(expected)
    for path, row in expected.items():
        numbers = {k: v for k, v in row.items() if isinstance(v, float)}
        assert {k: v for k, v in rows[path].items() if k not in numbers} == {
            k: v for k, v in row.items() if k not in numbers
        }
        for name, value in numbers.items():
            assert rows[path][name] == pytest.approx(value, abs=1e-5)
    failures, others = (
        {(row["path"], row["analysis"]) for row in Library(f).errors().to_pylist()}
        for f in (folder, fresh)
    )
    assert failures == others


def check_sequences(seeds, analyzers, sounds, by_hash, stopper, tmp_path):
    """Change files and build, at random; in the end it is a fresh library."""
    seen = Counter()
    for seed in seeds:
        chance = random.Random(seed)
        scratch = tmp_path / str(seed)
        scratch.mkdir()
        folder = scratch / "library"
        album = Album(scratch / "album", chance, sounds)
        for _ in range(3):
            for _ in range(chance.randrange(1, 5)):
                album.step()
            stops = chance.random() < 0.4
            stopper.left = chance.randrange(1, 8) if stops else 0
            seconds = 60 if stops or chance.random() < 0.5 else 1e-9
            try:
                built(folder, chance.choice(analyzers), album, seconds)
                seen["whole"] += 1
            except KeyboardInterrupt:
                seen["stopped"] += 1
            stopper.left = 0
            if (folder / "library.json").exists():
                check_rows(folder, by_hash)
        progress = built(folder, analyzers[1], album)
        seen["moved"] += progress.moved
        built(scratch / "fresh", analyzers[1], album)
        check_same(folder, scratch / "fresh")
        assert built(folder, analyzers[1], album).todo == 0
        shutil.rmtree(scratch)
    return seen


def test_a_library_after_changes_is_that_of_the_files_as_they_are(
    analyzers, sounds, by_hash, stopper, tmp_path
):
    check_sequences(range(4), analyzers, sounds, by_hash, stopper, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(40 * SEQUENCES)
def test_a_library_after_many_changes_is_that_of_the_files_as_they_are(
    analyzers, sounds, by_hash, stopper, tmp_path
):
    seeds = range(4, SEQUENCES)
    seen = check_sequences(seeds, analyzers, sounds, by_hash, stopper, tmp_path)
    assert min(seen["whole"], seen["stopped"], seen["moved"]) >= len(seeds) // 10


@pytest.mark.slow
def test_kills_at_operations_on_files_leave_the_old_or_the_new_state():
    script = Path(__file__).parents[2] / "benchmarks" / "library_operations.py"
    if not script.exists():
        pytest.skip("needs benchmarks/ of a clone")
    command = [sys.executable, script, "--kills", "8"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
