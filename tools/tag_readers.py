"""Show what other programs read of the fields that `tagfiles.write` writes.

    python tools/tag_readers.py --readers READERS/bin/python   # write docs/files.md

Picard, mediafile (which beets uses) and TagLib are asked in an environment of their
own: `python -m venv READERS; READERS/bin/pip install picard mediafile pytaglib`.
ffprobe is FFmpeg's. With `KMT_TAG_READERS=READERS/bin/python`,
`tests/tagfiles/test_other_readers.py` asks them too.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "files.md"
READER = ROOT / "tools" / "read_tags.py"
PROGRAMS = ("Picard", "mediafile", "TagLib", "ffprobe")
FIELDS = ("genre", "mood", "key", "tempo")
VALUES = {
    "genre": ["Rock", "Hip Hop"],
    "mood": ["träge"],
    "key": ["F#m"],
    "tempo": ["121"],
    "KMT_ROCK": ["0.4312"],
}
# What ffprobe calls the fields, in small letters.
FFPROBE = {
    "genre": ("genre",),
    "mood": ("mood", "tmoo", "wm/mood"),
    "key": ("key", "initialkey", "tkey", "wm/initialkey"),
    "tempo": ("bpm", "tbpm", "tempo", "wm/beatsperminute"),
}
FAMILIES = {
    "ID3 (MP3, WAV, AIFF, TTA, DSF)": "id3_tags.ID3Tags",
    "Vorbis comments (FLAC, OGG, Opus, Speex)": "named_tags.VorbisTags",
    "APEv2 (WavPack, Monkey's Audio)": "named_tags.APETags",
    "ASF (WMA)": "named_tags.ASFTags",
    "MP4 (M4A)": "named_tags.MP4Tags",
}


def read_all(paths: list[Path], readers: str | None) -> dict[str, dict]:
    """Ask the programs that are there.

    Args:
        paths: Music files.
        readers: The Python of the environment that has them; `None` for ffprobe only.

    Returns:
        For each path, by program: its values by field, or a text, the reason why it
        reads none. A program that is missing has no entry.
    """
    seen: dict[str, dict] = {str(path): {} for path in paths}
    if readers:
        done = subprocess.run(
            [readers, READER, *seen],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": "", "QT_QPA_PLATFORM": "offscreen"},
            check=True,
        )
        seen = json.loads(done.stdout)
    if shutil.which("ffprobe"):
        for path, found in seen.items():
            found["ffprobe"] = _ffprobe(path)
    return seen


def _ffprobe(path: str) -> dict[str, list[str]]:
    command = "ffprobe -v error -of json -show_entries format_tags:stream_tags"
    done = subprocess.run([*command.split(), path], capture_output=True, check=True)
    told = json.loads(done.stdout)
    tags: dict[str, str] = dict(told["format"].get("tags", {}))
    for stream in told["streams"]:
        tags |= stream.get("tags", {})
    tags = {name.lower(): value for name, value in tags.items()}
    return {
        field: next((tags[name].split(";") for name in names if name in tags), [])
        for field, names in FFPROBE.items()
    }


def make_files(folder: Path) -> list[Path]:
    """Write tags into a file of each format."""
    from keras_musictag import tagfiles

    sys.path.insert(0, str(ROOT / "tests" / "tagfiles"))
    from make_songs import KINDS, make_song

    paths = [make_song(folder, kind, kind) for kind in KINDS]
    for path in paths:
        tagfiles.write(path, VALUES)
    return paths


def reader_table(seen: dict[str, dict]) -> list[str]:
    """Rows of the table: for each file what each program sees."""
    rows = [
        f"| file | {' | '.join(PROGRAMS)} |",
        "|---|" + "---|" * len(PROGRAMS),
    ]
    for path, found in seen.items():
        cells = [_cell(found.get(program)) for program in PROGRAMS]
        name = Path(path).stem.replace("_", " ")
        rows.append(f"| {name} `{Path(path).suffix}` | {' | '.join(cells)} |")
    return rows


def _cell(found) -> str:
    if not isinstance(found, dict):
        return found or "not asked"
    seen = [
        f"{name} (first)" if len(found[name]) < len(VALUES[name]) else name
        for name in FIELDS
        if found.get(name)
    ]
    missing = [name for name in FIELDS if not found.get(name)]
    return (
        "all"
        if not missing and seen == list(FIELDS)
        else ", ".join([*seen, *(f"**no {name}**" for name in missing)])
    )


def field_table() -> list[str]:
    """Rows of the table: for each kind of tags the name of each field."""
    import importlib

    rows = [
        f"| tags | {' | '.join(FIELDS)} | others |",
        "|---" * (len(FIELDS) + 2) + "|",
    ]
    for family, where in FAMILIES.items():
        module, name = where.split(".")
        view = getattr(
            importlib.import_module(f"keras_musictag.tagfiles.{module}"), name
        )
        cells = [_names(view.names[field]) for field in FIELDS]
        own = "`TXXX`" if "ID3" in family else "of that name"
        rows.append(f"| {family} | {' | '.join(cells)} | {own} |")
    return rows


def _names(names) -> str:
    plain = (name.removeprefix("----:com.apple.iTunes:") for name in names)
    return ", ".join(f"`{name}`" for name in plain)


def put(text: str, name: str, rows: list[str]) -> str:
    """Put a table between its marks in a page."""
    start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    before, rest = text.split(start)
    return before + start + "\n" + "\n".join(rows) + "\n\n" + end + rest.split(end)[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readers", required=True, help="Python that has the programs")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seen = read_all(make_files(Path(folder)), arguments.readers)
    text = put(PAGE.read_text("utf-8"), "fields", field_table())
    PAGE.write_text(put(text, "readers", reader_table(seen)), "utf-8")


if __name__ == "__main__":
    main()
