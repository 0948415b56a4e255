"""Synthesisers of our own: waves from tables, and frequency modulation."""

import functools

import numpy as np

SIZE = 2048
#: kind: (attack, decay, sustain, release in seconds; brightness at rest, on attack)
KINDS = {
    "saw": (0.01, 0.3, 0.7, 0.08, 0.35, 0.9),
    "supersaw": (0.02, 0.5, 0.8, 0.15, 0.6, 0.9),
    "square": (0.005, 0.2, 0.7, 0.05, 0.5, 0.8),
    "chip": (0.002, 0.05, 0.9, 0.01, 1.0, 1.0),
    "triangle": (0.005, 0.3, 0.7, 0.05, 0.8, 0.8),
    "organ": (0.008, 0.05, 1.0, 0.03, 1.0, 1.0),
    "pluck": (0.003, 0.35, 0.0, 0.06, 0.05, 1.0),
    "keys": (0.003, 1.2, 0.1, 0.1, 0.1, 0.6),
    "bell": (0.002, 1.5, 0.0, 0.2, 0.0, 1.0),
    "warm": (0.25, 0.5, 0.9, 0.4, 0.12, 0.25),
}
BY_ROLE = {
    "comp": "saw supersaw square organ pluck keys bell warm chip".split(),
    "pad": "supersaw warm organ warm saw".split(),
    "arp": "saw square chip pluck pluck keys triangle bell".split(),
    "bass": "saw square triangle pluck organ".split(),
    "lead": "saw square chip triangle keys pluck supersaw".split(),
}


@functools.lru_cache(maxsize=512)
def _tables(kind, harmonics, seed):
    """Two cycles of a wave, dark and bright, of shape (2, SIZE)."""
    number = np.arange(1, harmonics + 1)
    rng = np.random.default_rng(seed)
    if kind in ("square", "chip"):
        width = rng.uniform(0.15, 0.5)
        level = np.abs(np.sin(np.pi * number * width)) / number
    elif kind == "triangle":
        level = np.where(number % 2, 1 / number**2.0, 0)
    elif kind == "organ":
        bars = np.zeros(16)
        bars[[0, 1, 2, 3, 5, 7]] = rng.uniform(0, 1, 6) ** 1.5
        bars[0] = 1
        level = np.pad(bars, (0, harmonics))[:harmonics]
    else:
        level = 1 / number
    found = []
    for edge in (4 if kind != "organ" else 40, 60):
        spectrum = np.zeros(SIZE // 2 + 1, complex)
        soft = level / np.sqrt(1 + (number / edge) ** 4)
        spectrum[1 : harmonics + 1] = soft * np.exp(-0.5j * np.pi)
        wave = np.fft.irfft(spectrum, SIZE)
        found.append(wave / np.sqrt(np.mean(wave**2)))
    return np.array(found, np.float32)


def _note(rng, kind, hertz, held, rate, seed):
    attack, decay, sustain, release, rest, struck = KINDS[kind]
    count = int(held + release * rate)
    time = np.arange(count, dtype=np.float32) / rate
    fall = np.exp(-time / (decay * 0.6))
    level = np.minimum(time / attack, 1) * (sustain + (1 - sustain) * fall)
    tail = time - held / rate
    level = level * np.where(tail > 0, np.exp(-4 * np.maximum(tail, 0) / release), 1)
    if kind in ("bell", "keys"):
        ratio = (
            (1.0, 2.0, 3.0, 14.0)[seed % 4]
            if kind == "keys"
            else (2.0, 3.0, 5.0)[seed % 3]
        )
        index = (1.2 if kind == "keys" and ratio < 9 else 0.5) * fall
        angle = 2 * np.pi * hertz * time
        return np.sin(angle + index * np.sin(ratio * angle)) * level
    dark, bright = _tables(kind, min(max(int(rate / 2.1 / hertz), 1), 400), seed)
    mix = rest + (struck - rest) * fall
    sound = np.zeros(count, np.float32)
    for detune in (-0.006, 0.0, 0.007) if kind == "supersaw" else (0.0,):
        place = (rng.random() + hertz * (1 + detune) * time) * SIZE
        index = place.astype(np.int64) % SIZE
        sound += dark[index] * (1 - mix) + bright[index] * mix
    return sound * level


def play(rng, kind, notes, samples, rate, cents):
    """Notes by one of `KINDS`.

    Args:
        rng: NumPy's random generator.
        kind: A key of `KINDS`.
        notes: (start, end, pitch, velocity 1 to 127) with times in samples.
        samples: Length in samples.
        rate: Sampling rate in Hz.
        cents: By how much it is tuned higher.

    Returns:
        float32 array of shape (samples,).
    """
    found = np.zeros(samples, np.float32)
    seed = int(rng.integers(1000))
    for start, end, pitch, velocity in notes:
        first = max(int(start), 0)
        hertz = 440 * 2 ** ((pitch - 69 + cents / 100) / 12)
        sound = _note(rng, kind, hertz, max(end - first, 200), rate, seed)
        sound = sound[: samples - first]
        found[first : first + len(sound)] += sound * (velocity / 127)
    return found
