"""The Ray engine on a real cluster of two nodes: what dies in mid-run costs nothing."""

import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest

from keras_musictag.errors import ConfigError, MissingExtraError
from keras_musictag.library import Library, build

PRESETS = ("musicnn_mtt", "musicnn_msd")
NODE = {"num_cpus": 2, "object_store_memory": 80 * 2**20, "include_dashboard": False}
# A store of music as a plug-in of fsspec, which every process finds by its entry point:
# who opens a file there dies, as of a decoder that crashes.
DEADLY = """
import os
from fsspec.implementations.local import LocalFileSystem

class Deadly(LocalFileSystem):
    protocol = "deadly"
    def get_file(self, *_, **__):
        os.kill(os.getpid(), 9)
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """What all processes of the clusters inherit: loopback alone, no statistics."""
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "deadly.py").write_text(DEADLY)
    entry = folder / "deadly-1.0.dist-info"
    entry.mkdir()
    (entry / "METADATA").write_text("Metadata-Version: 2.1\nName: deadly\nVersion: 1\n")
    (entry / "entry_points.txt").write_text("[fsspec.specs]\ndeadly=deadly:Deadly\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        # Whatever the system: the loopback instead of the network.
        patch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        pytest.importorskip("ray")
        yield folder


@pytest.fixture
def cluster(environment):
    from ray.cluster_utils import Cluster

    nodes = Cluster(initialize_head=True, head_node_args=NODE)
    nodes.add_node(**NODE)
    yield nodes
    nodes.shutdown()


def rows(folder):
    """All rows as they lie in the files, by analysis and path: each one once."""
    found = {}
    for analysis in Library(folder).analyses:
        parts = sorted((folder / analysis.id).glob("part-*.parquet"))
        table = [row for part in parts for row in pq.read_table(part).to_pylist()]
        by_path = {row["path"]: row for row in table}
        assert len(by_path) == len(table)
        found[analysis.name] = by_path
    return found


def assert_equal(folder, expected):
    left, right = rows(folder), rows(expected)
    assert set(left) == set(right) == set(PRESETS)
    for name in PRESETS:
        assert set(left[name]) == set(right[name])
        for path, row in left[name].items():
            other = right[name][path]
            for key in ("size", "mtime_ns", "sha256", "duration", "weights_sha256"):
                assert row[key] == other[key]
            scores = [list(r["scores"].values()) for r in (row, other)]
            np.testing.assert_allclose(*scores, atol=1e-5)
            vectors = [r["embedding"] for r in (row, other)]
            np.testing.assert_allclose(*vectors, rtol=1e-5, atol=1e-5)
    errors = [Library(f).errors().to_pylist() for f in (folder, expected)]
    kept = ("path", "analysis", "cause", "message")
    mine, theirs = ([tuple(e[k] for k in kept) for e in es] for es in errors)
    assert sorted(mine) == sorted(theirs)


@pytest.mark.slow
@pytest.mark.timeout(480, func_only=True)
def test_a_node_killed_in_mid_run_loses_nothing_and_doubles_nothing(
    cluster, songs, built, tmp_path
):
    import ray

    head, other = cluster.list_all_nodes()
    killed = []

    def kill(progress):
        """Once both nodes have an actor that is at work, one of them goes."""
        actors = ray._private.state.actors().values()
        homes = {a["Address"]["NodeID"] for a in actors if a["State"] == "ALIVE"}
        if not killed and homes == {head.node_id, other.node_id}:
            killed.append(progress.done)
            cluster.remove_node(other, allow_graceful=False)

    done = build(
        songs,
        tmp_path / "library",
        PRESETS,
        engine="ray",
        workers=2,
        address=cluster.address,
        on_progress=kill,
    )
    assert killed and killed[0] < done.found
    assert (done.found, done.analysed, done.failed) == (7, 6, 1)
    assert_equal(tmp_path / "library", built[0])
    assert not ray.is_initialized()


@pytest.mark.slow
@pytest.mark.timeout(480, func_only=True)
def test_addresses_and_a_file_that_kills_its_process(
    environment, songs, built, tmp_path
):
    """On a cluster of its own: the songs out of a zip file, and one that is deadly."""
    fsspec = pytest.importorskip("fsspec")
    fsspec.register_implementation("deadly", "deadly.Deadly", clobber=True)
    archive = shutil.make_archive(str(tmp_path / "songs"), "zip", songs)
    sources = ["deadly:///song.mp3", f"zip://::{archive}"]
    folder = tmp_path / "library"
    done = build(sources, folder, "musicnn_mtt", engine="ray", workers=2)
    assert (done.found, done.analysed, done.failed) == (8, 6, 2)
    killed, broken = sorted(
        Library(folder).errors().to_pylist(), key=lambda row: row["cause"]
    )
    assert broken["path"] == f"zip://broken.mp3::{archive}"
    assert killed["path"] == sources[0]
    assert killed["message"].startswith("3 processes died while they analysed the file")
    expected = {
        path.replace(f"{songs}/", "zip://") + f"::{archive}": row["scores"]
        for path, row in rows(built[0])["musicnn_mtt"].items()
    }
    found = rows(folder)["musicnn_mtt"]
    assert set(found) == set(expected)
    for path, row in found.items():
        scores = [list(s.values()) for s in (row["scores"], expected[path])]
        np.testing.assert_allclose(*scores, atol=1e-5)


PROGRAM = """
import signal, sys
from keras_musictag.library import build
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
told = lambda progress: print(progress.done, flush=True)
build(sys.argv[1], sys.argv[2], sys.argv[3:], engine="ray", on_progress=told)
"""


@pytest.mark.slow
@pytest.mark.timeout(480, func_only=True)
def test_ctrl_c_keeps_what_is_done_and_another_run_goes_on(
    environment, songs, built, tmp_path
):
    folder = tmp_path / "library"
    command = [sys.executable, "-c", PROGRAM, str(songs), str(folder), *PRESETS]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"1\n"
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the whole group
    _, log = process.communicate(timeout=60)
    assert b"KeyboardInterrupt" in log
    done = len(rows(folder)["musicnn_mtt"]) + (len(Library(folder).errors()) > 0)
    assert done >= 1
    assert build(songs, folder, PRESETS).todo == 7 - done
    assert_equal(folder, built[0])


def test_arguments_and_what_is_not_installed(songs, tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="no such engine"):
        build(songs, tmp_path / "new", engine="spark")
    with pytest.raises(ConfigError, match="takes no workers"):
        build(songs, tmp_path / "new", workers=2)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"keras-musictag\[ray\]"):
        build(songs, tmp_path / "new", engine="ray")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("nodes", "wanted", "workers", "cpus", "gpus"),
    [
        ([(4, 0), (4, 0)], None, 8, 1, None),
        ([(4, 0), (4, 0)], 3, 3, 1, None),
        ([(2, 0), (2, 0)], 5, 5, 1 / 2, None),
        ([(16, 1), (16, 1), (64, 0)], None, 32, 1, 1 / 16),
        ([(16, 4)], 2, 2, 1, 1),
    ],
)
def test_actors_fit_the_machines(nodes, wanted, workers, cpus, gpus):
    from keras_musictag.library.ray_engine import _shares

    machines = [
        {"Alive": True, "Resources": {"CPU": float(c)} | ({"GPU": g} if g else {})}
        for c, g in nodes
    ]
    gone = {"Alive": False, "Resources": {"CPU": 64.0}}
    count, options = _shares([*machines, gone], wanted)
    assert (count, options["num_cpus"], options.get("num_gpus")) == (
        workers,
        cpus,
        gpus,
    )
    share = options.get("num_gpus", 0)
    room = sum(min(c // cpus, g // share if share else 1e9) for c, g in nodes)
    assert room >= count
