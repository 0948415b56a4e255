"""What `keras-musictag library build` shows while it runs, and at its end."""

import time
from typing import Any

from keras_musictag.cli.printing import say

REPORT_SECONDS = 60  # between two lines of progress where there is no terminal


class Shown:
    """Shows the progress: a bar on a terminal, a line each minute elsewhere.

    Args:
        bar: A `rich` progress.
        quiet: Whether to keep silent.
    """

    def __init__(self, bar: Any, quiet: bool):
        self.bar, self.quiet = bar, quiet
        self.task: Any = None
        self.last = time.monotonic()

    def __call__(self, state: Any) -> None:
        if self.task is None:
            self.task = self.bar.add_task("Listening", total=state.todo)
        text = f"{state.rate:.2f} tracks/s"
        self.bar.update(self.task, completed=state.done, description=text)
        due = time.monotonic() - self.last > REPORT_SECONDS
        if self.bar.disable and due and not self.quiet:
            self.last = time.monotonic()
            left = f"{(state.seconds_left or 0) / 60:.0f} min left"
            done = f"{state.done} of {state.todo} tracks"
            say(self.bar.console, f"{done}, {text}, {left}")


def summary(done: Any) -> str:
    """Say in a sentence what a `BuildProgress` has come to."""
    text = f"{done.analysed} of {done.found} tracks analysed"
    if done.found - done.todo:
        text += f", {done.found - done.todo} unchanged"
    if done.moved:
        text += f", {done.moved} known by their content"
    if done.failed:
        text += f", {done.failed} failed"
    if done.missing:
        text += f", {done.missing} missing"
    if done.audio_seconds and done.seconds:
        pace = done.audio_seconds / done.seconds
        text += f"; {done.rate:.2f} tracks/s, {pace:.0f}x real time"
    return text + "."
