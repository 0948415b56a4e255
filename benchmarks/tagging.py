"""How fast music is tagged, beside the original package and Essentia, in one run.

    python benchmarks/tagging.py
    python benchmarks/tagging.py --quick --backends tensorflow --skip-peers
    python benchmarks/tagging.py --files ~/Music --output table.md --json runs.json
    python benchmarks/tagging.py --backends tensorflow --before CHECKOUT

Run it with the Python that has keras_musictag. The peers get environments of their
own, made on the first run (about 3 GB; see `--peers-env`). Every measured run is a
fresh process. Runs of all peers take turns, round after round, and the table holds
medians, so that a slow minute of the machine hits everybody. Everything runs on the
CPU, on Linux or macOS. "engine" is what commands take after a first run: ONNX Runtime,
with the extra `export`. `--before` is a folder that holds an earlier state of this
repository; its programs run in the same rounds, with the backends and with the engine
that its package holds, if it knows engines.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import peers
from cold_start import MAIN, make_engines

BATCH, FRAMES, MELS, HOP, RATE = 32, 187, 96, 256, 16000
# A centred STFT of 512 samples needs 256 more on each side of its 187 frames.
CHUNK = (FRAMES - 1) * HOP + 512
CHUNK_SECONDS = FRAMES * HOP / RATE
COLD_SECONDS = 30
BACKENDS = ("tensorflow", "jax", "torch")
ENGINE, PRESET = "engine", "musicnn_msd"


# The measured programs (each in a process of its own)


def median_seconds(function, repeats):
    """Returns (median seconds of a call, seconds of the first call)."""
    taken = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        function()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken[1:]), taken[0]


def matrix_rate(multiply, size=2048, repeats=9):
    """Returns GFLOP/s of `multiply()`, a float32 product of two square matrices."""
    return 2 * size**3 / median_seconds(multiply, repeats)[0] / 1e9


def matrix(job):
    """Measures NumPy's float32 matrix product."""
    left, right = np.random.default_rng(0).random((2, 2048, 2048), dtype="float32")
    return {"gflops": matrix_rate(lambda: left @ right), "versions": ours_versions()}


def ours_versions():
    """Returns what is installed beside keras_musictag."""
    return peers.versions(
        "keras_musictag", "keras", *BACKENDS, "numpy", "soundfile", "soxr"
    )


def load_model(engine=False):
    """Returns `(model, seconds)`, the seconds with the imports."""
    start = time.perf_counter()
    if engine:
        from keras_musictag.engines.files import ready_engine

        model = ready_engine(PRESET)
    else:
        import keras_musictag as kmt

        model = kmt.MusicnnTagger.from_pretrained(PRESET)
    return model, time.perf_counter() - start


def ours_files(job):
    """Tags all files with one call of `predict`."""
    model, loaded = load_model(job["engine"])
    start = time.perf_counter()
    model.predict(job["files"][: job["warm"]])
    warmed = time.perf_counter()
    scores = np.asarray(model.predict(job["files"]), "float64")
    seconds = time.perf_counter() - warmed
    return {
        "seconds": seconds,
        "warm_up": warmed - start,
        "load": loaded,
        "scores": scores.tolist(),
    }


def ours_network(job):
    """Measures the model on ready chunks, and its network on ready spectrograms."""
    model, _ = load_model()
    # Here alone: the peak of a process is at least that of the one that starts it.
    import keras
    from flops import multiply_adds

    rng = np.random.default_rng(0)
    chunks = rng.uniform(-0.5, 0.5, (BATCH, CHUNK)).astype("float32")
    patches = rng.uniform(0, 3, (BATCH, FRAMES, MELS)).astype("float32")
    spectrogram = keras.Input((FRAMES, MELS))
    network = keras.Model(spectrogram, model.head(model.backbone(spectrogram)))
    left = keras.ops.convert_to_tensor(rng.random((2048, 2048), dtype="float32"))

    def multiply():
        # Reading one value makes lazy backends finish.
        float(keras.ops.matmul(left, left)[0, 0])

    whole, whole_first = median_seconds(
        lambda: model.predict_on_batch(chunks), job["calls"]
    )
    bare, bare_first = median_seconds(
        lambda: network.predict_on_batch(patches), job["calls"]
    )
    return {
        "chunks_seconds": whole,
        "network_seconds": bare,
        "first_calls": [whole_first, bare_first],
        "jit_compile": bool(network.jit_compile),
        "matmul_gflops": matrix_rate(multiply),
        "multiply_adds": multiply_adds(network, patches[:1]),
    }


# The rounds


def plan(options, files, cold_clip, pythons, graph):
    """Returns the runs of one round: `{(who, what): (command, backend)}`."""
    job = {"files": files, "warm": 4, "calls": 3 if options.quick else 10}
    job["graph"] = str(graph)
    cold = job | {"files": [cold_clip]}

    def program(python, script, task, job):
        return [python, script, task, json.dumps(job)]

    runs = {
        ("machine", "matrix"): (program(sys.executable, __file__, "matrix", {}), "")
    }
    if python := pythons.get("musicnn"):
        command = [python, "-m", "musicnn.tagger", cold_clip, "--model", peers.MODEL]
        files_run = program(python, peers.__file__, "musicnn_files", job)
        runs["musicnn", "files"] = (files_run, "")
        runs["musicnn", "cold"] = ([*command, "--print"], "")
    if python := pythons.get("essentia"):
        linear = job | {"quality": 4}
        for who, what, its_job in (
            ("essentia", "files", job),
            ("essentia", "cold", cold),
            ("essentia_linear", "files", linear),
        ):
            command = program(python, peers.__file__, f"essentia_{what}", its_job)
            runs[who, what] = (command, "")
    ours = [sys.executable, "-c", MAIN, "tag", cold_clip]
    for state, path in {"": None, " before": options.before}.items():
        if state and not path:
            continue
        place = ["env", *([f"PYTHONPATH={path.absolute()}"] if path else [])]
        for name in (*options.backends, ENGINE):
            fast = name == ENGINE
            backend, its_job = "" if fast else name, job | {"engine": fast}
            for what in ("files",) if fast else ("files", "network"):
                command = program(sys.executable, __file__, f"ours_{what}", its_job)
                runs[name + state, what] = ([*place, *command], backend)
            # By the variable: earlier states do not know the option.
            mode = "KMT_ENGINE=ready" if fast else "KMT_ENGINE=keras"
            runs[name + state, "cold"] = ([*place, mode, *ours], backend)
    return runs


# The table


def machine():
    """Returns what the figures depend on: processor, cores, memory, system, load."""
    info, name = Path("/proc/cpuinfo"), platform.processor()
    if info.exists():
        fields = (line.split(":", 1) for line in info.read_text().splitlines() if line)
        cpu = {key.strip(): value.strip() for key, value in fields}
        name = cpu.get("model name", name)
        name += f" (family {cpu.get('cpu family')}, model {cpu.get('model')})"
    cores = os.cpu_count()
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return {
        "processor": name,
        "cores": cores,
        "memory_gib": round(memory, 1),
        "system": platform.platform(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def middle(results, key):
    """Returns the median of a figure over the rounds, or None without any."""
    return statistics.median(r[key] for r in results) if results else None


def over(top, bottom):
    """Returns the ratio, or None if a figure is missing."""
    return top / bottom if top and bottom else None


def summarise(taken, seconds):
    """Turns the runs into rows.

    Args:
        taken: results as `measure` gives them.
        seconds: seconds of audio in all files together.

    Returns:
        Dict with `matrix` (GFLOP/s by library), `rows` and `network` (lists of dicts).
    """
    names = list(dict.fromkeys(who for who, _ in taken if who != "machine"))
    matrix = {"numpy": middle(taken["machine", "matrix"], "gflops")}
    rows, network = [], []
    for who in names:
        files, cold = taken[who, "files"], taken.get((who, "cold"))
        row = {"who": who, "rate": over(seconds, middle(files, "seconds"))}
        row |= {key: middle(files, key) for key in ("load", "warm_up", "peak_mib")}
        rows.append(row | {"cold": middle(cold, "wall")})
        if bare := taken.get((who, "network")):
            matrix[who] = middle(bare, "matmul_gflops")
            network.append({"who": who} | network_row(bare))
    limit = max(value for value in matrix.values() if value)
    for row in network:
        row["share"] = row["gflops"] / limit
    by_name = {row["who"]: row for row in rows}
    for peer in ("musicnn", "essentia"):
        other = by_name.get(peer, {})
        for row in rows:
            row[f"rate_{peer}"] = over(row["rate"], other.get("rate"))
            row[f"cold_{peer}"] = over(row["cold"], other.get("cold"))
    if original := taken.get(("musicnn", "files")):
        for row in rows:
            row |= agreement(taken[row["who"], "files"], original)
    return {"matrix": matrix, "limit": limit, "rows": rows, "network": network}


def network_row(results):
    """Returns rates of the bare network: seconds of audio and GFLOP per second."""
    whole = middle(results, "chunks_seconds")
    bare = middle(results, "network_seconds")
    flops = 2 * results[0]["multiply_adds"]
    return {
        "chunks_rate": BATCH * CHUNK_SECONDS / whole,
        "network_rate": BATCH * CHUNK_SECONDS / bare,
        "flops_per_chunk": flops,
        "gflops": BATCH * flops / bare / 1e9,
        "jit_compile": results[0]["jit_compile"],
    }


def agreement(results, original):
    """Compares the files' mean scores with the original's."""
    if not results:
        return {}
    ours, theirs = (np.asarray(runs[0]["scores"]) for runs in (results, original))
    return {
        "largest_difference": float(np.abs(ours - theirs).max()),
        "same_best": int((ours.argmax(1) == theirs.argmax(1)).sum()),
    }


def table(header, rows):
    """Returns a Markdown table of strings."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def show(value, form=".1f", unit=""):
    """Returns a figure as text; a dash if there is none."""
    return "-" if value is None else f"{value:{form}}{unit}"


def as_markdown(result):
    """Writes the result as a page.

    Args:
        result: the dict that `--json` saves.

    Returns:
        Markdown text.
    """
    of, clips, limit = result["machine"], result["clips"], result["limit"]
    speed = [
        [
            row["who"],
            show(row["rate"], ".1f", "x"),
            show(row["rate_musicnn"], ".2f"),
            show(row["rate_essentia"], ".2f"),
            show(row["cold"], ".2f"),
            show(row["cold_musicnn"], ".2f"),
            show(row["load"], ".2f"),
            show(row["warm_up"], ".2f"),
            show(row["peak_mib"], ".0f"),
            show(row.get("largest_difference"), ".1e"),
            show(row.get("same_best"), "d", f"/{clips['count']}"),
        ]
        for row in result["rows"]
    ]
    header = ["who", "audio s per s", "/ musicnn", "/ Essentia", "cold start s"]
    header += ["/ musicnn", "load s", "warm-up s", "peak MiB", "score difference"]
    parts = [
        "# Tagging speed",
        f"{of['processor']}, {of['cores']} cores, {of['memory_gib']} GiB, "
        f"{of['system']}; load before the run {of['load_before']}. Medians; "
        f"rounds: {result['repeats']}. {clips['count']} files of "
        f"{clips['seconds']:g} s ({clips['source']}), cold start on one of "
        f"{COLD_SECONDS} s. Warm-up: the first 4 files. Score difference: the largest "
        "between a file's mean scores and musicnn's. essentia_linear: Essentia with "
        "its fastest resampler.",
        table([*header, "same best tag"], speed),
    ]
    if result["network"]:
        bare = [
            [
                row["who"],
                show(row["chunks_rate"], ".1f", "x"),
                show(row["network_rate"], ".1f", "x"),
                show(row["gflops"]),
                show(100 * row["share"], ".0f", " %"),
                str(row["jit_compile"]),
            ]
            for row in result["network"]
        ]
        header = ["network", "waveform in", "spectrogram in", "GFLOP/s"]
        parts += [
            f"The network alone, batches of {BATCH}, "
            f"{result['network'][0]['flops_per_chunk'] / 1e9:.3f} GFLOP per chunk:",
            table([*header, "share of the limit", "jit_compile"], bare),
        ]
    rates = ", ".join(f"{k} {show(v, '.0f')}" for k, v in result["matrix"].items())
    parts.append(f"Float32 matrix product, GFLOP/s: {rates}; the limit is {limit:.0f}.")
    for who, found in result["versions"].items():
        who = who.replace("machine", "keras_musictag and its backends")
        listed = ", ".join(f"{name} {version}" for name, version in found.items())
        parts.append(f"Versions, {who}: {listed}.")
    parts += [f"Not measured, {k}: {v}" for k, v in result["not_measured"].items()]
    return "\n\n".join(parts) + "\n"


# The command


def parse_options():
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    cache = Path.home() / ".cache" / "keras_musictag"
    add = parser.add_argument
    add("--backends", default="tensorflow,jax,torch", help='by commas, or ""')
    add("--files", type=Path, help="folder of music to cut the clips from")
    add("--count", type=int, default=12, help="number of clips")
    add("--seconds", type=float, default=25, help="length of a clip")
    add("--repeats", type=int, default=3, help="number of rounds")
    add("--before", type=Path, help="a checkout of an earlier state")
    add("--quick", action="store_true", help="3 clips, 1 round: a trial, no figures")
    add("--skip-peers", action="store_true", help="measure keras_musictag only")
    add("--peers-env", type=Path, default=cache / "peers", help="musicnn's environment")
    add("--essentia-env", type=Path, default=cache / "essentia", help="Essentia's")
    add("--peers-python", help="Python 3.9 to 3.11 for the peers")
    add("--output", type=Path, help="write the table to this file too")
    add("--json", type=Path, help="write all runs to this file")
    options = parser.parse_args()
    if options.quick:
        options.count, options.repeats = 3, 1
    options.backends = [name for name in options.backends.split(",") if name]
    if unknown := set(options.backends) - set(BACKENDS):
        parser.error(f"unknown backends {sorted(unknown)}; there are {BACKENDS}")
    return options


def main():
    """Measures and prints; the exit code is 1 if a run failed."""
    options, state = parse_options(), machine()
    pythons, missing = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["KMT_CACHE"] = folder
        make_engines(dict(os.environ), (PRESET,))
        graph, apart = Path(folder, "msd_musicnn.pb"), Path(folder, "cold")
        apart.mkdir()
        files = peers.make_clips(folder, options.files, options.count, options.seconds)
        cold = peers.make_clips(apart, options.files, 1, COLD_SECONDS)
        if not options.skip_peers:
            pythons, missing = peers.set_up(
                options.peers_env, options.essentia_env, options.peers_python, graph
            )
        for who, reason in missing.items():
            print(f"{who} is left out: {reason}", file=sys.stderr)
        runs = plan(options, files, cold[0], pythons, graph)
        taken, failures = peers.measure(runs, options.repeats)
    result = {
        "machine": state,
        "clips": {
            "count": options.count,
            "seconds": options.seconds,
            "source": "made-up music" if options.files is None else "real music",
        },
        "repeats": options.repeats,
        "versions": {
            who: results[0]["versions"]
            for (who, _), results in taken.items()
            if results and "versions" in results[0] and who != "essentia_linear"
        },
        "not_measured": missing | {" ".join(k): v for k, v in failures.items()},
    }
    result |= summarise(taken, options.count * options.seconds)
    page = as_markdown(result)
    print(page)
    if options.output:
        options.output.write_text(page)
    if options.json:
        result["runs"] = {" ".join(key): results for key, results in taken.items()}
        options.json.write_text(json.dumps(result, indent=1))
    raise SystemExit(1 if failures else 0)


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] in ("matrix", "ours_files", "ours_network"):
        answer = globals()[sys.argv[1]](json.loads(sys.argv[2]))
        print(peers.RESULT + json.dumps(answer))
    else:
        main()
