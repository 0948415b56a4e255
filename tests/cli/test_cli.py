"""The command on good input: what it prints, writes and returns."""

import csv
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

import keras_musictag as kmt
from keras_musictag.cli import app

COMMAND = [sys.executable, "-c", "from keras_musictag.cli import main; main()"]


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def start(*arguments, **environment):
    """Run the command as a process of its own."""
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
        # A shell that runs the tests in the background makes its children deaf to it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    """A folder of synthesised chords: a.wav, b.ogg, deeper/a.flac."""
    folder = tmp_path_factory.mktemp("music")
    (folder / "deeper").mkdir()
    t = np.arange(7 * 16000) / 16000
    for i, name in enumerate(("a.wav", "b.ogg", "deeper/a.flac")):
        tones = [np.sin(2 * np.pi * 110 * (i + 1) * k * t) / k for k in (1, 2, 3)]
        soundfile.write(folder / name, 0.2 * sum(tones), 16000)
    (folder / "notes.txt").write_text("no music")
    return folder


@pytest.fixture(scope="module")
def model():
    return kmt.MusicTagger.from_pretrained()


@pytest.mark.usefixtures("through_keras")
def test_json_goes_clean_to_stdout_and_bad_files_to_stderr(music, model, tmp_path):
    fake = tmp_path / "fake.mp3"
    fake.write_text("<html>not found</html>")
    cut = tmp_path / "cut.mp3"  # MPEG frames, then nothing
    soundfile.write(cut, np.zeros(16000 * 8), 16000, format="MP3")
    cut.write_bytes(cut.read_bytes()[:64])
    options = ("--format", "json", "--taggram", tmp_path / "out.csv", "--top-k", 3)
    process = start("tag", music, fake, cut, *options)
    stdout, stderr = process.communicate()

    assert process.returncode == 1
    tracks = json.loads(stdout)
    paths = [music / name for name in ("a.wav", "b.ogg", "deeper/a.flac")]
    assert [track["path"] for track in tracks] == [str(path) for path in paths]
    assert {track["preset"] for track in tracks} == {"musicnn_msd"}
    for track, path in zip(tracks, paths, strict=True):
        expected = model.tag(path, top_k=3)
        assert [tag["label"] for tag in track["tags"]] == [n for n, _ in expected]
        scores = [tag["score"] for tag in track["tags"]]
        np.testing.assert_allclose(scores, [s for _, s in expected], atol=1e-5)
        for tag in track["tags"]:
            index = model.labels.index(tag["label"])
            assert tag["group"] == model.labels.groups[index]

    lines = stderr.splitlines()  # nothing but these, least of all from a backend
    assert lines[0].startswith(f"{fake}: The file holds text")
    assert lines[1].startswith(f"{cut}: ")
    assert lines[2:] == ["2 of 5 files could not be tagged."]

    names = sorted(p.name for p in tmp_path.glob("out*"))
    assert names == ["out-a-2.csv", "out-a.csv", "out-b.csv"]
    rows = list(csv.reader((tmp_path / "out-a-2.csv").open()))
    assert rows[0] == ["time", *model.labels]
    taggram = model.taggram(paths[2])
    values = np.array(rows[1:], "float64")
    np.testing.assert_allclose(values[:, 0], taggram.times, atol=1e-3)
    np.testing.assert_allclose(values[:, 1:], taggram.scores, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
@pytest.mark.usefixtures("through_keras")
def test_other_backends_are_as_clean(backend, model):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"needs {backend}")
    options = ("--demo", "--format", "csv", "--preset", "musicnn_msd")
    process = start("tag", *options, KERAS_BACKEND=backend)
    stdout, stderr = process.communicate()
    assert (process.returncode, stderr) == (0, "")
    rows = list(csv.DictReader(stdout.splitlines()))
    expected = model.tag(kmt.audio.demo_path())
    assert [row["label"] for row in rows] == [label for label, _ in expected]
    scores = [float(row["score"]) for row in rows]
    np.testing.assert_allclose(scores, [s for _, s in expected], atol=1e-4)


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_ctrl_c_keeps_what_was_done(music, tmp_path):
    source = (music / "b.ogg").read_bytes()
    for i in range(3000):
        (tmp_path / f"{i:04}.ogg").write_bytes(source)
    output = tmp_path / "tags.json"
    process = start("tag", tmp_path, "--output", output)
    while not (output.exists() and output.stat().st_size > 100):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate()

    tracks = json.loads(output.read_text())
    assert process.returncode == 130
    assert 0 < len(tracks) < 3000
    paths = [str(tmp_path / f"{i:04}.ogg") for i in range(len(tracks))]
    assert [track["path"] for track in tracks] == paths
    assert all(len(track["tags"]) == 10 for track in tracks)
    assert stderr.startswith("Stopped: ")
    assert stderr.endswith(" of 3000 files are done.\n")
    assert abs(int(stderr.split()[1]) - len(tracks)) <= 1
    assert stdout == ""


def test_table_is_plain_text_where_there_is_no_terminal(model):
    result = run("tag", "--demo", "--top-k", 3, "--group", "genre", "--sort", "lift")
    assert result.exit_code == 0
    assert "\x1b" not in result.output
    path, header, *rows = result.output.splitlines()
    assert path == str(kmt.audio.demo_path())
    assert header.split() == ["label", "score", "group"]
    expected = model.tag(path, top_k=3, groups="genre", sort="lift")
    for row, (label, score) in zip(rows, expected, strict=True):
        assert row.strip().startswith(label)
        assert row.split()[-1] == "genre"
        assert f"{score:.3f}" in row


def test_csv_file_by_its_suffix_with_odd_names(music, model, tmp_path):
    odd = tmp_path / 'Ünlü, "live" [red].wav'
    odd.write_bytes((music / "a.wav").read_bytes())
    output = tmp_path / "tags.csv"
    result = run(
        *("tag", odd, tmp_path / "*.wav", "--output", output),
        *("--min-score", 0.05, "--tail", "overlap", "--preset", "vgg_mtt"),
    )
    assert (result.exit_code, result.output) == (0, "")
    rows = list(csv.reader(output.open(encoding="utf-8")))
    assert rows[0] == ["path", "label", "score"]
    vgg = kmt.MusicTagger.from_pretrained("vgg_mtt")
    expected = vgg.tag(odd, min_score=0.05, tail="overlap")
    assert [row[:2] for row in rows[1:]] == [[str(odd), label] for label, _ in expected]
    scores = [float(row[2]) for row in rows[1:]]
    np.testing.assert_allclose(scores, [s for _, s in expected], atol=1e-5)


def test_saved_folder_and_picture(music, model, tmp_path):
    pytest.importorskip("matplotlib")
    model.save_pretrained(tmp_path / "mine")
    picture = tmp_path / "song.png"
    options = ("--preset", tmp_path / "mine", "--taggram", picture, "--format", "json")
    result = run("tag", music / "a.wav", *options)
    assert result.exit_code == 0
    (track,) = json.loads(result.output)
    assert track["preset"] == str(tmp_path / "mine")
    assert [t["label"] for t in track["tags"]] == [
        label for label, _ in model.tag(music / "a.wav")
    ]
    from matplotlib.image import imread

    pixels = imread(picture)
    assert pixels.shape[0] > 300
    assert pixels.shape[1] > 600
    assert pixels[..., :3].std() > 0.1  # something is drawn


def test_real_music(corpus):
    files = sorted((corpus / "real").glob("*.ogg"))
    result = run("tag", *files, "--format", "json", "--quiet", "--top-k", 1)
    assert result.exit_code == 0, result.output
    assert [t["path"] for t in json.loads(result.output)] == [str(f) for f in files]


def test_presets_list_and_details():
    records = json.loads(run("presets", "--format", "json").output)
    assert [r["name"] for r in records] == kmt.list_presets()
    rows = run("presets").output.splitlines()
    assert len(rows) == len(records) + 4  # four tables, each with a head
    for record in records:
        (row,) = (row for row in rows if row.split()[0] == record["name"])
        for known in (
            record["class_name"],
            record["trained_on"][:30],
            record["license"],
        ):
            assert known in row
        (best, *_) = record["reported"] or record.get("measured") or [{}]
        names = {
            "tags": ("roc_auc", "pr_auc"),
            "chords": ("majmin", "tetrads"),
            "beats": ("f_measure", "downbeat_f_measure"),
            "key": ("weighted", "correct"),
        }[record["task"]]
        figures = [f"{best[name]:.3f}" for name in names if name in best]
        assert re.findall(r"(?<!\S)[01]\.\d{3}(?!\S)", row) == figures
        assert figures or not best
        assert best.get("split", "")[:7] in row
        text = run("presets", record["name"]).output
        labels = record["config"].get("labels", {"names": []})["names"]
        assert all(name in text for name in labels)
        assert record["citation"] in text
        assert all(item["cost_if_changed"] in text for item in record["deviations"])


def test_presets_for_commercial_use():
    command = ("presets", "--commercial")
    result = run(*command, "--format", "json")
    kept = [record["name"] for record in json.loads(result.stdout)]
    infos = {name: kmt.preset_info(name) for name in kmt.list_presets()}
    assert kept == [name for name in infos if infos[name]["commercial_use"]]
    left = set(infos) - set(kept)
    assert "jamendo_moods" in left
    assert f"{len(left)} left out, not known to be allowed" in result.stderr
    assert all(name in result.stderr for name in left)
    terms = [name for name in kept if infos[name]["training_data_terms"]]
    assert f"{len(terms)} trained on data with terms of its own" in result.stderr
    rows = run(*command).stdout
    assert "musicnn_msd" in rows and "jamendo_moods" not in rows
    text = run("presets", "jamendo_moods").output
    assert "not known" in text and "CC BY-NC-SA 4.0" in text
    assert run(*command, "musicnn_msd").exit_code == 2


def test_help_teaches_with_examples():
    assert "keras-musictag tag --demo" in run("--help").output
    assert "keras-musictag tag song.mp3" in run("tag", "--help").output
    assert "keras-musictag presets" in run("presets", "--help").output
    assert run("--version").output.split()[1] == kmt.__version__
