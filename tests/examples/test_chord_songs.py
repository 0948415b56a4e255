"""Invented songs have the chords that their labels tell, by another program's ears."""

import csv
import ctypes.util
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from mir_eval.chord import encode

from keras_musictag.chords import ChordSequence
from keras_musictag.keys import KeySequence

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parents[2] / "examples/chord_songs.py"
BANKS = "FluidR3_GM.sf2", "MuseScore_General_Full.sf2", "OPL-3_FM_128M.sf2"
SONGS, SECONDS = 3, 20
RATE = 22050
MAJOR = [0, 2, 4, 5, 7, 9, 11]


def run(folder, *arguments):
    if ctypes.util.find_library("fluidsynth") is None:
        pytest.skip("FluidSynth is not installed")
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    if not any((Path("/usr/share/sounds/sf2") / bank).exists() for bank in BANKS):
        pytest.skip("no soundfont is installed")
    command = [sys.executable, EXAMPLE, "--out", folder, "--seed", "4"]
    command += ["--seconds", str(SECONDS), *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="module", params=["pop", "grooves", "studies"])
def style(request):
    if request.param == "grooves" and shutil.which("mma") is None:
        pytest.skip("MMA is not installed")
    return request.param


@pytest.fixture(scope="module")
def songs(style, tmp_path_factory):
    folder = tmp_path_factory.mktemp("songs")
    run(folder, "--count", str(SONGS), "--style", style)
    return folder


def test_labels_cover_every_song(songs):
    for path in sorted(songs.glob("*.flac")):
        sound, rate = soundfile.read(path)
        assert rate == 22050 and sound.shape == (SECONDS * rate,)
        assert 0.1 < np.abs(sound).max() <= 1
        song = ChordSequence.from_lab(path.with_suffix(".lab"))
        starts, ends = song.intervals[:, 0], song.intervals[:, 1]
        assert starts[0] == 0 and ends[-1] == SECONDS
        np.testing.assert_array_equal(starts[1:], ends[:-1])
    with (songs / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == [f"4-{i:04d}.flac" for i in range(SONGS)]


def test_a_chroma_hears_the_chords(songs, style):
    librosa = pytest.importorskip("librosa", reason="librosa is not installed")
    inside, shares = 0, []
    for path in sorted(songs.glob("*.flac")):
        sound, rate = soundfile.read(path, dtype="float32")
        harmonic = librosa.effects.harmonic(sound)
        chroma = librosa.feature.chroma_cqt(y=harmonic, sr=rate, norm=None)
        times = librosa.times_like(chroma, sr=rate)
        song = ChordSequence.from_lab(path.with_suffix(".lab"))
        for (start, end), label in zip(song.intervals, song.labels, strict=True):
            frames = chroma[:, (times > start + 0.1) & (times < end - 0.1)]
            if label == "N" or not frames.size:
                continue
            mean = frames.mean(axis=1)
            root, tones, _ = encode(label)
            # Three or four of twelve tones have a quarter to a third of even noise.
            best = max(range(12), key=lambda r: mean[np.roll(tones, r) > 0].sum())
            shares.append(
                (mean[np.roll(tones, root) > 0].sum() / mean.sum(), best == root)
            )
            inside += end - start
    assert inside > 0.5 * SONGS * SECONDS
    share, found = np.mean(shares, axis=0)
    # Turned around, augmented and suspended chords of studies are what they were.
    assert share > 0.5 and found > (0.6 if style == "studies" else 0.8)


def test_keys_fit_the_chords(songs, style):
    files = sorted(songs.glob("*.key"))
    assert bool(files) == (style != "studies")
    for path in files:
        keys = KeySequence.from_lab(path)
        song = ChordSequence.from_lab(path.with_suffix(".lab"))
        inside = total = 0.0
        for region in keys:
            part = song.between(region.start, region.end)
            steps = [0, 2, 3, 5, 7, 8, 10, 11] if region.number >= 12 else MAJOR
            scale = {(region.number % 12 + step) % 12 for step in steps}
            for (start, end), label in zip(part.intervals, part.labels, strict=True):
                if label == "N":
                    continue
                root, tones, _ = encode(label)
                of_scale = {
                    (root + step) % 12 for step in np.flatnonzero(tones)
                } <= scale
                inside += (end - start) * of_scale
                total += end - start
        # Borrowed chords are usual; by chance a triad lies in a scale one time in four.
        assert inside > 0.4 * total > 0


def test_sfz_instruments_sound_the_pitch_that_is_asked_for():
    pytest.importorskip("pysfizz", reason="pysfizz is not installed")
    sys.path.insert(0, str(EXAMPLE.parent))
    try:
        from chord_material import sfz
    finally:
        sys.path.pop(0)
    if not sfz.installed():
        pytest.skip("lmms-common is not installed")
    for name in sfz.INSTRUMENTS:
        for pitch in (48, 60, 67):
            for cents in (0, 30):
                notes = [(0, RATE, pitch, 100)]
                sound = sfz.play(name, notes, 2 * RATE, RATE, cents)
                wanted = 440 * 2 ** ((pitch + cents / 100 - 69) / 12)
                off = cents_off(sound[RATE // 20 : RATE], wanted)
                assert abs(off) < 8, (name, pitch, cents)
        # No note rings into the next: what is played again is as before.
        again = sfz.play(name, notes, 2 * RATE, RATE, cents)
        np.testing.assert_allclose(again, sound, rtol=0, atol=1e-3)


def cents_off(sound, wanted):
    """Cents from a frequency to the one whose first harmonics hold most of a sound."""
    size = 1 << 19
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), size))
    cents, order = np.arange(-60, 61), np.arange(1, 5)
    bins = wanted * 2 ** (cents[:, None] / 1200) * order * size / RATE
    held = (spectrum[np.round(bins).astype(int)] / np.sqrt(order)).sum(axis=1)
    return int(cents[held.argmax()])


def test_studies_are_chords_of_all_kinds_by_one_instrument(songs, style):
    if style != "studies":
        pytest.skip("of studies")
    with (songs / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["style"] for row in rows} == {"study"}
    assert all(" " not in row["parts"] for row in rows)
    labels = [
        label
        for path in songs.glob("*.lab")
        for label in ChordSequence.from_lab(path).labels
        if label != "N"
    ]
    kinds = {label.split(":")[1].split("/")[0] for label in labels}
    assert len(kinds) >= 8 and len(labels) >= 8 * SONGS


def test_the_same_seed_gives_the_same_song(songs, style, tmp_path):
    run(tmp_path, "--count", "1", "--first", "1", "--style", style)
    for name in ("4-0001.lab", "4-0001.flac"):
        assert (tmp_path / name).read_bytes() == (songs / name).read_bytes()


def test_short_songs_are_refused(tmp_path):
    command = [sys.executable, EXAMPLE, "--out", tmp_path, "--seconds", "3"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "--seconds must be at least 15. Received: 3" in done.stderr
