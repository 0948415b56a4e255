"""Searches by words and by several tracks, against the cosines of the vectors.

By the tiny, random CLAP of `tests/parity/data/clap`.
"""

import json
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


def check(found, vectors, query):
    """All that is heard is there, by its cosine with the query, the highest first."""
    wanted = {name: unit(vector) @ unit(query) for name, vector in vectors.items()}
    similar = found.column("similarity").to_pylist()
    assert similar == sorted(similar, reverse=True)
    by_name = dict(zip(names(found), similar, strict=True))
    assert by_name == pytest.approx(wanted, abs=1e-4)


def test_words_find_tracks_and_never_silence(library, vectors, tagger):
    found = library.search(text=WORDS)
    check(found, vectors, tagger.embed_text(WORDS))
    best = library.search("path NOT LIKE '%tone%'", text=WORDS, limit=1)
    assert names(best) == [name for name in names(found) if name != "tone"][:1]


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
        check(library.search(**wish), vectors, query)


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


def test_words_become_columns_of_scores(songs, tagger, tmp_path):
    words = ["sad piano", "driving techno"]
    kmt.library.build(songs / "tone.wav", tmp_path / "lib", str(FOLDER), labels=words)
    (row,) = Library(tmp_path / "lib").search('"sad piano" >= 0').to_pylist()
    expected = tagger.with_labels(words).predict(str(songs / "tone.wav"))[0]
    assert [row[word] for word in words] == pytest.approx(list(expected), abs=1e-5)
    wish = ("--preset", FOLDER, "--labels", " rain , jazz", "--segments", "jazz=0")
    result = run("library", "build", songs, "--out", tmp_path / "lib", *wish)
    assert result.exit_code == 0, result.output
    heard = Library(tmp_path / "lib").search("seconds_heard(segments.jazz) = 2")
    assert names(heard) == ["both", "noise", "tone"] and "rain" in heard.column_names
    with pytest.raises(ConfigError, match="None of the taggers reads"):
        kmt.library.build(songs, tmp_path / "no", "musicnn_mtt", labels="rain")


def run(*arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_commands_take_words(library, songs):
    wish = ("--preset", FOLDER, "--labels", "rain, jazz", "--format", "json")
    result = run(
        "tag", songs / "tone.wav", *wish, "--segments", "jazz", "--min-score=0"
    )
    assert result.exit_code == 0, result.output
    (record,) = json.loads(result.stdout)
    assert {tag["label"] for tag in record["tags"]} == {"rain", "jazz"}
    assert record["segments"] == {"jazz": [[0.0, 2.0]]}
    result = run(
        "library", "search", library.folder, "--text", WORDS, "--format", "csv"
    )
    assert result.exit_code == 0, result.output
    assert len(result.stdout.strip().splitlines()) == 4  # without the silence
    result = run("tag", songs / "tone.wav", "--labels", "rain")
    assert result.exit_code == 2 and "no text tower" in result.stderr
