"""What `tagging.py` compares with (`musicnn` 0.1.0, Essentia), its clips and rounds.

Each peer lives in an environment of its own, because neither can share one with
Keras 3. This file has two faces. Imported by `tagging.py` it makes clips and
environments and runs measured programs. Run by a peer's own Python it is the program
that is measured:

    PYTHON peers.py musicnn_files  '{"files": [...], "warm": 4}'
    PYTHON peers.py essentia_files '{"files": [...], "warm": 4, "graph": "x.pb"}'
    PYTHON peers.py essentia_cold  '{"files": [...], "graph": "x.pb"}'
    PYTHON peers.py freeze         '{"graph": "x.pb"}'

So the top of the file imports the standard library only.
"""

import contextlib
import importlib.metadata
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MODEL = "MSD_musicnn"
# With NumPy 2 the package's log-mel overflows in half precision and scores are NaN.
# Its own requirement list asks for TensorFlow 1, hence the second, bare install.
MUSICNN = (
    ["tensorflow==2.15.*", "librosa==0.10.2.*", "numpy<2", "soundfile>=0.12"],
    ["--no-deps", "musicnn==0.1.0"],
)
ESSENTIA = (["essentia-tensorflow"],)
RESULT = "RESULT "
AUDIO = (".wav", ".flac", ".ogg", ".mp3", ".aiff")
CLIP_RATE = 44100


class PeerError(RuntimeError):
    """A peer cannot be set up or measured here; the message says why."""


def python_for_peers(wanted=None):
    """Finds a Python that TensorFlow 2.15 has wheels for.

    Args:
        wanted: optional path or name of an interpreter to use.

    Returns:
        The interpreter's path.

    Raises:
        PeerError: if none is found.
    """
    if wanted is None and (3, 9) <= sys.version_info[:2] <= (3, 11):
        return sys.executable
    names = [wanted] if wanted else ["python3.11", "python3.10", "python3.9"]
    for name in names:
        if found := shutil.which(name):
            return found
    raise PeerError(
        "musicnn 0.1.0 needs TensorFlow 2.15, which has no build for Python "
        f"{sys.version_info[0]}.{sys.version_info[1]}. Looked for: {', '.join(names)}. "
        "Give a Python 3.9 to 3.11 with --peers-python."
    )


def make_environment(folder, installs, module, python):
    """Makes a virtual environment, or takes the one that is there.

    Args:
        folder: path of the environment.
        installs: lists of arguments for `pip install`, run in order.
        module: name of the module that must be importable at the end.
        python: interpreter that makes the environment.

    Returns:
        Path of the environment's interpreter.

    Raises:
        PeerError: with pip's last lines if an installation fails.
    """
    inside = Path(folder) / "bin" / "python"
    look = f"import importlib.util as u; raise SystemExit(not u.find_spec({module!r}))"
    if inside.exists() and "failed" not in run([str(inside), "-c", look]):
        return str(inside)
    commands = [[str(python), "-m", "venv", str(folder)]]
    commands += [
        [str(inside), "-m", "pip", "install", "--quiet", *arguments]
        for arguments in installs
    ]
    for command in commands:
        print("+", " ".join(command), file=sys.stderr, flush=True)
        if trouble := run(command).get("failed"):
            raise PeerError(f"`{' '.join(command)}` failed: {trouble}")
    if "failed" in run([str(inside), "-c", look]):
        raise PeerError(f"{folder} has no module {module!r} after installing it.")
    return str(inside)


def versions(*packages):
    """Returns `{name: version}` of the installed ones, with Python's first."""
    found = {"python": sys.version.split()[0]}
    for package in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def time_files(tag_one, job):
    """Times a function that takes one file, after a warm-up.

    Args:
        tag_one: function from a path to the mean scores, shape `(50,)`.
        job: dict with `files` (paths) and `warm` (how many to warm up with).

    Returns:
        Dict with the seconds and the scores of each file.
    """
    start = time.perf_counter()
    for path in job["files"][: job["warm"]]:
        tag_one(path)
    warmed = time.perf_counter()
    scores = [tag_one(path) for path in job["files"]]
    return {
        "seconds": time.perf_counter() - warmed,
        "warm_up": warmed - start,
        "scores": [[float(value) for value in row] for row in scores],
    }


def musicnn_files(job):
    """Tags files with the original package as its users do: one call per file."""
    start = time.perf_counter()
    from musicnn import tagger

    loaded = time.perf_counter() - start
    extractor, kept = tagger.extractor, []

    def keep(*args, **kwargs):
        result = extractor(*args, **kwargs)
        kept.append(result[0].mean(axis=0))
        return result

    # top_tags returns names only; the scores behind them are wanted for comparison.
    tagger.extractor = keep

    def tag_one(path):
        with contextlib.redirect_stdout(io.StringIO()):
            tagger.top_tags(path, model=MODEL, topN=3, print_tags=False)
        return kept.pop()

    result = time_files(tag_one, job)
    names = ("musicnn", "tensorflow", "numpy", "librosa", "soundfile", "soxr")
    return result | {"load": loaded, "versions": versions(*names)}


def _essentia(job):
    """Returns a function from a path to mean scores, made once for all files."""
    import essentia

    essentia.log.infoActive = False
    essentia.log.warningActive = False
    import essentia.standard as es

    # 1 is the loader's own default; 4 (linear) is the fastest it has.
    loading = {"sampleRate": 16000, "resampleQuality": job.get("quality", 1)}
    # The original's patches do not overlap: 187 frames long, one every 187 frames.
    predict = es.TensorflowPredictMusiCNN(
        graphFilename=job["graph"], output="model/Sigmoid", patchHopSize=187
    )

    def tag_one(path):
        return predict(es.MonoLoader(filename=path, **loading)()).mean(axis=0)

    return tag_one


def essentia_files(job):
    """Tags files with Essentia: one predictor, one loader per file."""
    start = time.perf_counter()
    tag_one = _essentia(job)
    loaded = time.perf_counter() - start
    result = time_files(tag_one, job)
    names = ("essentia-tensorflow", "numpy")
    return result | {"load": loaded, "versions": versions(*names)}


def essentia_cold(job):
    """Tags one file in a fresh process and prints the three best labels' numbers."""
    scores = _essentia(job)(job["files"][0])
    return {"best": [int(index) for index in scores.argsort()[::-1][:3]]}


def freeze(job):
    """Writes the original's checkpoint as the frozen graph that Essentia reads.

    Essentia's own file for this model holds the same network with the node names
    `model/Placeholder` and `model/Sigmoid`. It is made here from the weights in the
    `musicnn` wheel, with training switched off for good, so there is no second input.
    """
    import musicnn
    import tensorflow as tf
    from musicnn import models

    v1 = tf.compat.v1
    v1.disable_eager_execution()
    with tf.name_scope("model"):
        patches = v1.placeholder(tf.float32, [None, 187, 96], name="Placeholder")
        logits = models.define_model(patches, False, MODEL, 50)[0]
        tf.nn.sigmoid(logits, name="Sigmoid")
    with v1.Session() as session:
        # The trailing slash matters: the checkpoint's prefix is an empty file name.
        prefix = str(Path(musicnn.__file__).parent / MODEL) + "/"
        v1.train.Saver().restore(session, prefix)
        frozen = v1.graph_util.convert_variables_to_constants(
            session, session.graph_def, ["model/Sigmoid"]
        )
    Path(job["graph"]).write_bytes(frozen.SerializeToString())
    return {"nodes": len(frozen.node)}


def set_up(environment, essentia_environment, python, graph):
    """Makes both environments and Essentia's graph.

    Args:
        environment: folder for the `musicnn` environment.
        essentia_environment: folder for the Essentia environment.
        python: interpreter to make them with, or None to look for one.
        graph: path of the frozen graph to write.

    Returns:
        `(pythons, reasons)`: interpreter per peer, and for each peer that is left
        out, why.
    """
    pythons, reasons = {}, {}
    try:
        python = python_for_peers(python)
        pythons["musicnn"] = make_environment(environment, MUSICNN, "musicnn", python)
    except PeerError as error:
        reasons["musicnn"] = str(error)
        reasons["essentia"] = "its graph is made from musicnn's weights"
        return pythons, reasons
    try:
        inside = make_environment(essentia_environment, ESSENTIA, "essentia", python)
        job = json.dumps({"graph": str(graph)})
        if trouble := run([pythons["musicnn"], __file__, "freeze", job]).get("failed"):
            raise PeerError(f"the graph could not be frozen: {trouble}")
        pythons["essentia"] = inside
    except PeerError as error:
        reasons["essentia"] = str(error)
    return pythons, reasons


def run(command, backend=""):
    """Runs a measured program on the CPU and looks at it from outside.

    Args:
        command: list of strings.
        backend: Keras backend, or "" for a program without one.

    Returns:
        Dict with `wall` and `cpu` seconds, `peak_mib`, and what the program reported;
        or with `failed`, the reason.
    """
    chosen = {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
    chosen |= {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": backend}
    environment = os.environ | {key: value for key, value in chosen.items() if value}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        start = time.perf_counter()
        try:
            child = subprocess.Popen(command, stdout=out, stderr=err, env=environment)
        except OSError as error:
            return {"failed": str(error)}
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        printed, complaints = out.read(), err.read()
    if child.returncode:
        last = (complaints or printed).strip().splitlines()[-3:]
        return {"failed": " / ".join(last) or f"exit code {child.returncode}"}
    # Linux counts the peak in KiB, macOS in bytes.
    peak = usage.ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)
    result = {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "peak_mib": peak}
    for line in printed.splitlines():
        if line.startswith(RESULT):
            result |= json.loads(line.removeprefix(RESULT))
    return result


def measure(runs, repeats):
    """Runs everything `repeats` times, there and back.

    Args:
        runs: dict as `plan` gives it.
        repeats: number of rounds.

    Returns:
        `(taken, failures)`: for each key of `runs` the list of results, or the reason
        why there is none.
    """
    # Compiled Python files and the page cache are not what a cold start measures, so
    # the first round of cold starts is thrown away.
    rounds = [[key for key in runs if key[1] == "cold"]]
    rounds += [list(runs)[:: 1 - 2 * (index % 2)] for index in range(repeats)]
    taken, failures = {key: [] for key in runs}, {}
    for number, keys in enumerate(rounds):
        for key in keys:
            if key in failures:
                continue
            print(f"round {number}/{repeats}: {' '.join(key)}", file=sys.stderr)
            command, backend = runs[key]
            result = run(command, backend)
            if "failed" in result:
                failures[key] = result["failed"]
            elif number:
                taken[key].append(result)
    return taken, failures


def synthesise(seed, seconds):
    """Returns a stereo piece of music of a kind, float32, shape (samples, 2)."""
    import numpy as np

    rng = np.random.default_rng(seed)
    beat, samples = CLIP_RATE // 2, int(seconds * CLIP_RATE)
    time_axis = np.arange(beat) / CLIP_RATE
    decay = np.exp(-6 * time_axis)
    beats = []
    for _ in range(-(-samples // beat)):
        notes = 110 * 2 ** (rng.integers(0, 36, 3) / 12)
        partials = notes[:, None] * np.arange(1, 9)
        waves = np.sin(2 * np.pi * partials[..., None] * time_axis)
        tones = (waves / np.arange(1, 9)[:, None]).sum(axis=(0, 1)) * decay
        drum = rng.normal(size=beat) * decay**4
        left, right = rng.uniform(0.3, 1, 2)
        beats.append(np.stack([left * tones, right * tones], axis=1) + drum[:, None])
    music = np.concatenate(beats)[:samples]
    return (0.8 * music / np.abs(music).max()).astype("float32")


def read_music(path, seconds):
    """Returns `seconds` of a file, looped if short, at 44.1 kHz in 1 or 2 channels."""
    import numpy as np
    import soundfile
    import soxr

    music, rate = soundfile.read(path, dtype="float32", always_2d=True)
    if music.shape[1] > 2:
        music = music.mean(axis=1, keepdims=True)
    music = soxr.resample(music, rate, CLIP_RATE)
    music = music / max(1.0, np.abs(music).max())
    return np.resize(music, (int(seconds * CLIP_RATE), music.shape[1]))


def make_clips(folder, source, count, seconds):
    """Writes clips of one length as MP3, OGG and WAV in turn, at 44.1 kHz.

    Args:
        folder: where to write.
        source: folder with music to cut the clips from, or None for made-up music,
            every third clip of which is mono.
        count: number of clips.
        seconds: length of each.

    Returns:
        List of paths.
    """
    import soundfile

    found = []
    if source is not None:
        found = sorted(p for p in source.rglob("*") if p.suffix.lower() in AUDIO)
        if not found:
            raise SystemExit(f"No audio file under {source}. Looked for {AUDIO}.")
    paths = []
    for index in range(count):
        if found:
            music = read_music(found[index % len(found)], seconds)
        else:
            music = synthesise(index, seconds)[:, : 1 if index % 3 == 1 else 2]
        path = Path(folder) / f"clip{index:03d}.{('mp3', 'ogg', 'wav')[index % 3]}"
        with soundfile.SoundFile(path, "w", CLIP_RATE, music.shape[1]) as file:
            # libsndfile's Vorbis encoder can crash on one long write.
            for start in range(0, len(music), CLIP_RATE):
                file.write(music[start : start + CLIP_RATE])
        paths.append(str(path))
    return paths


if __name__ == "__main__":
    TASKS = {
        "musicnn_files": musicnn_files,
        "essentia_files": essentia_files,
        "essentia_cold": essentia_cold,
        "freeze": freeze,
    }
    print(RESULT + json.dumps(TASKS[sys.argv[1]](json.loads(sys.argv[2]))))
