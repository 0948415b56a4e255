"""What bounds a run over a catalogue: the rate of each stage, by the format.

    python benchmarks/catalogue_stages.py [--files FOLDER] [--preset musicnn_msd]

Stages are decoding, resampling, features, the network by Keras and by ONNX Runtime, and
writing the rows. Rates are seconds of audio for a second of processor time on one core,
so that other work on the machine does not count. Needs the extra `export`, and FFmpeg
for formats other than MP3, FLAC, WAV, Ogg Vorbis and Opus.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ["TF_NUM_INTRAOP_THREADS"] = "1"

import numpy as np
import peers
import soundfile

import keras_musictag as kmt
from keras_musictag import audio
from keras_musictag.library.jobs import Recipe
from keras_musictag.library.scorers import TagScorer
from keras_musictag.library.store import Store
from keras_musictag.tracks import sources

ROWS = 2000
FORMATS = {
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "flac": ("FLAC", "PCM_16"),
    "wav": ("WAV", "PCM_16"),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=Path, help="folder of music to make them from")
    parser.add_argument("--preset", default="musicnn_msd")
    parser.add_argument("--minutes", type=float, default=4.0)
    options = parser.parse_args()
    seconds = 60 * options.minutes
    with tempfile.TemporaryDirectory() as folder:
        paths = write_tracks(Path(folder), options, seconds)
        tagger = kmt.MusicTagger.from_pretrained(options.preset)
        print("| format | decoded | and resampled |\n| --- | ---: | ---: |")
        for name, path in paths.items():
            rate = soundfile.info(path).samplerate
            decoded, resampled = (
                seconds / timed(lambda r=r, p=path: drain(audio.blocks(p, r)))
                for r in (rate, tagger.sample_rate)
            )
            print(f"| {name} | {decoded:.0f}x | {resampled:.0f}x |")
        chunks = cut(paths["wav"], tagger)
        exported = tagger.export(Path(folder) / "tagger.onnx", embeddings=True)
        light = kmt.OnnxTagger(exported, threads=1)
        stages = {
            "features, Keras": lambda: run(tagger.frontend, chunks),
            "features and network, Keras": lambda: run(tagger.predict_on_batch, chunks),
            "features and network, ONNX Runtime": lambda: run(light._network, chunks),
        }
        print("\n| stage | rate |\n| --- | ---: |")
        for name, work in stages.items():
            work()  # compiles
            print(f"| {name} | {seconds / timed(work):.0f}x |")
        written = write_rows(options.preset, folder)
        print(f"| rows of a library, written | {seconds / written:.0f}x |")


def write_tracks(folder: Path, options, seconds: float) -> dict[str, str]:
    """Write one track in each format."""
    found = audio.find_files(options.files) if options.files else []
    music = peers.read_music(found[0], seconds) if found else None
    if music is None:
        music = peers.synthesise(0, seconds)
    paths = {}
    for name, (container, subtype) in FORMATS.items():
        rate = 48000 if name == "opus" else peers.CLIP_RATE
        path = folder / f"track.{name}"
        sound = music if rate == peers.CLIP_RATE else music[: int(seconds * rate)]
        options = {"format": container, "subtype": subtype}
        with soundfile.SoundFile(path, "w", rate, sound.shape[1], **options) as file:
            for start in range(0, len(sound), rate):  # all at once is too much for OGG
                file.write(sound[start : start + rate])
        paths[name] = str(path)
    return paths


def cut(path: str, tagger) -> np.ndarray:
    """Return the chunks of a track."""
    rate = tagger.sample_rate
    found = [chunk.samples for chunk in sources.cut(path, rate, rate, tagger.chunking)]
    return np.stack(found)


def run(network, chunks: np.ndarray) -> None:
    """Run something over all chunks, 16 at a time."""
    for start in range(0, len(chunks), 16):
        network(chunks[start : start + 16])


def write_rows(preset: str, folder: str) -> float:
    """Write rows of many tracks into a library; give the seconds for one."""
    analysis = TagScorer(preset, Recipe()).analysis
    rng = np.random.default_rng(0)
    rows = [
        {
            "path": f"/music/{rng.bytes(12).hex()}/{number}.mp3",
            "sha256": rng.bytes(32).hex(),
            "mtime_ns": int(rng.integers(2**60)),
            "size": 5_000_000,
            "duration": 240.0,
            "replaces": None,
            "scores": rng.random(len(analysis.labels), "float32"),
            "embedding": rng.random(analysis.units, "float32"),
            "silent": False,
        }
        for number in range(ROWS)
    ]
    store = Store(tempfile.mkdtemp(dir=folder))
    store.register([analysis])
    began = time.process_time()
    store.write({analysis: rows})
    return (time.process_time() - began) / ROWS


def drain(blocks) -> None:
    """Decode, and throw away."""
    for _ in blocks:
        continue


def timed(work) -> float:
    """Return the seconds of processor time, of all threads, that work takes."""
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    main()
