"""FluidSynth's library: notes to sound, each part apart."""

import ctypes
import ctypes.util
import functools
from pathlib import Path

import numpy as np

BANKS = {
    "fluid": "/usr/share/sounds/sf2/FluidR3_GM.sf2",
    "musescore": "/usr/share/sounds/sf2/MuseScore_General_Full.sf2",
    "opl3": "/usr/share/sounds/sf2/OPL-3_FM_128M.sf2",
    "fluid-mono": "/usr/share/sounds/sf3/FluidR3Mono_GM.sf3",
    "black-pearl": "/usr/share/sounds/sf2/Black_Pearl_4_LV2.sf2",
    "red-zeppelin": "/usr/share/sounds/sf2/Red_Zeppelin_4_LV2.sf2",
}
WEIGHTS = {"fluid": 30, "musescore": 34, "opl3": 12, "fluid-mono": 8}
#: Organs that sound a fifth with each note, and the one to play instead: they have
#: partials at .5 and 1.5 times its frequency, the first of them none at the note.
WITH_FIFTHS = {("opl3", 17): 16, ("opl3", 18): 16}
#: Reserved for test material.
RESERVED = ("timgm6mb", "sf_gmbank")
BLOCK = 64  # FluidSynth starts notes at multiples of it

POINTER, NUMBER, TEXT = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p
SIGNATURES = {
    "new_fluid_settings": (POINTER, []),
    "fluid_settings_setnum": (NUMBER, [POINTER, TEXT, ctypes.c_double]),
    "fluid_settings_setint": (NUMBER, [POINTER, TEXT, NUMBER]),
    "new_fluid_synth": (POINTER, [POINTER]),
    "fluid_synth_sfload": (NUMBER, [POINTER, TEXT, NUMBER]),
    "fluid_synth_program_select": (NUMBER, [POINTER] + [NUMBER] * 4),
    "fluid_synth_noteon": (NUMBER, [POINTER] + [NUMBER] * 3),
    "fluid_synth_noteoff": (NUMBER, [POINTER] + [NUMBER] * 2),
    "fluid_synth_pitch_bend": (NUMBER, [POINTER] + [NUMBER] * 2),
    "fluid_synth_cc": (NUMBER, [POINTER] + [NUMBER] * 3),
    "fluid_synth_nwrite_float": (NUMBER, [POINTER, NUMBER] + [POINTER] * 4),
    "fluid_set_log_function": (POINTER, [NUMBER, POINTER, POINTER]),
    "delete_fluid_synth": (None, [POINTER]),
    "delete_fluid_settings": (None, [POINTER]),
}


@functools.cache
def library():
    """FluidSynth's library with its signatures; `OSError` where it is absent."""
    name = ctypes.util.find_library("fluidsynth")
    if name is None:
        raise OSError(
            "FluidSynth is not installed. On Debian: apt-get install fluidsynth"
        )
    fluid = ctypes.CDLL(name)
    for function, (result, arguments) in SIGNATURES.items():
        getattr(fluid, function).restype = result
        getattr(fluid, function).argtypes = arguments
    for level in range(5):  # it would tell of each preset that a font lacks
        fluid.fluid_set_log_function(level, None, None)
    return fluid


def installed(further=()):
    """{name: weight} of the General MIDI banks that are installed.

    Args:
        further: Paths of other banks, which get a name and a weight.
    """
    for path in further:
        BANKS[Path(path).stem] = str(path)
        WEIGHTS[Path(path).stem] = 14
    return {name: w for name, w in WEIGHTS.items() if Path(BANKS[name]).exists()}


class Synth:
    """A synthesiser for one song; each part comes out on its own.

    Args:
        rate: Sampling rate in Hz.
        count: Number of parts.
    """

    def __init__(self, rate, count):
        self.rate, self.count, fluid = rate, count, library()
        self.settings = fluid.new_fluid_settings()
        fluid.fluid_settings_setnum(self.settings, b"synth.sample-rate", float(rate))
        fluid.fluid_settings_setnum(self.settings, b"synth.gain", 0.5)
        values = {"audio-groups": count, "audio-channels": count, "polyphony": 128}
        values |= {"dynamic-sample-loading": 1, "reverb.active": 0, "chorus.active": 0}
        for name, value in values.items():
            fluid.fluid_settings_setint(self.settings, f"synth.{name}".encode(), value)
        self.synth = fluid.new_fluid_synth(self.settings)
        self.fonts = {}

    def __enter__(self):
        return self

    def __exit__(self, *error):
        library().delete_fluid_synth(self.synth)
        library().delete_fluid_settings(self.settings)

    def assign(self, channel, font, bank, program, cents):
        """Gives a part its instrument; `False` where the font lacks it."""
        fluid = library()
        if font not in self.fonts:
            path = BANKS.get(font, font)
            self.fonts[font] = fluid.fluid_synth_sfload(self.synth, path.encode(), 0)
        chosen = fluid.fluid_synth_program_select(
            self.synth, channel, self.fonts[font], bank, program
        )
        bend = round(8192 + 8192 * cents / 200)
        fluid.fluid_synth_pitch_bend(self.synth, channel, min(max(bend, 0), 16383))
        return chosen == 0

    def render(self, notes, controls, samples):
        """Sound of every part.

        Args:
            notes: For each part a list of (start, end, pitch, velocity 1 to 127), in
                samples.
            controls: For each part a list of (time in samples, number, value) of MIDI's
                control changes.
            samples: Length in samples.

        Returns:
            float32 array of shape (parts, samples).
        """
        fluid, events = library(), []
        for channel, part in enumerate(notes):
            for start, end, pitch, velocity in part:
                first = round(max(start, 0) / BLOCK)
                last = max(round(end / BLOCK), first + 1)
                if end > 0 and first * BLOCK < samples:
                    events.append((first, 1, channel, pitch, velocity))
                    events.append((last, 0, channel, pitch, 0))
        for channel, part in enumerate(controls):
            for time, number, value in part:
                events.append(
                    (round(max(time, 0) / BLOCK), 0.5, channel, number, value)
                )
        sound = np.zeros((2, self.count, samples + BLOCK), np.float32)
        at = 0
        for block, kind, channel, pitch, velocity in sorted(events):
            if block * BLOCK > at and at < samples:
                at = self._write(sound, at, min(block * BLOCK, samples))
            if kind == 0.5:
                fluid.fluid_synth_cc(self.synth, channel, pitch, velocity)
            elif kind:
                fluid.fluid_synth_noteon(self.synth, channel, pitch, velocity)
            else:
                fluid.fluid_synth_noteoff(self.synth, channel, pitch)
        if at < samples:
            self._write(sound, at, samples)
        return (sound[0] + sound[1])[:, :samples] / 2

    def _write(self, sound, start, stop):
        sides = [(POINTER * self.count)() for _ in range(2)]
        for side, channels in zip(sides, sound, strict=True):
            for i, channel in enumerate(channels):
                side[i] = channel.ctypes.data + 4 * start
        places = [ctypes.addressof(side) for side in sides]
        library().fluid_synth_nwrite_float(
            self.synth, stop - start, *places, None, None
        )
        return stop
