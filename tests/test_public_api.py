"""The public names stand in `public_api.txt`: a changed API is a changed file."""

import difflib
import importlib
import inspect
import sys
from pathlib import Path

import keras_musictag as kmt

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
from floors import public_rooms

LISTING = Path(__file__).with_name("public_api.txt")


def public_names() -> list[str]:
    """Names of the package and its rooms, and the methods of its own classes."""
    names = {f"keras_musictag.{name}" for name in kmt.__all__}
    for name in kmt.__all__:
        value = getattr(kmt, name)
        if inspect.isclass(value):
            names |= {f"keras_musictag.{name}.{m}" for m in methods(value)}
    for room in public_rooms():
        module = importlib.import_module(f"keras_musictag.{room}")
        names |= {f"{module.__name__}.{name}" for name in module.__all__}
    return sorted(names)


def methods(value: type) -> set[str]:
    """Public methods of a class and its private bases; public bases have theirs."""
    private = [c for c in value.__mro__[1:] if c.__name__ not in kmt.__all__]
    ours = [c for c in private if c.__module__.startswith("keras_musictag")]
    return {
        name
        for one in (value, *ours)
        for name, member in vars(one).items()
        if not name.startswith("_")
        and (callable(member) or isinstance(member, (classmethod, property)))
    }


def test_the_public_names_are_the_listed_ones():
    listed = LISTING.read_text("utf-8").splitlines()
    difference = list(difflib.unified_diff(listed, public_names(), lineterm="", n=0))
    advice = "If you mean it, change tests/public_api.txt and CHANGELOG.md as well:\n"
    assert difference == [], advice + "\n".join(difference[2:])
