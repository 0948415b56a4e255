"""Files are compared with known sizes, sha256 sums and git blob ids."""

import csv
import shutil
import subprocess

import pytest

from keras_musictag.errors import ConfigError, PresetError
from keras_musictag.hub.integrity import CHUNK, verify_file

# Known from outside: `printf 'hello\n' | git hash-object --stdin` and `| sha256sum`.
HELLO_BLOB = "ce013625030ba8dba906f756967f9e9ca394464a"
HELLO_SHA256 = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"


@pytest.fixture
def hello(tmp_path):
    path = tmp_path / "hello.txt"
    path.write_bytes(b"hello\n")
    return path


def test_known_digests_fit(hello):
    assert verify_file(hello, sha256=HELLO_SHA256) is None
    assert verify_file(str(hello), git_blob=HELLO_BLOB, size=6) is None
    assert verify_file(hello, sha256=HELLO_SHA256.upper(), git_blob=HELLO_BLOB) is None


def test_one_changed_byte_is_found(hello):
    hello.write_bytes(b"hellO\n")
    with pytest.raises(PresetError, match=f"sha256 of hello.txt.*{HELLO_SHA256}"):
        verify_file(hello, sha256=HELLO_SHA256)
    with pytest.raises(PresetError, match=f"git blob id.*expected {HELLO_BLOB}"):
        verify_file(hello, git_blob=HELLO_BLOB)
    assert verify_file(hello, size=6) is None


def test_a_cut_file_is_reported_by_its_size(hello):
    hello.write_bytes(b"hel")
    with pytest.raises(PresetError, match="size of hello.txt.*3, expected 6.*fetch"):
        verify_file(hello, sha256=HELLO_SHA256, size=6)


@pytest.mark.parametrize("size", [0, CHUNK - 1, CHUNK, CHUNK + 1])
def test_agrees_with_git(tmp_path, size):
    git = shutil.which("git")
    if git is None:
        pytest.skip("needs git")
    path = tmp_path / "data"
    path.write_bytes(bytes(index % 251 for index in range(size)))
    command = [git, "hash-object", "--no-filters", str(path)]
    blob = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert verify_file(path, git_blob=blob.strip(), size=size) is None


def test_missing_file_and_missing_expectation(tmp_path, hello):
    with pytest.raises(PresetError, match="cannot be read.*FileNotFoundError"):
        verify_file(tmp_path / "none.pth", size=3)
    with pytest.raises(PresetError, match="cannot be read"):
        verify_file(tmp_path, size=3)
    with pytest.raises(ConfigError, match="Pass sha256=, git_blob= or size="):
        verify_file(hello)


def test_published_checkpoints_have_their_blob_ids(reference):
    table = (reference / "sota" / "BLOBS.tsv").read_text().splitlines()
    rows = {
        f"{r['dataset']}_{r['model']}": r
        for r in csv.DictReader(table, dialect="excel-tab")
    }
    paths = sorted((reference / "sota" / "weights").glob("*.pth"))
    if not paths:
        pytest.skip("needs reference/sota/weights/*.pth")
    assert [rows[path.stem]["at_hand"] for path in paths] == ["yes"] * len(paths)
    for path in paths:
        row = rows[path.stem]
        verify_file(path, git_blob=row["git_blob_sha1"], size=int(row["bytes"]))


def test_published_checkpoints_have_their_sha256(reference):
    folder = reference / "sota" / "weights"
    if not (folder / "SHA256SUMS").exists():
        pytest.skip("needs reference/sota/weights/SHA256SUMS")
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    sums = {line.split()[1].lstrip("*"): line.split()[0] for line in lines}
    weights = {path.name for path in folder.glob("*.pth")}
    assert weights <= set(sums)
    for name in weights:
        verify_file(folder / name, sha256=sums[name])
