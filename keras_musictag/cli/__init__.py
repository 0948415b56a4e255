"""The command `keras-musictag`: reads arguments, calls the package, prints."""

import os
import signal
import sys
import threading

_STOPPED = 130  # what shells call a command that Ctrl-C has ended


def main() -> None:
    """Run the command line; Ctrl-C ends it with 130 and without a traceback."""
    heeded = signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
    if heeded:  # jobs in the background of scripts do not
        signal.signal(signal.SIGINT, leave)
        sys.excepthook, sys.unraisablehook = _uncaught, _ignored
    from keras_musictag.cli.commands import app

    try:
        if heeded:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        app(prog_name="keras-musictag")
    except KeyboardInterrupt:
        sys.exit(_STOPPED)
    finally:
        if heeded:
            signal.signal(signal.SIGINT, leave)


def __getattr__(name: str):
    # The commands load late: Ctrl-C must find somebody who knows what to do.
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from keras_musictag.cli.commands import app

    return app


def leave(number=None, frame=None) -> None:
    """End at once: nothing has begun yet, or all is done."""
    os._exit(_STOPPED)


def _uncaught(kind, error, traceback) -> None:
    if issubclass(kind, KeyboardInterrupt):
        leave()
    sys.__excepthook__(kind, error, traceback)


def _ignored(unraisable) -> None:
    if not issubclass(unraisable.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)
        return
    # It fell into code that cannot raise, and would be lost: once more, soon.
    again = threading.Timer(0.01, signal.raise_signal, (signal.SIGINT,))
    again.daemon = True
    again.start()
