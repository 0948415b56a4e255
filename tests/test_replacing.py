"""Files and folders take their place in one moment; pipes and devices are no files."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from keras_musictag import replacing
from keras_musictag.checks import open_file
from keras_musictag.chords import ChordSequence
from keras_musictag.conversion import read_checkpoint
from keras_musictag.data import from_csv
from keras_musictag.errors import MusicTagError


def make_folder(path, text):
    path.mkdir()
    (path / "one").write_text(text)
    (path / "two").write_text(text)
    return path


def test_a_folder_is_replaced_and_nothing_lies_beside_it(tmp_path):
    old = make_folder(tmp_path / "export", "old")
    replacing.take_place(make_folder(tmp_path / ".new.part", "new"), old)
    assert (old / "one").read_text() == "new"
    assert os.listdir(tmp_path) == ["export"]


def test_the_folder_behind_a_link_is_replaced(tmp_path):
    make_folder(tmp_path / "far", "old")
    (tmp_path / "link").symlink_to("far")
    part = make_folder(tmp_path / ".new.part", "new")
    replacing.take_place(part, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "far" / "two").read_text() == "new"


def test_a_folder_that_stepped_aside_comes_back(tmp_path):
    make_folder(tmp_path / ".export.0a1b2c3d.old", "old")
    make_folder(tmp_path / ".export.0a1b2c3d.part", "new")
    replacing.clear_leftovers(tmp_path / "export")
    assert os.listdir(tmp_path) == ["export"]
    assert (tmp_path / "export" / "one").read_text() == "old"


@pytest.mark.slow
def test_killed_while_folders_are_replaced_one_is_there(tmp_path):
    make_folder(tmp_path / "export", "start")
    code = (
        "import pathlib, sys\n"
        "from keras_musictag import replacing\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "print('go', flush=True)\n"
        "for n in range(10**6):\n"
        "    with replacing.replacing(path) as part:\n"
        "        part.mkdir()\n"
        "        for name in ('one', 'two'):\n"
        "            (part / name).write_text(str(n))\n"
    )
    for n in range(10):
        command = [sys.executable, "-c", code, str(tmp_path / "export")]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(0.01 * n)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        texts = [(tmp_path / "export" / name).read_text() for name in ("one", "two")]
        assert texts[0] == texts[1]


def test_one_at_a_time_has_the_lock_and_others_are_told(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with (
        replacing.locked(file),
        pytest.raises(OSError, match="another process is writing it"),
        replacing.locked(file, timeout=0.05),
    ):
        pass
    total = [0]

    def add():
        for _ in range(50):
            with replacing.locked(file):
                before = total[0]
                total[0] = before + 1
                with replacing.replacing(file) as part:  # another file takes its place
                    part.write_text("")

    threads = [threading.Thread(target=add) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert total == [150]


@pytest.mark.parametrize(
    "read", [from_csv, read_checkpoint, ChordSequence.from_lab, ChordSequence.from_csv]
)
def test_pipes_are_refused_at_once(tmp_path, read):
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises((MusicTagError, OSError), match="a pipe or a device"):
        read(tmp_path / "pipe.csv")
    with pytest.raises(OSError, match="a pipe or a device"):
        open_file("/dev/null")
