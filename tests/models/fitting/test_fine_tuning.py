"""Training parts of a tagger, at several rates, and going on after a kill."""

import os
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
import soundfile
from keras import layers

import keras_musictag as kmt
from keras_musictag.models.fitting.backup import ResumableBackup
from keras_musictag.models.fitting.learning_rates import LayerwiseOptimizer
from keras_musictag.models.tagger import MusicTagger

LABELS = ["calm", "wild"]
Y = np.eye(2, dtype="float32")[[0, 1, 1, 0]]


@keras.saving.register_keras_serializable(package="tests")
class _Tiny(MusicTagger):
    """The parts of a tagger, small: a front-end that learns, layers within layers."""

    def __init__(
        self,
        labels=LABELS,
        dropout=0.0,
        **options,
    ):
        super().__init__(
            labels,
            frontend=lambda rate: keras.Sequential(
                [layers.Reshape((20, 50)), layers.Dense(12, name="analysis")],
                name="frontend",
            ),
            backbone=lambda shape: _backbone(shape, dropout),
            chunking=kmt.audio.ChunkPlan(1000, 1000, tail="pad"),
            dropout=dropout,
            **{"name": "tiny", **options},
        )


def _backbone(shape, dropout):
    x = inputs = keras.Input(shape)
    x = layers.Reshape((*shape, 1))(x)
    x = kmt.layers.FrequencyMaxConv2D(6, (3, 4), padding="valid", name="conv")(x)
    x = layers.Conv1D(5, 3, name="time")(x)
    x = layers.BatchNormalization(name="norm")(layers.ReLU()(x))
    x = layers.Dropout(dropout)(layers.GlobalAveragePooling1D()(x))
    x = layers.Dense(8, name="dense")(x)
    return keras.Model(inputs, x, name="backbone"), {}


def noise(model, items=4, extra=0):
    length = model.chunking.chunk_samples + extra
    rng = np.random.default_rng(0)
    return rng.normal(0, 0.1, (items, length)).astype("float32")


def values(variables):
    return {v.path: keras.ops.convert_to_numpy(v.value).copy() for v in variables}


def same(new, old):
    return {path for path in new if np.array_equal(new[path], old[path])}


def test_a_frozen_backbone_stays_as_it_is_for_one_call():
    keras.utils.set_random_seed(0)
    model = _Tiny()
    x = noise(model)
    # The front-end and the statistics of batch normalisation among them.
    body = [v for v in model.weights if not v.path.startswith("logits")]
    trainable = [v.path for v in model.trainable_variables]
    before, head = values(body), values(model.head.weights)
    model.fit(x, Y, freeze="backbone", epochs=2, verbose=0)
    assert same(values(body), before) == set(before)
    assert not same(values(model.head.weights), head)
    assert [v.path for v in model.trainable_variables] == trainable
    model.fit(x, Y, verbose=0)
    moved = set(before) - same(values(body), before)
    assert moved >= {v.path for v in body if v.trainable}
    assert any("moving_mean" in path for path in moved)


def test_normalization_can_stay_while_the_rest_learns():
    model = _Tiny()
    before = values(model.weights)
    model.fit(noise(model), Y, freeze="normalization", verbose=0)
    kept = same(values(model.weights), before)
    assert kept == {path for path in before if "norm/" in path}
    assert len(kept) == 8  # of two layers, one of them within another
    assert all(v.trainable for v in model.backbone.get_layer("norm").weights[:2])


def test_freezing_leaves_what_was_frozen_by_hand():
    model = _Tiny()
    model.backbone.get_layer("dense").trainable = False
    model.fit(noise(model), Y, freeze="backbone", verbose=0)
    assert not model.backbone.get_layer("dense").trainable
    assert model.backbone.get_layer("time").trainable
    with pytest.raises(kmt.ConfigError, match="freeze.*'backbone'"):
        model.fit(noise(model), Y, freeze="head")


def test_a_new_choice_of_weights_keeps_the_users_compile():
    model = _Tiny()
    model.compile(keras.optimizers.SGD(0.05, momentum=0.5), "mse", ["mae"])
    history = model.fit(noise(model), Y, freeze="backbone", verbose=0).history
    assert set(history) == {"loss", "mae"}
    first = model.optimizer
    assert float(first.learning_rate) == pytest.approx(0.05)
    assert first.momentum == 0.5
    model.fit(noise(model), Y, freeze="backbone", verbose=0)
    assert model.optimizer is first  # nothing changed: its state goes on
    model.evaluate(noise(model), Y, verbose=0)
    assert model.optimizer is first
    model.fit(noise(model), Y, verbose=0)
    assert model.optimizer is not first
    assert "SGD" in type(model.optimizer).__name__


@pytest.mark.slow
@pytest.mark.parametrize(
    "optimizer",
    [
        lambda rate: keras.optimizers.SGD(rate, momentum=0.9, nesterov=True),
        lambda rate: keras.optimizers.AdamW(rate, weight_decay=0.1),
    ],
    ids=["sgd", "adamw"],
)
def test_each_part_moves_as_with_its_own_rate_everywhere(optimizer):
    def after_one_step(rate, learning_rates=None):
        keras.utils.set_random_seed(3)
        model = _Tiny()
        old = values(model.trainable_variables)
        model.compile(optimizer(rate), "binary_crossentropy", jit_compile=False)
        x = noise(model)
        model.fit(x, Y, learning_rates=learning_rates, batch_size=4, verbose=0)
        new = values(model.trainable_variables)
        return {path: new[path] - old[path] for path in old}

    rates = {"backbone": 0.002, "head": 0.03, "time": 0.005}
    found = after_one_step(0.01, rates)
    expected = {rate: after_one_step(rate) for rate in (0.01, *rates.values())}
    for path, step in found.items():
        rate = 0.005 if path.startswith("time/") else 0.002
        if "analysis" in path:
            rate = 0.01
        rate = 0.03 if path.startswith("logits") else rate
        # Weights of about 1 are rounded to 1e-7 at each step.
        np.testing.assert_allclose(step, expected[rate][path], rtol=2e-3, atol=3e-7)


def test_rates_that_cannot_be():
    model = _Tiny()
    x = noise(model)
    with pytest.raises(kmt.ConfigError, match="no such part or layer.*backbone"):
        model.fit(x, Y, learning_rates={"bakbone": 1e-4})
    with pytest.raises(kmt.ConfigError, match="above 0"):
        model.fit(x, Y, learning_rates={"backbone": 0.0})
    schedule = keras.optimizers.schedules.CosineDecay(1e-3, 10)
    model.compile(keras.optimizers.Adam(schedule), "binary_crossentropy")
    with pytest.raises(kmt.ConfigError, match="a number as its learning rate"):
        model.fit(x, Y, learning_rates={"backbone": 1e-4})


def test_a_keras_file_goes_on_with_the_same_rates(tmp_path):
    keras.utils.set_random_seed(0)
    model = _Tiny()
    x = noise(model)
    model.fit(x, Y, learning_rates={"backbone": 1e-4}, verbose=0)
    model.save(tmp_path / "model.keras")
    again = kmt.MusicTagger.from_pretrained(tmp_path / "model.keras")
    assert isinstance(again.optimizer, LayerwiseOptimizer)
    for each in (model, again):
        each.fit(x, Y, verbose=0)
    new, old = values(again.weights), values(model.weights)
    for path in old:
        np.testing.assert_allclose(new[path], old[path], atol=1e-6, err_msg=path)


def test_half_precision_trains_with_rates():
    model = _Tiny(dtype="mixed_float16")
    before = values(model.trainable_variables)
    history = model.fit(
        noise(model), Y, learning_rates={"backbone": 1e-4}, epochs=3, verbose=0
    )
    assert np.isfinite(history.history["loss"]).all()
    assert len(same(values(model.trainable_variables), before)) < len(before) / 2


# === Data ===


@pytest.fixture
def songs(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(4):
        wave = rng.normal(0, 0.1, 16000 + 1000 * i)
        soundfile.write(tmp_path / f"{i}.wav", wave, 16000)
    return tmp_path


def table(folder, columns, rows):
    lines = [
        ",".join(["path", *columns]),
        *(f"{i}.wav,{r}" for i, r in enumerate(rows)),
    ]
    (folder / "songs.csv").write_text("\n".join(lines) + "\n")
    return kmt.data.from_csv(folder / "songs.csv", tags=columns)


def test_tracks_train_every_problem_type(songs):
    tracks = table(songs, LABELS, ["1,0", "0,1", "1,0", "0,1"])
    for problem_type in ("multi_label_classification", "single_label_classification"):
        model = _Tiny(problem_type=problem_type)
        history = model.fit(tracks, validation_data=tracks, epochs=2, verbose=0).history
        assert np.isfinite(history["val_loss"]).all()
    numbers = table(songs, LABELS, ["0.1,0.9", "0.4,0.5", "-0.3,0.2", "1.5,0"])
    model = _Tiny(problem_type="regression")
    model.fit(numbers, verbose=0)
    loss, mae = model.evaluate(numbers, verbose=0)
    assert loss > 0 and mae > 0
    unknown = table(songs, LABELS, ["0.1,0.9", ",0.5", "-0.3,0.2", "1.5,0"])
    with pytest.raises(kmt.LabelError, match=r"1 tracks without one, such as.*1\.wav"):
        model.fit(unknown)


def test_unknown_targets_do_not_count():
    keras.utils.set_random_seed(0)
    model = _Tiny()
    x = noise(model)
    targets = np.array([[1, np.nan], [0, np.nan], [1, np.nan], [0, np.nan]])
    before = values(model.head.weights)
    history = model.fit(x, targets, freeze="backbone", verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    after = values(model.head.weights)
    kernel = after["logits/kernel"] - before["logits/kernel"]
    assert (kernel[:, 0] != 0).any()
    assert (kernel[:, 1] == 0).all()


def test_the_same_seed_gives_the_same_numbers():
    def run(seed):
        keras.utils.set_random_seed(seed)
        model = _Tiny(dropout=0.5)
        x = noise(model, extra=4000)
        history = model.fit(x, Y, epochs=2, batch_size=2, verbose=0)
        return history.history["loss"], values(model.weights)

    (losses, weights), (again, others) = run(5), run(5)
    assert losses == again
    assert same(weights, others) == set(weights)
    assert run(6)[0] != losses


# === Resuming ===


class Kill(keras.callbacks.Callback):
    """Kills the process within an epoch, as the machine may."""

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.epoch == 2 and batch == 1:
            os.kill(os.getpid(), signal.SIGKILL)


def long_run(folder, chunks, *callbacks):
    keras.utils.set_random_seed(7)
    model = _Tiny(dropout=0.5)
    x = noise(model, items=12, extra=0 if chunks else 500)
    y = np.random.default_rng(1).integers(0, 2, (12, 2)).astype("float32")
    model.fit(
        x,
        y,
        epochs=4,
        batch_size=4,
        verbose=0,
        validation_data=(x, y),
        learning_rates={"backbone": 3e-4},
        callbacks=[ResumableBackup(folder), *callbacks],
    )
    return values(model.weights)


def main(what, folder):
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # Without it, threads may add up in another order from run to run.
        tf.config.experimental.enable_op_determinism()
    for kind in ("crops", "chunks"):
        chunks = kind == "chunks"
        if what == kind:
            long_run(f"{folder}/{kind}", chunks, Kill())
        if what == "resume":
            np.savez(f"{folder}/{kind}_resumed", **long_run(f"{folder}/{kind}", chunks))
            np.savez(f"{folder}/{kind}_whole", **long_run(f"{folder}/other", chunks))


if __name__ == "__main__":
    main(*sys.argv[1:])


@pytest.mark.slow
def test_a_killed_run_ends_as_an_uninterrupted_one(tmp_path):
    def run(what):
        command = [sys.executable, __file__, what, str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True)

    for kind in ("crops", "chunks"):
        killed = run(kind)
        assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
        assert os.listdir(tmp_path / kind) == ["training_state.npz"]
    resumed = run("resume")
    assert resumed.returncode == 0, resumed.stderr[-2000:]
    for kind in ("crops", "chunks"):
        assert not (tmp_path / kind).exists()  # the run is complete
        found = np.load(tmp_path / f"{kind}_resumed.npz")
        expected = np.load(tmp_path / f"{kind}_whole.npz")
        assert len(expected.files) > 10
        for path in expected.files:
            np.testing.assert_array_equal(found[path], expected[path], err_msg=path)


def test_the_state_of_dropout_is_kept(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    def fit(model, epochs, *callbacks):
        x = noise(model)
        model.fit(x, Y, epochs=epochs, verbose=0, callbacks=list(callbacks))

    keras.utils.set_random_seed(0)
    first = _Tiny(dropout=0.5)
    with pytest.raises(KeyboardInterrupt):
        fit(first, 3, ResumableBackup(tmp_path, delete_checkpoint=False), Stop())
    second = _Tiny(dropout=0.5)  # other weights, other generators
    backup = ResumableBackup(tmp_path)
    backup.set_model(second)
    second.compile()
    backup.on_train_begin()
    pairs = zip(first.variables, second.variables, strict=True)
    for old, new in pairs:
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(old.value), keras.ops.convert_to_numpy(new.value)
        )
    assert len(second.variables) > len(second.weights)  # states of generators
    assert second._initial_epoch == 1


def test_a_complete_run_is_skipped_and_the_next_one_is_not(tmp_path):
    keras.utils.set_random_seed(0)
    model = _Tiny()
    x = noise(model)

    def fit(epochs, **options):
        backup = ResumableBackup(tmp_path / "one", delete_checkpoint=False)
        keras.utils.set_random_seed(0)
        return model.fit(x, Y, epochs=epochs, verbose=0, callbacks=[backup])

    assert len(fit(2).epoch) == 2
    after = values(model.weights)
    assert fit(2).epoch == []
    assert same(values(model.weights), after) == set(after)
    assert model.fit(x, Y, epochs=1, verbose=0).epoch == [0]


def test_backups_that_cannot_be_taken_up(tmp_path):
    keras.utils.set_random_seed(0)
    model = _Tiny()
    x = noise(model)
    model.fit(
        x, Y, verbose=0, callbacks=[ResumableBackup(tmp_path, delete_checkpoint=False)]
    )
    with pytest.warns(UserWarning, match="another seed than before"):
        model.fit(
            x,
            Y,
            verbose=0,
            callbacks=[ResumableBackup(tmp_path, delete_checkpoint=False)],
        )
    other = _Tiny(labels=["a", "b", "c"])
    with pytest.raises(kmt.ConfigError, match="of another model"):
        other.fit(x, np.eye(3)[[0, 1, 2, 0]], callbacks=[ResumableBackup(tmp_path)])
    (tmp_path / "training_state.npz").write_bytes(b"PK\x03\x04 half a file")
    with pytest.raises(kmt.ConfigError, match="cannot be read.*Remove the file"):
        model.fit(x, Y, callbacks=[ResumableBackup(tmp_path)])
