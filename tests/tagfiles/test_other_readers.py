"""Picard, beets' mediafile, TagLib and ffprobe see what was written."""

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import pytest

# It makes the table of the docs.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import tag_readers

pytest.importorskip("mutagen", reason="needs the extra `files`")
pytest.importorskip("av", reason="makes the files")
# What a program does not know of at all.
UNKNOWN = {"mediafile": {"mood"}}
FIRST_ONLY = {"ffprobe", "mediafile"}  # of several genres, in some formats


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    readers = os.environ.get("KMT_TAG_READERS")  # Python of an environment with them
    if readers is None and importlib.util.find_spec("mediafile"):
        readers = sys.executable
    paths = tag_readers.make_files(tmp_path_factory.mktemp("songs"))
    return tag_readers.read_all(paths, readers)


@pytest.mark.parametrize("program", tag_readers.PROGRAMS)
def test_a_program_sees_genre_mood_key_and_tempo_in_every_format(seen, program):
    asked = {path: found[program] for path, found in seen.items() if program in found}
    if not asked:
        pytest.skip(f"needs {program} (KMT_TAG_READERS names a Python that has it)")
    for path, found in asked.items():
        if isinstance(found, str):
            assert (program, Path(path).suffix) == ("mediafile", ".tta"), found
            continue
        for field in tag_readers.FIELDS:
            if field in UNKNOWN.get(program, ()):
                continue
            expected, values = tag_readers.VALUES[field], found.get(field, [])
            if program in FIRST_ONLY and field == "genre":
                assert values[0].startswith(expected[0]), (path, field)
            else:
                assert sorted(values) == sorted(expected), (path, field)


def test_the_tables_of_the_docs_are_those_of_the_code():
    page = tag_readers.PAGE.read_text("utf-8")
    assert "\n".join(tag_readers.field_table()) in page
    kinds = [line for line in page.splitlines() if line.count("`.") == 1]
    names = {line.split("`")[1] for line in kinds}
    assert {".mp3", ".wav", ".wma", ".wv", ".ape", ".tta", ".dsf", ".m4a"} <= names


@pytest.mark.skipif(not shutil.which("ffprobe"), reason="needs ffprobe")
def test_ffprobe_is_asked(seen):
    assert all("ffprobe" in found for found in seen.values())
