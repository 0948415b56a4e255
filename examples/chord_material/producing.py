"""From a song's notes to its recording: balance, effects, noise, and what was done."""

import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from scipy import signal

from . import effects, guitars, kits, sfz, singing, synth, waves
from .chords import choose

GUITARS = range(24, 32)
#: What plays without a soundfont.
OWN = ("voice", "waves", "strums", "kit", "loop", "sfz")


class Producer:
    """Makes a song sound.

    Args:
        rng: NumPy's random generator.
        song: The `arranging.Song`.
        rate: Sampling rate in Hz.

    Attributes:
        done: {name: value}, what was done to the song.
    """

    def __init__(self, rng, song, rate):
        self.rng, self.song, self.rate = rng, song, rate
        self.samples = round(song.seconds * rate)
        near = rng.random() < 0.6
        self.cents = float(rng.uniform(-12, 12) if near else rng.uniform(-50, 50))
        self.done = {"cents": round(self.cents, 1)}

    def timed(self, part):
        """Notes of a part as (start, end, pitch, velocity) in samples, humanised."""
        rng, late = self.rng, self.rng.normal(0, 0.005)
        loose = float(self.rng.choice([0.0, 0.003, 0.008]))
        dynamic, notes = self.rng.uniform(75, 127), []
        for note in part.notes:
            shift = (
                late + note.spread + float(np.clip(rng.normal(0, loose), -0.02, 0.02))
            )
            start = float(self.song.seconds_at(note.start)) + shift
            end = max(
                float(self.song.seconds_at(note.end)) + min(shift, 0), start + 0.04
            )
            velocity = int(np.clip(note.velocity * dynamic, 12, 127))
            notes.append((start * self.rate, end * self.rate, note.pitch, velocity))
        return [n for n in notes if n[1] > 0 and n[0] < self.samples]

    def stems(self):
        """Each part's sound, balanced, through its own effects."""
        parts = self.song.parts
        notes = [self.timed(part) for part in parts]
        sounds = self._synthesised(parts, notes)
        found = []
        for part, sound, played in zip(parts, sounds, notes, strict=True):
            if sound is None and played:
                sound = self._own_sound(part, played)
            level = effects.loudness(sound) if sound is not None else 0.0
            if level < 1e-6:
                continue
            sound = self._treated(part, sound / level)
            level = effects.loudness(sound) or 1.0
            found.append((part, sound * (effects.decibels(part.level) / level)))
        return found

    def _synthesised(self, parts, notes):
        """The sound of parts that have a soundfont, None for others."""
        known = [i for i, part in enumerate(parts) if part.font not in OWN]
        sounds = [None] * len(parts)
        if not known:
            return sounds
        with synth.Synth(self.rate, len(known)) as device:
            for channel, i in enumerate(known):
                part = parts[i]
                cents = 0 if part.role == "drums" else self.cents + part.cents
                chosen = part.font, part.bank, part.program
                if not device.assign(channel, *chosen, cents):
                    part.program = 0 if part.role == "drums" else part.program
                    part.font = next(iter(synth.installed()))
                    device.assign(channel, part.font, part.bank, part.program, cents)
            controls = [self._controls(parts[i]) for i in known]
            rendered = device.render([notes[i] for i in known], controls, self.samples)
        for i, sound in zip(known, rendered, strict=True):
            sounds[i] = sound
        return sounds

    def _controls(self, part):
        """Pedal, swells and vibrato as (time in samples, number, value)."""
        found, rng = [], self.rng
        if part.pedal:
            for slot in self.song.slots:
                time = float(self.song.seconds_at(slot.start)) * self.rate
                found.append((time, 64, 0))
                if slot.chord:
                    found.append((time + 0.08 * self.rate, 64, 127))
            end = float(self.song.seconds_at(self.song.slots[-1].end))
            found.append((end * self.rate, 64, 0))
        if part.swells:
            value = 100.0
            for time in np.arange(0, self.samples, self.rate / 4):
                value = float(np.clip(value + rng.normal(0, 6), 70, 127))
                found.append((time, 11, round(value)))
        if part.role == "lead" and rng.random() < 0.4:
            found.append((0, 1, int(rng.integers(10, 70))))
        return found

    def _own_sound(self, part, notes):
        """The sound of a part without soundfont."""
        rng, cents = self.rng, self.cents + part.cents
        if part.font == "voice":
            return singing.choir(rng, notes, self.samples, self.rate, cents)
        if part.font == "waves":
            return waves.play(rng, part.program, notes, self.samples, self.rate, cents)
        if part.font == "sfz":
            return sfz.play(part.program, notes, self.samples, self.rate, cents)
        if part.font == "strums":
            return guitars.strummed(rng, notes, self.samples, self.rate, cents)
        if part.font == "kit":
            return kits.play(rng, part.program, notes, self.samples, self.rate)
        spans, beat = [n[:2] for n in notes], 60 / self.song.tempo * self.rate
        return kits.looped(part.program, spans, beat, self.samples, self.rate)

    def _treated(self, part, sound):
        rng, rate = self.rng, self.rate
        if part.role == "drums":
            return sound
        guitar = part.program in GUITARS or part.font == "strums"
        if rng.random() < (0.5 if guitar else 0.06):
            drive = float(np.exp(rng.uniform(np.log(0.15), np.log(1.2))))
            if self.song.harmony.genre == "riff" and part.role == "comp":
                drive *= 4
            sound = effects.amplified(rng, sound, rate, drive)
            self.done["amplifier"] = round(max(drive, self.done.get("amplifier", 0)), 2)
        if part.role != "bass" and rng.random() < 0.22:
            depth, base = rng.uniform(0.0005, 0.002), rng.uniform(0.006, 0.02)
            swung = effects.delayed(sound, rate, rng.uniform(0.2, 1.2), depth, base)
            sound = sound + 0.7 * swung
            self.done["chorus"] = 1
        if part.role in ("comp", "pad", "arp") and rng.random() < 0.07:
            time = np.arange(len(sound)) / rate
            wave = np.sin(
                2 * np.pi * self.song.tempo / 60 * rng.choice([1, 2, 4]) * time
            )
            sound = (sound * (1 - rng.uniform(0.2, 0.45) * (1 + wave))).astype(
                np.float32
            )
            self.done["tremolo"] = 1
        if part.role == "lead" and rng.random() < 0.25:
            sound = effects.echoed(sound, rate, 45 / self.song.tempo, 0.4)
        return sound

    def mixed(self):
        """The mix, and its pitched part alone (both without noise).

        Returns:
            Two float32 arrays of shape (samples,).
        """
        stems = self.stems()
        pitched = np.zeros(self.samples, np.float32)
        beats = np.zeros(self.samples, np.float32)
        for part, sound in stems:
            bus = beats if part.role == "drums" else pitched
            bus += sound
        if not pitched.any():
            raise ValueError("no pitched part sounds")
        amount = 0.0
        if self.rng.random() < 0.75:
            seconds = float(np.exp(self.rng.uniform(np.log(0.2), np.log(2.6))))
            amount = self.rng.uniform(0.05, 0.5)
            response = effects.room(self.rng, self.rate, seconds)
            pitched = pitched + amount * effects.convolved(pitched, response)
            if beats.any() and self.rng.random() < 0.4:
                beats = beats + 0.5 * amount * effects.convolved(beats, response)
            self.done["room_seconds"] = round(seconds, 2)
        pitched = pitched * self._gate()
        if beats.any() and self.rng.random() < 0.12:
            pitched = pitched * self._pumping()
        return pitched + beats + self._spoken(pitched), pitched

    def _pumping(self):
        """Softer at every beat, as of a compressor that hears the kick drum."""
        count = int(self.song.slots[-1].end) + 2
        beats = self.song.seconds_at(np.arange(count))
        time = np.arange(self.samples) / self.rate
        since = time - beats[np.maximum(np.searchsorted(beats, time, "right") - 1, 0)]
        depth, seconds = self.rng.uniform(0.3, 0.8), 25 / self.song.tempo
        self.done["pumping"] = round(depth, 2)
        return (1 - depth * np.exp(-np.maximum(since, 0) / seconds * 2)).astype(
            np.float32
        )

    def _gate(self):
        """1 where chords are, falling within some 0.1 s where a break begins."""
        gate = np.ones(self.samples, np.float32)
        fade = int(self.rate * self.rng.uniform(0.05, 0.15))
        for slot in self.song.slots:
            if slot.chord is None:
                first = int(max(self.song.seconds_at(slot.start), 0) * self.rate)
                stop = int(max(self.song.seconds_at(slot.end) - 0.05, 0) * self.rate)
                gate[first:stop] = 0
                length = len(gate[first : first + fade])
                if slot.start > 0:
                    gate[first : first + length] = np.linspace(1, 0, fade)[:length]
        return gate

    def _spoken(self, pitched):
        """Speech and noise for the breaks that want them."""
        found = np.zeros(self.samples, np.float32)
        level = effects.loudness(pitched)
        for slot in self.song.slots:
            kind = self.song.breaks.get(slot.start) if slot.chord is None else None
            first = int(max(self.song.seconds_at(slot.start), 0) * self.rate)
            stop = min(int(self.song.seconds_at(slot.end) * self.rate), self.samples)
            if kind not in ("speech", "noise") or stop - first < self.rate:
                continue
            if kind == "speech":
                sound = speech(self.rng, stop - first, self.rate)
            else:
                colour = str(self.rng.choice(["pink", "crowd", "crowd", "white"]))
                sound = effects.noise(self.rng, stop - first, self.rate, colour)
                sound *= np.hanning(len(sound)) * self.rng.uniform(0.1, 0.7)
            found[first : first + len(sound)] += sound * level
            self.done[kind] = 1
        return found

    def mastered(self, mix):
        """The recording: tape, equaliser, compression, noise, codec, level."""
        rng, rate = self.rng, self.rate
        if rng.random() < 0.2:
            hertz, cents = rng.uniform(0.3, 2), rng.uniform(2, 8)
            mix = effects.delayed(mix, rate, hertz, cents / 1731 / (2 * np.pi * hertz))
            self.done["wobble_cents"] = round(cents, 1)
        band = choose(rng, {"full": 70, "dull": 20, "thin": 5, "telephone": 5})
        low = rng.uniform(120, 320) if band in ("thin", "telephone") else None
        high = rng.uniform(2500, 7000) if band in ("dull", "telephone") else None
        if rng.random() < 0.8 or low or high:
            mix = effects.equalised(rng, mix, rate, low, high)
        self.done["band"] = band
        if rng.random() < 0.55:
            ratio = rng.uniform(1.5, 6)
            mix = effects.compressed(mix, rate, rng.uniform(-8, 2), ratio)
            self.done["compression"] = round(ratio, 1)
        if rng.random() < 0.35:
            drive = rng.uniform(0.15, 0.6)
            mix = np.tanh(mix * (drive / effects.loudness(mix)))
            self.done["drive"] = round(drive, 2)
        if rng.random() < 0.3:
            kind, level = (
                str(rng.choice(["white", "pink", "vinyl", "hum", "crowd"])),
                rng.uniform(-58, -28),
            )
            hiss = effects.noise(rng, len(mix), rate, kind) * effects.decibels(level)
            mix = mix + hiss * effects.loudness(mix)
            self.done["noise"] = f"{kind} {level:.0f} dB"
        mix = mix * (effects.decibels(-rng.uniform(0.3, 12)) / np.abs(mix).max())
        if rng.random() < 0.25:
            codec = str(rng.choice(list(effects.CODECS)))
            bitrate = int(rng.choice(effects.CODECS[codec][2]))
            mix = effects.coded(mix.astype(np.float32), rate, codec, bitrate)
            self.done["codec"] = f"{codec} {bitrate}"
        return mix.astype(np.float32)


WORDS = """hello this is the next song we wrote it last winter come with me nobody knows
where the river goes tonight ladies and gentlemen listen now one two three four do you
remember what she said it was raining and the radio played all night long""".split()


def speech(rng, samples, rate):
    """Words by eSpeak, of unit loudness; noise where eSpeak is absent."""
    words = " ".join(rng.choice(WORDS, max(3, int(2.4 * samples / rate))))
    voice = str(
        rng.choice(
            ["en+m1", "en+m3", "en+m7", "en+f2", "en+f4", "en+croak", "de", "fr"]
        )
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        command = ["espeak-ng", "-v", voice, "-s", str(int(rng.integers(120, 200)))]
        command += ["-p", str(int(rng.integers(20, 80))), "-w", str(path), words]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            return effects.noise(rng, samples, rate, "pink") * 0.3
        found, own = soundfile.read(path, dtype="float32")
    found = signal.resample_poly(found, rate, own)[:samples].astype(np.float32)
    found[-200:] *= np.linspace(1, 0, len(found[-200:]))
    return found / (effects.loudness(found) + 1e-9)
