"""Chunk plans against a plain whole-array implementation and librosa."""

import json

import numpy as np
import pytest

from keras_musictag.audio import ChunkPlan
from keras_musictag.errors import AudioError, ConfigError

MUSICNN = ChunkPlan(48128, 47872, context=256, edge="reflect")


def naive(y, plan):
    """Cut the whole array: fill, pad both ends, slice."""
    core = plan.chunk_samples - 2 * plan.context
    n, hop = len(y), plan.hop_samples
    starts = [0]
    if plan.n_spaced:
        step = max(0, n - core) // plan.n_spaced
        starts = [i * step for i in range(plan.n_spaced)]
    else:
        while starts[-1] + hop + core <= n:
            starts.append(starts[-1] + hop)
        left_over = starts[-1] + core < n
        if left_over and plan.tail == "overlap":
            starts.append(n - core)
        elif left_over and plan.tail == "pad" and starts[-1] + hop < n:
            starts.append(starts[-1] + hop)
    last = starts[-1]
    if last + core > n:
        rest = list(y[last:])
        while len(rest) < core:
            rest.append(0.0 if plan.pad == "zeros" else rest[len(rest) - (n - last)])
        y = np.concatenate([y[:last], np.array(rest, "float32")])
    mode = "reflect" if plan.edge == "reflect" else "constant"
    padded = np.pad(y, plan.context, mode=mode)
    return starts, [padded[s : s + plan.chunk_samples] for s in starts]


def in_blocks(y, rng):
    while len(y):
        n = int(rng.integers(0, 60))
        yield y[:n]
        y = y[n:]


def assert_same(plan, y, rng):
    length = len(y) if plan.n_spaced else None
    got = list(plan.chunks(in_blocks(y, rng), length))
    starts, chunks = naive(y, plan)
    case = f"{plan}, {len(y)} samples"
    assert [start for start, _ in got] == starts, case
    assert plan.starts(len(y)).tolist() == starts, case
    for (_, chunk), expected in zip(got, chunks, strict=True):
        assert chunk.dtype == np.float32
        np.testing.assert_array_equal(chunk, expected, err_msg=case)


@pytest.mark.parametrize("tail", ["drop", "pad", "overlap"])
@pytest.mark.parametrize("edge", ["zeros", "reflect"])
@pytest.mark.parametrize("pad", ["zeros", "repeat"])
def test_streaming_equals_whole_array(pad, edge, tail):
    rng = np.random.default_rng(len(pad) + 10 * len(edge) + 100 * len(tail))
    for trial in range(150):
        context = int(rng.integers(0, 12))
        core = context + 1 + int(rng.integers(0, 40))
        plan = ChunkPlan(
            core + 2 * context,
            int(rng.integers(1, 90)),  # overlaps, adjoins or leaves gaps
            context=context,
            pad=pad,
            edge=edge,
            tail=tail,
            n_spaced=int(rng.integers(1, 9)) if trial % 4 == 0 else None,
        )
        y = rng.standard_normal(int(rng.integers(1, 300))).astype("float32")
        assert_same(plan, y, rng)


@pytest.mark.parametrize("tail", ["drop", "pad", "overlap"])
@pytest.mark.parametrize("pad", ["zeros", "repeat"])
def test_every_length_around_the_core(pad, tail):
    rng = np.random.default_rng(0)
    plan = ChunkPlan(30, 13, context=7, pad=pad, edge="reflect", tail=tail)
    for length in range(1, 75):
        assert_same(plan, rng.standard_normal(length).astype("float32"), rng)


@pytest.mark.parametrize("length", [47616, 47617, 48128, 95487, 95488, 200000, 465984])
def test_musicnn_chunk_count(length):
    y = np.ones(length, "float32")
    expected = (length + 512 - 48128) // 47872 + 1
    assert len(list(MUSICNN.chunks([y]))) == expected
    assert len(MUSICNN.starts(length)) == expected


def test_chunk_frames_equal_whole_spectrogram():
    librosa = pytest.importorskip("librosa")
    y = np.random.default_rng(1).standard_normal(250_000).astype("float32")
    whole = librosa.stft(y, n_fft=512, hop_length=256, pad_mode="reflect")
    blocks = np.array_split(y, 11)
    frames = [
        librosa.stft(chunk, n_fft=512, hop_length=256, center=False)
        for _, chunk in MUSICNN.chunks(blocks)
    ]
    assert [f.shape[1] for f in frames] == [187] * 5
    side_by_side = np.concatenate(frames, axis=1)
    np.testing.assert_array_equal(side_by_side, whole[:, : 187 * 5])


def test_overlap_tail_ends_with_the_track():
    y = np.arange(1000, dtype="float32")
    plan = ChunkPlan(300, 300, tail="overlap")
    starts, chunks = zip(*plan.chunks([y]), strict=True)
    assert starts == (0, 300, 600, 700)
    np.testing.assert_array_equal(chunks[-1], y[-300:])


@pytest.mark.parametrize(("pad", "rest"), [("zeros", [0, 0, 0]), ("repeat", [8, 9, 8])])
def test_pad_tail(pad, rest):
    plan = ChunkPlan(5, 4, tail="pad", pad=pad)
    chunks = [c.tolist() for _, c in plan.chunks([np.arange(10, dtype="float32")])]
    assert chunks == [[0, 1, 2, 3, 4], [4, 5, 6, 7, 8], [8, 9, *rest]]


def test_one_sample_gives_one_chunk():
    for tail in ("drop", "pad", "overlap"):
        plan = MUSICNN.replace(pad="repeat", tail=tail)
        ((start, chunk),) = plan.chunks([np.array([0.5], "float32")])
        assert start == 0
        np.testing.assert_array_equal(chunk, np.full(48128, 0.5, "float32"))


def test_spaced_follows_won():
    # Won et al. 2020: hop = (length - input_length) // n, chunks i * hop.
    plan = ChunkPlan(59049, 59049).spaced(16)
    length = 465984
    hop = (length - 59049) // 16
    y = np.random.default_rng(0).standard_normal(length).astype("float32")
    got = list(plan.chunks(np.array_split(y, 7), length))
    assert [start for start, _ in got] == [i * hop for i in range(16)]
    for i, (_, chunk) in enumerate(got):
        np.testing.assert_array_equal(chunk, y[i * hop : i * hop + 59049])


def test_spaced_needs_the_right_length():
    plan = ChunkPlan(100, 100).spaced(3)
    with pytest.raises(ConfigError, match="need the length of the track"):
        plan.chunks([np.zeros(500, "float32")])
    for wrong in (400, 600):
        with pytest.raises(AudioError, match=f"500 samples where length={wrong}"):
            list(plan.chunks([np.zeros(500, "float32")], wrong))
    for count in (0, -1, None, 1.5, True):
        with pytest.raises(ConfigError, match="`n_spaced` .* at least 1"):
            plan.spaced(count)


def test_chunks_are_lazy_and_bounded():
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield np.zeros(50, "float32")

    chunks = ChunkPlan(100, 100, context=10).chunks(endless())
    assert taken == 0
    for k in range(1000):
        start, _ = next(chunks)
        assert start == 100 * k
        assert taken * 50 <= start + 100 + 50
    # Gaps as long as the track must not pile up either.
    import tracemalloc

    tracemalloc.start()
    blocks = (np.zeros(1000, "float32") for _ in range(3000))
    assert len(list(ChunkPlan(100, 2_900_000).chunks(blocks))) == 2
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200_000  # the track has 12 000 000 bytes


def test_config_round_trip():
    plan = MUSICNN.replace(tail="overlap", hop_samples=np.int64(1000)).spaced(16)
    config = json.loads(json.dumps(plan.to_config()))
    assert ChunkPlan.from_config(config) == plan
    assert config["tail"] == "overlap" and config["n_spaced"] == 16
    assert MUSICNN.tail == "drop"
    assert ChunkPlan.for_frames(187, 512, 256) == MUSICNN
    assert ChunkPlan.for_frames(187, 512, 256, edge="zeros").edge == "zeros"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"chunk_samples": 0}, "`chunk_samples` .* at least 1"),
        ({"chunk_samples": 10.0}, "`chunk_samples` .* at least 1"),
        ({"chunk_samples": True}, "`chunk_samples` .* Received: chunk_samples=True"),
        ({"hop_samples": 0}, "`hop_samples` .* at least 1"),
        ({"hop_samples": "5"}, "`hop_samples` .* at least 1"),
        ({"context": -1}, "`context` .* at least 0"),
        ({"context": 50}, "longer than its context"),
        ({"context": 34}, "longer than its context"),
        ({"pad": "wrap"}, "`pad` .* Use one of: 'zeros', 'repeat'"),
        ({"edge": "wrap"}, "`edge` .* Use one of: 'zeros', 'reflect'"),
        ({"tail": "keep"}, "`tail` .* Use one of: 'drop', 'pad', 'overlap'"),
        ({"n_spaced": 0}, "`n_spaced` .* at least 1"),
        ({"overlap": 3}, "do not describe a chunk plan"),
    ],
)
def test_bad_arguments(arguments, message):
    config = {"chunk_samples": 100, "hop_samples": 50, **arguments}
    with pytest.raises(ConfigError, match=message):
        ChunkPlan.from_config(config)


def test_missing_argument():
    with pytest.raises(ConfigError, match="Give chunk_samples and hop_samples"):
        ChunkPlan.from_config({"chunk_samples": 100})


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([], "without samples has no chunks"),
        ([np.zeros(0, "float32")], "without samples has no chunks"),
        ([np.zeros((2, 3, 4))], "shape \\(samples,\\)"),
        ([np.array([0.0, np.nan])], "NaN or infinite"),
        ([[0.1, 0.2]], "must be a NumPy array"),
    ],
)
def test_bad_blocks(blocks, message):
    with pytest.raises(AudioError, match=message):
        list(ChunkPlan(100, 50).chunks(blocks))
