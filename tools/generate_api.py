"""Write the lazy-import stub of the package from the registry of models.

python tools/generate_api.py           # write keras_musictag/__init__.pyi
python tools/generate_api.py --check   # fail if it is stale
"""

import importlib
import sys
from pathlib import Path

from floors import public_rooms

from keras_musictag.cli.starting import start_keras

STUB = Path(__file__).resolve().parent.parent / "keras_musictag" / "__init__.pyi"
NAMES = {
    "errors": (
        "AudioError",
        "AudioWarning",
        "ConfigError",
        "LabelError",
        "LibraryError",
        "MissingExtraError",
        "MusicTagError",
        "PresetError",
    ),
    "beats": ("BeatSequence", "Beatgram"),
    "chords": ("ChordSequence",),
    "chords.chordogram": ("Chordogram",),
    "export.key_recognizers": ("ExportedKeyRecognizer", "OnnxKeyRecognizer"),
    "export.recognizers": (
        "ExportedChordRecognizer",
        "LiteRTChordRecognizer",
        "OnnxChordRecognizer",
    ),
    "export.taggers": (
        "ExportedTagger",
        "LiteRTTagger",
        "OnnxTagger",
        "OpenVINOTagger",
    ),
    "export.texts": ("OnnxTextEncoder",),
    "export.trackers": ("ExportedBeatTracker", "OnnxBeatTracker"),
    "keys": ("KeySequence", "Keygram"),
    "labels": ("Labels",),
    "models.fitting.backup": ("ResumableBackup",),
    "models.key_recognizer": ("KeyRecognizer",),
    "models.key_recognizers.from_chords": ("ChordKeyRecognizer",),
    "models.recognizer": ("ChordRecognizer",),
    "models.tagger": ("MusicTagger",),
    "models.tracker": ("BeatTracker",),
    "tracks.taggram": ("Taggram",),
    "insight.saliency": ("Saliency", "saliency"),
    "insight.similarity": ("EmbeddingIndex",),
    "training.teaching": ("teach",),
    "training.values": ("teach_values",),
    "training.run": ("judge_tagger", "train_seeds", "train_tagger"),
    "presets": ("list_presets", "preset_info"),
}


def stub() -> str:
    """Return the text of the stub: rooms, then names by module."""
    start_keras()
    from keras_musictag.models import registry

    names = {module: list(items) for module, items in NAMES.items()}
    for name, model in registry().items():
        module = model.__module__.removeprefix("keras_musictag.")
        names.setdefault(module, []).append(name)
    at_top = {item for items in names.values() for item in items}
    listed_rooms = [room for room in public_rooms() if not own_names(room) <= at_top]
    public = sorted({*listed_rooms, *at_top})
    rooms = ",\n    ".join(listed_rooms)
    lines = [f"from . import (\n    {rooms},\n)"]
    for module in sorted(names):
        # As isort has it: classes before functions, whatever their case.
        items = sorted(names[module], key=lambda n: (n[0].islower(), n.lower()))
        line = f"from .{module} import {', '.join(items)}"
        if len(line) > 88:
            line = f"from .{module} import (\n    " + ",\n    ".join(items) + ",\n)"
        lines.append(line)
    # Type checkers take names of a stub for private unless it lists them.
    listed = ",\n    ".join(f'"{name}"' for name in public)
    lines += ["", f"__all__ = [\n    {listed},\n]", "__version__: str", ""]
    return "\n".join(lines)


def own_names(room: str) -> set[str]:
    """Return the names that a room lists as public."""
    return set(importlib.import_module(f"keras_musictag.{room}").__all__)


def main() -> None:
    text = stub()
    if "--check" in sys.argv:
        if STUB.read_text("utf-8") != text:
            raise SystemExit(f"{STUB.name} is stale: run python tools/generate_api.py")
        return
    STUB.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
