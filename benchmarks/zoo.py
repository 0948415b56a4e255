"""How fast every architecture runs and trains, beside the same network in PyTorch.

    python benchmarks/zoo.py
    python benchmarks/zoo.py --quick --models fcn,crnn --backends tensorflow,jax
    python benchmarks/zoo.py --output table.md --json runs.json

Each backend, and the plain torch module (`zoo_torch.py`), lives in a process of its
own. The processes take turns at the same network, one measuring while the others
wait, round after round, so that a slow minute of the machine hits everybody; the
table holds medians of single calls. Waveforms come from and scores go back to NumPy.
Weights are random. A GPU is used by whoever sees one.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import peers
from tagging import BACKENDS, machine, over, show, table

RATE, TAGS, PLAIN = 16000, 50, "plain"
# Architecture: name in the table, class in keras_musictag, its arguments, class in
# zoo_torch.
MODELS = {
    "fcn": ("FCN", "FCNTagger", {}, "FCN"),
    "musicnn_won": ("Musicnn (Won)", "MusicnnTagger", {"variant": "won"}, "Musicnn"),
    "crnn": ("CRNN", "CRNNTagger", {}, "CRNN"),
    "sample_cnn": ("SampleCNN", "SampleCNNTagger", {}, "SampleCNN"),
    "sample_cnn_se": (
        "SampleCNN + SE",
        "SampleCNNTagger",
        {"squeeze_excitation": True},
        "SampleCNNSE",
    ),
    "self_attention": ("Self-attention", "SelfAttentionTagger", {}, "SelfAttention"),
    "short_chunk_cnn": ("Short-chunk CNN", "ShortChunkCNNTagger", {}, "ShortChunkCNN"),
    "short_chunk_resnet": (
        "Short-chunk ResNet",
        "ShortChunkCNNTagger",
        {"residual": True},
        "ShortChunkResNet",
    ),
    "harmonic_cnn": ("Harmonic CNN", "HarmonicCNNTagger", {}, "HarmonicCNN"),
}


# The measured programs (each in a process of its own)


class Ours:
    """A model of keras_musictag on the backend of the environment."""

    def __init__(self):
        import keras

        self.keras = keras
        self.backend = keras.backend.backend()

    def devices(self):
        """Returns the names of the GPUs that the backend sees."""
        if self.backend == "tensorflow":
            import tensorflow as tf

            return [d.name for d in tf.config.list_physical_devices("GPU")]
        if self.backend == "jax":
            import jax

            return [d.device_kind for d in jax.devices() if d.platform != "cpu"]
        return torch_gpus()

    def build(self, name):
        """Makes and compiles a model; returns `(parameters, samples)`."""
        import keras_musictag as kmt

        self.keras.utils.clear_session()
        _, ours, arguments, _ = MODELS[name]
        labels = [f"tag {index}" for index in range(TAGS)]
        self.model = getattr(kmt, ours)(labels, **arguments)
        self.model.compile(**self.model.default_compile() | {"metrics": []})
        shapes = [weight.shape for weight in self.model.trainable_weights]
        parameters = sum(int(np.prod(shape)) for shape in shapes)
        return parameters, self.model.chunking.chunk_samples

    def infer(self, chunks):
        return self.model.predict_on_batch(chunks)

    def train(self, chunks, targets):
        return self.model.train_on_batch(chunks, targets)


class Plain:
    """The module of `zoo_torch` with Adam, on the GPU if torch sees one."""

    def __init__(self):
        import torch

        self.torch = torch
        self.device = "cuda" if torch.cuda.is_available() else "cpu"

    def devices(self):
        """Returns the names of the GPUs that torch sees."""
        return torch_gpus()

    def build(self, name):
        """Makes a module and its optimizer; returns `(parameters, samples)`."""
        import zoo_torch

        self.module = getattr(zoo_torch, MODELS[name][3])().to(self.device)
        weights = list(self.module.parameters())
        self.optimizer = self.torch.optim.Adam(weights, 1e-3)
        return sum(weight.numel() for weight in weights), self.module.samples

    def infer(self, chunks):
        self.module.eval()
        with self.torch.inference_mode():
            return self.module(self._tensor(chunks)).cpu().numpy()

    def train(self, chunks, targets):
        self.module.train()
        self.optimizer.zero_grad()
        scores = self.module(self._tensor(chunks))
        loss = self.torch.nn.functional.binary_cross_entropy(
            scores, self._tensor(targets)
        )
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def _tensor(self, array):
        return self.torch.from_numpy(array).to(self.device)


def torch_gpus():
    """Returns the names of the GPUs that torch sees."""
    import torch

    return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]


def work(who):
    """Answers the jobs on the standard input, one line of JSON each."""
    player = Plain() if who == PLAIN else Ours()
    found = peers.versions("keras_musictag", "keras", *BACKENDS, "numpy")
    answer = {"gpus": player.devices(), "versions": found}
    print(peers.RESULT + json.dumps(answer), flush=True)
    rng = np.random.default_rng(0)
    for line in sys.stdin:
        job = json.loads(line)
        if job["task"] == "build":
            parameters, samples = player.build(job["model"])
            answer = {"parameters": parameters, "samples": samples}
        else:
            size = job["batch"]
            chunks = rng.uniform(-0.5, 0.5, (size, samples)).astype("float32")
            targets = rng.integers(0, 2, (size, TAGS)).astype("float32")
            inputs = (chunks,) if job["task"] == "infer" else (chunks, targets)
            call = getattr(player, job["task"])
            answer = {"calls": call_seconds(call, inputs, job["seconds"])}
        print(peers.RESULT + json.dumps(answer), flush=True)


def call_seconds(call, inputs, least):
    """Returns the seconds of calls, as many as fill `least` seconds, at least one."""
    taken = []
    while not taken or sum(taken) < least:
        start = time.perf_counter()
        call(*inputs)
        taken.append(time.perf_counter() - start)
    return taken


# The turns


class WorkerError(Exception):
    """A measured process ended before it answered."""


class Worker:
    """The process of one backend, or of the plain modules."""

    def __init__(self, who):
        self.who = who
        # Or else the first one that sees a GPU takes all of its memory.
        chosen = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "TF_CPP_MIN_LOG_LEVEL": "3"}
        chosen |= {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
        if who != PLAIN:
            chosen["KERAS_BACKEND"] = who
        self.process = subprocess.Popen(
            [sys.executable, __file__, "work", who],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | chosen,
        )
        self.found = self._answer()

    def ask(self, **job):
        """Sends a job and waits for the answer, a dict."""
        # An ended process cannot read; that it gives no answer says so.
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(job) + "\n")
            self.process.stdin.flush()
        return self._answer()

    def _answer(self):
        for line in self.process.stdout:
            if line.startswith(peers.RESULT):
                return json.loads(line.removeprefix(peers.RESULT))
        code = self.process.wait()
        raise WorkerError(f"{self.who} ended with exit code {code}, see above.")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def measure(name, workers, options):
    """Measures one architecture on all workers in turns.

    Args:
        name: key of `MODELS`.
        workers: dict of `Worker`s by name.
        options: the command line.

    Returns:
        Dict with `parameters`, `samples`, and `infer` and `train`: median seconds of
        a call and all of them, by worker.
    """
    built = {who: w.ask(task="build", model=name) for who, w in workers.items()}
    for key in ("parameters", "samples"):
        values = {who: answer[key] for who, answer in built.items()}
        if len(set(values.values())) > 1:
            raise SystemExit(f"{name}: not the same network, {key} are {values}.")
    result = {"model": name} | next(iter(built.values()))
    for task, batch in (("infer", options.batch), ("train", options.train_batch)):
        calls = {who: [] for who in workers}
        for number in range(options.repeats + 1):
            order = list(workers)[:: 1 - 2 * (number % 2)]
            for who in order:
                print(f"{name}: {task}, round {number}, {who}", file=sys.stderr)
                job = {"task": task, "batch": batch, "seconds": options.seconds}
                taken = workers[who].ask(**job)["calls"]
                # The first round compiles and warms up.
                calls[who] += taken if number else []
        medians = {who: statistics.median(taken) for who, taken in calls.items()}
        result[task] = {"seconds": medians, "calls": calls}
    return result


# The table


def summarise(result, options):
    """Returns the rates of one architecture: audio seconds and steps per second."""
    audio = options.batch * result["samples"] / RATE
    rates = {
        "infer": {w: audio / s for w, s in result["infer"]["seconds"].items()},
        "train": {w: 1 / s for w, s in result["train"]["seconds"].items()},
    }
    row = {"model": result["model"], "parameters": result["parameters"]}
    row["chunk_seconds"] = result["samples"] / RATE
    for task, by_who in rates.items():
        ours = {w: by_who[w] for w in ("tensorflow", "jax") if w in by_who}
        best = max(ours, key=ours.get, default=None)
        ratio = over(ours.get(best), by_who[PLAIN])
        row[task] = {"rates": by_who, "best": best, "ratio": ratio}
    return row


def as_markdown(result):
    """Writes the result as a page.

    Args:
        result: the dict that `--json` saves.

    Returns:
        Markdown text.
    """
    of, names = result["machine"], list(result["gpus"])
    gpus = "; ".join(f"{w}: {', '.join(g)}" for w, g in result["gpus"].items() if g)
    parts = [
        "# Speed of the architectures",
        f"{of['processor']}, {of['cores']} cores, {of['memory_gib']} GiB, "
        f"{of['system']}; load before the run {of['load_before']}. "
        f"GPUs: {gpus or 'none'}. Medians of single calls over {result['repeats']} "
        f"rounds, at least {result['seconds']:g} s of calls each. plain: the same "
        "network as a torch module. Best / plain: the faster one of TensorFlow and "
        "JAX over plain; above 1 it is faster than plain PyTorch.",
    ]
    for task, title, form in (
        ("infer", f"Seconds of audio per second, batches of {result['batch']}", ".1f"),
        (
            "train",
            f"Training steps a second, batches of {result['train_batch']}",
            ".3g",
        ),
    ):
        lines = [
            [
                MODELS[row["model"]][0],
                f"{row['parameters']:,}",
                show(row["chunk_seconds"], ".2f"),
                *(show(row[task]["rates"][who], form) for who in names),
                show(row[task]["ratio"], ".2f"),
                row[task]["best"] or "-",
            ]
            for row in result["rows"]
        ]
        header = ["architecture", "parameters", "chunk s", *names]
        parts += [f"{title}:", table([*header, "best / plain", "best"], lines)]
    listed = ", ".join(f"{k} {v}" for k, v in result["versions"].items())
    parts.append(f"Versions: {listed}.")
    parts += [f"Not measured, {k}: {v}" for k, v in result["not_measured"].items()]
    return "\n\n".join(parts) + "\n"


# The command


def parse_options():
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--backends", default=",".join(BACKENDS), help="by commas (default: all)")
    add("--models", default=",".join(MODELS), help="by commas (default: all)")
    add("--batch", type=int, help="chunks per inference (default: 8; GPU: 64)")
    add("--train-batch", type=int, help="chunks per step (default: 4; GPU: 16)")
    add("--repeats", type=int, default=5, help="number of rounds (default: 5)")
    add("--seconds", type=float, default=1, help="least seconds of a turn (default: 1)")
    add("--quick", action="store_true", help="2 rounds of single calls: a trial")
    add("--output", type=Path, help="write the table to this file too")
    add("--json", type=Path, help="write all calls to this file")
    options = parser.parse_args()
    if options.quick:
        options.repeats, options.seconds = 2, 0
    for key, known in (("backends", BACKENDS), ("models", tuple(MODELS))):
        names = [name for name in getattr(options, key).split(",") if name]
        if unknown := set(names) - set(known):
            parser.error(f"unknown {key} {sorted(unknown)}; there are {known}")
        setattr(options, key, names)
    if options.train_batch == 1:
        parser.error("torch's BatchNorm cannot train on one chunk; --train-batch 2")
    return options


def main():
    """Measures and prints; the exit code is 1 if an architecture failed."""
    options, state = parse_options(), machine()
    rows, runs, failures, workers, found = [], [], {}, {}, {}
    for name in options.models:
        try:
            for who in (*options.backends, PLAIN):
                if who not in workers:
                    workers[who] = Worker(who)
                    found[who] = workers[who].found
            gpu = any(answer["gpus"] for answer in found.values())
            options.batch = options.batch or (64 if gpu else 8)
            options.train_batch = options.train_batch or (16 if gpu else 4)
            runs.append(measure(name, workers, options))
            rows.append(summarise(runs[-1], options))
            print(json.dumps(rows[-1]), file=sys.stderr)
        except WorkerError as error:
            failures[name] = str(error)
            workers = {w: k for w, k in workers.items() if k.process.poll() is None}
    for worker in workers.values():
        worker.close()
    result = {
        "machine": state,
        "gpus": {who: answer["gpus"] for who, answer in found.items()},
        "versions": found[PLAIN]["versions"] if PLAIN in found else {},
        "rows": rows,
        "not_measured": failures,
    }
    for key in ("repeats", "seconds", "batch", "train_batch"):
        result[key] = getattr(options, key)
    page = as_markdown(result)
    print(page)
    if options.output:
        options.output.write_text(page)
    if options.json:
        options.json.write_text(json.dumps(result | {"runs": runs}, indent=1))
    raise SystemExit(1 if failures else 0)


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "work":
        work(sys.argv[2])
    else:
        main()
