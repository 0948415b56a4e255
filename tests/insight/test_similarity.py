"""Nearest neighbours among embeddings, against brute force."""

import json
import pickle
import sys

import keras
import numpy as np
import pytest
import soundfile

import keras_musictag as kmt
from keras_musictag.errors import (
    AudioError,
    AudioWarning,
    ConfigError,
    MissingExtraError,
)
from keras_musictag.insight.fingerprint import fingerprint
from keras_musictag.insight.similarity import EmbeddingIndex

LABELS = ["rock", "jazz", "piano"]
SMALL = {"timbral_filters": 8, "temporal_filters": 4}


def make_tagger(seed=0, labels=LABELS, **options):
    keras.utils.set_random_seed(seed)
    return kmt.MusicnnTagger(labels, **SMALL, **options)


@pytest.fixture(scope="module")
def tagger():
    return make_tagger()


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """Four files, and one that is none."""
    folder = tmp_path_factory.mktemp("songs")
    generator = np.random.default_rng(0)
    for number in range(4):
        noise = generator.normal(0, 0.05, 4 * 16000)
        tone = np.sin(np.arange(4 * 16000) * (0.02 + 0.1 * number))
        soundfile.write(folder / f"{number}.wav", noise + 0.2 * tone, 16000)
    (folder / "bad.wav").write_text("no sound")
    return folder


def vectors(count=50, units=12, seed=0):
    return np.random.default_rng(seed).normal(0, 1, (count, units)).astype("float32")


def brute_force(rows, query):
    wanted = [
        float(row @ query / np.linalg.norm(row) / np.linalg.norm(query)) for row in rows
    ]
    order = sorted(range(len(rows)), key=lambda i: -wanted[i])
    return [(f"song {i}", wanted[i]) for i in order]


def names(count):
    return [f"song {i}" for i in range(count)]


def assert_same(found, wanted):
    assert [name for name, _ in found] == [name for name, _ in wanted]
    np.testing.assert_allclose([v for _, v in found], [v for _, v in wanted], atol=1e-5)


@pytest.mark.parametrize("engine", ["numpy", "sklearn", "faiss"])
def test_neighbours_are_those_of_brute_force(engine):
    if engine == "faiss":
        pytest.importorskip("faiss")
    rows = vectors() * np.random.default_rng(1).uniform(0.1, 50, (50, 1))
    index = EmbeddingIndex(rows, names(50), engine=engine)
    query = vectors(1, seed=5)[0]
    assert_same(index.query(query, 7), brute_force(rows, query)[:7])
    assert_same(index.query(query, 500), brute_force(rows, query))
    both = index.query(vectors(2, seed=5), 3)
    assert_same(both[0], brute_force(rows, query)[:3])
    own = brute_force(rows, rows[4])
    assert own[0][0] == "song 4"
    assert_same(index.similar_to("song 4", 5), own[1:6])


def test_equal_tracks_come_in_their_order_and_silence_is_like_nothing():
    rows = np.array([[1, 0], [0, 1], [2, 0], [0, 0], [3, 0]])
    index = EmbeddingIndex(rows, names(5))
    found = index.query(np.array([1.0, 0.0]), 5)
    assert [name for name, _ in found[:3]] == ["song 0", "song 2", "song 4"]
    np.testing.assert_allclose([v for _, v in found], [1, 1, 1, 0, 0], atol=1e-6)
    found = index.similar_to("song 2", 2)
    assert [name for name, _ in found] == ["song 0", "song 4"]


def test_a_collection_is_heard_and_a_bad_file_named(tagger, songs):
    paths = [songs / name for name in ("0.wav", "bad.wav", "1.wav", "2.wav", "3.wav")]
    with pytest.warns(AudioWarning, match=r"item 1 .*bad\.wav"):
        index = EmbeddingIndex.build(tagger, paths)
    assert index.ids == [str(p) for p in paths if p.stem != "bad"]
    assert list(index.failed) == [str(songs / "bad.wav")]
    assert "bad.wav" in index.failed[str(songs / "bad.wav")]
    rows = np.stack([tagger.embed(path) for path in index.ids])
    query = tagger.embed(songs / "2.wav")
    wanted = [
        (index.ids[int(name.split()[1])], value)
        for name, value in brute_force(rows, query)
    ]
    assert_same(index.query(songs / "2.wav", 4), wanted)
    y, rate = kmt.audio.load(songs / "2.wav")
    assert_same(index.query(y, 4, sample_rate=rate), wanted)
    assert index.query(songs / "2.wav", 1)[0][0] == str(songs / "2.wav")
    assert str(songs / "2.wav") not in dict(index.similar_to(songs / "2.wav"))


def test_arrays_need_names_and_something_must_be_readable(tagger, songs):
    tracks = [np.ones(20000, "float32"), np.arange(20000, dtype="float32") / 20000]
    index = EmbeddingIndex.build(tagger, tracks, ids=["one", "two"], sample_rate=8000)
    assert index.ids == ["one", "two"] and index.failed == {}
    with pytest.raises(ConfigError, match="Arrays and open files need names"):
        EmbeddingIndex.build(tagger, tracks)
    with pytest.raises(ConfigError, match="1 ids for 2 tracks"):
        EmbeddingIndex.build(tagger, tracks, ids=["one"])
    with pytest.raises(AudioError, match=r"No track can be read.*bad\.wav"):
        EmbeddingIndex.build(tagger, [songs / "bad.wav"])
    with pytest.raises(AudioError, match="empty list"):
        EmbeddingIndex.build(tagger, [])
    with pytest.raises(ConfigError, match="name each embedding once"):
        EmbeddingIndex(vectors(3), ["a", "b", "a"])


def test_a_saved_index_gives_the_same_answers(tagger, songs, tmp_path):
    paths = [songs / f"{i}.wav" for i in range(4)]
    index = EmbeddingIndex.build(tagger, paths)
    index.save(tmp_path / "songs.npz")
    again = EmbeddingIndex.load(tmp_path / "songs.npz", tagger)
    found, known = again.query(songs / "1.wav"), index.query(songs / "1.wav")
    assert [name for name, _ in found] == [name for name, _ in known]
    # The last bit of a product follows from where its numbers lie in memory.
    assert dict(found) == pytest.approx(dict(known), abs=1e-6)
    assert again.model == fingerprint(tagger)
    silent = EmbeddingIndex.load(tmp_path / "songs.npz")
    found, known = silent.similar_to(paths[0]), index.similar_to(paths[0])
    assert dict(found) == pytest.approx(dict(known), abs=1e-6)
    silent.save(tmp_path / "again.npz")  # the model's name is not lost on the way
    assert EmbeddingIndex.load(tmp_path / "again.npz", tagger).ids == index.ids
    with pytest.raises(ConfigError, match="no tagger to hear music with"):
        silent.query(paths[0])
    with np.load(tmp_path / "songs.npz", allow_pickle=False) as arrays:
        assert json.loads(str(arrays["description"]))["model"] == index.model
    assert sorted(p.name for p in tmp_path.iterdir()) == ["again.npz", "songs.npz"]


def test_another_model_is_refused_and_another_head_is_not(tagger, tmp_path):
    path = EmbeddingIndex.build(tagger, [np.ones(9000, "float32")], ids=["one"]).save(
        tmp_path / "one.npz"
    )
    for other in (make_tagger(seed=1), make_tagger(tail="pad")):
        with pytest.raises(ConfigError, match="built by another model.*MusicnnTagger"):
            EmbeddingIndex.load(path, other)
    other = make_tagger(labels=["calm", "wild"])
    assert EmbeddingIndex.load(path, other).ids == ["one"]
    fresh = EmbeddingIndex(vectors(2), ["a", "b"]).save(tmp_path / "vectors.npz")
    with pytest.raises(ConfigError, match="by no model, asked with"):
        EmbeddingIndex.load(fresh, tagger)


def test_files_that_are_no_index_are_refused(tmp_path):
    evil = np.array([{"a": 1}], dtype=object)
    np.savez(tmp_path / "evil.npz", embeddings=evil, ids=evil, description=evil)
    (tmp_path / "text.npz").write_text("hello")
    (tmp_path / "pickled.npz").write_bytes(pickle.dumps([1, 2]))
    np.savez(tmp_path / "other.npz", x=np.ones(3))
    for name in ("evil", "text", "pickled", "other", "missing"):
        with pytest.raises(ConfigError, match=f"no index of embeddings.*{name}"):
            EmbeddingIndex.load(tmp_path / f"{name}.npz")
    with pytest.raises(ConfigError, match=r"ends in \.npz"):
        EmbeddingIndex.load(tmp_path / "index.json")
    index = EmbeddingIndex(vectors(2), ["a", "b"])
    with pytest.raises(ConfigError, match=r"ends in \.npz"):
        index.save(tmp_path / "index.json")
    with pytest.raises(ConfigError, match="cannot be written"):
        index.save(tmp_path / "nowhere" / "index.npz")


def test_bad_questions_are_named(tmp_path):
    index = EmbeddingIndex(vectors(3), ["a", "b", "c"])
    with pytest.raises(ConfigError, match=r"\(tracks, 12\).*shape \(1, 11\)"):
        index.query(np.ones(11))
    with pytest.raises(ConfigError, match="1 not finite"):
        index.query(np.array([np.nan, *np.ones(11)]))
    with pytest.raises(ConfigError, match="k=0"):
        index.query(np.ones(12), 0)
    with pytest.raises(ConfigError, match="no such track in the index.*'d'"):
        index.similar_to("d")
    with pytest.raises(ConfigError, match="engine='annoy'"):
        EmbeddingIndex(vectors(3), ["a", "b", "c"], engine="annoy")


def test_faiss_is_asked_for_by_name_when_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingExtraError, match=r"faiss.*keras-musictag\[faiss\]"):
        EmbeddingIndex(vectors(3), ["a", "b", "c"], engine="faiss")


def test_the_fingerprint_is_that_of_the_weights(tagger):
    one, other = (kmt.MusicTagger.from_pretrained("musicnn_mtt") for _ in range(2))
    assert fingerprint(one) == fingerprint(other)
    assert fingerprint(one)["preset"] == "musicnn_mtt"
    kernel = other.backbone.trainable_weights[0]
    kernel.assign(kernel + 1e-3)
    assert fingerprint(one)["sha256"] != fingerprint(other)["sha256"]
    assert fingerprint(one)["sha256"] != fingerprint(tagger)["sha256"]
    assert fingerprint(one)["sha256"] != fingerprint(one, "scores")["sha256"]
