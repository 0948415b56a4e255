"""How the demo page bears many visitors: errors, waiting times, memory of the server.

    python benchmarks/demo_load.py                 # 200 requests from 16 clients
    python benchmarks/demo_load.py --requests 1000 --clients 32 --seconds 180

The page runs in a process of its own. Each request uploads a song that was never there
before (the demo clip, cut and looped at another place), so nothing is remembered, and
waits for the last result. Every tenth file is bad: a text, an empty file, or half of
a header. A good one must end with all downloads, a bad one with a message.
"""

import argparse
import io
import json
import platform
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import soundfile

import keras_musictag as kmt

RATE = 16000
BAD = (b"this is a text\n" * 99, b"", b"RIFF\x00\x00\x00\x00WAVEfmt ")
CHOICES = ["musicnn_msd", "crema", "majmin", "viterbi"]


def wav(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format="WAV")
    return file.getvalue()


def song(number: int, seconds: float) -> bytes:
    """A song that is like no other one."""
    clip, _ = kmt.audio.load(kmt.audio.demo_path(), RATE)
    looped = np.resize(np.roll(clip, 997 * number), round(seconds * RATE))
    return wav(looped)


def request(address: str, number: int, seconds: float) -> tuple[str, float]:
    """Use the page once; returns how it ended and how long it took."""
    bad = number % 10 == 0
    data = BAD[number // 10 % len(BAD)] if bad else song(number, seconds)
    api = f"{address}/gradio_api"
    start = time.perf_counter()
    with httpx.Client(timeout=600) as client:
        sent = client.post(f"{api}/upload", files={"files": (f"{number}.wav", data)})
        path = sent.raise_for_status().json()[0]
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}
        call = client.post(f"{api}/call/listen", json={"data": [file, *CHOICES]})
        event = call.raise_for_status().json()["event_id"]
        ends = client.get(f"{api}/call/listen/{event}").raise_for_status().text
    lines = ends.strip().split("\n")
    last = json.loads(lines[-1].removeprefix("data: "))
    if lines[-2] != "event: complete":
        return f"broken: {last}", time.perf_counter() - start
    state = last[0]["state"]
    if state == "done" and len(last[0]["downloads"]) < 6:  # without beats
        state = "incomplete"
    wanted = "error" if bad else "done"
    kind = "bad" if bad else "good"
    ended = kind if state == wanted else f"{kind} one ended as {state}"
    return ended, time.perf_counter() - start


def memory(process: int, field: str = "VmRSS") -> float:
    """In MiB."""
    with open(f"/proc/{process}/status", encoding="utf-8") as file:
        found = dict(line.split(":", 1) for line in file)
    return int(found[field].split()[0]) / 1024


def started() -> tuple[subprocess.Popen, str]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-c", "from keras_musictag.cli import main; main()"]
    process = subprocess.Popen(
        [*command, "demo", "--no-browser", "--port", str(port)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert "The page is at" in process.stdout.readline()
    return process, f"http://127.0.0.1:{port}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=30.0, help="of a song")
    options = parser.parse_args()
    process, address = started()
    try:
        run(process.pid, address, options)
    finally:
        process.terminate()
        process.wait()


def run(server: int, address: str, options: argparse.Namespace) -> None:
    idle = memory(server)
    first, alone = request(address, 1_000_001, options.seconds)
    warm, levels, count = memory(server), [], threading.Lock()

    def one(number: int) -> tuple[str, float]:
        ended = request(address, number, options.seconds)
        with count:
            levels.append(memory(server))
        return ended

    start = time.perf_counter()
    with ThreadPoolExecutor(options.clients) as clients:
        results = list(clients.map(one, range(options.requests)))
    wall = time.perf_counter() - start
    time.sleep(5)
    good = np.array([seconds for ended, seconds in results if ended == "good"])
    bad = sum(ended == "bad" for ended, _ in results)
    wrong = [ended for ended, _ in results if ended not in ("good", "bad")]
    quarters = [levels[(len(levels) * i) // 4 - 1] for i in (1, 2, 3, 4)]
    print(f"{platform.machine()}, Python {platform.python_version()}")
    print(f"{options.requests} requests, {options.clients} clients, {wall:.0f} s")
    print(
        f"songs of {options.seconds:g} s; the first one alone: {first}, {alone:.1f} s"
    )
    print(f"good: {len(good)}, bad with a message: {bad}, errors: {len(wrong)}")
    for ended in wrong[:5]:
        print(" ", ended)
    print(f"seconds of the good ones: median {np.median(good):.1f}, ", end="")
    print(f"95 % within {np.quantile(good, 0.95):.1f}, most {good.max():.1f}")
    print(
        f"MiB of the server: idle {idle:.0f}, after the first song {warm:.0f}, ", end=""
    )
    print(
        "after each quarter " + ", ".join(f"{level:.0f}" for level in quarters), end=""
    )
    print(f", peak {memory(server, 'VmHWM'):.0f}, at the end {memory(server):.0f}")


if __name__ == "__main__":
    main()
