"""SFZ instruments, played by sfizz: recorded ones of Debian's LMMS, and the user's own.

An SFZ instrument is a text that says which recording sounds for which key. LMMS has
recordings of single notes (`lmms-common`, GPL); the instruments below are made of them.
Its guitars, electric pianos and `e_organ01` are whole chords, and are left out; sfizz
cannot read its cello.
"""

import functools
import importlib.util
import math
import tempfile
import time
from pathlib import Path

import numpy as np

SAMPLES = Path("/usr/share/lmms/samples/instruments")
#: Recordings from low to high: name, key at which it was played, cents that it is flat;
#: and opcodes of all. What is short goes on in a loop between two seconds.
LOOP = "loop_mode=loop_sustain loop_crossfade=0.2"
INSTRUMENTS = {
    "organ": (
        [
            ("church_organ03", 45, 0),
            ("church_organ02", 57, 0),
            ("church_organ01", 69, 0),
        ],
        "ampeg_release=0.5",
    ),
    "mixture": ([("church_organ04", 45, 0)], "ampeg_release=0.4"),
    "piano": ([("piano02", 48, 0)], "ampeg_release=0.3"),
    "dry piano": ([("piano01", 60, 5)], "ampeg_release=0.15"),
    "strings": (
        [("violin_fingered01", 67, 14)],
        f"{LOOP} loop_start=26000 loop_end=66000 ampeg_attack=0.12 ampeg_release=0.3",
    ),
    "pizzicato": ([("violin_pizzicato01", 67, -2)], "ampeg_release=0.2"),
    "trumpet": (
        [("trumpet01", 69, 7)],
        f"{LOOP} loop_start=40000 loop_end=110000 ampeg_release=0.15",
    ),
    "flute": ([("flute01", 81, 6)], "ampeg_attack=0.04 ampeg_release=0.15"),
    "slap bass": ([("bassslap02", 36, 0)], "ampeg_release=0.08"),
}
BY_ROLE = {
    "comp": ["organ", "mixture", "piano", "piano", "dry piano", "strings", "pizzicato"],
    "solo": ["organ", "piano", "piano", "dry piano", "mixture"],
    "pad": ["organ", "strings", "strings", "flute", "trumpet"],
    "arp": ["piano", "dry piano", "pizzicato", "flute"],
    "lead": ["trumpet", "flute", "strings", "piano"],
    "bass": ["slap bass"],
}
BLOCK = 64
# A note is tried for so many seconds, so often at most, and so long apart.
SUSTAINED, STRUCK, TRIES, READING = 6.0, 0.3, 12, 0.25
LONGEST_TAIL, SILENT = 8.0, 1e-4  # seconds, and what nobody hears


@functools.cache
def installed():
    """{role: names} of instruments that can be played."""
    if importlib.util.find_spec("pysfizz") is None:
        return {}
    known = {
        name
        for name, (recordings, _) in INSTRUMENTS.items()
        if all((SAMPLES / f"{sample}.ogg").exists() for sample, *_ in recordings)
    }
    found = {role: [n for n in names if n in known] for role, names in BY_ROLE.items()}
    return {role: names for role, names in found.items() if names}


def add(path):
    """Let a `.sfz` file play everything but basses and drums.

    Raises:
        OSError: If sfizz is not installed.
    """
    if importlib.util.find_spec("pysfizz") is None:
        raise OSError("--sfz needs pysfizz: pip install pysfizz")
    name = str(Path(path).resolve())
    for role in ("comp", "solo", "pad", "arp", "lead"):
        installed().setdefault(role, []).append(name)


@functools.cache
def _folder():
    return tempfile.TemporaryDirectory()


def _text(name):
    """The SFZ text of one of `INSTRUMENTS`."""
    recordings, opcodes = INSTRUMENTS[name]
    lines = [f"<control> default_path={SAMPLES}/", f"<group> {opcodes}"]
    low = 0
    for i, (sample, key, flat) in enumerate(recordings):
        last = i + 1 == len(recordings)
        high = 127 if last else (key + recordings[i + 1][1]) // 2
        lines.append(
            f"<region> sample={sample}.ogg pitch_keycenter={key} tune={flat} "
            f"lokey={low} hikey={high}"
        )
        low = high + 1
    return "\n".join(lines)


@functools.lru_cache(maxsize=8)
def _device(name, rate):
    """A synthesiser with an instrument, and how long its notes die away, in seconds.

    It has threads of its own: a process that was forked from one that has it hangs.
    """
    import pysfizz

    path = Path(name)
    if name in INSTRUMENTS:
        path = Path(_folder().name) / f"{name.replace(' ', '_')}.sfz"
        path.write_text(_text(name))
    device = pysfizz.Synth(rate, BLOCK)
    device.load_sfz_file(path)
    tails = [_tail(device, key) for key in _recorded_keys(device)]
    # It says nothing where it cannot read a recording, and plays silence.
    if not any(tails):
        raise OSError(f"sfizz can play nothing of {path}")
    return device, max(tails)


def _recorded_keys(device):
    """For each recording the key that is nearest to its own pitch."""
    nearest = {}
    for key in device.playable_keys:
        for info in device.get_note_info(key):
            own = info["pitch_keycenter"]
            nearest[own] = min(nearest.get(own, key), key, key=lambda k: abs(k - own))
    return nearest.values()


def _tail(device, key):
    """Play a key until it sounds as before: recordings are read in the background.

    Returns:
        Seconds in which it dies away, since what does not is heard in the next note; 0
        if it does not sound.
    """
    last = None
    for _ in range(TRIES):
        sound = device.render_note(key, 100, SUSTAINED, SUSTAINED + LONGEST_TAIL)
        if last is not None and np.array_equal(sound, last):
            break
        last = sound
        time.sleep(READING)
    if not sound.any():
        return 0
    # At its beginning a note is loudest.
    loud = np.abs(device.render_note(key, 100, STRUCK, STRUCK + LONGEST_TAIL)).max(
        axis=0
    )
    (heard,) = np.nonzero(loud > SILENT)
    return 0.1 + max(0.0, heard[-1] / device.get_sample_rate() - STRUCK)


def play(name, notes, samples, rate, cents):
    """Notes by an instrument.

    Args:
        name: A name of `installed()`.
        notes: (start, end, pitch, velocity 1 to 127) with times in samples.
        samples: Length in samples.
        rate: Sampling rate in Hz.
        cents: By how much it is tuned higher.

    Returns:
        float32 array of shape (samples,).
    """
    # What is rendered at a lower rate is higher where it is heard.
    own = round(rate / 2 ** (cents / 1200))
    device, tail = _device(name, own)
    keys = device.playable_keys
    found = np.zeros(samples + BLOCK, np.float32)
    for start, end, pitch, velocity in notes:
        first = max(int(start), 0)
        if first >= samples:
            continue
        seconds = max(end - first, 0.04 * rate) / own
        sound = device.render_note(
            _nearest(pitch, keys), velocity, seconds, seconds + tail
        )
        sound = sound.mean(axis=0)[: samples - first]
        found[first : first + len(sound)] += sound
    return found[:samples]


def _nearest(pitch, keys):
    """The pitch, or the same in the nearest octave that the instrument has."""
    octaves = [key for key in keys if (key - pitch) % 12 == 0]
    return min(octaves or keys, key=lambda key: math.fabs(key - pitch))
