"""Data sets: splits against the published sizes, tags against the reference tables.

The tables of tags are made anew, in the form in which each data set is published, from
the reference lists; the published counts of tracks and tags are the oracle.
"""

import csv
import gzip
import json
import sqlite3
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import soundfile

import keras_musictag as kmt
from keras_musictag import Labels
from keras_musictag.data import splits

FOLDS = {"train": "0", "valid": "1", "test": "2"}
WHEEL_BYTES = 2_000_000


@pytest.fixture(scope="module")
def lists(reference):
    folder = reference / "splits"
    if not folder.is_dir():
        pytest.skip("needs reference/splits of the shared data")
    return folder


@pytest.fixture(scope="module")
def names(lists):
    return json.loads((lists / "tags.json").read_text())


def table(path):
    delimiter = "\t" if ".tsv" in path.suffixes else ","
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else None
    text = path.read_text() if data is None else data.decode()
    return list(csv.DictReader(text.splitlines(), delimiter=delimiter))


def columns(row):
    return [int(i) for i in row["tags"].split(",") if i.strip("?")]


def sizes(tracks):
    return tuple(tracks.splits[name] for name in FOLDS)


def write_tone(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full(800, 0.1), 8000)


def test_the_lists_stay_small():
    files = [file for file in splits.FOLDER.iterdir() if file.is_file()]
    assert {"about.json", "magnatagatune.npz", "msd_lee.npz"} < {f.name for f in files}
    assert sum(file.stat().st_size for file in files) < WHEEL_BYTES


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("magnatagatune/won", (15247, 1529, 4332)),
        ("magnatagatune/lee", (15244, 1529, 4332)),
        ("magnatagatune/pons", (18709, 1825, 5329)),
        ("msd/lee", (201680, 11774, 28435)),
        ("mtg_jamendo/top50/0", (32136, 10888, 11356)),
        ("mtg_jamendo/genre/4", (31305, 11804, 11985)),
        ("mtg_jamendo/instrument/2", (14702, 5066, 5208)),
        ("mtg_jamendo/moodtheme/1", (10190, 3594, 4198)),
        ("gtzan/fault_filtered", (443, 197, 290)),
    ],
)
def test_sizes_are_the_published_ones(name, published):
    assert splits.counts(name) == published


@pytest.mark.parametrize(
    ("list_name", "preset"),
    [
        ("mtat_top50", "musicnn_won_mtat"),
        ("msd_top50", "fcn_msd"),
        ("mtg_jamendo_top50", "crnn_jamendo"),
    ],
)
def test_labels_are_in_the_order_of_the_models(names, list_name, preset):
    file = files("keras_musictag") / "presets" / f"{preset}.json"
    record = json.loads(file.read_text())
    labels = splits.labels(list_name)
    assert labels == names[list_name]
    assert Labels.from_config(record["config"]["labels"]).names == tuple(labels)


@pytest.fixture(scope="module")
def mtt(lists, names, tmp_path_factory):
    """MagnaTagATune's annotations in the published form."""
    folder = tmp_path_factory.mktemp("mtt")
    labels = names["mtat_top50"]
    with (folder / "annotations_final.csv").open("w", newline="") as file:
        writer = csv.writer(file, delimiter="\t", quoting=csv.QUOTE_ALL)
        writer.writerow(["clip_id", "another tag", *labels, "mp3_path"])
        for row in table(lists / "mtat_clips.tsv.gz"):
            flags = ["0"] * len(labels)
            for i in columns(row):
                flags[i] = "1"
            writer.writerow([row["clip_id"], "0", *flags, row["path"]])
    return folder


@pytest.mark.parametrize("split", ["won", "pons"])
def test_magnatagatune(mtt, lists, split):
    tracks = kmt.data.magnatagatune(mtt, split=split)
    assert sizes(tracks) == splits.counts(f"magnatagatune/{split}")
    expected = {
        row["clip_id"]: row
        for row in table(lists / "mtat_clips.tsv.gz")
        if row[split] != "-"
    }
    assert {t.id: FOLDS[t.split] for t in tracks} == {
        key: row[split] for key, row in expected.items()
    }
    assert tracks[0].path == str(mtt / expected[tracks[0].id]["path"])


def test_tags_of_magnatagatune_are_counted_as_published(mtt, lists):
    tracks = kmt.data.magnatagatune(mtt)
    positives = {
        part: dict(zip(tracks.labels, tracks.split(part).targets.sum(0), strict=True))
        for part in FOLDS
    }
    rows = table(lists / "mtat_won_tag_counts.csv")
    for row in rows:
        for part in ("valid", "test"):
            assert positives[part][row["tag"]] == int(row[part])
    # Of the other tags, the train clips of the reference lists know nothing.
    for row in rows[:20]:
        assert positives["train"][row["tag"]] == int(row["train"])


def test_clips_may_lie_in_a_folder_of_their_own(mtt, tmp_path):
    annotations = mtt / "annotations_final.csv"
    (tmp_path / "mp3" / "0").mkdir(parents=True)
    tracks = kmt.data.magnatagatune(tmp_path, split=None, annotations=annotations)
    assert tracks.splits == {None: 25863}
    last = annotations.read_text().splitlines()[-1].split("\t")[-1].strip('"')
    assert tracks.paths[-1] == str(tmp_path / "mp3" / last)


def test_annotations_of_another_release_are_refused(mtt, tmp_path):
    lines = (mtt / "annotations_final.csv").read_text().splitlines(keepends=True)
    short = tmp_path / "annotations_final.csv"
    short.write_text("".join(lines[:-2]))
    with pytest.raises(kmt.LabelError, match=r"different releases.*[12] of 21108 ids"):
        kmt.data.magnatagatune(mtt, annotations=short)
    short.write_text(lines[0].replace('"metal"', '"heavy metal"') + lines[1])
    with pytest.raises(kmt.LabelError, match="columns missing: 'metal'"):
        kmt.data.magnatagatune(mtt, annotations=short)
    with pytest.raises(kmt.LabelError, match="cannot be read"):
        kmt.data.magnatagatune(tmp_path, annotations=tmp_path / "none.csv")
    with pytest.raises(kmt.AudioError, match="no such folder"):
        kmt.data.magnatagatune(tmp_path / "absent")
    with pytest.raises(kmt.ConfigError, match="'won', 'pons', 'lee', None"):
        kmt.data.magnatagatune(mtt, split="clean")


@pytest.fixture(scope="module")
def million(lists):
    return [r for r in table(lists / "msd_tracks.tsv.gz") if r["lee"] != "-"]


def test_msd_from_the_database(million, names, lists, tmp_path):
    labels = [*names["msd_top50"], "some other tag"]
    known = [row for row in million if row["tags"] != "?"]
    with sqlite3.connect(tmp_path / "lastfm_tags.db") as database:
        database.execute("CREATE TABLE tids (tid TEXT)")
        database.execute("CREATE TABLE tags (tag TEXT)")
        database.execute("CREATE TABLE tid_tag (tid INT, tag INT, val FLOAT)")
        database.executemany("INSERT INTO tags VALUES (?)", [(n,) for n in labels])
        database.executemany(
            "INSERT INTO tids VALUES (?)", [(r["track_id"],) for r in known]
        )
        pairs = [
            (row, tag + 1, 100.0)
            for row, entry in enumerate(known, 1)
            for tag in (*columns(entry), 50)
        ]
        database.executemany("INSERT INTO tid_tag VALUES (?, ?, ?)", pairs)
    database.close()
    unknown = len(million) - len(known)
    with pytest.warns(kmt.AudioWarning, match=f"{unknown} of {len(million)} tracks"):
        tracks = kmt.data.msd(tmp_path)
    assert sizes(tracks) == (201680, 11774, 28435)
    assert {t: (p, s) for t, p, s in splits.read_msd()} == {
        row["track_id"]: (row["id7"], part)
        for row in million
        for part, code in FOLDS.items()
        if row["lee"] == code
    }
    by_id = dict(zip(tracks.ids, tracks.paths, strict=True))
    assert by_id["TRAAAAK128F9318786"] == str(tmp_path / "5/5/5504670.clip.mp3")
    assert np.isnan(tracks.targets).all(axis=1).sum() == unknown
    for part in ("valid", "test"):
        positives = tracks.split(part).targets.sum(axis=0)
        published = {
            r["tag"]: int(r[part]) for r in table(lists / "msd_lee_tag_counts.csv")
        }
        assert dict(zip(tracks.labels, positives, strict=True)) == published


def test_msd_from_a_table(million, names, tmp_path):
    row = next(row for row in million if row["tags"] != "?")
    tags = "|".join(names["msd_top50"][i] for i in columns(row))
    file = tmp_path / "tags.tsv"
    file.write_text(f"track_id\ttags\n{row['track_id']}\t{tags}|odd\n")
    with pytest.warns(kmt.AudioWarning, match="241888 of 241889"):
        tracks = kmt.data.msd(
            tmp_path, tags=file, pattern="{track_id[2]}/{track_id}.wav"
        )
    track = tracks[tracks.ids.index(row["track_id"])]
    assert set(track.tags) == set(tags.split("|"))
    assert Path(track.path) == tmp_path / row["track_id"][2] / f"{row['track_id']}.wav"


def test_msd_without_its_tags(tmp_path):
    with pytest.raises(kmt.LabelError, match=r"cannot be read.*lastfm_tags\.db"):
        kmt.data.msd(tmp_path)
    assert not (tmp_path / "lastfm_tags.db").exists()
    (tmp_path / "tags.csv").write_text("track_id,tags\nTRX,rock\n")
    with pytest.raises(kmt.LabelError, match="another release"):
        kmt.data.msd(tmp_path, tags=tmp_path / "tags.csv")


FILES = {"top50": "autotagging_top50tags", "moodtheme": "autotagging_moodtheme"}


@pytest.fixture(scope="module")
def jamendo(lists, names, tmp_path_factory):
    """The official split files, made from the lists; lines end as upstream's."""
    folder = tmp_path_factory.mktemp("jamendo")
    rows = table(lists / "mtg_jamendo_tracks.tsv.gz")
    every = names["mtg_jamendo_all"]
    for subset, split in [("top50", 0), ("moodtheme", 4)]:
        wanted = set(names[f"mtg_jamendo_{subset}"])
        lines = {fold: [] for fold in "012"}
        for row in rows:
            tags = [every[i] for i in columns(row) if every[i] in wanted]
            number = int(row["track_id"])
            path = f"{number % 100:02d}/{number}.mp3"
            if tags:
                start = f"track_{number:07d}\tartist\talbum\t{path}\t{row['duration']}"
                lines[row["folds"][split]].append("\t".join([start, *tags]))
        target = folder / "data" / "splits" / f"split-{split}"
        target.mkdir(parents=True, exist_ok=True)
        for fold, part in zip("012", ("train", "validation", "test"), strict=True):
            text = "\r\n".join(
                ["TRACK_ID\tA\tB\tPATH\tDURATION\tTAGS", *lines[fold], ""]
            )
            file = target / f"{FILES[subset]}-{part}.tsv"
            file.write_bytes(text.encode())
    return folder


@pytest.mark.parametrize(
    ("subset", "split", "labels"),
    [("top50", 0, 50), ("moodtheme", 4, 56)],
)
def test_mtg_jamendo(jamendo, recwarn, subset, split, labels):
    tracks = kmt.data.mtg_jamendo(jamendo, subset=subset, split=split)
    assert sizes(tracks) == splits.counts(f"mtg_jamendo/{subset}/{split}")
    assert len(tracks.labels) == labels
    # Every tag occurs in each part of every split.
    for part in FOLDS:
        assert (tracks.split(part).targets.sum(axis=0) > 0).all()
    assert not recwarn.list


def test_both_releases_of_the_audio_are_found(jamendo, tmp_path):
    data = {"subset": "moodtheme", "split": 4, "metadata": jamendo / "data" / "splits"}
    first, second = kmt.data.mtg_jamendo(tmp_path, **data)[:2]
    low = first.path.replace(str(tmp_path), str(tmp_path / "audio"))
    low = Path(low).with_suffix(".low.mp3")
    low.parent.mkdir(parents=True)
    low.write_bytes(b"x")
    tracks = kmt.data.mtg_jamendo(tmp_path, **data)
    assert tracks[0].path == str(low)
    assert tracks[1].path == second.path.replace(str(tmp_path), str(tmp_path / "audio"))


MOODS = {"subset": "moodtheme", "split": 4}


def test_split_files_of_another_release(jamendo, tmp_path):
    source = jamendo / "data" / "splits" / "split-4"
    folder = tmp_path / "split-4"
    folder.mkdir()
    for part in ("train", "validation", "test"):
        name = f"autotagging_moodtheme-{part}.tsv"
        (folder / name).write_bytes((source / name).read_bytes())
    file = folder / "autotagging_moodtheme-test.tsv"
    lines = file.read_bytes().decode().split("\r\n")
    file.write_bytes("\r\n".join(lines[:-2]).encode())
    with pytest.warns(kmt.AudioWarning, match=r"4034\) tracks, published are"):
        assert len(kmt.data.mtg_jamendo(tmp_path, **MOODS)) == 17981
    file.write_bytes("\r\n".join([*lines[:3], lines[1]]).encode())
    with pytest.raises(kmt.LabelError, match="line 4.*a track listed before"):
        kmt.data.mtg_jamendo(tmp_path, **MOODS)
    file.write_bytes("\r\n".join([*lines[:2], lines[2] + "\tgenre---polka"]).encode())
    with pytest.raises(kmt.LabelError, match="line 3, track_.*'genre---polka'"):
        kmt.data.mtg_jamendo(tmp_path, **MOODS)
    file.write_text("head\ntrack_1\t2\n")
    with pytest.raises(kmt.LabelError, match="line 2"):
        kmt.data.mtg_jamendo(tmp_path, **MOODS)
    file.unlink()
    with pytest.raises(kmt.LabelError, match=r"moodtheme-test\.tsv"):
        kmt.data.mtg_jamendo(tmp_path, **MOODS)
    with pytest.raises(kmt.LabelError, match="split-2"):
        kmt.data.mtg_jamendo(tmp_path, split=2)
    with pytest.raises(kmt.ConfigError, match="'moodtheme'"):
        kmt.data.mtg_jamendo(tmp_path, subset="mood")


def test_gtzan(lists, tmp_path):
    for name in ("blues/blues.00029.wav", "jazz/jazz.00001.wav"):
        write_tone(tmp_path / "genres" / name)
    tracks = kmt.data.gtzan(tmp_path)
    assert sizes(tracks) == (443, 197, 290)
    expected = {row["path"]: row for row in table(lists / "gtzan_fault_filtered.csv")}
    own = {Path(t.path).relative_to(tmp_path / "genres").as_posix(): t for t in tracks}
    assert {path: t.split for path, t in own.items()} == {
        path: row["split"] for path, row in expected.items()
    }
    assert all(t.tags == (expected[path]["genre"],) for path, t in own.items())
    with pytest.warns(kmt.AudioWarning, match=r"928 of 930.*blues\.00000.*925 more"):
        assert "blues.00029" in tracks.check_files().ids


def test_plain_folds_of_gtzan(tmp_path):
    write_tone(tmp_path / "rock.00099.wav")
    tracks = kmt.data.gtzan(tmp_path, split="folds")
    assert tracks.splits == {str(i): 100 for i in range(10)}
    for i in range(10):
        counts = np.bincount(tracks.split(str(i)).classes, minlength=10)
        np.testing.assert_array_equal(counts, 10)
    assert Path(tracks[0].path) == tmp_path / "blues.00000.wav"
    assert kmt.data.gtzan(tmp_path, split=None).splits == {None: 1000}
    write_tone(tmp_path / "other" / "song.wav")
    with pytest.raises(kmt.AudioError, match="no clips of GTZAN"):
        kmt.data.gtzan(tmp_path / "other")
