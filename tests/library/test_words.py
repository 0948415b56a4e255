"""Searches by words and by several tracks, against the cosines of the vectors.

By the tiny, random CLAP of `tests/parity/data/clap`.
"""

import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

import keras_musictag as kmt
from keras_musictag.cli import app
from keras_musictag.errors import ConfigError
from keras_musictag.library import Library

pytest.importorskip("tokenizers", reason="needs the extra text")
FOLDER = Path(__file__).parents[1] / "parity" / "data" / "clap" / "plain"
RATE = 16000
WORDS = "rainy late-night jazz"


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """Noise, a tone, both, and silence."""
    folder = tmp_path_factory.mktemp("songs")
    noise = np.random.default_rng(0).normal(0, 0.1, 2 * RATE)
    tone = 0.3 * np.sin(np.arange(2 * RATE) * 0.1)
    sounds = {"noise": noise, "tone": tone, "both": noise + tone, "silence": 0 * tone}
    for name, sound in sounds.items():
        soundfile.write(folder / f"{name}.wav", sound, RATE)
    return folder


@pytest.fixture(scope="module")
def tagger():
    return kmt.CLAPTagger.from_pretrained(FOLDER)


@pytest.fixture(scope="module")
def library(songs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("libraries") / "words"
    kmt.library.build(songs, folder, str(FOLDER))
    again = kmt.library.build(songs, folder, str(FOLDER))
    assert again.todo == 0  # though texts are read anew, the head counts as the same
    return Library(folder)


@pytest.fixture(scope="module")
def vectors(tagger, songs):
    heard = ("noise", "tone", "both")
    return {name: tagger.embed(str(songs / f"{name}.wav")) for name in heard}


def unit(vector):
    return vector / np.linalg.norm(vector)


def names(table):
    return [Path(path).stem for path in table.column("path").to_pylist()]


def expected(vectors, query):
    cosines = {name: unit(vector) @ unit(query) for name, vector in vectors.items()}
    return sorted(cosines, key=cosines.get, reverse=True), cosines


def test_words_find_tracks_and_never_silence(library, vectors, tagger):
    order, cosines = expected(vectors, tagger.embed_text(WORDS))
    found = library.search(text=WORDS)
    assert names(found) == order
    similar = found.column("similarity").to_numpy()
    np.testing.assert_allclose(similar, [cosines[n] for n in order], atol=1e-5)
    assert (
        names(library.search("path NOT LIKE '%tone%'", text=WORDS, limit=1))
        == [name for name in order if name != "tone"][:1]
    )


def test_several_tracks_and_words_come_together(library, vectors, tagger, songs):
    noise, tone, both = (unit(vectors[name]) for name in ("noise", "tone", "both"))
    text = unit(tagger.embed_text(WORDS))
    files = {name: str(songs / f"{name}.wav") for name in vectors}
    for wish, query in (
        ({"like": [files["noise"], files["tone"]]}, (noise + tone) / 2),
        ({"like": {files["noise"]: 3, files["tone"]: 1}}, 0.75 * noise + 0.25 * tone),
        ({"like": files["tone"], "unlike": files["both"]}, tone - 0.5 * both),
        ({"text": WORDS, "unlike": [vectors["tone"]]}, text - 0.5 * tone),
    ):
        order, cosines = expected(vectors, query)
        found = library.search(**wish)
        similar = dict(
            zip(names(found), found.column("similarity").to_pylist(), strict=True)
        )
        assert list(similar) == order
        assert similar == pytest.approx(cosines, abs=1e-4)


def test_questions_without_an_answer_are_refused(library, songs, tmp_path):
    with pytest.raises(ConfigError, match="only be unlike"):
        library.search(unlike=str(songs / "tone.wav"))
    with pytest.raises(ConfigError, match="above 0"):
        library.search(like={str(songs / "tone.wav"): -1})
    with pytest.raises(ConfigError, match="order of their similarity"):
        library.search(text=WORDS, order="path")
    kmt.library.build(songs / "tone.wav", tmp_path / "plain", "musicnn_mtt")
    with pytest.raises(ConfigError, match="--preset laion/larger_clap_music"):
        Library(tmp_path / "plain").search(text=WORDS)


def run(*arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_commands_take_words(library, songs):
    result = run(
        "tag", songs / "tone.wav", "--preset", FOLDER, "--labels", "rain, jazz"
    )
    assert result.exit_code == 0, result.output
    assert "rain" in result.output and "jazz" in result.output
    result = run(
        "library", "search", library.folder, "--text", WORDS, "--format", "csv"
    )
    assert result.exit_code == 0, result.output
    assert len(result.stdout.strip().splitlines()) == 4  # without the silence
    result = run("tag", songs / "tone.wav", "--labels", "rain")
    assert result.exit_code and "no text tower" in str(
        result.exception or result.output
    )
