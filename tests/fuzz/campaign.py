"""Feed damaged files to the package and count how each ends.

    python -m tests.fuzz.campaign --count 20000 --log faults.tsv

Input `i` is the same in every run: `--start i --count 1` repeats it. It must end in
a result or in one of our errors. A process of its own does the work, so that a crash
or a hang costs one input and is counted.
"""

import argparse
import collections
import dataclasses
import os
import queue
import random
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 10.0  # after which an input hangs
MEBIBYTES = 256  # that an input may need beyond what the process had
START = 120.0  # for the first input: imports, and undamaged files are made
GOOD = ("result", "error")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How one input ended."""

    index: int
    end: str  # result, error, loss, foreign, crash, hang or memory
    seconds: float
    mebibytes: float
    what: str


def run(start: int, count: int, corpus: Path, only: str | None = None):
    """Yield the outcome of each input, in order."""
    index, stop = start, start + count
    while index < stop:
        for outcome in _worker_outcomes(index, stop, corpus, only):
            yield outcome
            index = outcome.index + 1


def _worker_outcomes(start, stop, corpus, only):
    """The outcomes of one worker, until it is done or has to be replaced."""
    command = [sys.executable, "-m", "tests.fuzz.campaign", "--work"]
    command += ["--start", str(start), "--count", str(stop - start)]
    command += ["--only", only] if only else []
    environment = {**os.environ, "KMT_SHARED": str(corpus.parent)}
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen(
        [*command],
        cwd=ROOT,
        env={**environment, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # the decoders' own complaints
        text=True,
    ) as worker:
        lines: queue.Queue = queue.Queue()

        def read():
            for line in worker.stdout:
                lines.put(line)
            lines.put("")

        threading.Thread(target=read, daemon=True).start()
        index, patience, ready = start, START, False
        while index < stop:
            try:
                line = lines.get(timeout=patience)
            except queue.Empty:
                worker.kill()
                yield Outcome(index, "hang", patience, 0.0, "")
                return
            if line == "ready\n":
                ready = True
                continue
            if not line and not ready:
                raise RuntimeError("the undamaged files cannot be made")
            if not line:
                end = f"exit code {worker.wait()}"
                yield Outcome(index, "crash", 0.0, 0.0, end)
                return
            number, end, seconds, size, what = line.rstrip("\n").split("\t")
            if int(number) != index:
                raise RuntimeError(f"input {number} came instead of {index}")
            yield Outcome(index, end, float(seconds), float(size), what)
            index, patience = index + 1, SECONDS


# === In the worker ===


def work(start: int, count: int, corpus: Path, only: str | None) -> None:
    """Try inputs one after the other; print a line for each."""
    from tests.fuzz import kinds

    warnings.simplefilter("ignore")
    chosen = [kind for kind in kinds.KINDS if only in (None, kind.__name__)]
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # nothing else may print there
    with tempfile.TemporaryDirectory() as folder:
        seeds = kinds.Seeds(Path(folder), corpus)
        seeds.make()
        print("ready", file=out)
        place = Path(folder) / "damaged"
        for index in range(start, start + count):
            place.mkdir()
            chance = random.Random(index)
            what, act = chance.choice(chosen)(seeds, chance, place)
            end, cause, seconds, size = _try(act)
            print(
                index,
                end,
                f"{seconds:.3f}",
                f"{size:.0f}",
                f"{what} {cause}".strip(),
                sep="\t",
                file=out,
            )
            for path in place.iterdir():
                path.unlink()
            place.rmdir()


def _try(act):
    from keras_musictag.errors import MusicTagError
    from tests.fuzz.judge import SilentLossError

    before, began = _reset_peak(), time.perf_counter()
    end, cause = "result", ""
    try:
        act()
    except MusicTagError as error:
        end, cause = "error", type(error).__name__
    except SilentLossError as error:
        end, cause = "loss", str(error)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        end = "foreign"
        cause = f"{type(error).__name__} {place.filename}:{place.lineno} {error}"
        cause = " ".join(cause.split())[:300]
    seconds = time.perf_counter() - began
    size = (_status("VmHWM") - before) / 1024
    if end in GOOD and size > MEBIBYTES:
        end = "memory"
    return end, cause, seconds, size


def _reset_peak() -> int:
    """Have the system forget the peak; returns the kibibytes now in use."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return 0
    return _status("VmRSS")


def _status(name: str) -> int:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next(int(x.split()[1]) for x in lines if x.startswith(name))


# === The command ===


def summary(outcomes) -> str:
    """A table: what was damaged, and how often each end."""
    kinds: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
    for outcome in outcomes:
        kinds[outcome.what.split(" ")[0]][outcome.end] += 1
    ends = ("result", "error", "loss", "foreign", "crash", "hang", "memory")
    lines = ["what       inputs " + " ".join(f"{end:>8}" for end in ends)]
    for kind, counts in sorted(kinds.items()):
        numbers = " ".join(f"{counts[end]:8}" for end in ends)
        lines.append(f"{kind:10} {sum(counts.values()):6} {numbers}")
    slow = max(outcomes, key=lambda outcome: outcome.seconds)
    large = max(outcomes, key=lambda outcome: outcome.mebibytes)
    lines.append(f"slowest: input {slow.index}, {slow.seconds:.2f} s ({slow.what})")
    lines.append(
        f"largest: input {large.index}, {large.mebibytes:.0f} MiB ({large.what})"
    )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--only", help="other inputs: of this kind alone, e.g. audio")
    parser.add_argument("--log", type=Path, help="write the outcome of each input")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    corpus = Path(os.environ.get("KMT_SHARED", ROOT.parent / "shared")) / "corpus"
    if chosen.work:
        work(chosen.start, chosen.count, corpus, chosen.only)
        return
    began, outcomes = time.perf_counter(), []
    with open(chosen.log or os.devnull, "w") as log:
        for outcome in run(chosen.start, chosen.count, corpus, chosen.only):
            outcomes.append(outcome)
            print(*dataclasses.astuple(outcome), sep="\t", file=log, flush=True)
            if outcome.end not in GOOD:
                print(*dataclasses.astuple(outcome), flush=True)
    print(summary(outcomes))
    print(f"{len(outcomes)} inputs in {time.perf_counter() - began:.0f} s")
    sys.exit(any(outcome.end not in GOOD for outcome in outcomes))


if __name__ == "__main__":
    main()
