"""CLAP in ONNX, its two towers apart: vectors of sounds and words without Keras.

By the tiny, random CLAP of `tests/parity/data/clap`.
"""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

import keras_musictag as kmt
from keras_musictag.cli import app
from keras_musictag.errors import ConfigError, PresetError

for package in ("onnx", "tf2onnx", "onnxruntime", "tensorflow", "tokenizers"):
    pytest.importorskip(package)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow", reason="takes long there"
    ),
]

FOLDER = Path(__file__).parents[1] / "parity" / "data" / "clap" / "plain"
TEXTS = ["sad piano", "x" * 80, "Rainy late-night jazz, játék: naïve 雨!"]
PARITY = 1e-5


@pytest.fixture(scope="module")
def tagger():
    return kmt.CLAPTagger.from_pretrained(FOLDER)


@pytest.fixture(scope="module")
def text_model(tmp_path_factory):
    out = tmp_path_factory.mktemp("text") / "words.onnx"
    done = CliRunner().invoke(app, ["export", str(FOLDER), str(out), "--text"])
    assert done.exit_code == 0, done.output
    return out


@pytest.fixture(scope="module")
def heard(tagger, tmp_path_factory):
    out = tmp_path_factory.mktemp("audio") / "sounds.onnx"
    return kmt.OnnxTagger(tagger.export(out, embeddings=True))


@pytest.mark.filterwarnings("ignore:1 texts are longer")
def test_texts_in_onnx_are_those_of_the_original(text_model):
    encoder = kmt.OnnxTextEncoder(text_model)
    with np.load(FOLDER / "outputs.npz") as original:
        texts = [str(text) for text in original["texts"]]
        expected = original["text"]
    vectors = encoder.embed_text(texts)
    assert vectors.shape == (len(texts), encoder.units)
    np.testing.assert_allclose(vectors, expected, atol=PARITY)
    np.testing.assert_allclose(encoder.embed_text(texts[3]), expected[3], atol=PARITY)
    with pytest.raises(ConfigError, match="no text"):
        encoder.embed_text([])


def test_sounds_in_onnx_have_the_embeddings_of_the_tagger(tagger, heard):
    sound = np.random.default_rng(0).normal(0, 0.1, 25 * 16000).astype("float32")
    assert heard.endpoints == ["penultimate", "scores"]
    np.testing.assert_allclose(heard.embed(sound), tagger.embed(sound), atol=PARITY)
    both = heard.embed(sound, layer=["penultimate", "scores"])
    np.testing.assert_allclose(both["scores"], heard.predict(sound)[0], atol=1e-6)
    with pytest.raises(ConfigError, match="penultimate and scores alone"):
        heard.embed(sound, layer="stage1")


def test_files_are_not_taken_for_one_another(text_model, heard, tmp_path):
    with pytest.raises(PresetError, match=r"names text, not tags.*OnnxTextEncoder"):
        kmt.OnnxTagger(text_model)
    done = CliRunner().invoke(app, ["export", "vgg_mtt", str(tmp_path / "x"), "--text"])
    assert done.exit_code == 2 and "no such part" in done.output


def test_searches_by_words_need_no_keras(text_model, tagger, tmp_path):
    random = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        sound = random.normal(0, 0.1, 16000) * np.linspace(0, 1, 16000)
        soundfile.write(tmp_path / f"{name}.wav", sound, 16000)
    library = tmp_path / "library"
    kmt.library.build(tmp_path, library, str(FOLDER))
    words = ["library", "search", str(library), "--text", TEXTS[0], "--format", "csv"]
    by_keras = CliRunner().invoke(app, words)
    assert by_keras.exit_code == 0, by_keras.output
    code = (
        "import sys\n"
        "from keras_musictag.cli import app\n"
        "try:\n"
        "    app(sys.argv[1:])\n"
        "except SystemExit as end:\n"
        "    assert not end.code\n"
        "assert not {'keras', 'tensorflow', 'torch', 'jax'} & set(sys.modules)\n"
    )
    command = [sys.executable, "-c", code, *words, "--text-model", str(text_model)]
    by_onnx = subprocess.run(command, capture_output=True, text=True, check=False)
    assert by_onnx.returncode == 0, by_onnx.stderr
    tables = [
        [line.rsplit(",", 1) for line in text.strip().splitlines()[1:]]
        for text in (by_keras.stdout, by_onnx.stdout)
    ]
    assert len(tables[0]) == 3
    for ours, theirs in zip(*tables, strict=True):
        assert ours[0] == theirs[0]
        assert float(ours[1]) == pytest.approx(float(theirs[1]), abs=1e-5)
    # Of another model it would compare what cannot be compared.
    other = tagger.with_labels(["rain"]).export_text(tmp_path / "other.onnx")
    with pytest.raises(ConfigError, match="other weights"):
        kmt.library.Library(library).search(text="rain", text_model=other)
