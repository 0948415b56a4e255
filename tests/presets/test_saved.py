"""Folders of saved models change in one moment, whatever happens; nothing is lost."""

import hashlib
import json
import os
import pickle
import resource
import subprocess
import sys
import threading

import keras
import numpy as np
import pytest
import safetensors.numpy

import keras_musictag as kmt
from keras_musictag.errors import PresetError
from keras_musictag.presets import records, saved

FILES = ["README.md", "config.json", "model.safetensors"]
# Dies at the n-th time that it opens, renames, removes or lists something.
WRITER = """
import os, pickle, signal, sys
from keras_musictag.presets import records, saved
with open(sys.argv[1], "rb") as file:
    state = pickle.load(file)
left = [int(sys.argv[3])]
def die(event, about):
    if event in ("open", "os.rename", "os.remove", "os.scandir", "os.listdir"):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
import safetensors, secrets, ctypes, fcntl  # what else would be opened for them
sys.addaudithook(die)
saved.write_folder(sys.argv[2], *state)
"""


def state_of(labels, value):
    """What a folder shall hold: weights, record and card of a model of one array."""
    blob = safetensors.numpy.save({"x": np.full(1000, value, "float32")})
    digest = {"bytes": len(blob), "sha256": hashlib.sha256(blob).hexdigest()}
    record = {
        "class_name": "VGGTagger",
        "config": {"labels": labels},
        "weights": {"file": "model.safetensors", **digest},
    }
    return blob, record, f"# {labels}\n"


OLD, NEW = state_of(["old"], 1.0), state_of(["new"], 2.0)


def read(folder):
    """The labels and the number in a folder, which belong together."""
    record, arrays = saved.read_arrays(folder, records.read_folder(folder))
    return record["config"]["labels"][0], float(arrays["x"][0])


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    "steps",
    [(3, 7, 9), pytest.param(range(1, 25), marks=pytest.mark.slow)],
    ids=["some", "all"],
)
def test_a_killed_save_leaves_the_old_or_the_new_model(tmp_path, steps):
    (tmp_path / "new").write_bytes(pickle.dumps(NEW))
    ends, killed = set(), 0
    for step in steps:
        folder = tmp_path / f"model{step}"
        saved.write_folder(folder, *OLD)
        (folder / "notes.txt").write_text("mine")
        command = [sys.executable, "-c", WRITER, tmp_path / "new", folder, str(step)]
        killed += subprocess.run(command, check=False).returncode == -9
        ends.add(read(folder))
        assert ends <= {("old", 1.0), ("new", 2.0)}
        saved.write_folder(folder, *OLD)
        assert read(folder) == ("old", 1.0)
        assert names(folder) == [*FILES, "notes.txt"]
    assert killed >= min(len(steps), 12)
    assert ("old", 1.0) in ends
    assert ("new", 2.0) in ends or len(steps) < 12


def test_who_reads_meanwhile_gets_one_of_them(tmp_path):
    saved.write_folder(tmp_path, *OLD)
    over = threading.Event()

    def write():
        for n in range(60):
            saved.write_folder(tmp_path, *(NEW, OLD)[n % 2])
        over.set()

    writer = threading.Thread(target=write)
    writer.start()
    reads = 0
    while not over.is_set():
        assert read(tmp_path) in {("old", 1.0), ("new", 2.0)}
        reads += 1
    writer.join()
    assert reads > 10
    assert names(tmp_path) == FILES


def test_two_writers_leave_one_whole_model(tmp_path):
    def write(state):
        for _ in range(30):
            saved.write_folder(tmp_path, *state)

    writers = [threading.Thread(target=write, args=(s,)) for s in (OLD, NEW)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert read(tmp_path) in {("old", 1.0), ("new", 2.0)}
    assert names(tmp_path) == FILES


def test_a_full_disk_leaves_the_old_model(tmp_path):
    saved.write_folder(tmp_path / "model", *OLD)
    (tmp_path / "new").write_bytes(pickle.dumps(NEW))

    def small():  # no file may grow larger: as on a full disk, writing fails
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    command = [sys.executable, "-B", "-c", WRITER, tmp_path / "new"]
    command += [tmp_path / "model", "0"]
    outcome = subprocess.run(
        command, preexec_fn=small, stderr=subprocess.PIPE, text=True, check=False
    )
    assert "OSError: [Errno 27] File too large" in outcome.stderr
    assert read(tmp_path / "model") == ("old", 1.0)
    assert names(tmp_path / "model") == FILES


def test_an_edited_card_stays_and_ours_follows_the_model(tmp_path):
    card = tmp_path / "README.md"
    saved.write_folder(tmp_path, *OLD)
    saved.write_folder(tmp_path, *NEW)
    assert card.read_text().startswith("# ['new']")
    card.write_text("My own words.\n" + card.read_text())
    saved.write_folder(tmp_path, *OLD)
    assert card.read_text().startswith("My own words.\n# ['new']")


def test_a_link_to_a_folder_stays_one(tmp_path):
    (tmp_path / "far").mkdir()
    link = tmp_path / "link"
    link.symlink_to("far")
    saved.write_folder(link, *OLD)
    saved.write_folder(link, *NEW)
    assert link.is_symlink()
    assert read(tmp_path / "far") == ("new", 2.0)


# === What does not fit is refused before it is built ===


@pytest.fixture(scope="module")
def model():
    return kmt.VGGTagger(["a", "b"], filters=2)


@pytest.fixture
def folder(model, tmp_path):
    return model.save_pretrained(tmp_path / "saved")


def change(folder, **config):
    record = json.loads((folder / "config.json").read_text())
    record["config"].update(config)
    (folder / "config.json").write_text(json.dumps(record))


def change_weights(folder, blob):
    (folder / "model.safetensors").write_bytes(blob)
    record = json.loads((folder / "config.json").read_text())
    digest = {"bytes": len(blob), "sha256": hashlib.sha256(blob).hexdigest()}
    record["weights"].update(digest)
    (folder / "config.json").write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"filters": 60_000}, r"another shape.*Received: .*60000"),
        ({"n_fft": 10**9}, "no model has.*n_fft: 1000000000, at most"),
        ({"hop_length": 10**12}, "no model has.*hop_length"),
        ({"chunk_frames": 10**9}, "no model has.*chunk_frames"),
        ({"labels": ["a"] * 10**5}, "no model has.*labels: 100000"),
        ({"labels": {"names": ["a"] * 10**5}}, "no model has.*names: 100000"),
        ({"labels": [1, 2]}, "does not fit.*non-empty strings"),
        ({"labels": {"names": [1, 2]}}, "does not fit.*non-empty strings"),
        ({"labels": 7}, "does not fit"),
    ],
)
def test_absurd_descriptions_are_refused(folder, config, message):
    change(folder, **config)
    with pytest.raises(PresetError, match=message):
        kmt.MusicTagger.from_pretrained(folder)


@pytest.mark.slow
def test_absurd_sizes_take_no_memory(folder):
    change(folder, filters=60_000)  # the weights of which would take 500 GB
    code = (
        "import resource, sys\n"
        "import keras_musictag as kmt\n"
        "kmt.VGGTagger(['a'], filters=1)\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "before = peak()\n"
        "try:\n"
        "    kmt.MusicTagger.from_pretrained(sys.argv[1])\n"
        "except kmt.errors.PresetError:\n"
        "    print(peak() - before)\n"
    )
    command = [sys.executable, "-c", code, folder]
    assert float(subprocess.check_output(command, text=True)) < 200  # MiB


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_told(folder, model, bad):
    arrays = safetensors.numpy.load_file(folder / "model.safetensors")
    arrays["conv_1/bias"][1] = bad
    change_weights(folder, safetensors.numpy.save(arrays))
    with pytest.raises(PresetError, match="1 of 2 values of `conv_1/bias`"):
        kmt.MusicTagger.from_pretrained(folder)
    model = kmt.VGGTagger(["a", "b"], filters=2)
    model.weights[0].assign(keras.ops.full_like(model.weights[0], bad))
    before = (folder / "config.json").read_bytes()
    with pytest.raises(PresetError, match="are not all numbers"):
        model.save_pretrained(folder)
    assert (folder / "config.json").read_bytes() == before


def test_weights_in_bfloat16_are_read(folder, model):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    arrays = safetensors.numpy.load_file(folder / "model.safetensors")
    short = {k: v.astype(ml_dtypes.bfloat16) for k, v in arrays.items()}
    header, at = {}, 0
    for name, array in short.items():
        header[name] = {"dtype": "BF16", "shape": array.shape}
        header[name]["data_offsets"] = [at, at := at + array.nbytes]
    head = json.dumps(header).encode()
    body = b"".join(array.tobytes() for array in short.values())
    change_weights(folder, len(head).to_bytes(8, "little") + head + body)
    again = kmt.MusicTagger.from_pretrained(folder)
    for variable in again.weights:
        value = keras.ops.convert_to_numpy(variable.value)
        np.testing.assert_array_equal(value, short[variable.path].astype("float32"))


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_pipes_and_devices_are_refused_at_once(folder, name):
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(PresetError, match="a pipe or a device"):
        kmt.MusicTagger.from_pretrained(folder)
    (folder / name).unlink()
    (folder / name).symlink_to("/dev/zero")
    with pytest.raises(PresetError, match="a pipe or a device"):
        kmt.MusicTagger.from_pretrained(folder)
