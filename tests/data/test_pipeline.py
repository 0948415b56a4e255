"""Batches from files: right pieces, the same whatever reads them, bad files named."""

import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest
import soundfile

import keras_musictag as kmt
from keras_musictag.data import AudioCache, Track, TrackBatches, TrackList
from keras_musictag.errors import (
    AudioError,
    AudioWarning,
    ConfigError,
    LabelError,
    MissingExtraError,
)

RATE = 8000
CHUNK = 100
LENGTHS = [100, 103, 150, 400, 999, 1000, 30]
TARGETS = np.eye(len(LENGTHS), dtype="float32")
OPTIONS = {"sample_rate": RATE, "chunk_samples": CHUNK, "batch_size": 3}


def ramp(item):
    """Each sample tells its item and its position, exactly in float32."""
    return (item * 1024 + np.arange(LENGTHS[item], dtype="float32") + 1) / 2**14


@pytest.fixture
def tracks(tmp_path):
    made = []
    for item in range(len(LENGTHS)):
        path = tmp_path / f"{item}.wav"
        soundfile.write(path, ramp(item), RATE, subtype="FLOAT")
        made.append(Track(f"song {item}", path, split="train"))
    return TrackList(made, TARGETS, [f"label {i}" for i in range(len(LENGTHS))])


@pytest.fixture
def broken(tracks):
    """The same, but two files are no audio."""
    for item in (2, 5):
        with open(tracks.paths[item], "wb") as file:
            file.write(b"no audio at all" * 20)
    return tracks


def epoch_of(data):
    return [data[i] for i in range(data.num_batches)]


def equal(ones, others):
    return len(ones) == len(others) and all(
        np.array_equal(a, b)
        for one, other in zip(ones, others, strict=True)
        for a, b in zip(one, other, strict=True)
    )


def places(batches):
    """Item and position of each chunk; checks that it is a run of its item."""
    found = []
    for waveforms, targets in batches:
        assert waveforms.dtype == np.float32
        for waveform, target in zip(waveforms, targets, strict=True):
            item = int(np.argmax(target))
            start = round(float(waveform[0]) * 2**14) - 1 - item * 1024
            expected = ramp(item)[start : start + CHUNK]
            expected = np.pad(expected, (0, CHUNK - len(expected)))
            np.testing.assert_array_equal(waveform, expected)
            found.append((item, start))
    return found


# === What a batch holds ===


def test_an_epoch_has_each_track_once(tracks):
    data = TrackBatches(tracks, **OPTIONS, seed=1)
    assert isinstance(data, TrackBatches)
    assert data.num_batches == 3
    batches = epoch_of(data)
    assert [len(x) for x, _ in batches] == [3, 3, 1]
    found = places(batches)
    assert sorted(item for item, _ in found) == list(range(len(LENGTHS)))
    assert [item for item, _ in found] != list(range(len(LENGTHS)))
    plain = places(epoch_of(TrackBatches(tracks, **OPTIONS, seed=1, shuffle=False)))
    assert [item for item, _ in plain] == list(range(len(LENGTHS)))
    with pytest.raises(IndexError):
        data[3]


def test_random_chunks_lie_anywhere(tracks):
    data = TrackBatches(tracks, **OPTIONS, seed=0, workers=0)
    starts = {item: [] for item in range(len(LENGTHS))}
    for epoch in range(60):
        data.set_epoch(epoch)
        for item, start in places(epoch_of(data)):
            starts[item].append(start)
    assert set(starts[0]) == set(starts[6]) == {0}
    assert set(starts[1]) == {0, 1, 2, 3}
    counts = np.bincount(starts[1])
    assert counts.min() >= 5  # 15 expected
    room = LENGTHS[4] - CHUNK
    assert min(starts[4]) < 0.1 * room and max(starts[4]) > 0.9 * room
    assert abs(np.mean(starts[4]) - room / 2) < 0.15 * room


def test_spaced_and_middle_chunks(tracks):
    data = TrackBatches(
        tracks, **OPTIONS, chunks="spaced", chunks_per_track=3, shuffle=False
    )
    assert data.num_batches == 7
    expected = []
    for item, length in enumerate(LENGTHS):
        step = max(0, length - CHUNK) // 3  # as Won et al. have it
        expected += [(item, i * step) for i in range(3)]
    assert places(epoch_of(data)) == expected
    data = TrackBatches(tracks, **OPTIONS, chunks="middle", shuffle=False)
    middles = [(i, max(0, n - CHUNK) // 2) for i, n in enumerate(LENGTHS)]
    assert places(epoch_of(data)) == middles


def test_several_random_chunks_of_a_track(tracks):
    data = TrackBatches(tracks, **OPTIONS, chunks_per_track=4, seed=3)
    found = places(epoch_of(data))
    assert np.bincount([item for item, _ in found]).tolist() == [4] * len(LENGTHS)
    assert len({start for item, start in found if item == 5}) > 1


def test_chunks_at_another_rate_are_those_of_librosa(corpus):
    librosa = pytest.importorskip("librosa")
    paths = sorted((corpus / "real").glob("*.ogg"))
    tracks = [Track(path.name, path) for path in paths]
    targets = np.eye(len(paths))
    tracks = TrackList(tracks, targets, [path.stem for path in paths])
    data = TrackBatches(tracks, sample_rate=16000, chunk_samples=16000, chunks="middle")
    for waveforms, rows in epoch_of(data):
        for waveform, row in zip(waveforms, rows, strict=True):
            path = paths[int(np.argmax(row))]
            y, own = librosa.load(path, sr=None)
            y = librosa.resample(y, orig_sr=own, target_sr=16000, res_type="soxr_hq")
            start = (len(y) - 16000) // 2
            np.testing.assert_allclose(waveform, y[start : start + 16000], atol=1e-5)


def test_tracks_of_one_hdf5_file(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "set.hdf5"
    with h5py.File(path, "w") as file:
        for item in range(len(LENGTHS)):
            file[f"m{item}"] = ramp(item)
            file[f"m{item}"].attrs["sr_hz"] = RATE
    tracks = [Track(f"m{i}", path, member=f"m{i}") for i in range(len(LENGTHS))]
    tracks = TrackList(tracks, TARGETS, [f"label {i}" for i in range(len(LENGTHS))])
    found = places(epoch_of(TrackBatches(tracks, **OPTIONS, seed=2)))
    assert len(found) == len(LENGTHS)


# === The same data whatever reads them ===


def test_batches_follow_from_seed_epoch_and_number(tracks):
    one = TrackBatches(tracks, **OPTIONS, seed=5)
    first = epoch_of(one)
    one.on_epoch_begin()
    one.on_epoch_end()
    second = epoch_of(one)
    assert not equal(first, second)
    other = TrackBatches(tracks, **OPTIONS, seed=5)
    assert equal([other[i] for i in (2, 0, 1)], [first[i] for i in (2, 0, 1)])
    other.set_epoch(1)
    assert equal([other[i] for i in (1, 1, 2, 0)], [second[i] for i in (1, 1, 2, 0)])
    assert not equal(first, epoch_of(TrackBatches(tracks, **OPTIONS, seed=6)))


def test_without_a_seed_numpys_decides(tracks):
    keras.utils.set_random_seed(3)
    first = epoch_of(TrackBatches(tracks, **OPTIONS))
    assert not equal(first, epoch_of(TrackBatches(tracks, **OPTIONS)))
    keras.utils.set_random_seed(3)
    assert equal(first, epoch_of(TrackBatches(tracks, **OPTIONS)))


def noisy(waveforms, targets, rng):
    return waveforms + rng.normal(0, 1e-3, waveforms.shape), targets[:, ::-1]


@pytest.mark.parametrize(
    "options",
    [
        {"workers": 3},
        {"workers": 2, "max_queue_size": 1},
        {"workers": 2, "use_multiprocessing": True},
        {"cache": "memory"},
        {"cache": "disk", "workers": 2},
        {"cache": "disk", "workers": 2, "use_multiprocessing": True},
    ],
    ids=lambda options: " ".join(f"{k}={v}" for k, v in options.items()),
)
def test_workers_and_caches_change_nothing(tracks, tmp_path, options):
    kept = options.get("cache")
    if kept:
        folder = tmp_path / "cache" if kept == "disk" else None
        options = options | {"cache": AudioCache(folder, max_bytes=3000)}
    settings = {**OPTIONS, "seed": 9, "chunks_per_track": 2}
    if not options.get("use_multiprocessing"):
        settings["augment"] = noisy  # its module would start Keras in each process
    plain = TrackBatches(tracks, **settings, workers=0)
    data = TrackBatches(tracks, **settings, **options)
    for epoch in range(3):
        plain.set_epoch(epoch)
        data.set_epoch(epoch)
        assert equal(epoch_of(plain), epoch_of(data)), epoch
    data.set_epoch(0)  # what was read ahead of another epoch is of no use
    plain.set_epoch(0)
    assert equal(epoch_of(plain), epoch_of(data))


def make_probe():
    """A model that keeps its starting weights if it sees other data."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((CHUNK,)), keras.layers.Dense(len(LENGTHS))])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    return model


@pytest.mark.parametrize("batch_size", [3, 7])  # of three batches, and of one
def test_keras_sees_each_epoch_once(tracks, batch_size):
    options = {**OPTIONS, "batch_size": batch_size, "seed": 4}
    fitted, by_hand = make_probe(), make_probe()
    data = TrackBatches(tracks, **options, workers=2)
    begun = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: epochs.append(data.epoch)
    )
    epochs: list[int] = []
    for n in (2, 1):
        fitted.fit(data, epochs=n, shuffle=False, verbose=0, callbacks=[begun])
    assert epochs == [0, 2]
    again = TrackBatches(tracks, **options, workers=0)
    for epoch in range(3):
        again.set_epoch(epoch)
        for batch in epoch_of(again):
            by_hand.train_on_batch(*batch)
    for one, other in zip(fitted.get_weights(), by_hand.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_crops_of_batches_follow_the_epoch(tracks):
    def make():
        inner = TrackBatches(tracks, **{**OPTIONS, "chunk_samples": 150}, seed=1)
        return kmt.data.RandomCrops(inner, chunk_samples=CHUNK, seed=2)

    one, other = make(), make()
    one.on_epoch_begin()
    first = epoch_of(one)
    one.on_epoch_end()
    other.set_epoch(1)
    assert other.inner.epoch == 1
    assert equal(epoch_of(one), epoch_of(other))
    assert not equal(first, epoch_of(one))


def test_a_tagger_trains_on_batches_and_masks_unknown_labels(tracks):
    targets = TARGETS.copy()
    targets[:, 0] = np.nan
    targets[1] = np.nan
    model = kmt.VGGTagger([f"label {i}" for i in range(len(LENGTHS))], filters=2)
    model.compile("adam", kmt.metrics.MaskedBinaryCrossentropy())
    length = model.chunking.chunk_samples
    data = TrackBatches(
        tracks, sample_rate=16000, chunk_samples=length, batch_size=4, targets=targets
    )
    losses = model.fit(data, epochs=2, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    assert all(np.isfinite(w).all() for w in model.get_weights())


# === Bad files ===


@pytest.mark.parametrize("workers", [0, 2])
def test_unreadable_tracks_are_named_once_and_replaced(broken, workers):
    data = TrackBatches(broken, **OPTIONS, seed=1, workers=workers)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        first = epoch_of(data)
        data.set_epoch(1)
        epoch_of(data)
    texts = [str(w.message) for w in caught if w.category is AudioWarning]
    assert len(texts) == 2, texts
    assert "'song 2' cannot be read; others take its place" in " ".join(texts)
    assert sorted(data.problems) == ["song 2", "song 5"]
    assert "2.wav" in data.problems["song 2"]
    # Every chunk goes with the targets of the track that it is really of.
    items = [item for item, _ in places(first)]
    assert len(items) == len(LENGTHS)
    assert set(items) == {0, 1, 3, 4, 6}


def test_replacements_do_not_depend_on_who_reads(broken):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AudioWarning)
        expected = epoch_of(TrackBatches(broken, **OPTIONS, seed=1, workers=0))
        for options in ({"workers": 3}, {"workers": 2, "use_multiprocessing": True}):
            data = TrackBatches(broken, **OPTIONS, seed=1, **options)
            found = [data[i] for i in (2, 1, 0)]
            assert equal(found[::-1], expected)
            assert sorted(data.problems) == ["song 2", "song 5"]


def test_unreadable_tracks_may_be_an_error(broken, tmp_path):
    data = TrackBatches(broken, **OPTIONS, on_error="raise")
    with pytest.raises(AudioError, match=r"'song \d' cannot be read.*\d\.wav"):
        epoch_of(data)
    track = Track("gone", tmp_path / "gone.wav")
    data = TrackBatches(TrackList([track], [[1]], ["a"]), **OPTIONS)
    with pytest.raises(AudioError, match=r"None of the 1 tracks.*gone: .*gone\.wav"):
        data[0]


@pytest.mark.parametrize("processes", [False, True])
def test_warnings_about_tracks_come_through(tracks, processes):
    with open(tracks.paths[0], "r+b") as file:
        file.truncate(300)
    data = TrackBatches(tracks, **OPTIONS, workers=1, use_multiprocessing=processes)
    with pytest.warns(AudioWarning, match=r"cut short.*0\.wav"):
        epoch_of(data)
    assert not data.problems


# === Arguments ===


def strange(waveforms, targets, rng):
    return waveforms[:, ::2], targets


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"chunks": "first"}, "chunks.*'spaced'"),
        ({"chunks": "middle", "chunks_per_track": 2}, "one middle"),
        ({"batch_size": 0}, "batch_size"),
        ({"workers": -1}, "workers"),
        ({"on_error": "skip"}, "on_error"),
        ({"targets": TARGETS[:2]}, "2 rows for 7 tracks"),
        (
            {"augment": lambda x, y, rng: (x, y), "use_multiprocessing": True},
            "top level of a module",
        ),
    ],
)
def test_arguments_that_cannot_work(tracks, options, match):
    with pytest.raises(ConfigError, match=match):
        TrackBatches(tracks, **{**OPTIONS, **options})


def test_what_is_no_track_list_is_refused(tracks):
    with pytest.raises(ConfigError, match="TrackList"):
        TrackBatches(["a.wav"], **OPTIONS)
    bare = TrackList([Track("a", tracks.paths[0])])
    with pytest.raises(LabelError, match="no labels"):
        TrackBatches(bare, **OPTIONS)
    data = TrackBatches(tracks, **OPTIONS, augment=strange)
    with pytest.raises(ConfigError, match=r"`augment` must give.*def augment"):
        data[0]


def test_another_rate_than_the_models_is_refused(tracks):
    from keras_musictag.data import crops

    data = TrackBatches(tracks, **OPTIONS)
    about = {"chunk_samples": CHUNK, "n_targets": len(LENGTHS)}
    with pytest.raises(ConfigError, match="8000 Hz for a model at 16000 Hz"):
        crops.for_fit(data, None, {}, sample_rate=16000, **about)
    x, _, kwargs = crops.for_fit(data, None, {}, sample_rate=RATE, **about)
    assert x is data and kwargs["shuffle"] is False


def test_a_track_list_becomes_batches_of_the_models_labels(tracks):
    from keras_musictag.data import crops

    labels = [f"label {i}" for i in range(len(LENGTHS))][::-1]
    about = {"chunk_samples": CHUNK, "n_targets": len(LENGTHS), "labels": labels}
    x, _, kwargs = crops.for_fit(
        tracks,
        None,
        {"batch_size": 4, "validation_data": tracks},
        sample_rate=RATE,
        **about,
    )
    assert "batch_size" not in kwargs and x.num_batches == 2
    waveforms, targets = kwargs["validation_data"][0]
    assert places([(waveforms, targets[:, ::-1])])[2] == (2, 25)
    with pytest.raises(LabelError, match="label 0"):
        crops.for_evaluate(
            tracks, None, {}, sample_rate=RATE, **{**about, "labels": labels[:-1]}
        )


def test_readers_need_no_backend():
    code = (
        "import sys, keras_musictag as kmt, keras_musictag.data.reader; "
        "kmt.data.from_csv; kmt.data.AudioCache; "
        "print('keras' in sys.modules, 'tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False"], done.stderr


# === tf.data ===


@pytest.fixture
def tf():
    return pytest.importorskip("tensorflow")


def as_arrays(dataset):
    return [(x.numpy(), y.numpy()) for x, y in dataset]


@pytest.mark.parametrize("workers", [1, 3])
def test_tf_data_gives_the_same_batches(tf, tracks, workers):
    options = {**OPTIONS, "seed": 8, "augment": noisy}
    data = kmt.data.tf_dataset(tracks, **options, workers=workers)
    assert int(data.cardinality()) == 3
    assert data.element_spec[0].shape.as_list() == [None, CHUNK]
    assert data.element_spec[1].shape.as_list() == [None, len(LENGTHS)]
    batches = TrackBatches(tracks, **options)
    for epoch in range(3):
        batches.set_epoch(epoch)
        for one, other in zip(as_arrays(data), epoch_of(batches), strict=True):
            np.testing.assert_allclose(one[0], other[0], atol=1e-6)
            np.testing.assert_array_equal(one[1], other[1])
    later = kmt.data.tf_dataset(tracks, **options, initial_epoch=2)
    np.testing.assert_array_equal(as_arrays(later)[0][1], epoch_of(batches)[0][1])


def test_tf_data_stays_in_an_epoch_that_is_left_early(tf, tracks):
    data = kmt.data.tf_dataset(tracks, **OPTIONS, seed=8)
    first = as_arrays(data.take(1))
    assert equal(first, as_arrays(data)[:1])
    assert not equal(first, as_arrays(data)[:1])


def test_tf_data_names_bad_files(tf, broken):
    data = kmt.data.tf_dataset(broken, **OPTIONS)
    with pytest.warns(AudioWarning, match=r"'song \d' cannot be read"):
        assert len(as_arrays(data)) == 3
    data = kmt.data.tf_dataset(broken, **OPTIONS, on_error="raise")
    with pytest.raises(tf.errors.OpError, match=r"'song \d' cannot be read"):
        as_arrays(data)


def test_decoders_of_tf_data(tf, tracks):
    with pytest.raises(ConfigError, match="decoder.*'soundfile'"):
        kmt.data.tf_dataset(tracks, **OPTIONS, decoder="ffmpeg")
    with pytest.raises(ConfigError, match="TrackList"):
        kmt.data.tf_dataset([], **OPTIONS)
    try:
        import tensorflow_io  # noqa: F401
    except ImportError:
        with pytest.raises(MissingExtraError, match=r"keras-musictag\[tensorflow-io\]"):
            kmt.data.tf_dataset(tracks, **OPTIONS, decoder="tensorflow-io")


# === tensorflow-io, where it is installed ===

CODINGS = [
    ("wav", "PCM_U8"),
    ("wav", "PCM_16"),
    ("wav", "PCM_24"),
    ("wav", "PCM_32"),
    ("wav", "FLOAT"),
    ("wav", "DOUBLE"),
    ("flac", "PCM_16"),
    ("flac", "PCM_24"),
    ("ogg", "VORBIS"),
    ("ogg", "OPUS"),
    ("mp3", "MPEG_LAYER_III"),
    ("aiff", "PCM_16"),
]


@pytest.fixture
def decode():
    pytest.importorskip("tensorflow_io")
    from keras_musictag.data.tensorflow_io import decoder_of_tracks

    return decoder_of_tracks()


@pytest.mark.parametrize(("suffix", "coding"), CODINGS)
def test_tensorflow_io_gives_soundfiles_samples(decode, tmp_path, suffix, coding):
    path = tmp_path / f"a.{suffix}"
    rate = 48000 if coding == "OPUS" else 44100
    noise = np.random.default_rng(0).normal(0, 0.1, (rate, 2)).clip(-1, 1)
    soundfile.write(path, noise, rate, subtype=coding)
    expected = soundfile.read(path, dtype="float32")[0].mean(axis=1)
    y = decode(Track("a", path), rate)
    assert y.dtype == np.float32 and y.shape == expected.shape
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-6)


def test_tensorflow_io_decodes_real_clips(decode, corpus):
    clips = sorted(p for p in (corpus / "real").iterdir() if p.suffix != ".tsv")
    clips += sorted((corpus / "tags" / "audio").glob("*.ogg"))[:2]
    assert clips
    for clip in clips:
        for rate in (soundfile.info(clip).samplerate, 16000):
            y = decode(Track(clip.name, clip), rate)
            expected, _ = kmt.audio.load(clip, rate)
            assert y.shape == expected.shape, clip.name
            np.testing.assert_allclose(
                y, expected, rtol=0, atol=2e-6, err_msg=f"{clip.name} at {rate} Hz"
            )


def test_tensorflow_io_is_taken_if_it_is_there(decode, tracks):
    options = {**OPTIONS, "seed": 1}
    found = as_arrays(kmt.data.tf_dataset(tracks, **options))
    by_name = as_arrays(kmt.data.tf_dataset(tracks, **options, decoder="tensorflow-io"))
    plain = as_arrays(kmt.data.tf_dataset(tracks, **options, decoder="soundfile"))
    assert equal(found, by_name)
    for one, other in zip(found, plain, strict=True):
        np.testing.assert_allclose(one[0], other[0], atol=1e-6)


def test_tensorflow_io_names_what_it_cannot_decode(decode, tmp_path):
    path = tmp_path / "a.mp3"
    path.write_bytes(b"no audio at all" * 20)
    with pytest.raises(AudioError, match=r"a\.mp3"):
        decode(Track("a", path), RATE)
