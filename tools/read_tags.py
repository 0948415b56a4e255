"""Print as JSON what Picard, mediafile and TagLib read; see `tag_readers.py`.

It needs only these, and runs without this package.
"""

import importlib.util
import json
import os
import sys
import tempfile
from types import SimpleNamespace

PICARD = {"genre": "genre", "mood": "mood", "key": "key", "tempo": "bpm"}
TAGLIB = {"genre": "GENRE", "mood": "MOOD", "key": "INITIALKEY", "tempo": "BPM"}


def make_picard():
    """Start as much of Picard as its readers of files need."""
    import picard.options  # its defaults
    import picard.tagger
    from PyQt6 import QtCore

    application = QtCore.QCoreApplication([])
    config = os.path.join(tempfile.mkdtemp(), "picard.ini")
    picard.config.setup_config(app=application, filename=config)
    from picard.file import File
    from picard.formats import DEFAULT_FORMATS
    from picard.formats.registry import FormatRegistry

    silent = SimpleNamespace(emit=lambda *_: None)
    registry = FormatRegistry()
    File.tagger = SimpleNamespace(tagger_stats_changed=silent, format_registry=registry)
    picard.tagger.Tagger.instance = staticmethod(lambda: File.tagger)
    for kind in DEFAULT_FORMATS:
        registry.register(kind)

    def read(path):
        file = registry.open(path)
        if file is None:
            return "not read"
        loaded = file._load(path)
        return {field: loaded.getall(name) for field, name in PICARD.items()}

    read.application = application  # lives as long as the reader
    return read


def read_mediafile(path):
    from mediafile import FileTypeError, MediaFile

    try:
        file = MediaFile(path)
    except FileTypeError:
        return "format not known"
    fields = {"genre": file.genres, "key": file.initial_key, "tempo": file.bpm}
    return {
        name: [str(v) for v in (value if isinstance(value, list) else [value])]
        for name, value in fields.items()
        if value
    }


def read_taglib(path):
    import taglib

    with taglib.File(path) as file:
        return {field: list(file.tags.get(name, [])) for field, name in TAGLIB.items()}


def main():
    readers = {}
    if importlib.util.find_spec("picard"):
        readers["Picard"] = make_picard()
    if importlib.util.find_spec("mediafile"):
        readers["mediafile"] = read_mediafile
    if importlib.util.find_spec("taglib"):
        readers["TagLib"] = read_taglib
    seen = {
        path: {name: read(path) for name, read in readers.items()}
        for path in sys.argv[1:]
    }
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
