"""Keys from probabilities, and from chords."""

import itertools

import numpy as np
import pytest

from keras_musictag.chords import ChordSequence, estimate_key
from keras_musictag.errors import ConfigError
from keras_musictag.keys import KEYS, Keygram, keygram_of_chords


def gram(names, sure=0.8, hop=5.0, window=10.0):
    """Windows that are rather sure of a key each; `None` heard nothing."""
    rows = np.zeros((len(names), 24))
    for row, name in zip(rows, names, strict=True):
        if name is not None:
            row[:] = (1 - sure) / 23
            row[KEYS.index(name)] = sure
    starts = np.arange(len(names)) * hop
    pairs = np.stack([starts, starts + window], axis=1)
    return Keygram(rows, pairs, None, float(pairs[-1, 1]))


def test_the_24_keys():
    assert len(set(KEYS)) == 24
    assert KEYS[:4] == ("C:maj", "Db:maj", "D:maj", "Eb:maj")
    assert KEYS[12] == "C:min" and KEYS[21] == "A:min"


def test_a_change_of_key_is_found_and_a_stray_window_is_none():
    first, second = ["C:maj"] * 8, ["D:maj"] * 12
    first[3] = "G:maj"
    found = gram([*first, *second]).decode()
    assert found.labels == ("C:maj", "D:maj")
    assert found[0].end == pytest.approx(42.5)  # between the centres of the windows
    assert found.key.label == "D:maj" and 0.4 < found.confidence < 0.6
    assert found[1].confidence == pytest.approx(0.8)
    assert len(gram([*first, *second]).decode(change=0.5)) == 4
    assert found.intervals[0, 0] == 0 and found.intervals[-1, 1] == found.duration


@pytest.mark.parametrize("seed", range(4))
def test_the_path_is_the_best_of_all(seed):
    rng = np.random.default_rng(seed)
    rows = rng.dirichlet(np.full(24, 0.1), 4)
    rows[:, 3:] *= 1e-4  # three keys are enough to try
    starts = np.arange(4) * 10.0
    keygram = Keygram(rows, np.stack([starts, starts + 10], 1), None, 40.0)
    path = keygram._path(rows, np.full(4, True), 1.5)

    def score(states):
        logs = sum(np.log(max(rows[i, k], 1e-3)) for i, k in enumerate(states))
        return logs - 1.5 * sum(a != b for a, b in itertools.pairwise(states))

    best = max(itertools.product(range(3), repeat=4), key=score)
    assert score(path) == pytest.approx(score(best))


def test_silence_has_no_key_and_a_pause_no_region():
    none = gram([None] * 4).decode()
    assert none.key is None and none.confidence == 0 and len(none) == 0
    found = gram([None, None, "E:min", "E:min", None, "E:min"]).decode()
    assert found.key.label == "E:min" and found.labels == ("E:min", "E:min")
    flat = Keygram(np.full((3, 24), 1 / 24), [[0, 5], [5, 10], [10, 15]], None, 15.0)
    assert flat.decode().key is None
    assert flat.decode(least=0).key is not None


def test_one_region_has_the_key_of_the_song():
    keygram = gram(["C:maj"] * 3, sure=0.4)
    overall = np.zeros(24)
    overall[KEYS.index("A:min")] = 1.0
    found = Keygram(
        keygram.probabilities, keygram.intervals, overall, 20.0
    ).decode(least=0.01)  # fmt: skip
    assert found.labels == ("A:min",) and found.key.label == "A:min"


def test_chords_tell_the_key_and_its_change():
    cadence = ["C:maj", "F:maj", "G:7", "A:min", "F:maj", "G:7", "C:maj", "C:maj"]
    up = ["E:maj", "A:maj", "B:7", "C#:min", "A:maj", "B:7", "E:maj", "E:maj"]
    labels = [*cadence * 2, *up * 2]
    times = np.arange(len(labels)) * 2.0
    chords = ChordSequence(np.stack([times, times + 2], 1), labels)
    found = keygram_of_chords(chords).decode()
    assert found.labels == ("C:maj", "E:maj")
    assert abs(found[0].end - 32.0) <= 5.0
    one = chords.between(0.0, 32.0)
    for profile in ("mean", "temperley", "krumhansl"):
        keygram = keygram_of_chords(one, profile=profile)
        assert keygram.decode().key.label == estimate_key(one, profile=profile).label
    assert keygram_of_chords(ChordSequence([[0, 9]], ["N"])).decode().key is None


def test_bad_input():
    with pytest.raises(ConfigError, match="24 probabilities"):
        Keygram(np.zeros((3, 12)), np.zeros((3, 2)), None, 1.0)
    with pytest.raises(ConfigError, match="`change`"):
        gram(["C:maj"]).decode(change=0)
    with pytest.raises(ConfigError, match="`least`"):
        gram(["C:maj"]).decode(least=1.5)
    with pytest.raises(ConfigError, match="profile"):
        keygram_of_chords(ChordSequence([[0, 1]], ["C"]), profile="bgate")
