"""`library.build`: what it writes, what it leaves out, what it does again."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

import keras_musictag as kmt
from keras_musictag.errors import AudioError, ConfigError, PresetError
from keras_musictag.library import Library, build, merge
from keras_musictag.library.addresses import content_hash
from keras_musictag.library.jobs import Analysis
from keras_musictag.library.scanning import Scanner
from keras_musictag.library.store import Store


def scores(folder, preset="musicnn_mtt"):
    """The scores of a library by path, as an array."""
    library = Library(folder)
    (analysis,) = [a for a in library.analyses if a.name == preset]
    found = library.search(f"{preset} IS NOT NULL")
    apart = [f"{preset}.{name}" for name in analysis.labels]
    pairs = zip(apart, analysis.labels, strict=True)
    names = [full if full in found.column_names else name for full, name in pairs]
    return {
        row["path"]: np.array([row[name] for name in names])
        for row in found.to_pylist()
    }


def mended(path):
    """The text file's music: what it is replaced by later."""
    shutil.copy(kmt.audio.demo_path(), path)


def good(songs):
    return [p for p in kmt.audio.find_files(songs) if p.name != "broken.mp3"]


def test_scores_embeddings_and_facts_are_those_of_the_taggers(songs, built):
    folder, progress = built
    assert (progress.found, progress.analysed, progress.failed) == (7, 6, 1)
    paths = good(songs)
    for preset in ("musicnn_mtt", "musicnn_msd"):
        tagger = kmt.MusicTagger.from_pretrained(preset)
        expected = tagger.predict([str(p) for p in paths])
        embedded = tagger.embed([str(p) for p in paths])
        found = scores(folder, preset)
        assert set(found) == {str(p) for p in paths}
        rows = np.stack([found[str(p)] for p in paths])
        np.testing.assert_allclose(rows, expected, atol=1e-6)
        (part,) = folder.glob(f"tags-{preset}-*/part-*.parquet")
        table = pq.read_table(part).to_pylist()
        vectors = {row["path"]: row["embedding"] for row in table}
        for path, vector in zip(paths, embedded, strict=True):
            np.testing.assert_allclose(vectors[str(path)], vector, atol=1e-5)
        for row in table:
            state = os.stat(row["path"])
            assert (row["size"], row["mtime_ns"]) == (state.st_size, state.st_mtime_ns)
            seconds = kmt.audio.duration(row["path"])
            assert row["duration"] == pytest.approx(seconds, abs=1e-6)
            assert row["preset"] == preset and len(row["weights_sha256"]) == 64
            assert row["package_version"] == kmt.__version__


def test_unchanged_files_are_skipped_and_changed_ones_are_not(songs, built, tmp_path):
    music = shutil.copytree(songs, tmp_path / "music")
    folder = tmp_path / "library"
    first = build(music, folder, "musicnn_mtt")
    again = build(music, folder, "musicnn_mtt")
    assert (first.analysed, again.todo, again.analysed) == (6, 0, 0)
    before = scores(folder)
    touched, moved, changed = good(music)[:3]
    os.utime(touched, ns=(1, 1))  # a clock that went back: other time, same bytes
    target = moved.with_name("renamed" + moved.suffix)
    moved.rename(target)
    changed.write_bytes(kmt.audio.demo_path().read_bytes())
    third = build(music, folder, "musicnn_mtt")
    assert (third.todo, third.analysed, third.moved) == (3, 1, 2)
    after = scores(folder)
    assert set(after) == set(before) - {str(moved)} | {str(target)}
    np.testing.assert_array_equal(after[str(target)], before[str(moved)])
    demo = kmt.MusicTagger.from_pretrained("musicnn_mtt").predict(kmt.audio.demo_path())
    np.testing.assert_allclose(after[str(changed)], demo[0], atol=1e-6)
    assert build(music, folder, "musicnn_mtt").todo == 0


@pytest.mark.parametrize("write_seconds", [1e-9, 60])
def test_files_that_change_names_keep_their_own_scores(songs, tmp_path, write_seconds):
    album, folder = tmp_path / "album", tmp_path / "library"
    album.mkdir()
    # Of one length and format, so that sizes tell nothing.
    sounds = [kmt.audio.load(song, 16000)[0][: 6 * 16000] for song in good(songs)[:4]]
    first, second, third, fresh = (np.round(y * 32767) / 32768 for y in sounds)

    def press(number, y):
        soundfile.write(album / f"{number}.wav", y, 16000, subtype="PCM_16")

    for number, y in enumerate((first, second, third), 1):
        press(number, y)
    build(album, folder, "musicnn_mtt")
    # A new first song moves the others on; the last one is there twice from now on.
    shutil.copy(album / "3.wav", album / "5.wav")
    for number in (3, 2, 1):
        (album / f"{number}.wav").rename(album / f"{number + 1}.wav")
    press(1, fresh)
    done = build(album, folder, "musicnn_mtt", write_seconds=write_seconds)
    assert (done.analysed, done.moved, done.failed) == (1, 4, 0)
    expected = kmt.MusicTagger.from_pretrained("musicnn_mtt").predict(
        [fresh, first, second, third, third]
    )
    rows = scores(folder)
    assert set(rows) == {str(album / f"{number}.wav") for number in range(1, 6)}
    for number, row in enumerate(expected, 1):
        np.testing.assert_allclose(rows[str(album / f"{number}.wav")], row, atol=1e-4)
    assert build(album, folder, "musicnn_mtt").todo == 0


def test_a_moved_file_takes_the_place_of_its_rows_in_each_analysis(tmp_path):
    """One analysis knows it by its old path, the next by that of a twin still there."""
    old, twin, new = (tmp_path / f"{name}.wav" for name in ("old", "twin", "new"))
    shutil.copy(kmt.audio.demo_path(), twin)
    shutil.copy(twin, new)
    sha256 = content_hash(str(new))
    first, second = (Analysis("tempo", name, name, name) for name in ("a", "b"))
    library = Store(tmp_path / "library")
    with library.locked():
        library.register([first, second])
        row = {"size": new.stat().st_size, "mtime_ns": 1, "sha256": sha256}
        library.write(
            {first: [{**row, "path": str(old)}], second: [{**row, "path": str(twin)}]}
        )
        scanner = Scanner(library, [first, second], retry_failed=False)
        (job,) = scanner.jobs(scanner.pending([str(new)]))
    assert job.sha256 == sha256 and job.wanted == ()
    assert job.copies == ((first.id, str(old)), (second.id, str(twin)))
    assert job.replaces == str(old)


@pytest.mark.slow
def test_a_new_preset_and_a_changed_one_run_alone(songs, library, tmp_path):
    parts = {p: p.stat().st_mtime_ns for p in library.glob("tags-*/*.parquet")}
    tagger = kmt.MusicTagger.from_pretrained("musicnn_mtt")
    tagger.save_pretrained(tmp_path / "mine")
    presets = ["musicnn_mtt", str(tmp_path / "mine")]
    assert build(good(songs), library, presets).analysed == 6
    assert build(good(songs), library, presets).todo == 0
    logits = tagger.head.get_layer("logits")
    logits.set_weights([0.5 * w for w in logits.get_weights()])
    tagger.save_pretrained(tmp_path / "mine")
    assert build(good(songs), library, presets).analysed == 6
    # What the others have written is as it was.
    assert parts == {p: p.stat().st_mtime_ns for p in parts}
    assert len(list(library.glob("tags-mine-*"))) == 2
    found = scores(library, "mine")
    path = str(good(songs)[0])
    np.testing.assert_allclose(found[path], tagger.predict(path)[0], atol=1e-6)


def test_failures_are_noted_and_retried_on_request(songs, tmp_path):
    music = shutil.copytree(songs, tmp_path / "music")
    (music / "empty.wav").write_bytes(b"")
    paths = [music / "broken.mp3", music / "empty.wav", music / "missing.ogg"]
    folder = tmp_path / "library"
    assert build(paths, folder, "musicnn_mtt").failed == 3
    rows = Library(folder).errors().to_pylist()
    assert [row["path"] for row in rows] == [str(path) for path in paths]
    assert {row["cause"] for row in rows} == {"AudioError"}
    words = ("text", "empty", "does not exist")
    assert all(w in row["message"] for w, row in zip(words, rows, strict=True))
    assert build(paths, folder, "musicnn_mtt").todo == 0
    assert build(paths, folder, "musicnn_mtt", retry_failed=True).failed == 3
    assert len(Library(folder).errors()) == 3
    mended(music / "broken.mp3")
    mended(music / "missing.ogg")
    mending = build(paths, folder, "musicnn_mtt")
    assert mending.analysed == 2
    (left,) = Library(folder).errors().to_pylist()
    assert left["path"] == str(music / "empty.wav")


def test_tables_and_lists_name_tracks(songs, tmp_path):
    from keras_musictag.library.scanning import find_tracks

    paths = [str(p) for p in good(songs)]
    lines = "\n".join(paths) + "\n"
    (tmp_path / "a.txt").write_text(lines)
    (tmp_path / "b.csv").write_text("id,path\n" + "".join(f"1,{p}\n" for p in paths))
    (tmp_path / "c.m3u8").write_text("#EXTM3U\n#EXTINF:1,x\n" + lines)
    for name in ("a.txt", "b.csv", "c.m3u8"):
        assert find_tracks(tmp_path / name) == paths
    assert find_tracks([*paths, songs, f"{songs}/*.mp3"])[: len(paths)] == paths
    (tmp_path / "d.csv").write_text("id,file\n1,a.mp3\n")
    with pytest.raises(ConfigError, match="column 'path'"):
        find_tracks(tmp_path / "d.csv")
    with pytest.raises(AudioError, match="no audio"):
        find_tracks(tmp_path)


@pytest.mark.slow
def test_shards_merged_are_the_whole(songs, built, tmp_path):
    shards = [tmp_path / f"shard-{i}" for i in (1, 2)]
    found = 0
    for i, shard in enumerate(shards, 1):
        found += build(songs, shard, "musicnn_mtt", shard=f"{i}/2").found
    assert found == 7
    merge(shards, tmp_path / "merged")
    whole, merged = scores(built[0]), scores(tmp_path / "merged")
    assert set(whole) == set(merged)
    for path, row in whole.items():
        np.testing.assert_allclose(merged[path], row, atol=1e-6)
    assert len(Library(tmp_path / "merged").errors()) == 1
    assert build(songs, tmp_path / "merged", "musicnn_mtt").todo == 0
    with pytest.raises(ConfigError, match="no such shard"):
        build(songs, tmp_path / "other", shard="3/2")


def test_spaced_chunks_are_those_of_the_plan(songs, tmp_path):
    tagger = kmt.MusicTagger.from_pretrained("musicnn_mtt")
    build(songs, tmp_path / "library", "musicnn_mtt", chunks=2, embeddings=False)
    paths = [str(p) for p in good(songs)]
    expected = tagger.predict(paths, chunking=tagger.chunking.spaced(2))
    found = scores(tmp_path / "library")
    rows = np.stack([found[path] for path in paths])
    # MP3 without a count of its frames may be decoded whole, others by a seek.
    np.testing.assert_allclose(rows, expected, atol=1e-3)


@pytest.mark.slow
def test_chords_key_and_tempo_are_those_of_their_functions(songs, tmp_path):
    pytest.importorskip("librosa")
    path = good(songs)[-1]
    preset = "crnn_majmin_rendered"
    build(path, tmp_path / "library", (), preset, tempo=True)
    (row,) = Library(tmp_path / "library").tracks().to_pylist()
    chords = kmt.ChordRecognizer.from_pretrained(preset).recognize(path).merged()
    assert [c["label"] for c in row["chords"]] == chords.labels
    starts = [c["start"] for c in row["chords"]]
    np.testing.assert_allclose(starts, chords.intervals[:, 0], atol=0.1)
    key = chords.key()
    assert row["key"] == (key and key.label)
    assert row["tempo"] == pytest.approx(kmt.chords.find_beats(path).tempo, rel=1e-3)


PROGRAM = """
import sys
from keras_musictag.library import build
build(sys.argv[1], sys.argv[2], sys.argv[3], write_seconds=0.01)
"""


def test_two_runs_do_not_write_one_library(songs, library):
    import filelock

    with (
        filelock.FileLock(library / "library.lock"),
        pytest.raises(ConfigError, match="Another process"),
    ):
        build(songs, library, "musicnn_mtt")


@pytest.mark.slow
def test_a_full_disk_loses_nothing_that_was_written(songs, library):
    """Files limited to 4 kB are refused by the system, as on a full disk."""
    before = scores(library)
    program = (
        "import resource, signal\n"
        "from keras_musictag.errors import ConfigError\n"
        "from keras_musictag.library import build\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "import sys\n"
        "def limit(p): resource.setrlimit(resource.RLIMIT_FSIZE, (4096, -1))\n"
        "try:\n"
        "    build(*sys.argv[1:3], 'musicnn_mtt', chunks=1, on_progress=limit)\n"
        "except ConfigError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(songs), str(library)],
        capture_output=True,
        text=True,
    )
    assert "cannot be written (File too large)" in done.stdout, done.stderr
    assert not list(library.glob("**/.*.part"))
    # The new analysis has no rows yet; the earlier ones have all of theirs.
    (old,) = [p for p in library.glob("tags-musicnn_mtt-*") if any(p.iterdir())]
    rows = sum(pq.read_metadata(p).num_rows for p in old.glob("*.parquet"))
    assert rows == len(before)


def test_a_file_that_vanishes_in_mid_run_costs_no_other(songs, tmp_path):
    from keras_musictag.library import building, scanning, store
    from keras_musictag.library.analysis import Analyzer
    from keras_musictag.library.jobs import Recipe

    music = shutil.copytree(songs, tmp_path / "music")
    lost, *rest = good(music)[:3]

    def engine(analyzer, jobs):
        lost.unlink()  # it was there when the run was planned
        yield from analyzer.run(jobs)

    library = store.Store(tmp_path / "library")
    with library.locked():
        analyzer = Analyzer(Recipe(("musicnn_mtt",)))
        paths = scanning.find_tracks([lost, *rest])
        done = building.run(library, analyzer, paths, engine=engine)
    assert (done.todo, done.analysed, done.failed) == (3, 2, 1)
    assert set(scores(tmp_path / "library")) == {str(path) for path in rest}
    (error,) = Library(tmp_path / "library").errors().to_pylist()
    assert error["path"] == str(lost) and "does not exist" in error["message"]


@pytest.mark.skipif(not os.path.isdir("/sys/kernel"), reason="needs Linux's /sys")
def test_output_that_may_not_be_written_is_told_before_any_work(songs):
    with pytest.raises(ConfigError, match="cannot be written.*Make room, or let it"):
        build(songs, "/sys/kernel/library", "musicnn_mtt")


def test_wrong_arguments_and_foreign_folders(songs, library, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"cat")
    with pytest.raises(ConfigError, match="holds no library"):
        build(songs, tmp_path / "photos", "musicnn_mtt")
    with pytest.raises(PresetError, match="no such preset"):
        build(songs, tmp_path / "new", "musicnn_mtx")
    with pytest.raises(ConfigError, match="named twice"):
        build(songs, tmp_path / "new", ("musicnn_mtt", "musicnn_mtt"))
    with pytest.raises(ConfigError, match="nothing to find out"):
        build(songs, tmp_path / "new", ())
    with pytest.raises(ConfigError, match="chunks"):
        build(songs, tmp_path / "new", chunks=0)
    part = next(library.glob("tags-musicnn_mtt-*/*.parquet"))
    part.write_bytes(part.read_bytes()[:-20])
    with pytest.raises(ConfigError, match="damaged"):
        Library(library).tracks()
    text = (library / "library.json").read_text()
    (library / "library.json").write_text(text.replace('version": 1', 'version": 99'))
    with pytest.raises(ConfigError, match="newer version"):
        Library(library)
    with pytest.raises(ConfigError, match="no library"):
        Library(tmp_path / "nowhere")


def test_tempo_and_meter_are_those_of_the_beat_tracker(corpus, tmp_path):
    paths = [corpus / "chords" / f"majmin_2026_000{i}.ogg" for i in (3, 5)]
    silence = tmp_path / "silence.wav"
    soundfile.write(silence, np.zeros(22050), 22050)
    build([*paths, silence], tmp_path / "library", (), beats="beatnet")
    tracker = kmt.BeatTracker.from_pretrained("beatnet")
    rows = {
        row["path"]: row for row in Library(tmp_path / "library").search().to_pylist()
    }
    for path in paths:
        row, beats = rows[str(path)], tracker.track(path)
        assert row["tempo"] == pytest.approx(beats.tempo, rel=1e-5)
        assert row["meter"] == beats.meter
        sure = np.mean(beats.confidences)
        assert row["tempo_confidence"] == pytest.approx(sure, abs=1e-4)
    quiet = rows[str(silence)]
    assert (quiet["tempo"], quiet["tempo_confidence"], quiet["meter"]) == (
        None,
        0,
        None,
    )


def test_the_key_of_a_recogniser_takes_the_place_of_that_of_chords(
    corpus, tmp_path, key_mirror, monkeypatch
):
    for name, value in key_mirror.items():
        monkeypatch.setenv(name, value)
    path = corpus / "chords" / "majmin_2026_0003.ogg"
    chords = "crnn_majmin_rendered"
    build(path, tmp_path / "library", (), chords)
    build(path, tmp_path / "library", (), chords, key="skey")
    keys = kmt.KeyRecognizer.from_pretrained("skey").recognize(path)
    (row,) = Library(tmp_path / "library").search("key_camelot IS NOT NULL").to_pylist()
    assert row["key"] == keys.key.label and row["key_camelot"] == keys.key.camelot
    assert row["key_confidence"] == pytest.approx(keys.confidence, abs=1e-4)
    regions = [(r["start"], r["end"], r["label"]) for r in row["key_regions"]]
    assert regions == [(r.start, r.end, r.label) for r in keys]
    assert row["chords"] and row["key_margin"] is not None
