"""Teaching a tag by examples, and asking about a collection."""

import numpy as np
import pytest
import soundfile

import keras_musictag as kmt
from keras_musictag.training.teaching import teach


@pytest.fixture(scope="module")
def model():
    return kmt.MusicnnTagger.from_pretrained("musicnn_mtt")


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """Low and high tones, and some in between."""
    folder = tmp_path_factory.mktemp("songs")
    rng = np.random.default_rng(0)
    time = np.arange(50000) / 16000
    paths = {}
    for name, pitches in {
        "low": rng.uniform(100, 160, 8),
        "high": rng.uniform(2000, 3000, 8),
        "between": rng.uniform(500, 700, 2),
    }.items():
        paths[name] = []
        for i, pitch in enumerate(pitches):
            wave = 0.2 * np.sin(2 * np.pi * pitch * time) + rng.normal(0, 0.01, 50000)
            path = folder / f"{name}{i}.wav"
            soundfile.write(path, wave, 16000)
            paths[name].append(str(path))
    return paths


def test_a_taught_tag_is_a_normal_tagger(model, songs, tmp_path):
    before = model.predict(songs["low"][0])
    lesson = teach(model, songs["low"][:3], songs["high"][:2], name="low tones")
    tagger = lesson.tagger
    assert tagger.labels == ["low tones"]
    low, high = tagger.predict(songs["low"][3:]), tagger.predict(songs["high"][3:])
    assert low.min() > high.max()
    saved = kmt.MusicTagger.from_pretrained(tagger.save_pretrained(tmp_path / "tag"))
    assert type(saved) is kmt.MusicnnTagger
    assert saved.tag(songs["low"][4])[0][0] == "low tones"
    np.testing.assert_array_equal(model.predict(songs["low"][0]), before)


def test_it_asks_about_what_it_is_least_certain_of(model, songs):
    pool = [*songs["low"][2:], *songs["high"][2:], *songs["between"]]
    lesson = teach(model, songs["low"][:2], songs["high"][:2], name="low", pool=pool)
    scores = lesson.tagger.predict(pool)[:, 0]
    asked = lesson.ask(3)
    # Tracks of one chunk: the scores are those of the embeddings it decides by.
    order = np.argsort(np.abs(scores - 0.5), kind="stable")
    assert asked == [pool[i] for i in order[:3]]
    lesson.answer(asked[0], True)
    assert lesson.answers[asked[0]]
    assert asked[0] not in lesson.ask(len(pool))
    assert lesson.tagger.predict(asked[0])[0, 0] > scores[order[0]]
    for path in lesson.ask(len(pool)):
        lesson.answer(path, path in songs["low"])
    assert lesson.ask() == []


def test_bad_files_are_left_out(model, songs, tmp_path):
    bad = tmp_path / "bad.mp3"
    bad.write_text("no audio")
    with pytest.warns(kmt.AudioWarning, match="bad.mp3"):
        lesson = teach(
            model, [*songs["low"][:2], bad], songs["high"][:1], name="low", pool=[bad]
        )
    assert len(lesson.answers) == 3
    assert lesson.ask() == []
    with (
        pytest.warns(kmt.AudioWarning),
        pytest.raises(kmt.LabelError, match="no readable track in `yes`"),
    ):
        teach(model, [bad], songs["high"][:1], name="low")
    with pytest.raises(kmt.AudioError):
        lesson.answer(bad, True)


def test_what_cannot_be_taught(model, songs):
    low, high = songs["low"][:1], songs["high"][:1]
    with pytest.raises(kmt.LabelError, match="no readable track in `no`"):
        teach(model, low, [], name="low")
    with pytest.raises(kmt.LabelError, match="in `yes` and in `no`"):
        teach(model, low, low, name="low")
    with pytest.raises(kmt.ConfigError, match=r"yes=\["):
        teach(model, low[0], high, name="low")
    with pytest.raises(kmt.ConfigError, match="no pool"):
        teach(model, low, high, name="low").ask()
    with pytest.raises(kmt.ConfigError, match="needs a tagger"):
        teach("musicnn_msd", low, high, name="low")
    with pytest.raises(kmt.LabelError, match="non-empty"):
        teach(model, low, high, name=" ").tagger  # noqa: B018


def test_embeddings_are_kept_on_disk(model, songs, tmp_path):
    for _ in range(2):
        lesson = teach(
            model, songs["low"][:2], songs["high"][:2], name="low", cache=tmp_path
        )
    (folder,) = tmp_path.iterdir()
    assert len(list(folder.glob("*.npy"))) == 4
    plain = teach(model, songs["low"][:2], songs["high"][:2], name="low")
    np.testing.assert_allclose(
        lesson.tagger.predict(songs["low"][5]),
        plain.tagger.predict(songs["low"][5]),
        atol=1e-5,
    )
