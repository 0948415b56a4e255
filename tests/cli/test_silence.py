"""Songs in which nothing is heard: no tags, and all say so."""

import csv
import io
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
from typer.testing import CliRunner

import keras_musictag as kmt
from keras_musictag.cli import app

RATE = 16000
PRESET = ("--preset", "musicnn_mtt")
SILENT = ["cancel.flac", "zeros.flac"]
NOTE = "nothing is heard: silence, or channels that cancel each other"


def run(*arguments):
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """Zeros, channels that cancel, and noise at -100 dB of full scale."""
    folder = tmp_path_factory.mktemp("songs")
    noise = np.random.default_rng(0).uniform(-1, 1, 4 * RATE)
    noise[0] = 1.0
    soundfile.write(folder / "zeros.flac", np.zeros(4 * RATE), RATE)
    cancelling = 0.3 * np.stack([noise, -noise], axis=1)
    soundfile.write(folder / "cancel.flac", cancelling, RATE)
    soundfile.write(folder / "quiet.wav", 1e-5 * noise, RATE, subtype="FLOAT")
    return folder


def test_the_peak_of_what_was_scored(songs):
    tagger = kmt.MusicTagger.from_pretrained("musicnn_mtt")
    names = ["zeros.flac", "cancel.flac", "quiet.wav"]
    taggrams = tagger.taggram([songs / name for name in names])
    assert [taggram.silent for taggram in taggrams] == [True, True, False]
    assert [taggram.peak for taggram in taggrams] == [0, 0, pytest.approx(1e-5)]
    assert kmt.Taggram(*list(vars(taggrams[0]).values())[:3]).silent is None


def test_what_is_shown(songs, tmp_path):
    narrow = kmt.VGGTagger(["calm", "wild"], filters=4)
    options = ("--preset", narrow.save_pretrained(tmp_path / "narrow"), "--top-k", 2)
    shown = run("tag", songs, *options, "--format", "json")
    tracks = {t["path"].split("/")[-1]: t for t in json.loads(shown.stdout)}
    assert [name for name, track in tracks.items() if track["silent"]] == SILENT
    assert [len(track["tags"]) for track in tracks.values()] == [0, 2, 0]

    table = run("tag", songs, *options).stdout.splitlines()
    assert [table[table.index(str(songs / n)) + 1].strip() for n in SILENT] == [
        NOTE
    ] * 2
    assert sum(NOTE in line for line in table) == 2

    rows = run("tag", songs, *options, "--format", "csv").stdout
    read = [[row["path"], row["label"]] for row in csv.DictReader(io.StringIO(rows))]
    assert [path for path, label in read if not label] == [
        str(songs / n) for n in SILENT
    ]
    assert len(read) == 4


def test_no_tags_are_written(songs):
    pytest.importorskip("mutagen", reason="needs the extra `files`")
    before = {name: (songs / name).read_bytes() for name in SILENT}
    done = run("tag", *(songs / name for name in SILENT), *PRESET, "--write")
    assert done.stdout.count(f"{NOTE}: nothing is written") == 2
    assert before == {name: (songs / name).read_bytes() for name in SILENT}


def test_a_column_of_libraries(songs, tmp_path):
    pytest.importorskip("duckdb", reason="needs the extra `library`")
    folder = tmp_path / "library"
    kmt.library.build(songs, folder, "musicnn_mtt", embeddings=False)
    library = kmt.library.Library(folder)

    def silent():
        return library.search().column("silent").to_pylist()

    assert silent() == [True, False, True]
    (playlist,) = library.playlists(tmp_path / "lists", labels=["ambient"])
    lines = playlist.read_text("utf-8").splitlines()
    assert [line for line in lines if line[0] != "#"] == [str(songs / "quiet.wav")]

    # Of earlier versions, which did not measure it.
    (part,) = folder.glob("tags-*/part-*.parquet")
    older = part.with_name(part.name.split(".")[0] + ".parquet")
    pq.write_table(pq.read_table(part).drop_columns(["silent"]), older)
    part.unlink()
    assert silent() == [None] * 3
    assert len(library.search("ambient >= 0")) == 3
    (songs / "zeros.flac").touch()  # its row is copied
    assert kmt.library.build(songs, folder, "musicnn_mtt", embeddings=False).moved == 1
    assert silent() == [None] * 3
    soundfile.write(songs / "new.wav", np.zeros(4 * RATE), RATE)
    kmt.library.build(songs, folder, "musicnn_mtt", embeddings=False)
    assert silent() == [None, True, None, None]
    (songs / "new.wav").unlink()
