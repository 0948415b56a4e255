"""CLAP against the original: `transformers` 5.24 with random weights.

`data/clap/` (see `data/make_clap.py`) holds two models as `save_pretrained` leaves
them, and what the original says: `plain`, and `fused`, which has feature fusion, no
biases of queries, keys and values, other filters, and its tokens in two files.
"""

import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_musictag as kmt

pytest.importorskip("tokenizers", reason="needs the extra text")
FOLDER = Path(__file__).parent / "data" / "clap"
SCALE = np.exp(2.5)  # of the random models
# Measured on three backends: 4e-5 dB, 5e-7, 7e-6. With a network of full size and
# features of 48 kHz (`--full`): 2.1e-4 dB, 3e-7, and 2e-7 of the softmax.
FEATURES = 1e-4
VECTORS = 1e-5
LOGITS = 1e-4


@pytest.fixture(scope="module", params=["plain", "fused"])
def original(request):
    with np.load(FOLDER / request.param / "outputs.npz") as file:
        return {**file, "folder": FOLDER / request.param}


@pytest.fixture(scope="module")
def texts(original):
    return [str(text) for text in original["texts"]]


@pytest.fixture(scope="module")
def model(original, texts):
    with pytest.warns(UserWarning, match="1 texts are longer than the 32 tokens"):
        return kmt.MusicTagger.from_pretrained(original["folder"], labels=texts)


def sounds(original):
    """Two clips, one of them shorter than a chunk, and their numbers."""
    for number in (0, 1):
        yield number, original[f"waveform_{number}"].astype("float32") / 32768


def test_texts_have_the_tokens_of_the_original(model, original, texts):
    ends = np.cumsum(original["lengths"])[:-1]
    with pytest.warns(UserWarning, match="longer"):
        found = model.tokenizer(texts)
    for ours, theirs in zip(found, np.split(original["tokens"], ends), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_texts_have_the_vectors_of_the_original(model, original, texts):
    with pytest.warns(UserWarning, match="longer"):
        found = model.embed_text(texts)
    np.testing.assert_allclose(found, original["text"], atol=VECTORS)
    one = model.embed_text(texts[0])
    np.testing.assert_allclose(one, original["text"][0], atol=VECTORS)


def test_features_are_those_of_the_original(model, original):
    for number, samples in sounds(original):
        ((_, chunk),) = model.chunking.chunks([samples])
        found = keras.ops.convert_to_numpy(model.frontend(chunk[None]))[0]
        np.testing.assert_allclose(found, original[f"mel_{number}"], atol=FEATURES)


def test_sounds_have_the_vectors_and_logits_of_the_original(model, original):
    with pytest.warns(UserWarning, match="longer"):
        cosines = model.with_labels(model.labels, problem_type="regression")
    for number, samples in sounds(original):
        logits = original[f"logits_{number}"]
        wanted = np.exp(logits - logits.max())
        found = model.embed(samples, layer=["penultimate", "scores"])
        vector = found["penultimate"]
        np.testing.assert_allclose(vector, original[f"audio_{number}"], atol=VECTORS)
        np.testing.assert_allclose(found["scores"], wanted / wanted.sum(), atol=LOGITS)
        between = keras.ops.convert_to_numpy(cosines.head(vector[None]))[0]
        np.testing.assert_allclose(between * SCALE, logits, atol=LOGITS)


def test_a_repository_of_theirs_loads_by_name(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "hub")
    from hub_server import HubServer, Repository

    folder = FOLDER / "plain"
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    with np.load(folder / "outputs.npz") as original:
        text, expected = str(original["texts"][1]), original["text"][1]
    repository = Repository({"a" * 40: files}, {"main": "a" * 40})
    with HubServer({"someone/clap": repository}) as server:
        # The client has read these from its environment when it was imported.
        constants = "huggingface_hub.constants."
        template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(f"{constants}HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(f"{constants}ENDPOINT", server.url)
        monkeypatch.setattr(f"{constants}HF_HUB_OFFLINE", False)
        model = kmt.CLAPTagger.from_pretrained("someone/clap", cache_dir=tmp_path)
    assert "rock" in model.labels and model.labels.priors is None
    np.testing.assert_allclose(model.embed_text(text), expected, atol=VECTORS)
    sys.modules.pop("hub_server", None)
