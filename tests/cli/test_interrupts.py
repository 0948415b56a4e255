"""Ctrl-C while a command starts: processes of their own, and true signals."""

import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

# The line comes when the command has begun: before that Python itself starts.
CODE = """
import sys
from keras_musictag.cli import main

def tell(event, about):
    if event == "import" and about[0] == "keras_musictag.cli.commands":
        print("ready", flush=True)

sys.addaudithook(tell)
main()
"""
SOON = (0.0, 0.05, 0.15, 0.3)
COMMANDS = (["tag", "--demo"], ["presets"], ["library", "build", ".", "--out", "lib"])
ALL = (
    *COMMANDS,
    ["chords", "no.mp3"],
    ["untag", "no.mp3"],
    ["train", "no.csv", "--out", "run"],
    ["evaluate", "no.csv", "--preset", "vgg_mtt"],
    ["teach", "--help"],
    ["export", "vgg_mtt", "vgg.onnx"],
    ["--version"],
)


def interrupted(command, seconds, folder):
    """Start a command, press Ctrl-C after some seconds; its code and stderr."""
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, *command],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Jobs in the background of scripts ignore it, and so do their children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout.readline() == "ready\n"
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    return process.returncode, errors


def check(command, seconds, folder):
    code, errors = interrupted(command, seconds, folder)
    assert "Traceback" not in errors, errors
    assert "KeyboardInterrupt" not in errors, errors
    # To a shell, a process that dies of the signal has ended with 130 as well.
    late = (130, -signal.SIGINT, 0, 1, 2)
    assert code in ((130,) if seconds < 0.1 else late), (code, errors)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_traceback_while_a_command_starts(command, tmp_path):
    for seconds in SOON:
        check(command, seconds, tmp_path)


@pytest.mark.slow
@pytest.mark.usefixtures("through_keras")
@pytest.mark.parametrize("command", ALL, ids=" ".join)
def test_no_traceback_in_the_first_seconds(command, tmp_path):
    moments = (0.02, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 2.0, 4.0)
    with ThreadPoolExecutor(3) as pool:  # most of it is waiting
        list(pool.map(lambda seconds: check(command, seconds, tmp_path), moments))


def test_a_job_that_ignores_interrupts_goes_on(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, "--version"],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert "keras-musictag" in process.communicate(timeout=120)[0]
    assert process.returncode == 0
