"""The parts of a library: damage is told, and readers see one moment of it."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pyarrow.parquet as pq
import pytest

from keras_musictag.errors import ConfigError, LibraryError
from keras_musictag.library import Library, merge
from keras_musictag.library.jobs import Analysis
from keras_musictag.library.store import Store

LABELS = ("rock", "jazz", "slow", "loud")
TOY = Analysis("tags", "toy", "toy", "0" * 64, LABELS, 8)
# It would run for days.
ENDLESS = (
    "(SELECT count(*) FROM range(10000000) a, range(10000000) b "
    "WHERE hash(a.range) = b.range) > rock"
)


def rows(first, count):
    """Rows as an analyzer gives them, the same for the same number."""
    made = []
    for number in range(first, first + count):
        rng = np.random.default_rng(number)
        facts = {"path": f"/music/{number:05d}.wav", "size": number, "mtime_ns": 1}
        facts |= {"sha256": f"{number:064x}", "duration": 1.0, "replaces": None}
        scores, embedding = rng.random(4, "float32"), rng.random(8, "float32")
        made.append(facts | {"scores": scores, "embedding": embedding, "silent": False})
    return made


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A library of 300 tracks in two parts, and one failure."""
    folder = tmp_path_factory.mktemp("parts") / "library"
    store = Store(folder)
    with store.locked():
        store.register([TOY])
        failed = {"path": "/music/bad.wav", "size": 1, "mtime_ns": 1, "sha256": None}
        failed |= {"analysis": TOY.id, "preset": "toy", "cause": "E", "message": "m"}
        store.write({TOY: rows(0, 200)}, [failed])
        store.write({TOY: rows(200, 100)})
    return folder


@pytest.fixture
def library(written, tmp_path):
    return shutil.copytree(written, tmp_path / "library")


def flipped(part, position, bit=0):
    content = bytearray(part.read_bytes())
    content[position] ^= 1 << bit
    part.write_bytes(content)


def test_each_flipped_bit_is_told_by_whoever_reads(library, tmp_path):
    truth = Library(library).tracks()
    rng = random.Random(4)
    for part in sorted(library.glob("*/part-*.parquet")):
        whole = part.read_bytes()
        for _ in range(15):
            flipped(part, rng.randrange(len(whole)), rng.randrange(8))
            with pytest.raises(LibraryError, match="damaged") as caught:
                Library(library).errors()  # reads all tables
            assert part.name in str(caught.value) and "backup" in str(caught.value)
            part.write_bytes(whole)
    assert Library(library).tracks().equals(truth)

    part = next(library.glob("tags-*/part-000000001.*"))
    flipped(part, 1000)
    damaged, other = Library(library), tmp_path / "other"
    for ask in (
        lambda: damaged.search("rock > 0.5"),
        lambda: damaged.search(like=np.ones(8, "float32")),
        lambda: damaged.export(tmp_path / "all.csv"),
        lambda: damaged.playlists(tmp_path / "lists"),
        lambda: damaged.map(tmp_path / "map.html"),
        lambda: merge([library], other),
        lambda: Store(library).analysed(TOY),  # the first that `build` does
    ):
        with pytest.raises(LibraryError, match=part.name):
            ask()
    # As the error says: what is left is read, and `build` finds the tracks missing.
    part.unlink()
    assert len(Library(library).tracks()) == len(Store(library).analysed(TOY)) == 100


def test_damage_is_not_joined_with_other_parts(library, monkeypatch):
    monkeypatch.setattr("keras_musictag.library.store.SMALL_PARTS", 2)
    part = next(library.glob("tags-*/part-000000002.*"))
    flipped(part, 500)
    before = set(library.glob("*/*.parquet"))
    with pytest.raises(LibraryError, match=part.name):
        Store(library).compact()
    assert set(library.glob("*/*.parquet")) == before


def test_parts_of_earlier_versions_are_read_and_their_damage_is_told(library):
    truth = Library(library).tracks()
    for part in library.glob("tags-*/part-*.parquet"):
        older = part.with_name(part.name.split(".")[0] + ".parquet")
        pq.write_table(pq.read_table(part), older, compression="zstd")
        part.unlink()
    assert Library(library).tracks().equals(truth)
    start = pq.read_metadata(older).row_group(0).column(0).data_page_offset
    content = bytearray(older.read_bytes())
    content[start : start + 40] = bytes(40)
    older.write_bytes(content)
    with pytest.raises(LibraryError, match=older.name):
        Library(library).tracks()
    older.write_bytes(content[:-20])
    with pytest.raises(LibraryError, match=older.name):
        Library(library).tracks()
    older.rename(older.with_name("part-copy.parquet"))
    with pytest.raises(LibraryError, match="not its name.*part-copy"):
        Library(library).tracks()


WRITER = """
import sys
from keras_musictag.library import store
from tests.library.test_parts import TOY, rows
store.SMALL_PARTS = 4
library = store.Store(sys.argv[1])
with library.locked():
    for number in range(int(sys.argv[2])):
        library.write({TOY: rows(300 + number, 1)})
        library.compact()
"""


@pytest.mark.parametrize(
    "writes", [20, pytest.param(1500, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_who_searches_while_parts_are_joined_misses_nothing(library, writes):
    writer = subprocess.Popen([sys.executable, "-c", WRITER, library, str(writes)])
    tracks = 300
    while writer.poll() is None:
        table = Library(library).search("rock IS NOT NULL")
        numbers = [int(path[7:12]) for path in table.column("path").to_pylist()]
        assert numbers == list(range(len(numbers))) and len(numbers) >= tracks
        tracks = len(numbers)
    assert writer.returncode == 0
    assert len(Library(library).tracks()) == 300 + writes


def test_what_was_opened_is_read_though_it_is_joined_meanwhile(library, monkeypatch):
    monkeypatch.setattr("keras_musictag.library.store.SMALL_PARTS", 2)
    store = Store(library)
    with store.connect([TOY]) as connection:
        other = Store(library)
        with other.locked():
            other.compact()
        assert len(list(library.glob("tags-*/part-*.parquet"))) == 1
        found = connection.execute(f'SELECT count(scores.rock) FROM "{TOY.id}"')
        assert found.fetchall() == [(300,)]


def test_a_search_takes_no_more_memory_than_it_may(library, monkeypatch):
    monkeypatch.setenv("KMT_SEARCH_MEMORY", "100MB")
    numbers = "(SELECT DISTINCT range AS number FROM range(10000000))"
    with pytest.raises(ConfigError, match="more memory than it may.*KMT_SEARCH_MEMORY"):
        Library(library).search(f"(SELECT max(number) FROM {numbers}) > 5")
    assert len(Library(library).search("size >= 0")) == 300
    monkeypatch.setenv("KMT_SEARCH_MEMORY", "much")
    with pytest.raises(ConfigError, match="KMT_SEARCH_MEMORY=much"):
        Library(library).search("size >= 0")


ASK = """
import sys, threading
from keras_musictag.library import Library, queries
library, run = Library(sys.argv[1]), queries.answer
def answer(connection, query):
    print("asked", flush=True)
    return run(connection, query)
queries.answer = answer
library.search(sys.argv[2])
"""


@pytest.mark.skipif(os.name == "nt", reason="needs signals")
def test_ctrl_c_ends_a_search_without_an_end(library):
    command = [sys.executable, "-c", ASK, library, ENDLESS]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # Jobs in the background of scripts ignore it, and so do their children.
    heed = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(command, **pipes, preexec_fn=heed) as process:
        assert process.stdout.readline() == "asked\n", process.stderr.read()
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert told.strip().endswith("KeyboardInterrupt"), (process.returncode, told)
    assert process.returncode == -signal.SIGINT
