"""The engine that fills batches across tracks."""

import threading
import time

import numpy as np
import pytest

from keras_musictag.errors import AudioError
from keras_musictag.tracks.inference import Chunk, join_tracks, score_tracks


def cut(track):
    """Chunks of a track given as their number, below 0 for a bad one."""
    for k in range(abs(track)):
        yield Chunk(k, np.array([track, k], "float32"))
    if track < 0:
        raise AudioError("Bad.", received=track, advice="None.")
    return 10 * track


def run(tracks, batch_size=4, fixed_shape=False):
    """Score tracks given as `(number of chunks)` or an error; log batch sizes."""
    sizes = []

    def forward(batch):
        sizes.append(len(batch))
        return {"sum": batch.sum(axis=1, keepdims=True)}

    return list(score_tracks(tracks, cut, forward, batch_size, fixed_shape)), sizes


def test_batches_are_filled_across_tracks():
    outputs, sizes = run([1, 2, 3, 4])
    assert sizes == [4, 4, 2]
    assert [o.position for o in outputs] == [0, 1, 2, 3]
    for output, count in zip(outputs, [1, 2, 3, 4], strict=True):
        np.testing.assert_array_equal(output.starts, np.arange(count))
        expected = count + np.arange(count)[:, None]
        np.testing.assert_array_equal(output.outputs["sum"], expected)


@pytest.mark.parametrize(
    ("tracks", "sizes"), [([3], [4]), ([1], [1]), ([9], [4, 4, 4])]
)
def test_fixed_shapes_are_few(tracks, sizes):
    outputs, seen = run(tracks, fixed_shape=True)
    assert seen == sizes
    assert len(outputs[0].outputs["sum"]) == tracks[0]


def test_a_bad_track_costs_only_itself():
    outputs, _ = run([2, -3, 2])
    assert isinstance(outputs[1].error, AudioError)
    assert outputs[1].outputs == {}
    for good in (outputs[0], outputs[2]):
        assert good.error is None
        assert good.outputs["sum"].ravel().tolist() == [2, 3]


def test_results_come_while_later_tracks_wait():
    gate = threading.Event()

    def cut(track):
        if track == 1:
            assert gate.wait(10)
        yield Chunk(0, np.zeros(1, "float32"))

    results = score_tracks([0, 1], cut, lambda b: {"x": b}, 1, False)
    assert next(results).position == 0
    gate.set()
    assert next(results).position == 1


def test_the_decoder_does_not_run_far_ahead():
    made = []

    def cut(track):
        for k in range(1000):
            made.append(k)
            yield Chunk(k, np.zeros(1, "float32"))

    def forward(batch):
        time.sleep(0.005)
        lead.append(len(made) - 2 * len(lead))
        return {"x": batch}

    lead: list[int] = []
    results = list(score_tracks([0], cut, forward, 2, False))
    assert len(results[0].starts) == 1000
    assert max(lead) < 20


def test_leaving_early_stops_the_thread():
    before = threading.active_count()

    def cut(track):
        while True:
            yield Chunk(0, np.zeros(1, "float32"))

    results = score_tracks([0], cut, lambda b: 1 / 0, 2, False)
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert threading.active_count() == before


def test_other_errors_of_the_decoder_reach_the_caller():
    def cut(track):
        yield Chunk(0, np.zeros(1, "float32"))
        raise RuntimeError("not about audio")

    with pytest.raises(RuntimeError, match="not about audio"):
        list(score_tracks([0], cut, lambda b: {"x": b}, 2, False))


@pytest.mark.parametrize("abreast", [1, 3])
def test_chunks_abreast_come_back_in_order(abreast):
    together, most, lock = 0, 0, threading.Lock()

    def forward(chunk):
        nonlocal together, most
        with lock:
            together += 1
            most = max(most, together)
        time.sleep(0.02 if chunk.start % 2 == 0 else 0.001)  # the first ends last
        with lock:
            together -= 1
        return {"samples": chunk.samples[None]}

    good, bad, other = join_tracks([7, -5, 4], cut, forward, 4, abreast=abreast)
    assert most == abreast
    for output, count in ((good, 7), (other, 4)):
        np.testing.assert_array_equal(output.starts, np.arange(count))
        expected = np.stack([np.full(count, count), np.arange(count)], axis=1)
        np.testing.assert_array_equal(output.outputs["samples"], expected)
    assert isinstance(bad.error, AudioError) and bad.outputs == {}


def test_an_error_of_a_chunk_abreast_is_the_callers():
    def forward(chunk):
        if chunk.start == 2:
            raise FloatingPointError("at the third")
        return {"samples": chunk.samples[None]}

    outputs = join_tracks([9, 9], cut, forward, 4, abreast=2)
    with pytest.raises(FloatingPointError, match="third"):
        next(outputs)
