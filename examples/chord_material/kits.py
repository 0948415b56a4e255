"""Recorded drums: the kits of Debian's `hydrogen-drumkits`, loops of Sonic Pi."""

import functools
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import soundfile
from scipy import signal

KITS = Path("/usr/share/hydrogen/data/drumkits")
LOOPS = Path("/usr/share/sonic-pi/samples")
SKIPPED = ("belofilms_GuitarStrums", "circAfrique v4")
#: Beats of the loops that hold nothing but drums.
LOOP_BEATS = {"amen": 4, "amen_full": 16, "breakbeat": 4, "mehackit1": 4, "tabla": 16}
LOOP_BEATS |= {"perc1": 4, "perc2": 4, "industrial": 2, "compus": 8, "safari": 16}
#: General MIDI key: what an instrument's name looks like.
NAMES = {
    36: r"kick|bass ?drum|thump",
    38: r"snare|slap",
    37: r"stick|rim ?click|snap|rim",
    39: r"clap",
    42: r"clos|hat.*cl|cl.*hh|maraca",
    44: r"pedal|hat.*pd|foot",
    46: r"open|hat.*op|ohh|semi",
    51: r"ride",
    49: r"crash|cymbal",
    50: r"tom.*hi|high tom|tom 1|bongo hi",
    47: r"tom.*mid|mid.*tom|tom 2|bongo lo",
    43: r"tom.*low|low tom|floor|tom",
    54: r"tamb",
    56: r"cowbell",
}
NEAR = {48: 50, 45: 43, 41: 43, 70: 42, 82: 42, 69: 42, 40: 38, 35: 36, 57: 49}


def kits():
    """Names of the kits that are installed."""
    return [
        p.parent.name
        for p in sorted(KITS.glob("*/drumkit.xml"))
        if p.parent.name not in SKIPPED
    ]


def loops():
    """Names of the loops that are installed."""
    return [name for name in LOOP_BEATS if (LOOPS / f"loop_{name}.flac").exists()]


@functools.lru_cache(maxsize=4)
def _kit(name):
    """{General MIDI key: files} of a kit."""
    text = (KITS / name / "drumkit.xml").read_text(errors="replace")
    tree = ElementTree.fromstring(re.sub(r'\sxmlns="[^"]*"', "", text, count=1))
    found = {}
    for instrument in tree.iter("instrument"):
        label = (instrument.findtext("name") or "").lower()
        files = [f.text for f in instrument.iter("filename") if f.text]
        for key, pattern in NAMES.items():
            if files and re.search(pattern, label):
                found.setdefault(key, []).append([KITS / name / f for f in files])
                break
    return found


@functools.lru_cache(maxsize=200)
def _read(path, rate):
    sound, own = soundfile.read(path, dtype="float32")
    sound = sound.reshape(len(sound), -1).mean(axis=1)[: 3 * own]
    return signal.resample_poly(sound, rate // 50, own // 50).astype(np.float32)


def play(rng, name, notes, samples, rate):
    """Drums by a recorded kit.

    Args:
        rng: NumPy's random generator.
        name: A name of `kits()`.
        notes: (start, end, key, velocity 1 to 127) with times in samples.
        samples: Length in samples.
        rate: Sampling rate in Hz.

    Returns:
        float32 array of shape (samples,).
    """
    found, chosen = np.zeros(samples, np.float32), {}
    kit = _kit(name)
    for start, _, key, velocity in notes:
        key = key if key in kit else NEAR.get(key, key)
        if key not in kit:
            continue
        if key not in chosen:
            options = kit[key]
            chosen[key] = options[int(rng.integers(len(options)))]
        path = chosen[key][int(rng.integers(len(chosen[key])))]
        if not path.exists():
            continue
        first = max(int(start), 0)
        sound = _read(path, rate)[: samples - first]
        found[first : first + len(sound)] += sound * (velocity / 127) ** 1.5
    return found


def looped(name, spans, beat, samples, rate):
    """A drum loop, played faster or slower so that its beats fit.

    Args:
        name: A name of `loops()`.
        spans: (start, end) pairs in which it sounds, in samples.
        beat: Length of a beat in samples.
        samples: Length in samples.
        rate: Sampling rate in Hz.

    Returns:
        float32 array of shape (samples,).
    """
    sound, own = soundfile.read(LOOPS / f"loop_{name}.flac", dtype="float32")
    sound = sound.reshape(len(sound), -1).mean(axis=1)
    wanted = LOOP_BEATS[name] * beat
    while wanted > 1.5 * len(sound) * rate / own:
        wanted /= 2
    while wanted < 0.67 * len(sound) * rate / own:
        wanted *= 2
    sound = signal.resample(sound, round(wanted)).astype(np.float32)
    found = np.zeros(samples, np.float32)
    for start, end in spans:
        first, stop = max(int(start), 0), min(int(end), samples)
        if stop > first:
            times = -(-(stop - first) // len(sound))
            found[first:stop] = np.tile(sound, times)[: stop - first]
    return found
