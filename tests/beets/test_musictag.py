"""The plugin in real beets: scores, queries, playlists, files, bad songs."""

import csv
import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import yaml

from keras_musictag.chords.harte import note_pitch_class
from keras_musictag.chords.keys import parse_key

pytest.importorskip("beets", reason="needs beets: pip install keras-musictag[beets]")
mutagen = pytest.importorskip("mutagen")
pytestmark = pytest.mark.slow

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
TAGGABLE = (".mp3", ".ogg", ".flac")  # a few are enough; beets copies them all


class Beets:
    """A library in a folder of its own; commands run as a user runs them."""

    def __init__(self, folder, **config):
        self.folder = folder
        config = {
            "directory": str(folder / "Music"),
            "library": str(folder / "library.db"),
            "plugins": "musictag smartplaylist",
            "threaded": False,
            "import": {"copy": True, "write": False},
            "smartplaylist": {
                "playlist_dir": str(folder),
                "auto": False,
                "playlists": [{"name": "rock.m3u", "query": "kmt_rock:0.15.."}],
            },
            **config,
        }
        (folder / "config.yaml").write_text(yaml.safe_dump(config))

    def run(self, *arguments, fails=False):
        path = os.pathsep.join([ROOT, os.environ.get("PYTHONPATH", "")])
        done = subprocess.run(
            [sys.executable, "-m", "beets", *arguments],
            env={**os.environ, "BEETSDIR": str(self.folder), "PYTHONPATH": path},
            capture_output=True,
            text=True,
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stderr if fails else done.stdout

    def scores(self, field, *query):
        lines = self.run("ls", "-f", f"$path\t${field}", *query).splitlines()
        return dict(line.split("\t") for line in lines)


@pytest.fixture(scope="module")
def library(tmp_path_factory, corpus):
    """Real music, imported as it is and scored, with one file that is broken."""
    folder = tmp_path_factory.mktemp("beets")
    source = folder / "source"
    source.mkdir()
    paths = [p for p in sorted((corpus / "real").iterdir()) if p.suffix in TAGGABLE]
    for path in paths[:5]:
        shutil.copyfile(path, source / path.name)
    groups = ["genre", "mood"]
    beets = Beets(folder, musictag={"auto": False, "groups": groups})
    beets.run("import", "-A", "-q", "-C", str(source))
    broken = next(source.rglob("*.mp3"))
    broken.write_bytes(b"<html>not found</html>")
    beets.broken, beets.said = str(broken), beets.run("musictag")
    return beets


def test_songs_have_the_scores_of_the_original_and_ranges_find_them(library, reference):
    stored = np.load(reference / "musicnn" / "taggrams.npz")
    labels = json.loads((reference / "musicnn" / "tags.json").read_text())["MSD"]
    found = library.scores("kmt_rock", "kmt_preset:musicnn_msd")
    for path in found:
        name = f"{pathlib.Path(path).stem}__taggram__MSD_musicnn"
        if name in stored:
            score = stored[name].mean(axis=0)[labels.index("rock")]
            # That package resampled in another way, which costs some hundredths.
            assert float(found[path]) == pytest.approx(score, abs=0.03)
    assert len({*found.values()}) > 2
    low, high = sorted(float(value) for value in found.values())[1:3]
    above = library.scores("kmt_rock", f"kmt_rock:{(low + high) / 2:.6f}..")
    assert set(above) == {path for path in found if float(found[path]) >= high}


def test_only_the_chosen_groups_are_kept(library):
    assert set(library.scores("kmt_guitar").values()) == {"$kmt_guitar"}


def test_a_broken_file_is_named_and_has_no_scores(library):
    assert library.broken not in library.scores("kmt_rock", "kmt_rock:0..")


def test_smart_playlists_follow_the_scores(library):
    library.run("splupdate")
    listed = (library.folder / "rock.m3u").read_text().splitlines()
    assert set(listed) == set(library.scores("kmt_rock", "kmt_rock:0.15.."))
    assert listed


def test_on_import_scores_go_into_the_copies_and_not_into_the_sources(tmp_path, corpus):
    source = next(p for p in sorted((corpus / "real").iterdir()) if p.suffix == ".flac")
    song = tmp_path / "source" / source.name
    song.parent.mkdir()
    shutil.copyfile(source, song)
    beets = Beets(tmp_path, musictag={"write": True})
    beets.run("import", "-A", "-q", str(song.parent))

    assert song.read_bytes() == source.read_bytes()
    ((path, score),) = beets.scores("kmt_ambient").items()
    tags = mutagen.File(path)
    assert float(tags["KMT_AMBIENT"][0]) == pytest.approx(float(score), abs=1e-4)
    assert beets.scores("genres")[path].split("; ") == tags["GENRE"]
    changed = beets.run("update", "--pretend")
    assert changed == ""  # beets knows what the file says


def test_key_and_tempo_fill_the_fields_of_beets_and_keep_what_is_there(
    tmp_path, corpus
):
    with open(corpus / "chords" / "manifest.csv", newline="") as file:
        row = next(csv.DictReader(file))
    source = tmp_path / "source"
    source.mkdir()
    for name in ("empty", "filled"):
        path = source / f"{name}{pathlib.Path(row['file']).suffix}"
        shutil.copyfile(corpus / "chords" / row["file"], path)
    tags = mutagen.File(path)
    tags["BPM"], tags["INITIALKEY"] = ["77"], ["Cm"]
    tags.save()
    (tmp_path / "Music").mkdir()  # beets asks if it is not there
    beets = Beets(tmp_path, musictag={"auto": False, "write": True})
    beets.run("import", "-A", "-q", "-C", str(source))
    beets.run("musictag")
    assert set(beets.scores("bpm").values()) == {"0", "77"}
    beets.run("musictag", "-k", "-t")  # not skipped: these are not known

    bpm, keys = beets.scores("bpm"), beets.scores("initial_key")
    exact = beets.scores("kmt_tempo")
    filled = str(path)
    assert (bpm.pop(filled), keys.pop(filled)) == ("77", "Cm")
    ((empty, tempo),) = bpm.items()
    assert int(tempo) == pytest.approx(float(row["tempo"]), rel=0.02)
    assert float(exact[empty]) == pytest.approx(float(row["tempo"]), abs=0.5)
    assert exact[filled] == exact[empty]
    tonic, mode = parse_key(row["key"])
    assert parse_key(keys[empty])[1] == mode
    assert note_pitch_class(parse_key(keys[empty])[0]) == note_pitch_class(tonic)
    assert mutagen.File(empty)["BPM"] == [tempo]
    assert mutagen.File(filled)["BPM"] == ["77"]
    assert beets.run("update", "--pretend") == ""


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"preset": "musicn_msd"}, "Did you mean"),
        ({"preset": "crema"}, "names chords, not tags"),
        ({"groups": ["colour"]}, "No label belongs to such a group"),
    ],
)
def test_a_wrong_setting_is_one_message(tmp_path, config, message):
    said = Beets(tmp_path, musictag=config).run("musictag", fails=True)
    assert message in said
    assert "Traceback" not in said
