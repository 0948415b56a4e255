"""Every architecture in the formats, narrow: exporting compares the scores itself."""

import keras
import numpy as np
import pytest

from keras_musictag.export import open_exported
from keras_musictag.models import registry
from keras_musictag.models.tagger import MusicTagger

for package in ("onnx", "tf2onnx", "onnxruntime", "ai_edge_litert", "tensorflow"):
    pytest.importorskip(package)

NAMES = sorted(n for n, c in registry().items() if issubclass(c, MusicTagger))
NAMES = [n for n in NAMES if registry()[n].__module__.startswith("keras_musictag.")]
# LiteRT takes several seconds each: here those with layers that others do not have.
# Musicnn and VGG are in test_export.py; all were converted once by hand.
CASES = [*((name, "onnx") for name in NAMES), ("AutoPoolTagger", "litert")]
# Few blocks where the number is free: converting takes time per layer.
SMALL = {
    "ASTTagger": {
        "n_mels": 32,
        "max_frames": 64,
        "units": 16,
        "blocks": 1,
        "num_heads": 2,
        "intermediate_units": 32,
    },
    "AutoPoolTagger": {
        "filters": [4, 4],
        "dense_units": [8],
        "body": "lstm",
        "n_frames": 32,
    },
    "CLAPTagger": {
        "audio": {
            "patch_size": 16,
            "patch_units": 8,
            "depths": [2, 1],
            "num_heads": [2, 4],
        },
        "text": {
            "vocabulary_size": 50,
            "units": 8,
            "encoder_blocks": 1,
            "num_heads": 2,
        },
        "projection_units": 8,
    },
    "CRNNTagger": {"filters": [4, 4, 4, 4], "recurrent_units": 4},
    "FCNTagger": {"filters": [4, 4, 4, 4, 4]},
    "HarmonicCNNTagger": {"filters": [4, 4, 4, 4, 4, 4, 4]},
    "MERTEncoder": {
        "chunk_samples": 12000,
        "conv_filters": [8] * 3,
        "conv_kernels": [10, 6, 4],
        "conv_strides": [10, 4, 4],
        "units": 16,
        "blocks": 1,
        "num_heads": 2,
        "intermediate_units": 32,
        "position_taps": 8,
        "position_groups": 2,
    },
    "MusicnnTagger": {"timbral_filters": 8, "temporal_filters": 4, "variant": "won"},
    "SampleCNNTagger": {"filters": [4] * 11},
    "SelfAttentionTagger": {"filters": [4, 4, 8, 8, 8, 8, 8]},
    "ShortChunkCNNTagger": {"filters": [4, 4, 4, 4, 4, 4, 4]},
    "VGGTagger": {"filters": 4},
}


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="takes long there")
@pytest.mark.parametrize(("name", "format"), CASES)
def test_every_architecture_converts(name, format, tmp_path):
    keras.utils.set_random_seed(0)
    model = registry()[name](["rock", "jazz", "piano"], **SMALL.get(name, {}))
    run = open_exported(model.export(tmp_path / "out", format))
    rng = np.random.default_rng(1)
    size = model.chunking.chunk_samples
    for batch in (1, 3):
        x = rng.normal(0, 0.1, (batch, size)).astype("float32")
        expected = keras.ops.convert_to_numpy(model(x, training=False))
        np.testing.assert_allclose(run(x)["scores"], expected, atol=1e-4)
