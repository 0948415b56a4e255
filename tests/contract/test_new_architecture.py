"""Adding an architecture touches one file: this one plays that file."""

import keras
import numpy as np

import keras_musictag as kmt
from keras_musictag import audio
from keras_musictag.layers import LogMelSpectrogram
from keras_musictag.models import registry


class LoudnessTagger(kmt.MusicTagger):
    """A toy: the mean level of sixteen mel bands, and the head."""

    def __init__(
        self, labels, *, bands=16, sample_rate=16000, tail="overlap", **options
    ):
        frontend = LogMelSpectrogram(
            sample_rate=sample_rate, n_mels=bands, fmax=8000, name="frontend"
        )
        shape = frontend.compute_output_shape((None, sample_rate))[1:]
        inputs = keras.Input(shape, name="spectrogram")
        x = keras.layers.GlobalAveragePooling1D(name="pool")(inputs)
        x = keras.layers.Rescaling(0.01, name="scale")(x)  # logits near 0 at first
        super().__init__(
            frontend=frontend,
            backbone=keras.Model(inputs, x, name="backbone"),
            endpoints={"levels": x},
            labels=labels,
            sample_rate=sample_rate,
            chunking=audio.ChunkPlan(sample_rate, sample_rate, tail=tail),
            **options,
        )
        self.bands = bands

    def get_config(self):
        return {**super().get_config(), "bands": self.bands}


def test_one_file_is_enough(tmp_path):
    assert registry()["LoudnessTagger"] is LoudnessTagger
    keras.utils.set_random_seed(0)
    toy = LoudnessTagger(["quiet", "loud"])
    tone = np.sin(np.arange(16000 * 2) / 9).astype("float32")
    quiet_and_loud = np.stack([tone * 0.01, tone])
    toy.compile(keras.optimizers.Adam(0.05))
    losses = toy.fit(quiet_and_loud, np.eye(2), epochs=20, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    folder = toy.save_pretrained(tmp_path / "toy")
    again = kmt.MusicTagger.from_pretrained(folder)
    assert type(again) is LoudnessTagger
    tracks = list(quiet_and_loud)
    np.testing.assert_array_equal(again.predict(tracks), toy.predict(tracks))
    assert {label for label, _ in again.tag(tone, sample_rate=16000)} == {*toy.labels}
    assert again.taggram(tone, sample_rate=16000).scores.shape == (2, 2)
    assert again.embed(tone, layer="levels").shape == (16,)
