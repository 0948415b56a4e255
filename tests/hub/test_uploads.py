"""Models to the Hub and back: the Hub's own client against a server on this machine.

The client reads its settings when it is imported, so that each part runs in a process
of its own; the processes do as much as they can. `HF_HUB_DISABLE_XET` makes it send
large files by the Hub's LFS protocol; the Xet protocol is not tried here.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

import keras_musictag as kmt

sys.path.insert(0, str(Path(__file__).parent))  # the server beside this file
from hub_server import HubServer, Repository

TOOLS = Path(__file__).resolve().parents[2] / "tools"
TOKENS = {"hf_write": "write", "hf_read": "read"}
FILES = {"README.md", "config.json", "model.safetensors"}


@pytest.fixture(scope="module")
def server():
    other = Repository({"0" * 40: {}}, {"main": "0" * 40})
    named = {"someone/other": other, "someone/forbidden": Repository({}, {})}
    named["someone/forbidden"].forbidden = True
    with HubServer(named, tokens=TOKENS) as started:
        yield started


def start(script, *args, server, home, **env):
    """Start Python with the Hub's client asking the server."""
    env = {
        "HF_HOME": str(home),
        "HF_ENDPOINT": server.url,
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
        **env,
    }
    return subprocess.Popen(
        [sys.executable, "-c", script, *args],
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def result(process):
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err[-3000:]
    return json.loads(out.strip().splitlines()[-1])


# === What goes wrong, without a model ===

UPLOAD = """
import json, sys
from keras_musictag.hub.repository import download_repository
from keras_musictag.hub.upload import upload_folder
from keras_musictag.errors import PresetError
found = {}
for name, (repo_id, token) in json.loads(sys.argv[2]).items():
    try:
        found[name] = upload_folder(sys.argv[1], repo_id, token=token)
    except PresetError as error:
        found[name] = str(error)
try:
    download_repository("someone/forbidden", ["config.json"], token="hf_read")
except PresetError as error:
    found["read"] = str(error)
print(json.dumps(found))
"""
CASES = {
    "nobody": ("someone/new", False),
    "unknown token": ("someone/new", "hf_wrong"),
    "read-only": ("someone/other", "hf_read"),
    "not mine": ("elsewhere/new", "hf_write"),
    "no name": ("some one/new", "hf_write"),
    "busy": ("someone/busy", "hf_write"),
    "broken": ("someone/broken", "hf_write"),
    "gone": ("someone/gone", "hf_write"),
    "again": ("someone/broken", "hf_write"),
    "unchanged": ("someone/broken", "hf_write"),
    "retried": ("someone/retried", "hf_write"),
    "offline": ("someone/new", "hf_write"),
}


@pytest.fixture(scope="module")
def answers(server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("folder")
    (folder / "README.md").write_text(
        "---\nlibrary_name: keras-musictag\n---\n\n# Hi\n"
    )
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(bytes(range(256)) * 1000)
    server.trouble = {
        ("someone/busy", "create"): [429],
        ("someone/broken", "commit"): [503],
        ("someone/gone", "preupload"): [404],
        ("someone/retried", "put"): [500],
    }
    home = tmp_path_factory.mktemp("home")
    online = {name: case for name, case in CASES.items() if name != "offline"}
    args = (UPLOAD, str(folder))
    process = start(*args, json.dumps(online), server=server, home=home)
    # At the same time, a process that may not use the network.
    offline = {"offline": CASES["offline"]}
    offline_env = {"HF_HUB_OFFLINE": "1"}
    other = start(*args, json.dumps(offline), server=server, home=home, **offline_env)
    return {**result(other), **result(process)}


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("nobody", "does not know who you are.*401.*hf auth login"),
        ("unknown token", "does not know who you are"),
        ("read-only", "may not write to someone/other.*403.*write access"),
        ("not mine", "may not write to elsewhere/new"),
        ("no name", "no name for a Hub repository"),
        ("busy", "too busy.*429.*Try again later"),
        ("broken", "too busy.*503.*not sent again"),
        ("gone", "no place for someone/gone.*404"),
        ("offline", "HF_HUB_OFFLINE is set"),
        ("read", "Your token may not read someone/forbidden.*read access"),
    ],
)
def test_what_cannot_be_uploaded_is_explained(answers, case, message):
    assert re.search(message, answers[case]), answers[case]


def test_a_second_try_sends_no_large_file_again(answers, server):
    assert answers["again"].startswith(f"{server.url}/someone/broken/commit/")
    steps = [step for name, step in server.steps if name == "someone/broken"]
    assert steps.count("put") == 1
    assert steps.count("commit") == 2  # none for the try that had nothing new
    assert answers["unchanged"] == answers["again"]
    assert (
        set(server.repositories["someone/broken"].commits[commit_of(answers)]) == FILES
    )


def commit_of(answers):
    return answers["again"].rpartition("/")[2]


def test_a_storage_that_fails_once_is_asked_again(answers, server):
    assert answers["retried"].startswith(f"{server.url}/someone/retried/commit/")


# === Models there and back ===

PUSH = """
import contextlib, importlib.util, io, json, sys
from keras_musictag.cli.starting import start_keras
start_keras()  # half the time
import keras, numpy as np
import keras_musictag as kmt
spec = importlib.util.spec_from_file_location("publish_presets", sys.argv[1])
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)
x = np.sin(np.arange(48000) / 20).astype("float32")
keras.utils.set_random_seed(0)
tagger = kmt.MusicnnTagger(["calm", "wild"], timbral_filters=4, temporal_filters=4)
to = {"token": "hf_write"}
urls, scores = [], []
for message in ("first", "second"):
    urls.append(tagger.push_to_hub("someone/tagger", commit_message=message, **to))
    scores.append(tagger.predict(x)[0].tolist())
    tagger.set_weights([w + 0.01 for w in tagger.get_weights()])
tagger.push_to_hub("mine", private=True, **to)
chords = kmt.CremaChordRecognizer(conv_filters=2, recurrent_units=2)
chords.push_to_hub("hf://someone/chords", **to)
runs = []
for options in (["--dry-run"], [], []):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        code = tool.main(["vgg_*", "--namespace", "someone", *options])
    runs.append((code, out.getvalue()))
print(json.dumps({"urls": urls, "scores": scores, "runs": runs}))
"""
LOAD = """
import json, sys
import numpy as np
from keras_musictag.cli.starting import start_keras
start_keras()
import keras_musictag as kmt
from keras_musictag.errors import PresetError
x = np.sin(np.arange(48000) / 20).astype("float32")
load = kmt.MusicTagger.from_pretrained
first, second, cache = sys.argv[1:4]
scores = [load("someone/tagger", revision=r).predict(x)[0].tolist()
          for r in (first, second)]
found = {"scores": scores}
try:
    load("someone/mine", token=False)
except PresetError as error:
    found["private"] = str(error)
found["mine"] = load("someone/mine", token="hf_read").labels.names
chords = kmt.ChordRecognizer.from_pretrained("someone/chords", cache_dir=cache)
found["chords"] = type(chords).__name__
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def pushed(server, tmp_path_factory):
    server.trouble = {("someone/vgg_mtt", "commit"): [500]}
    tool = str(TOOLS / "publish_presets.py")
    home = tmp_path_factory.mktemp("home")
    return result(start(PUSH, tool, server=server, home=home, HF_TOKEN="hf_write"))


def commit(pushed, index=1):
    return pushed["urls"][index].rpartition("/")[2]


def test_a_pushed_model_loads_by_revision_elsewhere(pushed, server, tmp_path):
    cache = tmp_path / "cache"
    args = (commit(pushed, 0), commit(pushed), str(cache))
    loaded = result(start(LOAD, *args, server=server, home=tmp_path / "home"))
    np.testing.assert_allclose(loaded["scores"], pushed["scores"], atol=1e-6)
    assert abs(np.subtract(*loaded["scores"])).max() > 1e-4  # they are two models
    assert loaded["mine"] == ["calm", "wild"]
    assert "may not read it" in loaded["private"]
    assert loaded["chords"] == "CremaChordRecognizer"
    assert (cache / "models--someone--chords").is_dir()
    assert {"first", "second"} <= set(server.messages)


def test_what_is_in_a_pushed_repository(pushed, server):
    repository = server.repositories["someone/tagger"]
    files = repository.commits[commit(pushed)]
    assert set(files) == FILES and not repository.private
    assert server.repositories["someone/mine"].private
    config = json.loads(files["config.json"])
    assert config["id2label"] == {"0": "calm", "1": "wild"}
    assert config["label2id"] == {"calm": 0, "wild": 1}
    assert config["problem_type"] == "multi_label_classification"
    assert config["sampling_rate"] == 16000
    assert config["keras_musictag_version"] == kmt.__version__
    chords = server.repositories["someone/chords"]
    files = chords.commits[chords.branches["main"]]
    assert "problem_type" not in json.loads(files["config.json"])
    assert (
        b'ChordRecognizer.from_pretrained("hf://someone/chords")' in files["README.md"]
    )


def test_presets_are_published_once(pushed, server):
    (dry, planned), (failed, first), (done, second) = pushed["runs"]
    assert (dry, failed, done) == (0, 1, 0)
    assert planned.count("would send README.md, config.json, model.safetensors") == 2
    assert "vgg_msd: sent" in first and "vgg_mtt: FAILED" in first
    assert "1 of 2 presets done; failed: vgg_mtt" in first
    assert "vgg_msd: is there already" in second and "vgg_mtt: sent" in second
    for name in ("vgg_msd", "vgg_mtt"):
        steps = [step for repo, step in server.steps if repo == f"someone/{name}"]
        assert steps.count("put") == 1
        repository = server.repositories[f"someone/{name}"]
        files = repository.commits[repository.branches["main"]]
        known = kmt.preset_info(name)["weights"]
        assert len(files["model.safetensors"]) == known["bytes"]
        head = yaml.safe_load(files["README.md"].decode().split("---\n")[1])
        assert head["model-index"][0]["name"] == name


TWO = """
import json, sys
from keras_musictag.hub.integrity import verify_file
from keras_musictag.hub.repository import download_repository
files = ["config.json", "model.safetensors"]
folder = download_repository("someone/vgg_msd", files)
verify_file(folder / "model.safetensors", **json.loads(sys.argv[1]))
print(json.dumps(str(folder)))
"""


def test_two_processes_fetch_the_same_model_at_once(pushed, server, tmp_path):
    before = len(server.requests)
    weights = kmt.preset_info("vgg_msd")["weights"]
    known = json.dumps({"size": weights["bytes"], "sha256": weights["sha256"]})
    both = [start(TWO, known, server=server, home=tmp_path) for _ in range(2)]
    first, second = map(result, both)
    assert first == second
    requests = server.requests[before:]
    assert len([r for r in requests if r[0] == "GET" and "safetensors" in r[1]]) == 1
