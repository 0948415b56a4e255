"""One decoding for several models: the chunks are those of each model alone."""

import tracemalloc

import numpy as np
import pytest
import soundfile

from keras_musictag import audio
from keras_musictag.library.cutting import (
    SEGMENT_SECONDS,
    AnalysisChunk,
    Duration,
    SegmentEnd,
    cut_for_analyses,
)
from keras_musictag.library.jobs import Spec
from keras_musictag.tracks import sources

SPECS = {
    "reflected": Spec(
        "tags", 16000, audio.ChunkPlan(48128, 47872, 256, edge="reflect")
    ),
    "overlapping": Spec("tags", 22050, audio.ChunkPlan(200000, 90000, tail="overlap")),
    "padded": Spec("tags", 8000, audio.ChunkPlan(4000, 4000, tail="pad")),
}


def noise(path, samples):
    y = np.random.default_rng(0).normal(0, 0.1, samples).astype("float32")
    soundfile.write(path, y, 11025, subtype="FLOAT")
    return str(path)


@pytest.fixture
def clip(tmp_path):
    return noise(tmp_path / "clip.wav", 40 * 11025)


def assert_chunks_are_those_of_each_alone(path, specs, tolerance):
    *events, last = cut_for_analyses(path, specs)
    assert isinstance(last, Duration)
    assert last.seconds == pytest.approx(soundfile.info(path).duration)
    assert all(isinstance(event, AnalysisChunk) for event in events)
    for analysis, spec in specs.items():
        chunks = [event.chunk for event in events if event.analysis == analysis]
        alone = list(sources.cut(path, spec.sample_rate, spec.sample_rate, spec.plan))
        assert [c.start for c in chunks] == [c.start for c in alone]
        for chunk, expected in zip(chunks, alone, strict=True):
            np.testing.assert_allclose(chunk.samples, expected.samples, atol=tolerance)


def test_several_plans_together_are_each_alone(clip):
    assert_chunks_are_those_of_each_alone(clip, SPECS, 1e-6)


@pytest.mark.parametrize("n", [1, 3, 8])
def test_spaced_chunks_are_read_where_they_lie(clip, n):
    specs = {
        key: Spec(s.kind, s.sample_rate, s.plan.spaced(n)) for key, s in SPECS.items()
    }
    assert_chunks_are_those_of_each_alone(clip, specs, 2e-6)


def test_spaced_chunks_whose_context_reaches_beyond_the_end_come_once(tmp_path):
    """Of a track that is hardly longer than a chunk, the last one alone does."""
    path = noise(tmp_path / "short.wav", round(3.05 * 11025))
    spec = SPECS["reflected"]
    spaced = {"spaced": Spec(spec.kind, spec.sample_rate, spec.plan.spaced(8))}
    assert_chunks_are_those_of_each_alone(path, spaced, 2e-6)


def test_memory_does_not_grow_with_the_track(tmp_path):
    """Chunks of three rates and the beats' blocks, of 4 and of 40 minutes."""
    peaks = []
    for minutes in (4, 40):
        path = tmp_path / f"{minutes}.wav"
        with soundfile.SoundFile(path, "w", 8000, 1) as file:
            for _ in range(minutes):
                file.write(np.zeros(60 * 8000, "float32"))
        chords = Spec("chords", 8000, audio.ChunkPlan(70000, 60000, 5000, tail="pad"))
        tracemalloc.start()
        ends = [
            event.samples
            for event in cut_for_analyses(str(path), {**SPECS, "chords": chords})
            if isinstance(event, SegmentEnd)
        ]
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        # The network of the chords gets at most a segment at a time.
        assert sum(ends) == minutes * 60 * 8000
        assert max(ends) <= SEGMENT_SECONDS * 8000
    assert peaks[1] < 1.1 * peaks[0]
