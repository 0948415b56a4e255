"""Peak memory of streaming a long file: it must not grow with the file.

Writes stereo files of 44.1 kHz, streams each through `audio.blocks` and a
`ChunkPlan` in a process of its own, and prints that process' peak memory.

    python benchmarks/audio_memory.py            # 3 minutes and 3 hours of FLAC
    python benchmarks/audio_memory.py --format MP3   # slow to write
"""

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

RATE = 44100
TARGET = 16000


def main() -> None:
    """Write the files, measure one process per file, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--format", default="FLAC", choices=["MP3", "FLAC", "OGG"])
    parser.add_argument("--hours", type=float, default=3.0)
    parser.add_argument("--stream", metavar="FILE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stream:
        print(json.dumps(stream(options.stream)))
        return
    libraries = ", ".join(f"{p} {version(p)}" for p in ("numpy", "soundfile", "soxr"))
    print(f"{platform.machine()}, Python {platform.python_version()}, {libraries}")
    print("file       chunks  peak MB  before MB  seconds  times real time")
    with tempfile.TemporaryDirectory() as folder:
        for seconds in (180, round(options.hours * 3600)):
            path = Path(folder, f"{seconds}.{options.format.lower()}")
            write(path, seconds, options.format)
            figures = measure(path)
            path.unlink()
            print(
                f"{seconds:6d} s {figures['chunks']:8d} {figures['peak']:8.1f} "
                f"{figures['before']:10.1f} {figures['seconds']:8.1f} "
                f"{seconds / figures['seconds']:10.0f}"
            )


def write(path: Path, seconds: int, file_format: str) -> None:
    """Write noise that changes slowly in loudness, ten seconds at a time."""
    import numpy as np
    import soundfile

    noise = np.random.default_rng(0).standard_normal((10 * RATE, 2))
    noise = np.float32(0.1) * noise.astype("float32")
    with soundfile.SoundFile(path, "w", RATE, 2, format=file_format) as file:
        for begin in range(0, seconds, 10):
            loudness = 0.2 + 0.8 * (begin // 10 % 7) / 7
            file.write(noise[: (seconds - begin) * RATE] * np.float32(loudness))


def measure(path: Path) -> dict[str, float]:
    """Stream a file in a fresh process and return what it reports."""
    command = [sys.executable, __file__, "--stream", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def stream(path: str) -> dict[str, float]:
    """Stream a file through the chunk plan of Musicnn."""
    from keras_musictag import audio

    plan = audio.ChunkPlan(48128, 47872, context=256, edge="reflect")
    before, began, chunks = peak(), time.perf_counter(), 0
    for _ in plan.chunks(audio.blocks(path, TARGET)):
        chunks += 1
    seconds = time.perf_counter() - began
    return {"chunks": chunks, "peak": peak(), "before": before, "seconds": seconds}


def peak() -> float:
    """Give the highest resident memory so far in MB (10^6 bytes)."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux: getrusage also counts the process that started us
        line = next(x for x in status.read_text().splitlines() if "VmHWM" in x)
        return int(line.split()[1]) * 1024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


if __name__ == "__main__":
    main()
