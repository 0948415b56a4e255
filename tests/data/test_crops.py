"""Random crops: right pieces, new ones each epoch, repeatable by seed."""

import keras
import numpy as np
import pytest

import keras_musictag as kmt

CHUNK = 100


@pytest.fixture
def ramps():
    """Waveforms in which each sample tells its item and its position."""
    return [1000.0 * i + np.arange(100 + 50 * i, dtype="float32") for i in range(5)]


def pieces(data):
    batches = [data[i] for i in range(data.num_batches)]
    return np.concatenate([b[0] for b in batches])


def test_crops_are_runs_of_their_item(ramps):
    targets = np.arange(5)
    data = kmt.data.RandomCrops(
        ramps, targets, chunk_samples=CHUNK, batch_size=2, shuffle=True, seed=1
    )
    assert data.num_batches == 3
    seen = []
    for index in range(3):
        waveforms, items = data[index]
        for waveform, item in zip(waveforms, items, strict=True):
            np.testing.assert_array_equal(np.diff(waveform), 1)
            assert waveform[0] // 1000 == item
            assert waveform[-1] <= ramps[item][-1]
            seen.append(item)
    assert sorted(seen) == list(range(5))


def test_seeds_repeat_and_epochs_differ(ramps):
    def make(seed):
        return kmt.data.RandomCrops(ramps, chunk_samples=CHUNK, seed=seed)

    one, two = make(3), make(3)
    first = pieces(one)
    np.testing.assert_array_equal(first, pieces(two))
    one.on_epoch_end()
    assert not np.array_equal(pieces(one), first)
    two.on_epoch_end()
    np.testing.assert_array_equal(pieces(one), pieces(two))


def test_the_middle_is_the_middle(ramps):
    data = kmt.data.RandomCrops(ramps, chunk_samples=CHUNK, position="middle")
    starts = pieces(data)[:, 0] % 1000
    np.testing.assert_array_equal(starts, [0, 25, 50, 75, 100])


def test_short_items_are_padded():
    data = kmt.data.RandomCrops([np.ones(30, "float32")], chunk_samples=CHUNK)
    np.testing.assert_array_equal(data[0][0][0], np.r_[np.ones(30), np.zeros(70)])


def test_data_sets_are_wrapped(ramps):
    class Inner(keras.utils.PyDataset):
        ended = 0

        @property
        def num_batches(self):
            return 2

        def __getitem__(self, index):
            return np.stack([ramps[4], ramps[4] + index]), np.zeros((2, 1)), np.ones(2)

        def on_epoch_end(self):
            self.ended += 1

    inner = Inner(workers=3)
    data = kmt.data.RandomCrops(inner, chunk_samples=CHUNK)
    assert data.num_batches == 2
    assert data.workers == 3
    waveforms, targets, weights = data[1]
    assert waveforms.shape == (2, CHUNK)
    assert targets.shape == (2, 1)
    assert weights.shape == (2,)
    data.on_epoch_end()
    assert inner.ended == 1


def test_tf_data_items_are_cropped(ramps):
    tf = pytest.importorskip("tensorflow")
    data = tf.data.Dataset.from_generator(
        lambda: zip(ramps, range(5), strict=True),
        output_signature=(tf.TensorSpec((None,)), tf.TensorSpec((), "int32")),
    )
    for waveform, item in data.map(kmt.data.crop(CHUNK, seed=1)):
        assert waveform.shape == (CHUNK,)
        np.testing.assert_array_equal(np.diff(waveform), 1)
        assert waveform[0] // 1000 == int(item)
    short = tf.data.Dataset.from_tensor_slices(np.ones((2, 30), "float32"))
    cut = next(iter(short.map(kmt.data.crop(CHUNK))))
    assert cut.shape == (CHUNK,)
    assert float(tf.reduce_sum(cut)) == 30
    middle = data.map(kmt.data.crop(CHUNK, position="middle"))
    assert [float(w[0]) % 1000 for w, _ in middle] == [0, 25, 50, 75, 100]


def test_wrong_positions():
    with pytest.raises(kmt.ConfigError, match="position.*'middle'"):
        kmt.data.crop(CHUNK, position="end")


def test_fit_splits_validation_from_long_items():
    model = kmt.VGGTagger(["a", "b"], filters=2)
    rng = np.random.default_rng(0)
    x = rng.normal(0, 0.1, (6, 60000)).astype("float32")
    y = rng.integers(0, 2, (6, 2))
    weights = np.ones(6)
    history = model.fit(
        x, y, sample_weight=weights, validation_split=0.5, batch_size=2, verbose=0
    ).history
    assert {"val_loss", "val_roc_auc"} <= set(history)
    again = model.evaluate(x[3:], y[3:], verbose=0, return_dict=True)
    assert again["loss"] == pytest.approx(history["val_loss"][0], rel=1e-4)
    as_lists = model.evaluate(list(x[3:]), y[3:], verbose=0, return_dict=True)
    assert as_lists == pytest.approx(again, rel=1e-5)
    with pytest.raises(kmt.ConfigError, match="validation_split"):
        model.fit(x, y, validation_split=0.999, verbose=0)


def test_seeded_training_repeats():
    rng = np.random.default_rng(0)
    x = rng.normal(0, 0.1, (4, 60000)).astype("float32")
    y = rng.integers(0, 2, (4, 2))

    def train():
        keras.utils.set_random_seed(7)
        model = kmt.VGGTagger(["a", "b"], filters=2)
        return model.fit(x, y, epochs=2, batch_size=2, verbose=0).history["loss"]

    assert train() == pytest.approx(train(), rel=1e-5)
