"""Collect a page that hears tags and chords in the browser, nothing from elsewhere.

    python examples/web/build.py
    python -m http.server --directory web 8000  # then open http://localhost:8000

The models are exported to ONNX (extra `export`, TensorFlow) and run in onnxruntime-web,
which npm fetches once. The folder needs no server of its own kind: any that serves
files will do.
"""

import argparse
import json
import math
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import keras

import keras_musictag as kmt
from keras_musictag.chords import harte, keys
from keras_musictag.chords.decoding import (
    CREMA_FRAME_PERIOD,
    CREMA_SELF_TRANSITION,
    PENALTY,
)
from keras_musictag.engines.chords import FRONTEND, NETWORK
from keras_musictag.engines.whole_track import SILENCE
from keras_musictag.models.engine_making import make_engine

HERE = Path(__file__).resolve().parent
PAGE = (
    *("index.html", "style.css", "app.js", "player.js"),
    *("worker.js", "audio.js", "recognizer.js", "tuning.js", "chords.js"),
)
CHORDS = "chords_small"
PACKAGE = "onnxruntime-web@1.30.0"
INTEGRITY = (
    "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7Qm"
    "RMDs1SigqR4CXAfKYQ=="
)
# The one build that computes on the processor alone.
RUNTIME = (
    "ort.wasm.min.mjs",
    "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm",
)


def export_model(preset: str, folder: Path) -> None:
    """Export a tagger, unless it gives more than one row of scores for a chunk."""
    tagger = kmt.MusicTagger.from_pretrained(preset)
    plan = tagger.chunking
    if tagger.frame_offsets is not None or plan.n_spaced is not None:
        raise SystemExit(
            f"{preset} does not give one row per chunk; the page needs it."
        )
    tagger.export(folder, "onnx")


def export_chords(preset: str, folder: Path) -> None:
    """Export a chord recogniser: its front-end and its network, each by itself.

    The page runs the front-end block by block, so that it can say how far it is, and
    the network over the whole song, as the package does.
    """
    if keras.backend.backend() != "tensorflow":
        raise SystemExit("Say KERAS_BACKEND=tensorflow, which exports to ONNX.")
    recognizer = kmt.ChordRecognizer.from_pretrained(preset)
    tuning, recognizer.tuning = recognizer.tuning, 0.0  # the page tunes the sound
    about = describe_chords(recognizer, preset, tuning)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        engine = Path(place) / "engine"
        make_engine(recognizer, engine)
        if not (engine / NETWORK).is_file():
            raise SystemExit(f"{preset} has no network that the page can run.")
        for name in (FRONTEND, NETWORK):
            shutil.copyfile(engine / name, folder / name)
    (folder / "about.json").write_text(json.dumps(about), "utf-8")


def describe_chords(recognizer, preset: str, tuning: str | float) -> dict:
    """Return what the page has to know of a chord recogniser."""
    whole, labels = recognizer.whole_track, recognizer.vocabulary.labels
    period = recognizer.hop_length / recognizer.sample_rate
    parsed = [harte.parse(label) for label in labels]
    return {
        "preset": preset,
        "sampling_rate": recognizer.sample_rate,
        "hop_length": recognizer.hop_length,
        "chunking": whole.plan.to_config(),
        "context_frames": whole.context,
        "decibels": whole.decibels,
        "silence": SILENCE,
        "tuning": tuning,
        "shift": recognizer.boundary_shift,
        "penalty": change_penalty(recognizer.default_decoder, len(labels), period),
        "labels": list(labels),
        "shown": [
            {
                "name": keys.pretty(label),
                "root": chord.root,
                "minor": chord.root is not None and not chord.intervals[4],
            }
            for label, chord in zip(labels, parsed, strict=True)
        ],
    }


def change_penalty(decoder: str, classes: int, frame_period: float) -> float:
    """Return what a change of chord costs in a decoder of `chords.decode`, in nats.

    "viterbi" is a price as well: how much likelier staying is than any one change.
    """
    if decoder == "penalty":
        return PENALTY
    if decoder != "viterbi":
        raise SystemExit(f"The page has no decoder {decoder!r}.")
    stays = max(
        CREMA_SELF_TRANSITION ** (frame_period / CREMA_FRAME_PERIOD), 1 / classes
    )
    return math.log(stays * (classes - 1) / (1 - stays))


def fetch_runtime(folder: Path) -> None:
    """Let npm fetch its package, and take out the files that the page loads."""
    note = folder / "package.txt"
    if note.is_file() and note.read_text("utf-8") == PACKAGE:
        return
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("npm is not installed; it comes with Node.js.")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        done = subprocess.run(
            [npm, "pack", PACKAGE, "--json", "--pack-destination", place],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"npm cannot fetch {PACKAGE}:\n{done.stderr.strip()}")
        (package,) = json.loads(done.stdout)
        if package["integrity"] != INTEGRITY:
            raise SystemExit(f"{PACKAGE} is not the package it was: nothing is kept.")
        with tarfile.open(next(Path(place).glob("*.tgz"))) as archive:
            for name in RUNTIME:
                source = archive.extractfile(f"package/dist/{name}")
                with (folder / name).open("wb") as target:
                    shutil.copyfileobj(source, target)
    note.write_text(PACKAGE, "utf-8")


def build(out: Path, preset: str, chords: str = CHORDS) -> Path:
    """Bring page, runtime and models together.

    Args:
        out: The folder to make; an earlier page in it is replaced.
        preset: A preset of a tagger, or the folder of a saved one.
        chords: The same of a chord recogniser.

    Returns:
        The folder.
    """
    fetch_runtime(out / "vendor")
    export_model(preset, out / "model")
    export_chords(chords, out / "chords")
    for name in PAGE:
        shutil.copyfile(HERE / name, out / name)
    return out


def main() -> None:
    """Build the page and say how to see it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="musicnn_msd")
    parser.add_argument("--chords", default=CHORDS)
    parser.add_argument("--out", type=Path, default=Path("web"))
    args = parser.parse_args()
    out = build(args.out, args.preset, args.chords)
    size = sum(p.stat().st_size for p in out.rglob("*") if p.is_file()) / 1e6
    print(f"{out}: {size:.0f} MB\npython -m http.server --directory {out} 8000")


if __name__ == "__main__":
    main()
