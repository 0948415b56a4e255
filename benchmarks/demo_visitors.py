"""Whether disk and memory of the demo page stay flat while visitors come and go.

    python benchmarks/demo_visitors.py                 # 16 visitors for 10 minutes
    python benchmarks/demo_visitors.py --minutes 0.5 --visitors 4 --seconds 5

The page runs in a process of its own. Each visitor does what the page does in a
browser: opens it, has three songs heard that were never there before, and closes it;
then the next one comes. A tenth break something off: the upload, or the waiting.
"""

import argparse
import contextlib
import itertools
import os
import platform
import random
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import numpy as np
from demo_load import CHOICES, memory, song, started

MB = 2**20
SONGS = 3  # of a visit


class Visitor:
    """One open page.

    Args:
        address: Of the server.
        name: Of the session.
    """

    def __init__(self, address: str, name: str):
        self.api, self.name = f"{address}/gradio_api", name
        self.client = httpx.Client(timeout=600)
        events = self.client.get(f"{address}/config").json()["dependencies"]
        uploads = [e for e in events if any(t[1] == "upload" for t in e["targets"])]
        (self.shown,) = (e["id"] for e in uploads)
        self.listen = next(e["id"] for e in events if e["trigger_after"] == self.shown)

    def __enter__(self):
        self.alive = self.client.stream("GET", f"{self.api}/heartbeat/{self.name}")
        self.alive.__enter__()
        return self

    def __exit__(self, *error):
        self.alive.__exit__(None, None, None)
        self.client.close()

    def call(self, path: str, event: int, data: list):
        body = {"session_hash": self.name, "fn_index": event, "data": data}
        return self.client.post(f"{self.api}/{path}", json=body).raise_for_status()

    def hear(self, data: bytes, name: str, impatient: bool) -> str:
        """Have a song heard; returns how it ended."""
        sent = self.client.post(f"{self.api}/upload", files={"files": (name, data)})
        path = sent.raise_for_status().json()[0]
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}
        self.call("run/predict", self.shown, [file])
        self.call("queue/join", self.listen, [file, *CHOICES])
        waiting = {"session_hash": self.name}
        with self.client.stream(
            "GET", f"{self.api}/queue/data", params=waiting
        ) as answers:
            for line in answers.iter_lines():
                if impatient and "process_starts" in line:
                    return "left the queue"
                if '"process_completed"' in line:
                    return "done" if '"done"' in line else f"wrong: {line[:300]}"
        return "wrong: no end"

    def break_off(self, data: bytes) -> str:
        """Send the half of a song, and hang up."""

        def half():
            yield b"--x\r\nContent-Disposition: form-data; "
            yield b'name="files"; filename="half.wav"\r\n\r\n'
            yield data[: len(data) // 2]
            time.sleep(0.2)
            raise EOFError

        kind = {"content-type": "multipart/form-data; boundary=x"}
        with contextlib.suppress(EOFError):
            httpx.post(f"{self.api}/upload", content=half(), headers=kind)
        return "broke off an upload"


def visitors(address: str, number: int, until: float, seconds: float, ends: Counter):
    """One visitor after the other until the time is over."""
    chance = random.Random(number)
    for visit in itertools.count():
        with Visitor(address, f"visit-{number}-{visit}") as visitor:
            for turn in range(SONGS):
                if time.monotonic() > until:
                    return
                name = f"{number}-{visit}-{turn}.wav"
                data = song(number + 1000 * (SONGS * visit + turn), seconds)
                odd = chance.random() < 0.1
                try:
                    if odd and chance.random() < 0.5:
                        ended = visitor.break_off(data)
                    else:
                        ended = visitor.hear(data, name, odd)
                except httpx.HTTPError as error:
                    ended = f"wrong: {error!r}"
                ends[ended] += 1


def disk(folder: Path) -> tuple[int, float]:
    """Return the number of files, and their size in MB."""
    sizes = []
    for place, _, names in os.walk(folder):  # which passes over folders that go
        for name in names:
            with contextlib.suppress(OSError):
                sizes.append(Path(place, name).stat().st_size)
    return len(sizes), sum(sizes) / MB


def measured(options: argparse.Namespace) -> tuple[Counter, list[tuple]]:
    """Run it; returns how songs ended, and (minute, MiB, files, MB) over time."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TMPDIR"] = folder  # of the server
        process, address = started()
        try:
            ends: Counter = Counter()
            start = time.monotonic()
            until = start + 60 * options.minutes
            arguments = (until, options.seconds, ends)
            threads = [
                threading.Thread(target=visitors, args=(address, n, *arguments))
                for n in range(options.visitors)
            ]
            for thread in threads:
                thread.start()
            levels = []
            while time.monotonic() < until:
                time.sleep(min(10, options.minutes * 3))
                minute = (time.monotonic() - start) / 60
                levels.append((minute, memory(process.pid), *disk(Path(folder))))
            for thread in threads:
                thread.join()
            # Whole songs and results lie in folders of their own.
            loose = Path(folder).glob("keras-musictag-demo-*/*")
            halves = sum(p.is_file() and p.stat().st_size > 0 for p in loose)
            ends.update({"wrong: a half stayed": halves} if halves else {})
            return ends, levels
        finally:
            process.terminate()
            process.wait()


def parsed(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--visitors", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=30.0, help="of a song")
    return parser.parse_args(arguments)


def main() -> None:
    options = parsed()
    ends, levels = measured(options)
    print(f"{platform.machine()}, Python {platform.python_version()}", end=", ")
    print(f"load of the machine {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores")
    for ended, count in ends.most_common():
        print(f"{count:6}  {ended}")
    print("minute    MiB  files     MB")
    for row in levels[:: max(1, len(levels) // 20)]:
        print("{:6.1f} {:6.0f} {:6} {:6.1f}".format(*row))
    later = np.array(levels[len(levels) // 3 :])
    slopes = [np.polyfit(later[:, 0], column, 1)[0] for column in later.T[1:]]
    print("a minute, in the last two thirds: ", end="")
    print("{:+.1f} MiB, {:+.1f} files, {:+.2f} MB".format(*slopes))


if __name__ == "__main__":
    main()
