"""The environment variables: one file reads them, one table documents them."""

import ast
import os
from pathlib import Path

import keras_musictag
from keras_musictag import environment
from keras_musictag.hub.cache import cache_folder

PACKAGE = Path(keras_musictag.__file__).parent
ROOT = PACKAGE.parent


def test_one_file_reads_and_sets_them():
    readers = set()
    for folder in (PACKAGE, ROOT / "beetsplug"):
        for file in folder.rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                name = getattr(node, "attr", None) or getattr(node, "name", None)
                if name in ("environ", "environb", "getenv", "putenv", "unsetenv"):
                    readers.add(file.name)
    assert readers == {"environment.py"}


def test_one_table_documents_them():
    rows = (ROOT / "docs" / "environment.md").read_text("utf-8").splitlines()
    rows = [row for row in rows if row.startswith("| `")]
    names = [row.split("`")[1] for row in rows]
    assert len(names) == len(set(names))
    assert set(environment.VARIABLES) <= set(names)


def test_what_the_user_has_set_wins(monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    environment.quiet_tensorflow()
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"
    for unset in (lambda: None, lambda: os.environ.update(TF_CPP_MIN_LOG_LEVEL="")):
        monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
        unset()
        environment.quiet_tensorflow()
        assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "3"


def test_an_empty_one_counts_as_not_set(monkeypatch, tmp_path):
    monkeypatch.setenv("KMT_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "keras_musictag"
    monkeypatch.setenv("KMT_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"


def test_what_is_imposed_for_a_while_is_put_back(monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", "mine")
    monkeypatch.delenv("KMT_UPSTREAM", raising=False)
    with environment.imposed(GRADIO_TEMP_DIR="ours", KMT_UPSTREAM="x"):
        assert os.environ["GRADIO_TEMP_DIR"] == "ours"
        assert environment.get("KMT_UPSTREAM") == "x"
    assert os.environ["GRADIO_TEMP_DIR"] == "mine"
    assert environment.get("KMT_UPSTREAM") is None


def test_a_child_gets_ours_and_what_differs(monkeypatch):
    monkeypatch.setenv("KMT_CACHE", "here")
    child = environment.of_child(KERAS_BACKEND="tensorflow")
    assert (child["KMT_CACHE"], child["KERAS_BACKEND"]) == ("here", "tensorflow")
