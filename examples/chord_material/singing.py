"""A voice: pulses of the glottis, glides and vibrato, and the formants of vowels.

Formants after Peterson and Barney (Journal of the Acoustical Society of America 24,
1952), their averages for men; other voices have shorter throats.
"""

import numpy as np
from scipy import signal

FORMANTS = {
    "a": (730, 1090, 2440),
    "e": (530, 1840, 2480),
    "i": (270, 2290, 3010),
    "o": (570, 840, 2410),
    "u": (300, 870, 2240),
    "er": (490, 1350, 1690),
}


def _pitch_curve(rng, notes, samples, rate):
    """Hertz and loudness at each sample of a line (start, end, pitch, velocity)."""
    midi = np.zeros(samples)
    level = np.zeros(samples)
    glide = rng.uniform(0.03, 0.12)
    last = None
    for start, end, pitch, velocity in notes:
        first, stop = max(int(start), 0), min(int(end), samples)
        if stop - first < 64:
            continue
        time = np.arange(stop - first) / rate
        near = last is not None and start - last[0] < 0.15 * rate
        origin = last[1] if near else pitch - rng.uniform(0, 1.5)
        midi[first:stop] = pitch + (origin - pitch) * np.exp(-time / glide * 2.5)
        rise = np.minimum(time / 0.05, 1) * np.minimum((time[-1] - time) / 0.06, 1)
        level[first:stop] = velocity / 127 * rise
        last = (end, pitch)
    time = np.arange(samples) / rate
    rate_of_vibrato, depth = rng.uniform(4.5, 6.5), rng.uniform(0.05, 0.45)
    held = signal.lfilter([2e-4], [1, -(1 - 2e-4)], level)
    midi += (
        depth * np.sin(2 * np.pi * rate_of_vibrato * time) * np.minimum(held * 1.5, 1)
    )
    midi += signal.lfilter([0.002], [1, -0.998], rng.standard_normal(samples)) * 2
    return 440 * 2 ** ((midi - 69) / 12), level


def choir(rng, notes, samples, rate, cents=0.0):
    """As many voices as notes sound at once, each a line of `sing`."""
    lines = []
    for note in sorted(notes):
        free = [line for line in lines if line[-1][1] <= note[0] + 0.06 * rate]
        if free:
            free[0].append(note)
        else:
            lines.append([note])
    voices = [
        sing(rng, line, samples, rate, cents + rng.normal(0, 5)) for line in lines
    ]
    return np.sum(voices, axis=0)


def sing(rng, notes, samples, rate, cents=0.0):
    """A sung line of vowels.

    Args:
        rng: NumPy's random generator.
        notes: (start, end, pitch, velocity 1 to 127) with times in samples, in order.
        samples: Length in samples.
        rate: Sampling rate in Hz.
        cents: By how much the voice is tuned higher.

    Returns:
        float32 array of shape (samples,).
    """
    hertz, level = _pitch_curve(rng, notes, samples, rate)
    phase = np.cumsum(hertz * 2 ** (cents / 1200) / rate) % 1.0
    opened = rng.uniform(0.45, 0.7)
    # Rosenberg's pulse, whose derivative the filters of the mouth get.
    pulse = np.where(
        phase < opened, (phase / opened) ** 2 * (1 - phase / opened) * 6.75, 0
    )
    source = np.diff(pulse, prepend=0.0) * level
    source += rng.uniform(0.002, 0.02) * rng.standard_normal(samples) * level
    throat = 1.0 + 0.2 * (np.mean([n[2] for n in notes]) > 57) + rng.normal(0, 0.04)
    vowels = rng.choice(list(FORMANTS), 3, replace=False)
    which = np.zeros(samples)
    for start, _, _, _ in notes:
        which[max(int(start), 0) :] = rng.integers(3)
    smooth = np.ones(int(0.06 * rate)) / int(0.06 * rate)
    voice = np.zeros(samples)
    for i, vowel in enumerate(vowels):
        weight = signal.oaconvolve((which == i).astype(float), smooth, "same")
        voice += _mouth(source, FORMANTS[str(vowel)], throat, rate) * weight
    peak = np.abs(voice).max() + 1e-9
    voice = voice / peak + _consonants(rng, notes, samples, rate)
    return voice.astype(np.float32)


def _consonants(rng, notes, samples, rate):
    """Hisses and clicks before some of the notes."""
    found = np.zeros(samples)
    share, level = rng.uniform(0, 0.7), rng.uniform(0.02, 0.15)
    for start, _, _, velocity in notes:
        count = int(rng.uniform(0.02, 0.1) * rate)
        first = int(start) - count
        if first < 0 or start >= samples or rng.random() > share:
            continue
        hiss = np.diff(rng.standard_normal(count + 1)) * np.hanning(count)
        found[first : first + count] += hiss * level * velocity / 127
    return found


def _mouth(source, formants, throat, rate):
    """Formants beside each other, the higher ones softer."""
    found = np.zeros(len(source))
    centres = [*formants, 3400, 4200]
    for centre, gain in zip(centres, (1, 0.6, 0.35, 0.25, 0.12), strict=True):
        centre *= throat
        if centre > rate / 2.2:
            continue
        radius = np.exp(-np.pi * (50 + centre * 0.045) / rate)
        poles = [1, -2 * radius * np.cos(2 * np.pi * centre / rate), radius**2]
        found += gain * signal.lfilter([1 - radius, 0, radius - 1], poles, source)
    return found
