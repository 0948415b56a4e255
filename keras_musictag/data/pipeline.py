"""Training data from files: a `PyDataset` for every backend, and a `tf.data` one."""

import importlib.util
import multiprocessing
import pickle
import threading
import warnings
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import numpy as np

from keras_musictag.audio.arrays import check_sample_rate
from keras_musictag.checks import check_choice, check_positive_int
from keras_musictag.data import reader as reading
from keras_musictag.data.cache import AudioCache
from keras_musictag.data.collection import TrackList
from keras_musictag.data.seeded import SeededBatches
from keras_musictag.errors import AudioWarning, ConfigError, MissingExtraError

CHUNKS = ("random", "spaced", "middle")
ON_ERROR = ("warn", "raise")


class TrackBatches(SeededBatches):
    """Batches of chunks of tracks, read from their files while training goes on.

    What a batch holds follows from seed, epoch and its number alone, whatever the
    threads and processes: a run that is resumed after `set_epoch` sees the same
    data. Plain Keras models need `fit(..., shuffle=False)`, or Keras changes the
    order of the batches; taggers do that by themselves.

    Without a cache, of WAV, AIFF and FLAC only the chunk is decoded; of other formats
    what precedes it too (see `audio.excerpt`), so that a cache pays.

    Reading ahead happens here and not in Keras' own queue, which hands batches of
    one epoch to the next if an epoch ends early.

    Args:
        tracks: A `TrackList`.
        sample_rate: Of the waveforms, in Hz.
        chunk_samples: Length of a chunk at that rate. Zeros fill up shorter tracks.
        batch_size: Chunks in a batch; the last one of an epoch may have fewer.
        chunks: Where the chunks lie: `"random"`, anew in each epoch; `"spaced"`, as
            `ChunkPlan.spaced(chunks_per_track)`; or `"middle"`.
        chunks_per_track: How many of each track in an epoch.
        shuffle: Whether the chunks change order in each epoch.
        seed: Makes order and crops repeatable; `None` draws one from NumPy, which
            follows `keras.utils.set_random_seed`.
        cache: An `AudioCache` to keep decoded tracks in.
        workers: Threads or processes that read ahead; 0 for none.
        use_multiprocessing: Whether they are processes. They start afresh, so scripts
            need `if __name__ == "__main__":`, and `augment` a function at the top
            level of a module.
        max_queue_size: How many batches are read ahead.
        on_error: What to do about a track that cannot be read: `"warn"` names it
            once and takes another track in its place; `"raise"` is an error.
        augment: Changes a batch in the worker: takes `(waveforms, targets, rng)`, the
            last one a NumPy generator of this batch, gives `(waveforms, targets)`.
        targets: Array with one row for each track; `tracks.targets` if `None`. Use
            `tracks.classes` for a single-label model.

    Raises:
        ConfigError: If an argument cannot work.
        LabelError: If the tracks have no labels.
        AudioError: While batches are read, if no track can be read.

    Example:

    ```python
    import keras_musictag as kmt

    track = kmt.data.Track("demo", kmt.audio.demo_path())
    tracks = kmt.data.TrackList([track], [[1, 0]], ["jazz", "rock"])
    data = kmt.data.TrackBatches(tracks, sample_rate=16000, chunk_samples=48128)
    data[0][0].shape  # (1, 48128)
    ```
    """

    def __init__(
        self,
        tracks: TrackList,
        *,
        sample_rate: int,
        chunk_samples: int,
        batch_size: int = 32,
        chunks: str = "random",
        chunks_per_track: int = 1,
        shuffle: bool = True,
        seed: int | None = None,
        cache: AudioCache | None = None,
        workers: int = 1,
        use_multiprocessing: bool = False,
        max_queue_size: int = 10,
        on_error: str = "warn",
        augment: Callable | None = None,
        targets=None,
    ):
        super().__init__(seed)
        self._reader = _make_reader(
            tracks,
            sample_rate=sample_rate,
            chunk_samples=chunk_samples,
            batch_size=batch_size,
            chunks=chunks,
            chunks_per_track=chunks_per_track,
            shuffle=shuffle,
            seed=self.seed,
            cache=cache,
            on_error=on_error,
            augment=augment,
            targets=targets,
        )
        self.sample_rate, self.chunk_samples = sample_rate, chunk_samples
        self.batch_size = self._reader.batch_size
        self._ahead = _Ahead(
            self._reader, _whole(workers, "workers"), use_multiprocessing
        )
        self._depth = check_positive_int(max_queue_size, name="max_queue_size")

    @property
    def items(self) -> int:
        """How many chunks an epoch has."""
        return len(self._reader.tracks) * self._reader.chunks_per_track

    @property
    def num_batches(self) -> int:
        """How many batches an epoch has."""
        return len(self._reader)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        self._settle()
        index = range(self.num_batches)[index]  # an IndexError ends plain iteration
        places = range(index + 1, index + 1 + self._depth)
        following = [divmod(place, self.num_batches) for place in places]
        keys = [(self.epoch + later, each) for later, each in following]
        batch = self._ahead.get(self.epoch, index, keys)
        self._ahead.report()
        return self._filled(batch)

    @property
    def problems(self) -> dict[str, str]:
        """Reason by track id for each track that could not be read so far."""
        tracks = self._reader.tracks
        return {tracks[i].id: text for i, text in sorted(self._reader.bad.items())}


def tf_dataset(
    tracks: TrackList,
    *,
    sample_rate: int,
    chunk_samples: int,
    batch_size: int = 32,
    chunks: str = "random",
    chunks_per_track: int = 1,
    shuffle: bool = True,
    seed: int | None = None,
    cache: AudioCache | None = None,
    workers: int = 1,
    max_queue_size: int = 10,
    on_error: str = "warn",
    augment: Callable | None = None,
    targets=None,
    initial_epoch: int = 0,
    decoder: str | None = None,
):
    """Return the batches of `TrackBatches` as a `tf.data.Dataset`.

    Each pass over it is an epoch, with its own order and crops. tensorflow-io
    decodes WAV, FLAC, OGG and MP3 if it is installed (extra `tensorflow-io`), and
    whole tracks: a cache pays. Its samples are those of soundfile within 2e-6.

    Args:
        tracks, sample_rate, chunk_samples, batch_size, chunks: As in `TrackBatches`.
        chunks_per_track, shuffle, seed, cache, on_error, augment, targets: As there.
        workers: How many batches are read at the same time.
        max_queue_size: How many batches are read ahead.
        initial_epoch: Number of the first epoch, to resume a run.
        decoder: `"tensorflow-io"` or `"soundfile"`; `None` takes the first one if it
            is installed and fits the TensorFlow.

    Returns:
        A `tf.data.Dataset` of `(waveforms, targets)`.

    Raises:
        ConfigError: If an argument cannot work.
        LabelError: If the tracks have no labels.
        MissingExtraError: If tensorflow-io is asked for and not installed.

    Example:

    ```python
    import keras_musictag as kmt

    track = kmt.data.Track("demo", kmt.audio.demo_path())
    tracks = kmt.data.TrackList([track], [[1, 0]], ["jazz", "rock"])
    data = kmt.data.tf_dataset(tracks, sample_rate=16000, chunk_samples=48128)
    ```
    """
    import tensorflow as tf

    check_choice(decoder, (None, "tensorflow-io", "soundfile"), name="decoder")
    reader = _make_reader(
        tracks,
        sample_rate=sample_rate,
        chunk_samples=chunk_samples,
        batch_size=batch_size,
        chunks=chunks,
        chunks_per_track=chunks_per_track,
        shuffle=shuffle,
        seed=SeededBatches.draw_seed(seed),
        cache=cache,
        on_error=on_error,
        augment=augment,
        targets=targets,
    )
    reader.decode = _decoder_named(decoder)
    passes = _Passes(_Ahead(reader, 0, False), initial_epoch)
    kind, shape = reader.targets.dtype, reader.targets.shape[1:]

    def read(epoch, index):
        outputs = (tf.int64, tf.float32, tf.as_dtype(kind))
        index, x, y = tf.numpy_function(passes.read, [epoch, index], outputs)
        index.set_shape(())
        x.set_shape((None, chunk_samples))
        y.set_shape((None, *shape))
        return index, x, y

    def deliver(index, x, y):
        # Here, after all reading ahead, it is known what the consumer has taken.
        done = tf.numpy_function(passes.delivered, [index], tf.int64)
        with tf.control_dependencies([done]):
            return tf.identity(x), tf.identity(y)

    spec = tf.TensorSpec((), tf.int64)
    numbers = tf.data.Dataset.from_generator(passes, output_signature=(spec, spec))
    data = numbers.map(read, num_parallel_calls=max(1, _whole(workers, "workers")))
    data = data.prefetch(check_positive_int(max_queue_size, name="max_queue_size"))
    data = data.map(deliver)
    return data.apply(tf.data.experimental.assert_cardinality(len(reader)))


def _decoder_named(name: str | None):
    """Return what decodes a whole track; `None` for soundfile."""
    installed = importlib.util.find_spec("tensorflow_io") is not None
    if name == "soundfile" or (name is None and not installed):
        return None
    from keras_musictag.data.tensorflow_io import decoder_of_tracks

    try:
        return decoder_of_tracks()
    except MissingExtraError as error:
        if name is not None:
            raise
        warnings.warn(f"{error} soundfile decodes now.", AudioWarning, stacklevel=3)
        return None


class _Passes:
    """Numbers of the batches of `tf_dataset`, and the epoch it is in."""

    def __init__(self, ahead: "_Ahead", epoch: int):
        self.ahead, self.epoch, self.done = ahead, epoch, False

    def __call__(self):
        if self.done:
            self.epoch, self.done = self.epoch + 1, False
        epoch = self.epoch
        yield from ((epoch, index) for index in range(len(self.ahead.reader)))

    def read(self, epoch, index):
        x, y = self.ahead.get(int(epoch), int(index), ())
        self.ahead.report()
        return index, x, y

    def delivered(self, index):
        self.done = self.done or index == len(self.ahead.reader) - 1
        return index


class _Ahead:
    """Reads batches before they are asked for, in threads or processes."""

    def __init__(self, reader: reading.ChunkReader, workers: int, processes: bool):
        self.reader, self.workers, self.processes = reader, workers, processes
        if processes:
            _check_pickles(reader)
        self._pool: Any = None
        self._futures: dict[tuple[int, int], Future] = {}
        self._lock = threading.Lock()
        self._told: set = set()
        self._texts: list[str] = []

    def get(self, epoch: int, index: int, following):
        """Return a batch, and have the `(epoch, index)` that follow read."""
        if not self.workers:
            return self.reader.batch(epoch, index)
        with self._lock:
            future = self._futures.pop((epoch, index), None)
            future = future or self._submit(epoch, index)
            wanted = set(following)
            for key in set(self._futures) - wanted:  # of an epoch that ended early
                self._futures.pop(key).cancel()
            for key in sorted(wanted - set(self._futures)):
                self._futures[key] = self._submit(*key)
        if not self.processes:
            return future.result()
        batch, bad, texts = future.result()
        with self._lock:
            self.reader.bad.update(bad)
            self._texts += texts
        return batch

    def report(self) -> None:
        """Warn about tracks that cannot be read, each one once."""
        with self._lock:
            new = sorted(set(self.reader.bad) - self._told)
            self._told |= set(new)
            texts, self._texts = self._texts, []
        for row in new:
            warnings.warn(
                f"The track {self.reader.tracks[row].id!r} cannot be read; others take "
                f"its place. {self.reader.bad[row]}",
                AudioWarning,
                stacklevel=3,
            )
        for text in texts:
            warnings.warn(text, AudioWarning, stacklevel=3)

    def _submit(self, *key: int) -> Future:
        if self._pool is None:
            self._pool = self._make_pool()
            weakref.finalize(self, self._pool.shutdown, wait=False, cancel_futures=True)
        job = reading.read_in_process if self.processes else self.reader.batch
        return self._pool.submit(job, *key)

    def _make_pool(self):
        if not self.processes:
            return ThreadPoolExecutor(self.workers, "kmt-reader")
        # A fork of a process in which TensorFlow or JAX runs threads may hang.
        methods = multiprocessing.get_all_start_methods()
        method = "forkserver" if "forkserver" in methods else "spawn"
        context = multiprocessing.get_context(method)
        return ProcessPoolExecutor(
            self.workers, context, reading.start_process, (self.reader,)
        )


def _make_reader(tracks, *, targets, **options) -> reading.ChunkReader:
    if not isinstance(tracks, TrackList):
        raise ConfigError(
            "The tracks must be a `TrackList`.",
            received=type(tracks).__name__,
            advice="Make one by kmt.data.from_csv, from_folders or a data set.",
        )
    check_choice(options["chunks"], CHUNKS, name="chunks")
    check_choice(options["on_error"], ON_ERROR, name="on_error")
    options["sample_rate"] = check_sample_rate(options["sample_rate"])
    for name in ("chunk_samples", "batch_size", "chunks_per_track"):
        options[name] = check_positive_int(options[name], name=name)
    if options["chunks"] == "middle" and options["chunks_per_track"] > 1:
        raise ConfigError(
            "A track has only one middle.",
            received=f"chunks_per_track={options['chunks_per_track']}",
            advice='Use chunks="spaced" for several chunks of each track.',
        )
    targets = tracks.targets if targets is None else np.asarray(targets)
    if len(targets) != len(tracks):
        raise ConfigError(
            "`targets` must have a row for each track.",
            received=f"{len(targets)} rows for {len(tracks)} tracks",
            advice="Leave it out, or give one row for each track, in their order.",
        )
    return reading.ChunkReader(tuple(tracks), targets, **options)


def _whole(value, name) -> int:
    return 0 if value == 0 else check_positive_int(value, name=name)


def _check_pickles(reader) -> None:
    try:
        pickle.dumps(reader)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ConfigError(
            "The pipeline cannot be sent to worker processes.",
            received=str(error),
            advice="Give as `augment` a function at the top level of a module, or use "
            "threads: use_multiprocessing=False.",
        ) from error
