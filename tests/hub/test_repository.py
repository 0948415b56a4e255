"""Models from the Hub: the Hub's own client against a server on this machine."""

import functools
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from keras_musictag.hub.repository import repository_id

sys.path.insert(0, str(Path(__file__).parent))  # the server beside this file
from hub_server import HubServer, Repository

FIRST, SECOND = "a" * 40, "b" * 40
FILES = {"config.json": b"{}", "model.safetensors": bytes(range(256)) * 8000}
NEWER = {**FILES, "config.json": b'{"new": 1}'}
FETCH = """
import json, sys
from keras_musictag.hub.repository import download_repository
from keras_musictag.errors import PresetError
try:
    folder = download_repository(
        sys.argv[1], ["config.json", "model.safetensors"], **json.loads(sys.argv[2]))
except PresetError as error:
    print(json.dumps({"error": str(error)}))
else:
    files = {p.name: p.stat().st_size for p in folder.iterdir()}
    text = (folder / "config.json").read_text()
    print(json.dumps({"folder": folder.name, "files": files, "config": text}))
"""


def repository(**options):
    commits = {FIRST: FILES, SECOND: NEWER}
    return Repository(commits, {"main": SECOND, "v1": FIRST}, **options)


@pytest.fixture
def server():
    named = {
        "someone/tagger": repository(),
        "someone/private": repository(token="hf_secret"),
        "someone/gated": repository(gated=True),
        "someone/other": Repository({FIRST: {"README.md": b"hello"}}, {"main": FIRST}),
    }
    with HubServer(named) as started:
        yield started


def run(script, *args, home, endpoint, **env):
    """Run Python in a process of its own: the client reads HF_* when imported."""
    env = {"HF_HOME": str(home), "HF_ENDPOINT": endpoint, "HF_HUB_OFFLINE": "0", **env}
    result = subprocess.run(
        [sys.executable, "-c", script, *args],
        env={**os.environ, "HF_HUB_DISABLE_XET": "1", **env},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(result.stdout.strip().splitlines()[-1])


def fetch(server, home, repo_id="someone/tagger", env=None, **options):
    url = server if isinstance(server, str) else server.url
    return run(
        FETCH, repo_id, json.dumps(options), home=home, endpoint=url, **env or {}
    )


def test_files_of_one_commit_come_and_stay(server, tmp_path):
    got = fetch(server, tmp_path)
    assert got["folder"] == SECOND
    assert got["files"] == {name: len(body) for name, body in NEWER.items()}
    asked = len([r for r in server.requests if r[0] == "GET"])
    assert fetch(server, tmp_path)["folder"] == SECOND
    assert len([r for r in server.requests if r[0] == "GET"]) == asked
    pinned = fetch(server, tmp_path, revision="v1")
    assert (pinned["folder"], pinned["config"]) == (FIRST, "{}")


def test_the_cache_serves_without_a_network(server, tmp_path):
    missing = fetch(server, tmp_path, local_files_only=True)
    assert "not in the cache" in missing["error"]
    fetch(server, tmp_path)
    asked = len(server.requests)
    assert fetch(server, tmp_path, local_files_only=True)["folder"] == SECOND
    assert fetch(server, tmp_path, env={"HF_HUB_OFFLINE": "1"})["folder"] == SECOND
    assert len(server.requests) == asked


def test_private_repositories_need_the_token(server, tmp_path):
    refused = fetch(server, tmp_path, "someone/private")
    assert "may not read it" in refused["error"]
    got = fetch(server, tmp_path, "someone/private", token="hf_secret")
    assert got["folder"] == SECOND


@pytest.mark.parametrize(
    ("repo_id", "options", "message"),
    [
        ("someone/absent", {}, "There is no repository someone/absent"),
        ("someone/gated", {}, "consent"),
        ("someone/tagger", {"revision": "v9"}, "no such revision"),
        ("someone/other", {}, "config.json is missing"),
        ("some one/tagger", {}, "no name of a Hub repository"),
    ],
)
def test_what_cannot_be_had_is_explained(server, tmp_path, repo_id, options, message):
    assert message in fetch(server, tmp_path, repo_id, **options)["error"]


def test_a_broken_transfer_goes_on(server, tmp_path):
    body = bytes(12_000_000)  # the client reads in pieces of 10 MiB
    large = Repository({FIRST: {**FILES, "model.safetensors": body}}, {"main": FIRST})
    server.repositories["someone/large"] = large
    server.cut_after = [10**9, 11_000_000]  # the configuration is whole
    got = fetch(server, tmp_path, "someone/large")
    assert got["files"]["model.safetensors"] == len(body)
    ranges = [r for _, path, r in server.requests if "safetensors" in path and r]
    assert [int(r.removeprefix("bytes=").split("-")[0]) > 0 for r in ranges] == [True]


def test_a_busy_hub_is_asked_again(server, tmp_path):
    server.failures = [503, 429]
    assert fetch(server, tmp_path)["folder"] == SECOND
    assert [r[0] for r in server.requests[:3]] == ["HEAD"] * 3


def test_names_of_repositories(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert repository_id("someone/tagger") == "someone/tagger"
    assert repository_id("hf://someone/tagger") == "someone/tagger"
    assert repository_id("musicnn_msd") is None
    assert repository_id("./a/b") is None
    assert repository_id(tmp_path) is None
    (tmp_path / "someone" / "tagger").mkdir(parents=True)
    assert repository_id("someone/tagger") is None


LOAD = """
import json, sys
import numpy as np
from keras_musictag.cli.starting import start_keras
start_keras()  # half the time
import keras_musictag as kmt
from keras_musictag.errors import PresetError
x = np.sin(np.arange(48000) / 20).astype("float32")
model = kmt.MusicTagger.from_pretrained("hf://someone/tagger")
found = {"class": type(model).__name__, "scores": model.predict(x)[0].tolist()}
try:
    kmt.MusicTagger.from_pretrained("someone/tampered")
except PresetError as error:
    found["tampered"] = str(error)
try:
    kmt.MusicTagger.from_pretrained("someone/hostile")
except PresetError as error:
    found["hostile"] = str(error)
try:
    kmt.MusicTagger.from_pretrained("musicnn_mtt", revision="v1")
except PresetError as error:
    found["revision"] = str(error)
print(json.dumps(found))
"""


@pytest.mark.slow
def test_a_model_comes_from_the_hub(tmp_path):
    import numpy as np

    import keras_musictag as kmt

    model = kmt.MusicnnTagger(["calm", "wild"], timbral_filters=4, temporal_filters=4)
    folder = model.save_pretrained(tmp_path / "saved")
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    weights = bytearray(files["model.safetensors"])
    weights[-3] ^= 1
    tampered = {**files, "model.safetensors": bytes(weights)}
    record = json.loads(files["config.json"])
    record["class_name"] = "os.system"
    hostile = {**files, "config.json": json.dumps(record).encode()}
    named = {
        f"someone/{name}": Repository({FIRST: commit}, {"main": FIRST})
        for name, commit in [
            ("tagger", files),
            ("tampered", tampered),
            ("hostile", hostile),
        ]
    }
    with HubServer(named) as server:
        found = run(LOAD, home=tmp_path / "home", endpoint=server.url)
    x = np.sin(np.arange(48000) / 20).astype("float32")
    assert found["class"] == "MusicnnTagger"
    np.testing.assert_allclose(found["scores"], model.predict(x)[0], atol=1e-6)
    assert hashlib.sha256(bytes(weights)).hexdigest() in found["tampered"]
    assert "does not have" in found["hostile"] and "os.system" in found["hostile"]
    assert "Only repositories of the Hub" in found["revision"]


PRESET = """
import json, os, sys
import numpy as np
import keras_musictag as kmt
from keras_musictag.errors import PresetError
try:
    model = kmt.MusicTagger.from_pretrained("fcn_mtat", cache_dir=sys.argv[1])
except PresetError as error:
    print(json.dumps({"error": str(error)}))
else:
    x = np.sin(np.arange(48000) / 20).astype("float32")
    print(json.dumps({"scores": model.predict(x)[0].tolist()}))
"""


@pytest.mark.slow
def test_a_preset_is_looked_for_on_the_hub_first(reference, tmp_path):
    import numpy as np

    import keras_musictag as kmt
    from keras_musictag.conversion import convert_checkpoint

    checkpoint = reference / "sota" / "weights" / "mtat_fcn.pth"
    if not checkpoint.is_file():
        pytest.skip(f"{checkpoint.name} is not among the shared data")
    record = kmt.preset_info("fcn_mtat")
    model = convert_checkpoint(checkpoint, kmt.FCNTagger, **record["config"])
    folder = model.save_pretrained(tmp_path / "saved")
    commit = {path.name: path.read_bytes() for path in folder.iterdir()}
    name = record["weights"]["hub"]["repository"]
    nobody = {"KMT_UPSTREAM": "http://127.0.0.1:9"}
    with HubServer({name: Repository({FIRST: commit}, {"main": FIRST})}) as server:
        load = functools.partial(run, PRESET, endpoint=server.url, **nobody)
        found = load(str(tmp_path / "cache"), home=tmp_path / "home")
        commit["model.safetensors"] = commit["model.safetensors"][:-1] + b"!"
        other = load(str(tmp_path / "other_cache"), home=tmp_path / "other")
    assert (tmp_path / "cache" / f"models--{name.replace('/', '--')}").is_dir()
    x = np.sin(np.arange(48000) / 20).astype("float32")
    np.testing.assert_allclose(found["scores"], model.predict(x)[0], atol=1e-6)
    # Another file than the published one is not used: the authors' server is next.
    assert "127.0.0.1:9" in other["error"]
