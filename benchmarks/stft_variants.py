"""Time `LogMelSpectrogram` with method "fft" and "dft" beside librosa.

Run it once per backend; the rounds of all variants are interleaved, and medians are
printed, so that other work on the machine hits each of them alike:

    KERAS_BACKEND=tensorflow python benchmarks/stft_variants.py
    KERAS_BACKEND=jax python benchmarks/stft_variants.py
    KERAS_BACKEND=torch python benchmarks/stft_variants.py
"""

import os
import platform
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import librosa
import numpy as np
from keras import ops

from keras_musictag.layers import LogMelSpectrogram

ROUNDS = 9
# What is timed: batch, samples, and the layer's settings (compression left out, so
# that librosa does the same work).
CASES = {
    "16 chunks of 3 s, 512/256/96": (16, 48128, 16000, 512, 256, 96),
    "32 chunks of 3 s, 512/256/96": (32, 48128, 16000, 512, 256, 96),
    "1 x 60 s, 2048/512/128": (1, 60 * 22050, 22050, 2048, 512, 128),
}


def compiled(layer):
    """The layer as a function that returns when the result is there."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        function = jax.jit(lambda x: layer(x))
        return lambda x: function(x).block_until_ready()
    if backend == "tensorflow":
        import tensorflow as tf

        function = tf.function(lambda x: layer(x))
        return lambda x: function(x).numpy()
    import torch

    def run(x):
        with torch.no_grad():
            return layer(x)

    return run


def main():
    version = __import__(keras.backend.backend()).__version__
    print(
        f"{keras.backend.backend()} {version}, keras {keras.__version__}, "
        f"librosa {librosa.__version__}, {os.cpu_count()} cores, {platform.machine()}"
    )
    rng = np.random.default_rng(0)
    for title, (batch, samples, rate, n_fft, hop, n_mels) in CASES.items():
        x = rng.normal(scale=0.1, size=(batch, samples)).astype("float32")
        tensor = ops.convert_to_tensor(x)
        settings = {"n_fft": n_fft, "hop_length": hop, "n_mels": n_mels}
        variants = {
            method: (
                compiled(
                    LogMelSpectrogram(rate, compression=None, method=method, **settings)
                ),
                tensor,
            )
            for method in ("fft", "dft")
        }
        variants["librosa"] = (
            lambda y, rate=rate, settings=settings: librosa.feature.melspectrogram(
                y=y, sr=rate, **settings
            ),
            x,
        )
        seconds = {name: [] for name in variants}
        for round_number in range(ROUNDS + 2):
            for name, (function, argument) in variants.items():
                start = time.perf_counter()
                function(argument)
                if round_number >= 2:  # the first ones compile and warm up
                    seconds[name].append(time.perf_counter() - start)
        medians = {name: statistics.median(times) for name, times in seconds.items()}
        peer = medians["librosa"]
        parts = [
            f"{name} {1000 * median:6.1f} ms ({peer / median:.2f}x librosa)"
            for name, median in medians.items()
        ]
        print(f"  {title:30s}", ", ".join(parts))


if __name__ == "__main__":
    main()
