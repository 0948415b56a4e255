"""How fast models of the transformers library are here, on the same weights and cores.

    PYTHONPATH=peer python tests/parity/data/make_transformers.py random --full ast
    python benchmarks/transformers_speed.py random/full_ast --peer-path peer
    KERAS_BACKEND=torch python benchmarks/transformers_speed.py random/full_ast ...
    PYTHONPATH=peer python tests/parity/data/make_clap.py random --full
    python benchmarks/transformers_speed.py random/plain --model clap --peer-path peer

`peer` is a folder that holds the library (`pip install --target peer transformers`);
the weights are random numbers, which take as long as trained ones. Both turn the same
files into embeddings, in turns, each in a process of its own that has done it once
before: ours with `embed`, theirs with soundfile, soxr, the feature extractor and the
network, all files in one batch.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RATE = 44100


def main() -> None:
    """Time both in turns, and print the medians and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a model that the library has saved")
    parser.add_argument("--model", choices=tuple(PEERS), default="ast")
    parser.add_argument("--peer-path", required=True, help="where the library lies")
    parser.add_argument("--files", type=int, default=8, help="of ten seconds each")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(*options.serve, options)
        return
    with tempfile.TemporaryDirectory() as sounds:
        make_files(Path(sounds), options.files)
        seconds = in_turns(sounds, options)
    medians = {name: statistics.median(took) for name, took in seconds.items()}
    for name, took in seconds.items():
        every = ", ".join(f"{t:.2f}" for t in took)
        print(f"{name:7} {medians[name]:6.2f} s  ({every})")
    print(f"{medians['theirs'] / medians['ours']:.2f} times as fast")


def make_files(folder: Path, count: int) -> None:
    """Write files of noise and a tone."""
    import numpy as np
    import soundfile

    random = np.random.default_rng(0)
    tone = 0.1 * np.sin(2 * np.pi * 220 * np.arange(10 * RATE) / RATE)
    for number in range(count):
        sound = tone + 0.05 * random.standard_normal(len(tone))
        soundfile.write(folder / f"{number}.flac", sound, RATE)


def in_turns(sounds: str, options) -> dict[str, list[float]]:
    """Return the seconds of each round, by who took them."""
    ways = {}
    for name in ("ours", "theirs"):
        command = [sys.executable, __file__, str(options.folder), "--model"]
        command += [options.model, "--peer-path", options.peer_path]
        env = {**os.environ}
        if name == "theirs":
            env["PYTHONPATH"] = options.peer_path
        ways[name] = subprocess.Popen(
            [*command, "--serve", name, sounds],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=env,
        )
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(options.rounds + 1):
        for name, process in ways.items():
            process.stdin.write("go\n")
            process.stdin.flush()
            took = float(process.stdout.readline())
            if number:  # the first time does not count
                seconds[name].append(took)
    for process in ways.values():
        process.communicate()
    return seconds


def serve(name: str, sounds: str, options) -> None:
    """Embed the files whenever a line comes, and print how long it took."""
    paths = sorted(str(path) for path in Path(sounds).iterdir())
    if name == "ours":
        import keras_musictag as kmt

        model = kmt.MusicTagger.from_pretrained(options.folder)

        def embed():
            return model.embed(paths)

    else:
        embed = PEERS[options.model](options.folder, paths)
    for _ in sys.stdin:
        start = time.perf_counter()
        embed()
        print(time.perf_counter() - start, flush=True)


def ast_peer(folder: Path, paths: list[str]):
    """Return a function that embeds the files by AST of the library."""
    import torch
    import transformers

    extractor = transformers.ASTFeatureExtractor.from_pretrained(folder)
    found = transformers.ASTForAudioClassification.from_pretrained(folder)
    network = found.audio_spectrogram_transformer.eval()

    @torch.inference_mode()
    def embed():
        sounds = [read(path, 16000) for path in paths]
        inputs = extractor(sounds, 16000, return_tensors="pt")["input_values"]
        return network(inputs).pooler_output.numpy()

    return embed


def clap_peer(folder: Path, paths: list[str]):
    """Return a function that embeds the files by CLAP of the library."""
    import torch
    import transformers

    extractor = transformers.ClapFeatureExtractor.from_pretrained(folder)
    network = transformers.ClapModel.from_pretrained(folder).eval()

    @torch.inference_mode()
    def embed():
        sounds = [read(path, 48000) for path in paths]
        inputs = extractor(sounds, sampling_rate=48000, return_tensors="pt")
        return network.get_audio_features(**inputs).pooler_output.numpy()

    return embed


def read(path: str, rate: int):
    """Return a file as float32 `(samples,)` at the rate."""
    import soundfile
    import soxr

    sound, own = soundfile.read(path, dtype="float32", always_2d=True)
    return soxr.resample(sound.mean(axis=1), own, rate)


# By model: a function from the folder and the paths to one that embeds them.
PEERS = {"ast": ast_peer, "clap": clap_peer}


if __name__ == "__main__":
    main()
