"""CLAPTagger: labels that change, what is saved, and what is refused.

The tiny network of `tests/parity/data/clap`, whose parity `tests/parity` checks.
"""

import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_musictag as kmt
from keras_musictag.errors import ConfigError, LabelError, PresetError
from keras_musictag.layers import PatchMerging, ShiftedWindowBlock

pytest.importorskip("tokenizers", reason="needs the extra text")
FOLDER = Path(__file__).parents[2] / "parity" / "data" / "clap" / "plain"
LABELS = ["sad piano", "driving techno"]


@pytest.fixture(scope="module")
def tagger():
    return kmt.CLAPTagger.from_pretrained(FOLDER, labels=LABELS)


def kernel(tagger):
    return keras.ops.convert_to_numpy(tagger.head.get_layer("logits").kernel)


def test_other_labels_share_the_networks(tagger):
    other = tagger.with_labels(["rain", "rain {}", "a crowd"])
    assert list(other.labels) == ["rain", "rain {}", "a crowd"]
    assert list(tagger.labels) == LABELS
    assert other.backbone is tagger.backbone and other.text is tagger.text
    assert other.endpoints == tagger.endpoints
    vectors = tagger.embed_text(list(other.labels))
    np.testing.assert_allclose(kernel(other).T, vectors * np.exp(2.5), atol=1e-5)


def test_templates_are_averaged(tagger):
    templates = ["a {} song", "the sound of {}"]
    cosines = tagger.with_labels(LABELS, templates=templates, problem_type="regression")
    texts = [t.replace("{}", label) for label in LABELS for t in templates]
    vectors = tagger.embed_text(texts).reshape(2, 2, -1).mean(axis=1)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(kernel(cosines).T, vectors, atol=1e-5)
    assert cosines.get_config()["templates"] == templates


def test_there_may_be_ten_thousand_labels(tagger):
    many = tagger.with_labels([f"song {number}" for number in range(10_000)])
    some = tagger.embed_text(["song 0", "song 9999"]) * np.exp(2.5)
    np.testing.assert_allclose(kernel(many).T[[0, 9999]], some, atol=1e-5)


def test_what_is_no_label_is_refused(tagger):
    for labels, problem in (([], "no label"), (["a", "a"], "repeated"), ("a", "list")):
        with pytest.raises(LabelError, match=problem):
            tagger.with_labels(labels)
    for templates in ([], ["a song"], ["{} {}"]):
        with pytest.raises(LabelError, match="where the label goes"):
            tagger.with_labels(LABELS, templates=templates)
    for texts in ([], [1]):
        with pytest.raises(ConfigError, match=r"no text|Texts are strings"):
            tagger.embed_text(texts)


def test_saved_models_go_on_reading(tagger, tmp_path):
    vector = tagger.embed_text("a choir")
    folder = tagger.save_pretrained(tmp_path / "saved")
    again = kmt.MusicTagger.from_pretrained(folder)
    np.testing.assert_array_equal(kernel(again), kernel(tagger))
    np.testing.assert_allclose(again.embed_text("a choir"), vector, atol=1e-6)
    other = kmt.MusicTagger.from_pretrained(folder, labels=["a choir"])
    np.testing.assert_allclose(kernel(other)[:, 0], vector * np.exp(2.5), atol=1e-5)
    tagger.save(tmp_path / "saved.keras")
    again = kmt.MusicTagger.from_pretrained(tmp_path / "saved.keras")
    np.testing.assert_allclose(again.embed_text("a choir"), vector, atol=1e-6)


def test_without_its_tokenizer_a_model_says_that_it_cannot_read(tagger, tmp_path):
    folder = shutil.copytree(FOLDER, tmp_path / "copy")
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(PresetError, match=r"tokenizer.json of the model cannot be"):
        kmt.CLAPTagger.from_pretrained(folder, labels=LABELS)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ConfigError, match="has no tokenizer"):
        kmt.CLAPTagger.from_pretrained(folder, labels=LABELS)


def test_settings_that_cannot_work_are_refused(tagger):
    config = tagger.get_config()
    for change, problem in (
        ({"chunk_samples": 16000}, "at another speed"),
        ({"audio": {**config["audio"], "image_size": 60}}, "multiple of the mel"),
        ({"audio": {**config["audio"], "num_heads": [2]}}, "each stage"),
        ({"text": {"unit": 3}}, "no setting `unit`"),
        ({"projection_activation": "tanh"}, "projection_activation"),
    ):
        with pytest.raises(ConfigError, match=problem):
            kmt.CLAPTagger(**{**config, **change})


def test_windows_must_fit():
    image = np.zeros((1, 6, 6, 4), "float32")
    with pytest.raises(ConfigError, match="rows and columns"):
        ShiftedWindowBlock(2, window_size=4).build(image.shape)
    with pytest.raises(ConfigError, match="num_heads"):
        ShiftedWindowBlock(3, window_size=2).build(image.shape)
    with pytest.raises(ConfigError, match="even rows"):
        PatchMerging().build((1, 5, 6, 4))
