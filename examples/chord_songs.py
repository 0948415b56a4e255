"""Make songs with exact chord labels: material for training and testing chord networks.

Every song is invented from a seed: key, progression, form, rhythms, voicings, melody,
instruments, tuning, room, mastering. FluidSynth plays the notes, and the labels are the
chords from which the notes were made: nothing is annotated by ear.

    python examples/chord_songs.py --count 400 --seed 21 --out songs

writes `21-0000.flac` (mono, 22,050 Hz) and `21-0000.lab` (start, end, chord in Harte's
notation, `N` where nothing pitched sounds) for each song, for those that are in a key
`21-0000.key` (start, end, key, as `KeySequence.from_lab` reads them), and
`manifest.csv`. The same seed, options and installed soundfonts give the same songs.
With `--style studies` one instrument holds chords, of all qualities with nothing before
them from which they could be guessed, or as a key has them, some very short; with
`--style grooves` MMA accompanies the songs.

It needs this package, `scipy` and `soundfile`, and of Debian's packages `fluidsynth`,
`ffmpeg` and at least one of `fluid-soundfont-gm`,
`musescore-general-soundfont-lossless`, `opl3-soundfont`, `fluidr3mono-gm-soundfont`.
Where they are installed, these are used too: `guitarix-common` (responses of cabinets),
`hydrogen-drumkits` (recorded drums, a strummed guitar), `sonic-pi-samples` (drum
loops), `espeak-ng` (spoken breaks) and `lmms-common` with `pip install pysfizz`
(recorded instruments as SFZ). `--style grooves` needs `mma` and `pip install mido`.
"""

import argparse
import csv
import functools
import multiprocessing
import shutil
import sys
from pathlib import Path

import numpy as np
import soundfile
from chord_material import grooves, sfz, synth
from chord_material.arranging import compose
from chord_material.band import Band
from chord_material.chords import QUALITIES
from chord_material.producing import Producer

from keras_musictag.chords import harte
from keras_musictag.keys import KeySequence

RATE = 22050
#: How many songs of a style have rare chord qualities.
RICH_SHARES = {"mixed": 0.35, "pop": 0.0, "rich": 1.0, "studies": 1.0, "grooves": 0.4}


def key_rows(song, rows):
    """(start, end, key) rows of the song, as `C:min`; none where no chord says it.

    Args:
        song: The `arranging.Song`.
        rows: Its rows of chords.
    """
    harmony, thirds = song.harmony, {3: 0.0, 4: 0.0}
    for slot in song.slots:
        if slot.chord and (slot.chord.root - slot.shift) % 12 == harmony.tonic:
            for third in {3, 4} & set(QUALITIES[slot.chord.quality]):
                thirds[third] += slot.beats
    # Chords by chance have no key, and fifths alone no mode.
    if song.style == "studies" or harmony.genre == "random" or thirds[3] == thirds[4]:
        return []
    mode = "min" if thirds[3] > thirds[4] else "maj"
    roots = harte.ROOTS_FLAT if harmony.flats else harte.ROOTS_SHARP
    sounding = [row for row in rows if row[2] != "N"]
    first, last = sounding[0][0], sounding[-1][1]
    found = []
    for slot in song.slots:
        start = max(float(song.seconds_at(slot.start)), first)
        end = min(float(song.seconds_at(slot.end)), last)
        key = f"{roots[(harmony.tonic + slot.shift) % 12]}:{mode}"
        if end - start < 1e-4:
            continue
        if found and found[-1][2] == key:
            found[-1] = (found[-1][0], end, key)
        else:
            found.append((start, end, key))
    return found


def decay(pitched, last, rate):
    """When the pitched sound has fallen 40 dB below its loudest, in seconds.

    Args:
        pitched: float array of shape (samples,).
        last: Time of the end of the last note in seconds.
        rate: Sampling rate in Hz.
    """
    frames = pitched[: len(pitched) // 512 * 512].reshape(-1, 512)
    power = np.mean(frames**2, axis=1)
    loud = np.flatnonzero(power > power.max() * 1e-4)
    return max(last, (loud[-1] + 1) * 512 / rate)


def label_rows(song, pitched, rate=RATE):
    """(start, end, label) rows from 0 to the end of the recording, without gaps."""
    rows, end = [], song.seconds
    if song.ends:
        notes = [n.end for p in song.parts if p.role != "drums" for n in p.notes]
        last = min(float(song.seconds_at(max(notes))), end)
        end = min(decay(pitched, last, rate), end)
    for i, slot in enumerate(song.slots):
        start = max(float(song.seconds_at(slot.start)), 0.0)
        stop = float(song.seconds_at(slot.end))
        if i == len(song.slots) - 1:
            stop = end
        stop = min(stop, end)
        if stop - start > 1e-4:
            label = slot.chord.label(song.harmony.flats) if slot.chord else "N"
            rows.append((start, stop, label))
    if rows[0][0] > 0:
        rows.insert(0, (0.0, rows[0][0], "N"))
    if rows[-1][1] < song.seconds - 1e-4:
        rows.append((rows[-1][1], song.seconds, "N"))
    rows[-1] = (rows[-1][0], song.seconds, rows[-1][2])
    joined = [rows[0]]
    for row in rows[1:]:
        if row[2] == joined[-1][2] == "N":
            joined[-1] = (joined[-1][0], row[1], "N")
        else:
            joined.append(row)
    return joined


def faded(rng, mix, rows, rate=RATE):
    """A recording that fades out, and its rows: `N` from 40 dB on."""
    seconds = float(rng.uniform(3, 7))
    count = int(seconds * rate)
    mix[-count:] *= np.linspace(1, 0, count, dtype=np.float32) ** 2
    end = rows[-1][1]
    silent = end - seconds * 0.1
    kept = [(a, min(b, silent), name) for a, b, name in rows if a < silent]
    return [*kept, (silent, end, "N")]


def make_song(index, options):
    """Writes one song and returns its row of the manifest."""
    rng = np.random.default_rng([options.seed, index])
    rich = bool(rng.random() < RICH_SHARES[options.style])
    song = compose(rng, options.seconds, rich, options.style)
    song.parts = Band(rng, song, synth.installed(options.soundfont)).parts()
    producer = Producer(rng, song, RATE)
    mix, pitched = producer.mixed()
    rows = label_rows(song, pitched)
    if not song.ends and rng.random() < 0.1:
        rows = faded(rng, mix, rows)
        producer.done["fade"] = 1
    sound = producer.mastered(mix)
    stem = f"{options.seed}-{index:04d}"
    soundfile.write(options.out / f"{stem}.flac", sound, RATE)
    lines = [f"{start:.6f}\t{end:.6f}\t{label}\n" for start, end, label in rows]
    (options.out / f"{stem}.lab").write_text("".join(lines))
    keys = key_rows(song, rows)
    if keys:
        *intervals, labels = zip(*keys, strict=True)
        KeySequence(np.transpose(intervals), labels).to_lab(options.out / f"{stem}.key")
    return {
        "file": f"{stem}.flac",
        "seed": options.seed,
        "index": index,
        "style": "study" if song.style == "studies" else "rich" if rich else "pop",
        "genre": song.harmony.genre,
        "level": song.harmony.level,
        "tempo": round(song.tempo, 1),
        "metre": song.metre,
        "tonic": song.harmony.tonic,
        "minor": int(song.harmony.minor),
        "parts": " ".join(_told(part) for part in song.parts),
        "soundfont": " ".join(
            sorted({p.font for p in song.parts if p.font in synth.BANKS})
        ),
        "groove": song.groove,
        "breaks": " ".join(song.breaks.values()),
        "chords": sum(label != "N" for *_, label in rows),
    } | producer.done


def _told(part):
    return f"{part.role}:{part.font}/{part.program}".replace(" ", "_")


def write_manifest(path, rows):
    """The table of all songs; rows of other songs that it had before stay."""
    known = {}
    if path.exists():
        with path.open(newline="") as file:
            known = {row["file"]: row for row in csv.DictReader(file)}
    known |= {row["file"]: row for row in rows}
    columns = list(dict.fromkeys(name for row in known.values() for name in row))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(known[name] for name in sorted(known))


def parse(arguments):
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=10, help="number of songs")
    parser.add_argument("--first", type=int, default=0, help="index of the first song")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    parser.add_argument("--seconds", type=float, default=45.0, help="length of a song")
    parser.add_argument("--style", choices=[*RICH_SHARES], default="mixed")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument(
        "--soundfont",
        type=Path,
        action="append",
        default=[],
        help="one more General MIDI bank to draw from (may be repeated)",
    )
    parser.add_argument(
        "--sfz",
        type=Path,
        action="append",
        default=[],
        help="an SFZ instrument to draw from (may be repeated; needs pysfizz)",
    )
    options = parser.parse_args(arguments)
    for path in options.soundfont + options.sfz:
        if path.stem.lower() in synth.RESERVED:
            parser.error(f"{path.name} is reserved for test material")
        if not path.exists():
            parser.error(f"there is no file {path}")
    if options.seconds < 15:
        parser.error(f"--seconds must be at least 15. Received: {options.seconds:g}")
    return options


def main(arguments=None):
    """Writes songs; returns the exit status."""
    options = parse(arguments)
    try:
        synth.library()
        for path in options.sfz:
            sfz.add(path)
    except OSError as error:
        sys.exit(str(error))
    if not synth.installed(options.soundfont):
        sys.exit(
            "None of these soundfonts is installed: " + ", ".join(synth.BANKS.values())
        )
    if shutil.which("ffmpeg") is None:
        sys.exit("ffmpeg is not installed. On Debian: apt-get install ffmpeg")
    if options.style == "grooves" and not grooves.installed():
        sys.exit("MMA is not installed. On Debian: apt-get install mma")
    options.out.mkdir(parents=True, exist_ok=True)
    numbers = range(options.first, options.first + options.count)
    rows = []
    with multiprocessing.Pool(options.workers) as pool:
        job = functools.partial(make_song, options=options)
        try:
            for row in pool.imap_unordered(job, numbers):
                rows.append(row)
                print(f"{len(rows)}/{options.count} {row['file']}", flush=True)
                if len(rows) % 20 == 0:
                    write_manifest(options.out / "manifest.csv", rows)
        except OSError as error:
            sys.exit(str(error))
    write_manifest(options.out / "manifest.csv", rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
