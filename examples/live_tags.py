r"""Tag live audio: raw PCM from a recorder on standard input, a table that follows it.

    arecord -q -t raw -f S16_LE -r 44100 -c 2 | python examples/live_tags.py
    ffmpeg -v error -re -i song.mp3 -f s16le -ar 44100 -ac 2 - | \
        python examples/live_tags.py
    parec --format=s16le --rate=16000 --channels=1 | \
        python examples/live_tags.py --rate 16000 --channels 1 --every 0.5

Sound comes as signed 16-bit little-endian numbers, channels interleaved. On a terminal
a table is drawn anew with every score; elsewhere there is one line for each, time and
best tags separated by tabs. At the end the delays are told: from the last sample of a
chunk to its scores. Memory does not grow with time, and Ctrl-C ends it.

A clip of 30 s fed in real time, a score every second, `musicnn_msd` (TensorFlow 2.21,
two CPU cores that other programs kept busy): delay 0.05 s, at most 0.31 s.
"""

import argparse
import contextlib
import sys
import time

import numpy as np
from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

import keras_musictag as kmt

BLOCK_SECONDS = 0.05


def blocks(stream, rate, channels, arrived):
    """Yields int16 `(channels, samples)` as they come, and notes when they did."""
    size = round(rate * BLOCK_SECONDS) * channels * 2
    while data := stream.read(size):
        whole = len(data) // (2 * channels) * (2 * channels)
        samples = np.frombuffer(data[:whole], "<i2").reshape(-1, channels)
        arrived[0] = time.monotonic()
        yield samples.T


def as_table(seconds, best):
    """Returns the tags of one moment, with bars."""
    table = Table("tag", "score", "", title=f"{seconds:.1f} s", box=None)
    for label, score in best:
        bar = ProgressBar(total=1.0, completed=score, width=30)
        table.add_row(label, f"{score:.3f}", bar)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="musicnn_msd")
    parser.add_argument("--rate", type=int, default=44100, help="in Hz")
    parser.add_argument("--channels", type=int, default=2)
    parser.add_argument("--every", type=float, default=1.0, help="seconds")
    parser.add_argument("--top", type=int, default=8)
    options = parser.parse_args()
    tagger = kmt.MusicTagger.from_pretrained(options.preset)
    plan = tagger.chunking.replace(
        hop_samples=round(options.every * tagger.sample_rate)
    )
    # The first pass compiles; sound must not wait for it.
    tagger.predict(np.zeros(plan.chunk_samples, "float32"), batch_size=1)
    arrived, delays, console = [0.0], [], Console()
    sound = blocks(sys.stdin.buffer, options.rate, options.channels, arrived)
    screen = Live(console=console, auto_refresh=False) if console.is_terminal else None
    with screen or contextlib.nullcontext(), contextlib.suppress(KeyboardInterrupt):
        for start, scores in tagger.stream(sound, options.rate, chunking=plan):
            delays.append(time.monotonic() - arrived[0])
            order = np.argsort(-scores)[: options.top]
            best = [(tagger.labels[i], float(scores[i])) for i in order]
            heard = start + plan.chunk_samples / tagger.sample_rate
            if screen:
                screen.update(as_table(heard, best), refresh=True)
            else:
                tags = "\t".join(f"{label} {score:.3f}" for label, score in best)
                print(f"{heard:.1f}\t{tags}", flush=True)
    if delays:
        median, longest = np.median(delays), max(delays)
        print(
            f"{len(delays)} scores, delay {median:.3f} s, at most {longest:.3f} s",
            file=sys.stderr,
        )


if __name__ == "__main__":
    main()
