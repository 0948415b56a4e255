"""What half precision and XLA bring to each architecture on the device at hand.

    python benchmarks/precision.py
    python benchmarks/precision.py --architectures FCNTagger,VGGTagger --rounds 9
    KERAS_BACKEND=jax python benchmarks/precision.py --output table.md --json runs.json

Sweeps the registry. Every architecture runs in a process of its own, where models of
each dtype policy, with and without `jit_compile`, take turns on the same weights and
chunks, round after round, so that a slow minute of the machine hits all of them. The
tables hold medians of single calls as ratios. Chunks come from NumPy, and scores or the
loss go back to it. A GPU is used if the backend sees one, with larger batches. On a
CPU, where XLA compiles for minutes and float16 crawls, `jit_compile` is
tried with float32 alone and mixed_float16 left out, unless there is `--all`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import peers
from tagging import BACKENDS, machine, show, table

TAGS = 50
POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")
# Keras on JAX always compiles; on PyTorch it means torch.compile.
JIT = {"tensorflow": (False, True), "jax": (True,), "torch": (False,)}
TASKS = {"infer": "Forward pass", "train": "Training step"}


# The measured program (a process for each architecture)


def work(job):
    """Measures one architecture; prints a line of JSON."""
    import keras

    from keras_musictag.models import registry

    keras.utils.set_random_seed(0)
    kind = registry()[job["architecture"]]
    labels = [f"tag {index}" for index in range(TAGS)]
    first = kind(labels)
    rng = np.random.default_rng(0)
    chunks = first.chunking.chunk_samples
    chunks = rng.uniform(-0.5, 0.5, (job["batch"], chunks)).astype("float32")
    targets = rng.integers(0, 2, (job["batch"], TAGS)).astype("float32")
    calls, found = {}, {}
    for policy, jit in job["pairs"]:
        name = setting(policy, jit)
        model = kind(labels, dtype=policy)
        for variable, value in zip(model.weights, first.weights, strict=True):
            variable.assign(value.value)
        model.compile(**model.default_compile() | {"metrics": []}, jit_compile=jit)
        found[name], calls[name] = begin(model, chunks, targets)
        told = {k: v for k, v in found[name].items() if k != "scores"}
        print(job["architecture"], name, told, file=sys.stderr, flush=True)
    measure(calls, found, job["rounds"])
    reference = found[setting(*job["pairs"][0])]["scores"]
    for answer in found.values():
        scores = answer.pop("scores", None)
        if scores is not None:
            answer["difference"] = float(np.max(np.abs(scores - reference)))
    print(peers.RESULT + json.dumps({"settings": found}), flush=True)


def setting(policy, jit):
    """Returns the name of a pair in the tables."""
    return policy + (" + jit" if jit else "")


def pairs(jit, everything):
    """Returns the `(policy, jit_compile)` to measure, the reference first."""
    every = [(policy, each) for policy in POLICIES for each in jit]
    quick = [("float32", each) for each in jit] + [("mixed_bfloat16", jit[0])]
    return every if everything else quick


def begin(model, chunks, targets):
    """Makes the first calls, which trace and compile.

    Returns:
        A dict with `scores` and the seconds of the first calls, and the calls by task.
    """
    calls = {
        "infer": lambda: model.predict_on_batch(chunks),
        "train": lambda: model.train_on_batch(chunks, targets),
    }
    answer = {}
    for task, call in calls.items():
        start = time.perf_counter()
        try:
            output = call()
        except Exception as error:  # what a compiler refuses is a result here
            answer["failure"] = f"{task}: {type(error).__name__}: {error}"[:300]
            return answer, {}
        answer[f"first_{task}"] = time.perf_counter() - start
        if task == "infer":
            answer["scores"] = output
        call()  # XLA tunes, and memory is laid out
    return answer, calls


def measure(calls, found, rounds):
    """Adds the seconds of single calls, in turns, to what was found."""
    for task in TASKS:
        able = [name for name, by_task in calls.items() if task in by_task]
        for name in able:
            found[name][task] = []
        for number in range(rounds):
            for name in able[:: 1 - 2 * (number % 2)]:
                start = time.perf_counter()
                calls[name][task]()
                found[name][task].append(time.perf_counter() - start)


# The tables


def ask(code):
    """Returns the last line that code prints in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=Path(__file__).parent,
        env=environment(),
    )
    return done.stdout.strip().splitlines()[-1]


def devices():
    """Returns `(backend, names of the GPUs that it sees)`."""
    found = ask(
        "from zoo import Ours; ours = Ours(); print(ours.backend, *ours.devices(), "
        "sep='|')"
    )
    backend, *gpus = found.split("|")
    return backend, gpus


def environment():
    """Returns the environment of the measured processes."""
    chosen = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "TF_CPP_MIN_LOG_LEVEL": "3"}
    return os.environ | chosen


def run(job):
    """Measures one architecture in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "work", json.dumps(job)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    for line in done.stdout.splitlines():
        if line.startswith(peers.RESULT):
            return json.loads(line.removeprefix(peers.RESULT))
    return {"failure": f"ended with exit code {done.returncode}, see above"}


def rows_of(task, runs, names):
    """Returns a row for each architecture: milliseconds, then ratios to the first."""
    rows = []
    for run_ in runs:
        settings = run_.get("settings", {})
        medians = {n: settings.get(n, {}).get(task) for n in names}
        medians = {n: statistics.median(s) if s else None for n, s in medians.items()}
        base = medians[names[0]]
        ratios = [base / medians[n] if base and medians[n] else None for n in names[1:]]
        first = show(base and 1000 * base, ".0f", " ms")
        rows.append(
            [run_["architecture"], first, *(show(ratio, ".2f") for ratio in ratios)]
        )
    return rows


def as_markdown(result):
    """Writes the result as a page.

    Args:
        result: the dict that `--json` saves.

    Returns:
        Markdown text.
    """
    of, runs = result["machine"], result["runs"]
    names = [setting(*pair) for pair in result["pairs"]]
    versions = ", ".join(f"{k} {v}" for k, v in result["versions"].items())
    parts = [
        f"{result['backend']} on {result['device']}; {of['processor']}, "
        f"{of['cores']} cores, {of['memory_gib']} GiB, {of['system']}; load before "
        f"{of['load_before']}. Batches of {result['batch']} chunks; medians of "
        f"{result['rounds']} calls in turns. {versions}.",
    ]
    for task, title in TASKS.items():
        header = ["architecture", names[0], *names[1:]]
        parts += [
            f"{title}: time with {names[0]}, and how many times faster the others are.",
            table(header, rows_of(task, runs, names)),
        ]
    differences = [
        [
            run_["architecture"],
            *(
                show(run_.get("settings", {}).get(n, {}).get("difference"), ".1e")
                for n in names[1:]
            ),
        ]
        for run_ in runs
    ]
    parts += [
        f"Largest difference of a score to {names[0]}:",
        table(["architecture", *names[1:]], differences),
    ]
    for run_ in runs:
        failed = {n: s.get("failure") for n, s in run_.get("settings", {}).items()}
        failed[""] = run_.get("failure")
        parts += [
            f"Not measured, {run_['architecture']} {n}: {text}"
            for n, text in failed.items()
            if text
        ]
    return "\n\n".join(parts) + "\n"


# The command


def architectures():
    """Returns the names of all taggers in the registry."""
    return ask(
        "from keras_musictag.models import registry as r; "
        "from keras_musictag.models.tagger import MusicTagger as M; "
        "print(*sorted(name for name, kind in r().items() if issubclass(kind, M)))"
    ).split()


def main():
    """Measures and prints; the exit code is 1 if something could not be measured."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--architectures", help="classes, by commas (default: all)")
    add("--batch", type=int, help="chunks in a batch (default: 4; GPU: 32)")
    add("--rounds", type=int, help="calls of each kind (default: 3; GPU: 20)")
    add("--all", action="store_true", help="all settings on a CPU too")
    add("--output", type=Path, help="write the tables to this file too")
    add("--json", type=Path, help="write all calls to this file")
    options = parser.parse_args()
    known, before = architectures(), machine()
    names = options.architectures.split(",") if options.architectures else known
    if unknown := set(names) - set(known):
        parser.error(f"unknown architectures {sorted(unknown)}; there are {known}")
    backend, gpus = devices()
    job = {
        "batch": options.batch or (32 if gpus else 4),
        "rounds": options.rounds or (20 if gpus else 3),
        "pairs": pairs(JIT[backend], everything=bool(gpus) or options.all),
    }
    result = {
        "machine": before,
        "backend": backend,
        "device": ", ".join(gpus) or "the CPU",
        "versions": peers.versions("keras_musictag", "keras", *BACKENDS, "numpy"),
        "runs": [],
        **job,
    }
    for name in names:
        result["runs"].append(
            {"architecture": name} | run(job | {"architecture": name})
        )
        page = as_markdown(result)  # after each, since a sweep takes long
        if options.output:
            options.output.write_text(page, "utf-8")
        if options.json:
            options.json.write_text(json.dumps(result, indent=1), "utf-8")
    print(page)
    raise SystemExit(1 if "Not measured" in page else 0)


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "work":
        work(json.loads(sys.argv[2]))
    else:
        main()
