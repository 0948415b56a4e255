"""Time the front-ends beside librosa and nnAudio, and measure how far each is off.

For each backend one process times our layers, librosa and, where it is installed,
nnAudio (`pip install nnAudio`; PyTorch) on the same batch of clips. The rounds are
interleaved, and medians are printed, so that other work on the machine hits each
alike:

    python benchmarks/frontends.py                     # TensorFlow, then JAX
    python benchmarks/frontends.py --backends jax --clips 16 --seconds 10

Times are milliseconds per minute of audio. "off" is the largest difference from
librosa's values, as a part of the largest value.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time

RATE, HOP = 22050, 512
HARMONICS = (0.5, 1, 2, 3, 4)


def our_layers():
    """Our layers by name, each as a compiled function from the batch to an array."""
    import keras
    from keras import ops

    from keras_musictag.layers import CQT, HCQT, Chroma, LogMelSpectrogram

    layers = {
        "log-mel": LogMelSpectrogram.from_convention("librosa", top_db=None),
        "CQT": CQT(RATE, HOP),
        "HCQT": HCQT(HARMONICS, 72, sample_rate=RATE, hop_length=HOP),
        "Chroma": Chroma(RATE, HOP),
    }

    def compiled(layer):
        if keras.backend.backend() == "jax":
            import jax

            run = jax.jit(lambda x: layer(x))
        elif keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            run = tf.function(lambda x: layer(x))
        else:
            run = layer
        return lambda x: ops.convert_to_numpy(run(x))

    return {name: compiled(layer) for name, layer in layers.items()}


def librosa_layers():
    """The same by librosa, from the batch to `(batch, frames, ...)`."""
    import librosa
    import numpy as np

    c1 = librosa.note_to_hz("C1")

    def log_mel(x):
        mel = librosa.feature.melspectrogram(y=x, sr=RATE)
        return librosa.power_to_db(mel, top_db=None).swapaxes(1, 2)

    def cqt(x, **settings):
        return np.abs(librosa.cqt(x, sr=RATE, **settings)).swapaxes(1, 2)

    def hcqt(x):
        parts = [cqt(x, fmin=c1 * h, n_bins=72) for h in HARMONICS]
        return np.stack(parts, axis=-1)

    def chroma(x):
        return librosa.feature.chroma_cqt(
            y=x, sr=RATE, tuning=0.0, threshold=0.0, bins_per_octave=36
        ).swapaxes(1, 2)

    return {"log-mel": log_mel, "CQT": cqt, "HCQT": hcqt, "Chroma": chroma}


def nnaudio_layers():
    """What nnAudio has of them; its CQT in both its forms."""
    import torch
    from nnAudio import features

    mel = features.MelSpectrogram(
        sr=RATE, n_fft=2048, hop_length=HOP, pad_mode="constant", verbose=False
    )
    cqts = {
        name: kind(
            sr=RATE, hop_length=HOP, n_bins=84, pad_mode="constant", verbose=False
        )
        for name, kind in (
            ("CQT", features.CQT2010v2),
            ("CQT, one long kernel", features.CQT1992v2),
        )
    }

    def cqt_of(layer):
        # Its "librosa" normalisation is the one that matches.
        return lambda x: layer(x, normalization_type="librosa")

    functions = {name: cqt_of(layer) for name, layer in cqts.items()}
    functions["log-mel"] = lambda x: 10 * torch.log10(torch.clamp(mel(x), min=1e-10))

    def run(function, x):
        with torch.no_grad():
            return function(torch.from_numpy(x)).numpy().swapaxes(1, 2)

    return {
        name: lambda x, function=function: run(function, x)
        for name, function in functions.items()
    }


def measure(clips, seconds, rounds):
    """Print the table of one backend."""
    import importlib.util

    import keras
    import librosa
    import numpy as np

    # Tones, chirps and a little noise: every band has something to hear.
    rng = np.random.default_rng(0)
    t = np.arange(seconds * RATE) / RATE
    pitches = 55.0 * 2.0 ** (rng.integers(0, 60, size=(clips, 4, 1)) / 12)
    x = 0.1 * np.sin(2 * np.pi * pitches * t).sum(axis=1)
    x += 0.01 * rng.normal(size=x.shape)
    x = x.astype("float32")
    sources = {"keras_musictag": our_layers(), "librosa": librosa_layers()}
    if importlib.util.find_spec("nnAudio"):
        sources["nnAudio"] = nnaudio_layers()
    else:
        print("nnAudio is not installed: left out.")
    calls = {
        (layer, source): function
        for source, functions in sources.items()
        for layer, function in functions.items()
    }
    times = {key: [] for key in calls}
    values = {key: function(x) for key, function in calls.items()}  # and warm up
    for _ in range(rounds):
        for key, function in calls.items():
            start = time.perf_counter()
            function(x)
            times[key].append(time.perf_counter() - start)
    backend = keras.backend.backend()
    version = __import__(backend).__version__
    print(
        f"{backend} {version}, keras {keras.__version__}, librosa "
        f"{librosa.__version__}, {os.cpu_count()} cores, {platform.machine()}; "
        f"{clips} clips of {seconds} s at {RATE} Hz, median of {rounds} rounds"
    )
    minutes = clips * seconds / 60
    for layer, source in sorted(calls, key=lambda key: key[0].lower()):
        wanted = values[layer.split(",")[0], "librosa"]
        off = np.abs(values[layer, source] - wanted).max() / np.abs(wanted).max()
        spent = statistics.median(times[layer, source])
        peer = statistics.median(times[layer.split(",")[0], "librosa"])
        print(
            f"  {layer:21s} {source:15s} {1000 * spent / minutes:8.1f} ms/min"
            f"  {peer / spent:6.2f}x librosa  off {off:.5f}"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backends", nargs="+", default=["tensorflow", "jax"])
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        measure(options.clips, options.seconds, options.rounds)
        return
    for backend in options.backends:
        environment = {
            **os.environ,
            "KERAS_BACKEND": backend,
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        names = ("clips", "seconds", "rounds")
        arguments = [f"--{name}={getattr(options, name)}" for name in names]
        subprocess.run(
            [sys.executable, "-W", "ignore", __file__, "--inside", *arguments],
            env=environment,
            check=True,
        )


if __name__ == "__main__":
    main()
