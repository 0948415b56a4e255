"""How fast models of the transformers library are here, on the same weights and cores.

    PYTHONPATH=peer python tests/parity/data/make_transformers.py random --full ast
    python benchmarks/transformers_speed.py random/full_ast --peer-path peer
    KERAS_BACKEND=torch python benchmarks/transformers_speed.py random/full_ast ...
    PYTHONPATH=peer python tests/parity/data/make_clap.py random --full
    python benchmarks/transformers_speed.py random/plain --model clap --peer-path peer
    python benchmarks/transformers_speed.py ... --onnx clap.onnx  # export --embeddings

`peer` is a folder that holds the library (`pip install --target peer transformers`);
the weights are random numbers, which take as long as trained ones. Both turn the same
files into embeddings, in turns, each in a process of its own that has done it once
before: ours with `embed`, theirs with soundfile, soxr, the feature extractor and the
network, all files in one batch. Memory is the most that a process has held, with all
that was imported and the weights.
"""

import argparse
import os
import resource
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
    parser.add_argument("--onnx", type=Path, help="the same model, exported")
    parser.add_argument("--files", type=int, default=8, help="of ten seconds each")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(*options.serve, options)
        return
    with tempfile.TemporaryDirectory() as sounds:
        make_files(Path(sounds), options.files)
        seconds, memory = in_turns(sounds, options)
    for name, took in seconds.items():
        every = ", ".join(f"{t:.2f}" for t in took)
        line = f"{name:7} {statistics.median(took):6.2f} s  ({every})"
        # Of each round, since others may use the machine.
        ratios = [a / b for a, b in zip(seconds["theirs"], took, strict=True)]
        print(f"{line}  {memory[name]:5.0f} MB  {statistics.median(ratios):.2f}x")


def make_files(folder: Path, count: int) -> None:
    """Write files of noise and a tone."""
    import numpy as np
    import soundfile

    random = np.random.default_rng(0)
    tone = 0.1 * np.sin(2 * np.pi * 220 * np.arange(10 * RATE) / RATE)
    for number in range(count):
        sound = tone + 0.05 * random.standard_normal(len(tone))
        soundfile.write(folder / f"{number}.flac", sound, RATE)


def in_turns(sounds: str, options) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Return the seconds of each round and the most memory in MB, by who took them."""
    ways = {}
    names = ("ours", "theirs", "onnx") if options.onnx else ("ours", "theirs")
    for name in names:
        command = [sys.executable, __file__, str(options.folder), "--model"]
        command += [options.model, "--peer-path", options.peer_path]
        command += ["--onnx", str(options.onnx)] if options.onnx else []
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
    memory: dict[str, float] = {}
    for number in range(options.rounds + 1):
        for name, process in ways.items():
            process.stdin.write("go\n")
            process.stdin.flush()
            took, memory[name] = map(float, process.stdout.readline().split())
            if number:  # the first time does not count
                seconds[name].append(took)
    for process in ways.values():
        process.communicate()
    return seconds, memory


def serve(name: str, sounds: str, options) -> None:
    """Embed the files whenever a line comes, and print how long it took."""
    paths = sorted(str(path) for path in Path(sounds).iterdir())
    if name in ("ours", "onnx"):
        import keras_musictag as kmt

        if name == "onnx":
            model = kmt.OnnxTagger(options.onnx)
        else:
            model = kmt.MusicTagger.from_pretrained(options.folder)

        def embed():
            return model.embed(paths)

    else:
        embed = PEERS[options.model](options.folder, paths)
    for _ in sys.stdin:
        start = time.perf_counter()
        embed()
        took = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(took, peak, flush=True)


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
