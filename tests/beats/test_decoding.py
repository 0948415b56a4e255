"""Beats from activations: those of madmom, and what music would make of them."""

import json

import numpy as np
import pytest

from keras_musictag import beats
from keras_musictag.errors import ConfigError

RATE = 50


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def activations(reference):
    """What the three networks say of eight clips, by clip and network."""
    stored = np.load(reference / "beatnet" / "activations.npz")
    clips = json.loads((reference / "beatnet" / "beats.json").read_text("utf-8"))
    made = {}
    for clip in clips:
        nets = {
            "m1": softmax(stored[f"{clip}__model1_logits"]),
            "m2": stored[f"{clip}__model2_probabilities"],
            "m3": stored[f"{clip}__model3_probabilities"],
        }
        made[clip] = {**nets, "mean123": np.mean(list(nets.values()), axis=0)}
    return made


@pytest.mark.parametrize(
    ("net", "decoder"), [("m1", "DBN 2,3,4"), ("mean123", "DBN 3,4")]
)
def test_the_beats_are_those_of_madmom(reference, activations, net, decoder):
    """Times, positions and meter of madmom 0.16.1, on every clip that it was run on."""
    stored = json.loads((reference / "beatnet" / "beats.json").read_text("utf-8"))
    compared = 0
    for clip, answers in stored.items():
        if f"{net} {decoder}" not in answers:
            continue
        expected = np.array(answers[f"{net} {decoder}"])
        chances = activations[clip][net]
        meters = [int(m) for m in decoder.split()[1].split(",")]
        found = beats.decode(chances[:, 0], chances[:, 1], meters=meters)
        np.testing.assert_allclose(found.times, expected[:, 0], atol=1e-6, err_msg=clip)
        np.testing.assert_array_equal(found.positions, expected[:, 1], err_msg=clip)
        compared += 1
    assert compared >= 4


def clicks(times, positions, seconds=20.0):
    """Sharp activations at some times, as a good network gives them."""
    beat, downbeat = np.full((2, int(seconds * RATE)), 0.005)
    for time, position in zip(times, positions, strict=True):
        (downbeat if position == 1 else beat)[round(time * RATE)] = 0.9
    return beat, downbeat


@pytest.mark.parametrize(("meter", "tempo"), [(3, 140), (4, 92), (5, 110), (7, 150)])
def test_meter_and_tempo_of_a_steady_song(meter, tempo):
    times = np.arange(0.2, 19.5, 60 / tempo)
    positions = np.arange(len(times)) % meter + 1
    found = beats.decode(*clicks(times, positions), meters=range(2, 8))
    assert found.meter == meter
    assert found.tempo == pytest.approx(tempo, rel=0.002)
    np.testing.assert_allclose(found.times, times, atol=0.5 / RATE + 1e-9)
    np.testing.assert_array_equal(found.positions, positions)


def test_a_tempo_that_moves_is_followed():
    steps = 60 / np.linspace(90, 120, 34)
    times = 0.3 + np.append(0, np.cumsum(steps))
    positions = np.arange(len(times)) % 4 + 1
    found = beats.decode(*clicks(times, positions, 22.0))
    assert len(found) == len(times)
    np.testing.assert_allclose(found.times, times, atol=0.021)
    middles, curve = found.tempo_curve()
    assert len(middles) == len(curve) == len(times) - 1
    assert curve[0] == pytest.approx(91.5, abs=2) and curve[-1] > 114


def test_the_usual_tempo_decides_between_half_and_double():
    """Each second beat is weak: 75 and 150 explain it alike."""
    times = np.arange(0.1, 19.5, 0.4)
    beat = np.full(20 * RATE, 0.02)
    for i, time in enumerate(times):
        beat[round(time * RATE)] = 0.9 if i % 2 == 0 else 0.3
    slow = beats.decode(beat, usual_tempo=75)
    fast = beats.decode(beat, usual_tempo=150)
    assert slow.tempo == pytest.approx(75, rel=0.01)
    assert fast.tempo == pytest.approx(150, rel=0.01)


def test_without_downbeats_there_are_no_bars():
    times = np.arange(0.5, 19.5, 0.5)
    beat, downbeat = clicks(times, np.arange(len(times)) % 4 + 1)
    found = beats.decode(beat + downbeat)
    assert found.positions is None and found.meter is None
    assert len(found.downbeats) == 0
    np.testing.assert_allclose(found.times, times, atol=1e-9)
    np.testing.assert_allclose(found.confidences, 0.905, atol=1e-9)


def test_silence_has_no_beats():
    found = beats.decode(np.full(500, 0.01), np.full(500, 0.01))
    assert len(found) == 0 and found.tempo == 0.0 and found.duration == 10.0
    assert len(beats.decode([0.9])) <= 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"beat": [[0.1, 0.2]]}, "probabilities"),
        ({"beat": [0.1, np.nan]}, "probabilities"),
        ({"beat": [0.8, 0.2], "downbeat": [0.8, 0.1]}, "no more than 1"),
        ({"beat": [0.8, 0.2], "downbeat": [0.1]}, "probabilities"),
        ({"tempo": (200, 100)}, "slowest and a fastest"),
        ({"tempo": 120}, "slowest and a fastest"),
        ({"tempo": (0.1, 100)}, "do not fit the frames"),
        ({"meters": ()}, "numbers of beats"),
        ({"meters": (3, 99)}, "numbers of beats"),
        ({"steadiness": 0}, "`steadiness`"),
        ({"usual_tempo": -1}, "`usual_tempo`"),
        ({"frame_rate": 0}, "`frame_rate`"),
    ],
)
def test_what_cannot_be_is_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        beats.decode(**{"beat": [0.1, 0.9], **change})
