"""One decoding for several models: the chunks are those of each model alone."""

import tracemalloc

import numpy as np
import pytest
import soundfile

from keras_musictag import audio
from keras_musictag.library.cutting import SEGMENT_SECONDS, cut
from keras_musictag.library.jobs import Spec
from keras_musictag.tracks import sources

PLANS = [
    Spec("tags", 16000, audio.ChunkPlan(48128, 47872, context=256, edge="reflect")),
    Spec("tags", 22050, audio.ChunkPlan(200000, 90000, tail="overlap")),
    Spec("tags", 8000, audio.ChunkPlan(4000, 4000, tail="pad")),
]


@pytest.fixture
def clip(tmp_path):
    y = np.random.default_rng(0).normal(0, 0.1, 40 * 11025).astype("float32")
    soundfile.write(tmp_path / "clip.wav", y, 11025, subtype="FLOAT")
    return str(tmp_path / "clip.wav")


def by_place(events):
    found = {}
    for event in events:
        found.setdefault(event.place, []).append(event)
    return found


def test_several_plans_together_are_each_alone(clip):
    found = by_place(cut(clip, PLANS))
    assert found.pop(-1)[0].value == pytest.approx(40)
    for place, spec in enumerate(PLANS):
        alone = list(sources.cut(clip, spec.sample_rate, spec.sample_rate, spec.plan))
        assert [e.start for e in found[place]] == [chunk.start for chunk in alone]
        for event, chunk in zip(found[place], alone, strict=True):
            np.testing.assert_allclose(event.chunk, chunk.samples, atol=1e-6)


@pytest.mark.parametrize("n", [1, 3, 8])
def test_spaced_chunks_are_read_where_they_lie(clip, n):
    specs = [Spec(s.kind, s.sample_rate, s.plan.spaced(n)) for s in PLANS]
    found = by_place(cut(clip, specs))
    for place, spec in enumerate(specs):
        alone = list(sources.cut(clip, spec.sample_rate, spec.sample_rate, spec.plan))
        assert [e.start for e in found[place]] == [chunk.start for chunk in alone]
        for event, chunk in zip(found[place], alone, strict=True):
            np.testing.assert_allclose(event.chunk, chunk.samples, atol=2e-6)


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
            event.start
            for event in cut(str(path), [*PLANS, chords])
            if event.place == 3 and event.chunk is None
        ]
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        # The network of the chords gets at most a segment at a time.
        assert sum(ends) == minutes * 60 * 8000
        assert max(ends) <= SEGMENT_SECONDS * 8000
    assert peaks[1] < 1.1 * peaks[0]
