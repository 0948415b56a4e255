"""How long `Library.mix_path` looks for a playlist in a large library, once it is read.

    python benchmarks/mixing.py --tracks 100000 --paths 25

Keys, tempi (115 BPM on average, a deviation of 22) and embeddings are by chance, and so
are the two tracks of each path.
"""

import argparse
import time

import numpy as np
import pyarrow as pa

from keras_musictag.keys import KEYS
from keras_musictag.library.mixing import MAX_CHANGE, MixTracks

UNITS = 200  # of an embedding


def main() -> None:
    """Make tracks, look for paths, print one line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tracks", type=int, default=100_000)
    parser.add_argument("--paths", type=int, default=25)
    arguments = parser.parse_args()
    random = np.random.default_rng(0)
    tracks = make(arguments.tracks, random)
    seconds, lengths = [], []
    for start, end in random.integers(arguments.tracks, size=(arguments.paths, 2)):
        begin = time.perf_counter()
        way = tracks.path(int(start), int(end))
        seconds.append(time.perf_counter() - begin)
        lengths.append(len(way or ()))
    print(
        f"{arguments.tracks} tracks, {arguments.paths} paths of {min(lengths)} to "
        f"{max(lengths)} tracks: {np.median(seconds):.2f} s (median), "
        f"{np.mean(seconds):.2f} s (mean), {max(seconds):.1f} s at most"
    )


def make(count: int, random: np.random.Generator) -> MixTracks:
    """Make tracks by chance."""
    tempi = random.normal(115, 22, count).clip(50, 200).astype("float32")
    rows = pa.table(
        {
            "path": [f"/music/{number}.mp3" for number in range(count)],
            "duration": np.full(count, 240.0),
            "key": random.choice(KEYS, count),
            "tempo": tempi,
        }
    )
    embeddings = random.normal(size=(count, UNITS)).astype("float32")
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return MixTracks(rows, embeddings, MAX_CHANGE)


if __name__ == "__main__":
    main()
