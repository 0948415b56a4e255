"""Real clips of the corpus, short and of several formats, and one built library."""

import shutil

import pytest
import soundfile

import keras_musictag as kmt

SECONDS = 7


@pytest.fixture(scope="module")
def songs(corpus, tmp_path_factory):
    """A folder of six short clips, each in its own format, and a file that is text."""
    folder = tmp_path_factory.mktemp("songs")
    (folder / "sub").mkdir()
    known = {f".{name.lower()}" for name in soundfile.available_formats()}
    found = sorted(p for p in (corpus / "real").iterdir() if p.suffix in known)
    for i, path in enumerate(found[:6]):
        rate = soundfile.info(path).samplerate
        y, _ = soundfile.read(path, frames=SECONDS * rate)
        place = folder / "sub" if i % 2 else folder
        soundfile.write(place / path.name, y, rate)
    (folder / "broken.mp3").write_text("this is no music\n")
    return folder


@pytest.fixture(scope="module")
def built(songs, tmp_path_factory):
    """The library of `songs` by two small taggers; `(folder, progress)`."""
    folder = tmp_path_factory.mktemp("libraries") / "built"
    return folder, kmt.library.build(songs, folder, ("musicnn_mtt", "musicnn_msd"))


@pytest.fixture
def library(built, tmp_path):
    """A copy of the library, to be changed."""
    return shutil.copytree(built[0], tmp_path / "library")
