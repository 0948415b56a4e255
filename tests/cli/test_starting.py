"""How commands start Keras: which backend is seen before it is imported."""

import os

import pytest

from keras_musictag.cli.starting import is_jax_asked_for


@pytest.mark.parametrize("variable", ["", "torch", "jax"])
@pytest.mark.parametrize("stored", ["", '{"backend": "jax"}', '{"backend": "torch"}'])
def test_jax_is_seen_where_keras_looks(monkeypatch, tmp_path, variable, stored):
    monkeypatch.setenv("KERAS_BACKEND", variable)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    if stored:
        (tmp_path / "keras.json").write_text(stored)
    assert is_jax_asked_for() == ("jax" in (variable or stored))


def test_jax_is_seen_in_the_home_folder(monkeypatch, tmp_path):
    for name in ("KERAS_BACKEND", "KERAS_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME" if os.name != "nt" else "USERPROFILE", str(tmp_path))
    assert not is_jax_asked_for()
    (tmp_path / ".keras").mkdir()
    (tmp_path / ".keras" / "keras.json").write_text('{"backend": "jax"}')
    assert is_jax_asked_for()
