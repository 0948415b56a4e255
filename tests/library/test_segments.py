"""Where labels are heard: a column of intervals beside the tags of a library."""

import json
import shutil

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

import keras_musictag as kmt
from keras_musictag.cli import app
from keras_musictag.errors import ConfigError, LabelError
from keras_musictag.library import Library, build, merge
from keras_musictag.tracks.inference import MeanBatcher

RATE = 16000


@pytest.fixture(scope="module")
def tagger(taggers):
    """A small tagger with weights by chance: its folder."""
    return next(iter(taggers))


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """Noise that grows louder and softer, a tone, and silence."""
    folder = tmp_path_factory.mktemp("songs")
    random = np.random.default_rng(0)
    loud = np.repeat(random.uniform(0.001, 0.3, 12), RATE // 2)
    tone = 0.3 * np.sin(np.arange(3 * RATE) * 0.2)
    sounds = {"noise": loud * random.normal(0, 0.5, 6 * RATE), "tone": tone}
    for name, y in {**sounds, "silence": 0 * tone}.items():
        soundfile.write(folder / f"{name}.wav", y, RATE)
    return folder


@pytest.fixture(scope="module")
def wanted(tagger, taggers, songs):
    """Thresholds that each label of the noise is above half of the time."""
    scores = taggers[tagger].taggram(str(songs / "noise.wav")).scores
    medians = np.median(scores, axis=0)
    return {f"one {i}": float(medians[i]) for i in (2, 0)}


@pytest.fixture(scope="module")
def built(tagger, songs, wanted, tmp_path_factory):
    folder = tmp_path_factory.mktemp("libraries") / "built"
    build(songs, folder, tagger, segments=wanted)
    return folder


def by_stem(table):
    rows = zip(table["path"].to_pylist(), table["segments"].to_pylist(), strict=True)
    return {path.rpartition("/")[2].removesuffix(".wav"): heard for path, heard in rows}


def check(found, model, songs, wanted):
    """The intervals are those of the taggram; there are none in silence."""
    assert set(found) == {path.stem for path in songs.iterdir()}
    for stem, heard in found.items():
        taggram = model.taggram(str(songs / f"{stem}.wav"))
        assert list(heard) == list(wanted)
        for name, threshold in wanted.items():
            expected = taggram.segments(name, threshold=threshold)
            expected = [] if taggram.silent else expected
            times = [(i["start"], i["end"]) for i in heard[name]]
            assert np.array(times) == pytest.approx(np.array(expected), abs=1e-3)


def test_intervals_are_those_of_the_taggram(taggers, tagger, songs, built, wanted):
    found = by_stem(Library(built).tracks())
    check(found, taggers[tagger], songs, wanted)
    assert all(len(intervals) > 1 for intervals in found["noise"].values())
    assert found["silence"] == {name: [] for name in wanted}


def test_a_group_of_a_pretrained_tagger(tmp_path):
    music = tmp_path / "music"
    music.mkdir()
    shutil.copy(kmt.audio.demo_path(), music)
    wanted = {"instrument": None, "guitar": 0.1}
    build(music, tmp_path / "lib", "musicnn_mtt", segments=wanted)
    (row,) = Library(tmp_path / "lib").tracks()["segments"].to_pylist()
    taggram = kmt.MusicnnTagger.from_pretrained("musicnn_mtt").taggram(
        kmt.audio.demo_path()
    )
    for name, threshold in wanted.items():
        times = [(i["start"], i["end"]) for i in row[name]]
        expected = taggram.segments(name, threshold=threshold)
        assert np.array(times) == pytest.approx(np.array(expected), abs=1e-3)
    assert row["instrument"] and row["guitar"] != row["instrument"]


def test_conditions_ask_for_seconds(built, wanted):
    library = Library(built)
    for stem, heard in by_stem(library.tracks()).items():
        for name in wanted:
            seconds = sum(max(0, min(i["end"], 4) - i["start"]) for i in heard[name])
            where = f'abs(seconds_heard(segments."{name}", 0, 4) - {seconds}) < 1e-6'
            assert library.search(f"{where} and path like '%{stem}.wav'").num_rows == 1
    assert library.search('seconds_heard(segments."ONE 0") >= 0').num_rows == 3
    unheard = "CASE WHEN path LIKE '%noise%' THEN segments.\"one 0\" END"
    assert library.search(f"seconds_heard({unheard}) >= 0").num_rows == 1  # not NULL


def test_the_tags_stay_and_the_network_runs_once(tagger, songs, tmp_path, monkeypatch):
    chunks = []

    def add(self, *args, add=MeanBatcher.add):
        chunks.append(1)
        add(self, *args)

    monkeypatch.setattr(MeanBatcher, "add", add)
    song, folder = songs / "tone.wav", tmp_path / "library"
    build(song, folder, tagger)
    once = len(chunks)
    tags = Library(folder).tracks()
    assert build(song, folder, tagger, segments="one 1").analysed == 1
    assert len(chunks) == 2 * once  # the scores over time were not kept
    later = Library(folder).tracks()
    assert later.drop_columns(["segments"]).equals(tags)
    build(song, tmp_path / "both", tagger, segments="one 1")
    assert len(chunks) == 3 * once
    assert build(song, folder, tagger, segments="one 1").todo == 0
    assert build(song, folder, tagger).todo == 0  # they stay
    assert by_stem(Library(folder).tracks()) == by_stem(later)
    assert build(song, folder, tagger, segments={"one 1": 0.1}).analysed == 1


def test_moves_merges_and_exports_keep_them(tagger, songs, built, wanted, tmp_path):
    music, folder = shutil.copytree(songs, tmp_path / "music"), tmp_path / "library"
    before = by_stem(Library(built).tracks())
    for number in (1, 2):
        part = tmp_path / str(number)
        build(sorted(music.iterdir())[number - 1 :: 2], part, tagger, segments=wanted)
    merge([tmp_path / "1", tmp_path / "2"], folder)
    assert by_stem(Library(folder).tracks()) == before
    (music / "noise.wav").rename(music / "renamed.wav")
    done = build(music, folder, tagger, segments=wanted)
    assert (done.moved, done.analysed) == (1, 0)
    assert by_stem(Library(folder).tracks())["renamed"] == before["noise"]
    Library(folder).export(tmp_path / "all.json")
    rows = json.loads((tmp_path / "all.json").read_text("utf-8"))
    assert before["noise"] in [row["segments"] for row in rows]
    assert Library(folder).export(tmp_path / "all.csv") == 3


def test_two_taggers_find_their_own_labels(taggers, songs, tmp_path):
    wanted = {"two 1": 0.0, "one 0": 0.0}
    build(songs / "tone.wav", tmp_path / "lib", list(taggers), segments=wanted)
    (heard,) = by_stem(Library(tmp_path / "lib").tracks()).values()
    whole = [{"start": 0.0, "end": pytest.approx(3.0)}]
    assert heard == {"one 0": whole, "two 1": whole}


def test_what_nobody_knows_names_the_command(tagger, songs, built, tmp_path):
    known = "--segments 'one 2=0.*--segments 'choir'"
    with pytest.raises(ConfigError, match=f"--preset {tagger} {known}"):
        Library(built).search("len(segments.choir) > 0")
    with pytest.raises(ConfigError, match="no condition"):
        Library(built).search("segmnts.choir > 0")
    build(songs / "tone.wav", tmp_path / "plain", tagger)
    plain, fresh = Library(tmp_path / "plain"), tmp_path / "fresh"
    with pytest.raises(ConfigError, match=f"--preset {tagger} --segments 'my flute'"):
        plain.search('seconds_heard(segments."my flute", 0, 30) = 0')
    for segments, chunks, error, match in (
        ("one 9", None, LabelError, "Did you mean 'one"),
        ("one 1", 2, ConfigError, "all chunks"),
        ({"one 1": float("nan")}, None, ConfigError, "finite"),
        (["one 1", "one 1=0.2"], None, ConfigError, "once"),
    ):
        with pytest.raises(error, match=match):
            build(songs, fresh, tagger, segments=segments, chunks=chunks)


def test_the_command(tagger, songs, tmp_path):
    out = str(tmp_path / "lib")
    command = ["library", "build", str(songs / "tone.wav"), "--out", out, "--quiet"]
    command += ["--preset", tagger, "--segments", "one 2=0", "--segments", "one 0"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    (analysis,) = [a for a in Library(out).analyses if a.kind == "segments"]
    assert (analysis.labels, analysis.thresholds) == (("one 2", "one 0"), (0.0, None))
    where = 'seconds_heard(segments."one 2") > 0'
    command = ["library", "search", out, "--where", where, "--format", "json"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)[0]["segments"]["one 2"][0]["start"] == 0
