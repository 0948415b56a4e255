"""AST, MAEST, MERT and HuBERT against the transformers library with random weights.

`data/transformers/` (see `data/make_transformers.py`) holds what the library saves, and
what it says. Measured on three backends: features 2e-6, embeddings 1e-6, frames 5e-6.
"""

from pathlib import Path

import keras
import numpy as np
import pytest

import keras_musictag as kmt
from keras_musictag.models.taggers.ast import interpolation

FOLDER = Path(__file__).parent / "data" / "transformers"
TOLERANCE = 1e-5
AST = ("ast", "maest")
HUBERT = ("mert", "hubert", "batch_norm")


def original(name):
    return np.load(FOLDER / name / "outputs.npz")


def samples_of(outputs):
    return outputs["waveform_int16"].astype("float32") / 32768


@pytest.fixture(scope="module", params=AST)
def ast(request):
    outputs = original(request.param)
    model = kmt.MusicTagger.from_pretrained(FOLDER / request.param)
    return model, outputs


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor)


def tracks(outputs):
    """The sound, whose first chunk the original takes, and less than a chunk of it."""
    whole = samples_of(outputs)
    return {"long": whole, "short": whole[: int(0.3 * 16000) + 77]}


def test_features_are_those_of_the_feature_extractor(ast):
    """A short track is filled up behind the logarithm, as by the authors."""
    model, outputs = ast
    for name, track in tracks(outputs).items():
        _, chunk = next(model.chunking.chunks([track]))
        features = numbers(model.frontend(chunk[None]))[0]
        expected = outputs[f"{name}_features"]
        np.testing.assert_allclose(features, expected, atol=TOLERANCE, err_msg=name)


def test_ast_says_what_the_original_says(ast):
    model, outputs = ast
    layers = ["block2", "block2_tokens", "pooled", "scores"]
    for name, track in tracks(outputs).items():
        found = model.embed(track, layer=layers, aggregate=None)
        scores = 1 / (1 + np.exp(-outputs[f"{name}_logits"]))
        last = outputs[f"{name}_last"]
        frames, units = found["block2"].shape[1:]
        patches = last[2:].reshape(-1, frames, units)  # the frames of each band
        wanted = {
            "scores": scores,
            "pooled": outputs[f"{name}_pooled"],
            "block2": patches.mean(axis=0),
            "block2_tokens": np.concatenate([*last[:2], last[2:].mean(axis=0)]),
        }
        for layer, value in wanted.items():
            where = f"{name} {layer}"
            # The hidden states are from before the last normalisation.
            np.testing.assert_allclose(
                found[layer][0], value, atol=TOLERANCE, err_msg=where
            )


def test_positions_stretch_as_pytorch_stretches_them():
    row = np.array([0.0, 1.0, 4.0, 9.0])
    # torch.nn.functional.interpolate(row[None, None], size=n, mode="linear")
    wanted = {3: [0.166667, 2.5, 8.166667], 6: [0, 0.5, 1.5, 3.5, 6.5, 9]}
    for size, values in wanted.items():
        np.testing.assert_allclose(interpolation(4, size) @ row, values, atol=1e-5)


def test_chunks_of_another_length_have_the_same_weights():
    model = kmt.MusicTagger.from_pretrained(FOLDER / "ast")
    longer = model.with_chunks(1.0)
    assert longer.chunking.chunk_samples == 16000 - 16000 % 160 - 80  # 98 frames
    same = longer.with_chunks(model.chunking.chunk_samples / 16000)
    assert same.chunking == model.chunking
    track = samples_of(original("ast"))[:12000]
    one = track[None, : model.chunking.chunk_samples]
    scores = numbers(model(one))
    np.testing.assert_array_equal(numbers(same(one)), scores)
    few = np.pad(track, (0, 16000))[None, : longer.chunking.chunk_samples]
    assert not np.allclose(numbers(longer(few)), scores, atol=1e-4)


@pytest.mark.parametrize("name", HUBERT)
def test_every_block_of_hubert_is_that_of_the_original(name):
    outputs = original(name)
    track = samples_of(outputs)
    model = kmt.MusicTagger.from_pretrained(FOLDER / name)
    assert model.sample_rate == 24000 and model.chunking.chunk_samples == 120000
    model = model.with_chunks(len(track) / 24000)  # the original hears it at once
    found = model.embed(track, layer="all", aggregate=None)[:, 0]
    hidden = outputs["hidden"]
    # The library's last state is normalised, if the blocks leave that to the end.
    np.testing.assert_allclose(found, hidden, atol=TOLERANCE)
    mean = outputs["last"].mean(axis=0)
    np.testing.assert_allclose(model.embed(track), mean, atol=TOLERANCE)
    means = model.embed(track, layer="all")
    np.testing.assert_allclose(means, hidden.mean(axis=1), atol=TOLERANCE)
