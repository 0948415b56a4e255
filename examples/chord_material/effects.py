"""What a studio and a disc do to sound: amplifiers, rooms, compression, codecs."""

import functools
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from scipy import ndimage, signal

CABINETS = Path("/usr/share/gx_head/sounds")
CODECS = {  # name: (suffix, encoder, bit rates in kbit/s)
    "mp3": ("mp3", "libmp3lame", (24, 32, 40, 48, 64, 96)),
    "opus": ("opus", "libopus", (16, 24, 32, 48, 64)),
    "vorbis": ("ogg", "libvorbis", (32, 40, 48, 64)),
}


def decibels(level):
    """The factor of a level in dB."""
    return 10 ** (level / 20)


def loudness(sound):
    """Root of the mean square where something sounds."""
    frames = sound[: len(sound) // 1024 * 1024].reshape(-1, 1024)
    power = np.mean(frames**2, axis=1)
    heard = power > max(power.max() * 1e-3, 1e-12)
    return float(np.sqrt(power[heard].mean())) if heard.any() else 0.0


def convolved(sound, response):
    """A sound through a response, of the same length."""
    return signal.oaconvolve(sound, response.astype(np.float32))[: len(sound)]


@functools.cache
def _cabinet_files():
    return sorted(CABINETS.rglob("*.wav"))


def cabinet(rng, rate):
    """The response of a loudspeaker's cabinet: a measured one or one by a filter."""
    files = _cabinet_files()
    if files and rng.random() < 0.85:
        found, own = soundfile.read(
            files[int(rng.integers(len(files)))], dtype="float32"
        )
        found = found.reshape(len(found), -1)[: own // 12, 0]
        found = signal.resample_poly(found, rate, own)
    else:
        edges = [rng.uniform(70, 130), rng.uniform(3500, 6000)]
        pulse = np.zeros(512)
        pulse[0] = 1
        found = signal.sosfilt(
            signal.butter(2, edges, "band", fs=rate, output="sos"), pulse
        )
    return found / np.sqrt(np.sum(found**2) + 1e-12)


def amplified(rng, sound, rate, drive):
    """Through an amplifier that clips softly and a cabinet."""
    level = loudness(sound) or 1.0
    bias = rng.uniform(0, 0.25)
    hot = np.tanh(sound * (drive / level) + bias) - np.tanh(bias)
    return convolved(hot.astype(np.float32), cabinet(rng, rate))


def room(rng, rate, seconds):
    """A response of a room with a time of reverberation in seconds (-60 dB)."""
    count = int(rate * min(seconds * 0.8, 2.0))
    time = np.arange(count) / rate
    tail = rng.standard_normal(count) * 10 ** (-3 * time / seconds)
    dark = signal.butter(1, rng.uniform(1500, 7000), fs=rate, output="sos")
    tail = signal.sosfilt(dark, tail)
    tail[: int(rate * rng.uniform(0.002, 0.03))] = 0
    for _ in range(6):
        tail[min(int(rate * rng.uniform(0.004, 0.05)), count - 1)] += rng.normal(0, 2)
    return tail / np.sqrt(np.sum(tail**2))


def delayed(sound, rate, hertz, depth, base=0.0):
    """Read `base` seconds later, give or take `depth` seconds in a slow swing."""
    time = np.arange(len(sound), dtype=np.float64)
    swing = depth * rate * np.sin(2 * np.pi * hertz / rate * time)
    return np.interp(time - base * rate - swing, time, sound).astype(np.float32)


def echoed(sound, rate, seconds, level):
    """With three echoes."""
    lag, found = int(rate * seconds), sound.copy()
    for i in range(1, 4):
        if i * lag < len(sound):
            found[i * lag :] += level**i * sound[: -i * lag]
    return found


def compressed(sound, rate, threshold, ratio):
    """Levels above a threshold (dB below the usual loudness) are lowered."""
    hop = 256
    frames = np.pad(sound, (0, -len(sound) % hop)).reshape(-1, hop)
    level = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-10)
    smooth = ndimage.uniform_filter1d(level, 7)
    limit = 20 * np.log10(loudness(sound) + 1e-6) + threshold
    gain = np.minimum(0, (limit - smooth) * (1 - 1 / ratio))
    places = np.arange(len(gain)) * hop + hop / 2
    gains = np.interp(np.arange(len(sound)), places, decibels(gain))
    return (sound * gains).astype(np.float32)


def equalised(rng, sound, rate, low=None, high=None):
    """With a tilt, two broad bells and perhaps band limits, at once in the spectrum."""
    size = len(sound)
    spectrum = np.fft.rfft(sound)
    hertz = np.linspace(0, rate / 2, len(spectrum))
    octave = np.log2(np.maximum(hertz, 20) / 700)
    curve = rng.normal(0, 1.1) * octave
    for _ in range(2):
        centre, width = rng.uniform(-3.5, 3.5), rng.uniform(0.4, 1.5)
        curve += rng.normal(0, 3) * np.exp(-(((octave - centre) / width) ** 2))
    gain = decibels(np.clip(curve, -14, 9))
    if low:
        gain *= 1 / np.sqrt(1 + (low / np.maximum(hertz, 1)) ** 6)
    if high:
        gain *= 1 / np.sqrt(1 + (hertz / high) ** 8)
    return np.fft.irfft(spectrum * gain, size).astype(np.float32)


def noise(rng, count, rate, kind):
    """Noise of a kind, of unit loudness."""
    if kind == "hum":
        time, base = np.arange(count) / rate, float(rng.choice([50, 60]))
        waves = [np.sin(2 * np.pi * base * k * time) / k for k in (1, 2, 3)]
        return sum(waves).astype(np.float32) / 0.8
    found = rng.standard_normal(count, dtype=np.float32)
    if kind == "pink":
        found = (
            signal.lfilter([0.05], [1, -0.95], found).astype(np.float32) + 0.05 * found
        )
    if kind == "crowd":  # many hands that clap, and a murmur
        claps = (rng.random(count) < 60 / rate) * rng.exponential(1, count)
        grain = rng.standard_normal(int(0.008 * rate))
        murmur = signal.lfilter([0.02], [1, -0.98], found)
        swell = 1 + 0.5 * np.sin(
            2 * np.pi * rng.uniform(0.05, 0.3) * np.arange(count) / rate
        )
        found = ((signal.oaconvolve(claps, grain)[:count] + 3 * murmur) * swell).astype(
            np.float32
        )
    if kind == "vinyl":
        clicks = (rng.random(count) < 8 / rate) * rng.exponential(1, count)
        found = 0.12 * found + 12 * signal.lfilter([1], [1, -0.6], clicks).astype(
            np.float32
        )
    return found / (np.sqrt(np.mean(found**2)) + 1e-9)


def coded(sound, rate, codec, bitrate):
    """Through a lossy codec at some kbit/s, at the same place in time."""
    suffix, encoder, _ = CODECS[codec]
    with tempfile.TemporaryDirectory() as folder:
        source, small, back = (
            Path(folder) / n for n in ("a.wav", f"b.{suffix}", "c.wav")
        )
        soundfile.write(source, sound, rate)
        quiet = ["ffmpeg", "-v", "error", "-y", "-threads", "1", "-i"]
        encoding = ["-c:a", encoder, "-b:a", f"{bitrate}k"]
        subprocess.run([*quiet, source, *encoding, small], check=True)
        subprocess.run([*quiet, small, "-ar", str(rate), "-ac", "1", back], check=True)
        found, _ = soundfile.read(back, dtype="float32")
    found = np.pad(found, (0, max(0, len(sound) - len(found) + 4096)))
    middle = slice(len(sound) // 3, len(sound) // 3 + 8 * rate)
    lags = signal.correlate(found[middle], sound[middle], method="fft")
    lag = int(np.argmax(lags)) - (middle.stop - middle.start - 1)
    if abs(lag) < 4096:
        found = np.roll(found, -lag)
    return found[: len(sound)]
