"""`train`, then `evaluate`, then `tag`: a tagger from a table, without any Python."""

import csv
import json
import os
import subprocess
import sys
import tomllib

import numpy as np
import pytest
import soundfile
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

import keras_musictag as kmt
from keras_musictag.cli import app

LABELS = ["drums", "piano"]
SIZES = {"train": 6, "valid": 4, "test": 4}
QUICK = ["--preset", "vgg_mtt", "--freeze", "backbone", "--epochs", 2]


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def write(path, rows, header=("path", "tags", "split")):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


@pytest.fixture(scope="module")
def rows(corpus):
    """A few clips of each part, some with and some without each label."""
    with open(corpus / "tags" / "tags.csv", newline="") as file:
        every = list(csv.DictReader(file))
    chosen = []
    for split, size in SIZES.items():
        taken = [row for row in every if row["split"] == split]
        for wanted in (LABELS, LABELS[:1], LABELS[1:], []):
            fitting = [
                row
                for row in taken
                if [n for n in LABELS if n in row["tags"].split("|")] == wanted
            ]
            chosen += [
                (corpus / "tags" / row["path"], "|".join(wanted), split)
                for row in fitting[: -(-size // 4)]
            ]
    return chosen


@pytest.fixture
def table(tmp_path, rows):
    return write(tmp_path / "songs.csv", rows)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, rows):
    """A tagger that the command made, and what it said."""
    folder = tmp_path_factory.mktemp("trained")
    table = write(folder / "songs.csv", rows)
    done = run("train", "--data", table, "--out", folder / "mine", *QUICK)
    assert done.exit_code == 0, done.output
    return folder / "mine", table, done


# === From a table to tags ===


def test_training_saves_a_tagger(trained):
    folder, _, done = trained
    model = kmt.MusicTagger.from_pretrained(folder)
    assert list(model.labels) == LABELS
    assert model.problem_type == "multi_label_classification"
    saved = {path.name for path in folder.iterdir()}
    known = {"config.json", "model.safetensors", "README.md"}
    assert saved == known | {"history.csv", "training.json"}
    with open(folder / "history.csv", newline="") as file:
        history = list(csv.DictReader(file))
    assert [row["epoch"] for row in history] == ["0", "1", "2"]  # 0: the probe
    best = max(float(row["val_roc_auc"]) for row in history)
    assert f"val_roc_auc {best:.4f}" in done.stdout
    assert done.stderr.count("epoch ") == 3
    assert "evaluate --preset" in done.stdout
    # The body is the pretrained one, the head is not.
    body = kmt.MusicTagger.from_pretrained("vgg_mtt").backbone.get_weights()
    for one, other in zip(model.backbone.get_weights(), body, strict=True):
        np.testing.assert_array_equal(one, other)


def test_then_it_is_judged(trained, tmp_path):
    folder, table, _ = trained
    predictions = tmp_path / "scores.csv"
    done = run(
        *("evaluate", "--preset", folder, "--data", table, "--format", "json"),
        *("--predictions", predictions, "--out", tmp_path / "report"),
    )
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    with open(predictions, newline="") as file:
        kept = list(csv.DictReader(file))
    assert report["n_tracks"] == len(kept) == SIZES["test"]
    model = kmt.MusicTagger.from_pretrained(folder)
    with open(table, newline="") as file:
        given = {row["path"]: row for row in csv.DictReader(file)}
    scores = model.predict([row["track"] for row in kept])
    for i, label in enumerate(LABELS):
        found = np.array([float(row[f"score: {label}"]) for row in kept])
        truth = [label in given[row["track"]]["tags"].split("|") for row in kept]
        np.testing.assert_allclose(found, scores[:, i], atol=1e-5)
        assert [float(row[f"target: {label}"]) for row in kept] == truth
        assert report["labels"][label]["roc_auc"] == pytest.approx(
            roc_auc_score(truth, found)
        )
    written = {path.name for path in (tmp_path / "report").iterdir()}
    assert {"report.md", "report.csv", "report.json", "predictions.csv"} <= written


def test_then_it_tags(trained):
    folder, table, _ = trained
    path = table.read_text().splitlines()[1].split(",")[0]
    done = run("tag", path, "--preset", folder, "--format", "json")
    assert done.exit_code == 0, done.output
    (track,) = json.loads(done.stdout)
    assert {tag["label"] for tag in track["tags"]} == set(LABELS)
    assert track["preset"] == str(folder)


@pytest.mark.slow
def test_the_formats_of_a_report(trained, tmp_path):
    folder, table, _ = trained
    options = ("--preset", folder, "--data", table, "--split", "valid")
    output = tmp_path / "report.md"
    done = run("evaluate", *options, "--output", output, "--baseline")
    assert done.exit_code == 0, done.output
    assert "| label | " in output.read_text() and "baseline" in output.read_text()
    assert "4 tracks, 2 labels" in output.read_text()


@pytest.mark.slow
def test_one_file_may_hold_all_options(rows, tmp_path, trained):
    write(
        tmp_path / "songs.csv", [(os.path.relpath(p, tmp_path), *r) for p, *r in rows]
    )
    config = tmp_path / "run.toml"
    config.write_text(
        'data = "songs.csv"\nout = "mine"\nlabels = ["piano", "drums"]\n'
        'preset = "vgg_mtt"\nfreeze = "backbone"\nepochs = 1\n'
        "batch-size = 4\nseed = 5\n"
    )
    assert set(tomllib.loads(config.read_text())) >= {"data", "batch-size"}
    done = run("train", "--config", config, "--seed", 7)
    assert done.exit_code == 0, done.output
    settings = json.loads((tmp_path / "mine" / "training.json").read_text())
    assert settings["seed"] == 7 and settings["batch_size"] == 4
    assert settings["labels"] == ["piano", "drums"]
    config.write_text(config.read_text() + "epoch = 3\n")
    done = run("train", "--config", config)
    assert done.exit_code == 2
    assert "'epoch'" in done.output and "'epochs'" in done.output


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_weights(trained, tmp_path):
    folder, table, _ = trained
    out = tmp_path / "mine"
    options = [
        str(a) for a in ("train", "--data", table, "--out", out, *QUICK, "--resume")
    ]
    code = (
        "import os, sys\n"
        "from keras_musictag.training import run as training_run\n"
        "from keras_musictag.models.fitting.backup import ResumableBackup\n"
        "class Killed(ResumableBackup):\n"
        "    def on_epoch_end(self, epoch, logs=None):\n"
        "        super().on_epoch_end(epoch, logs)\n"
        "        os._exit(9)\n"
        "training_run.ResumableBackup = Killed\n"
        "from keras_musictag.cli import main\n"
        "main()"
    )
    killed = subprocess.run([sys.executable, "-c", code, *options], capture_output=True)
    assert killed.returncode == 9, killed.stderr
    assert not (out / "model.safetensors").exists()
    refused = run(*options[:-1])
    assert refused.exit_code == 2 and "--resume" in refused.output
    other = run(*options, "--seed", "4")
    assert other.exit_code == 2 and "seed: 0, now 4" in other.output
    done = run(*options)
    assert done.exit_code == 0, done.output
    assert "epoch 1 of" not in done.stderr and "epoch 2 of" in done.stderr
    # The loss is added up by as many threads as are free: not to the last bit.
    histories = [
        np.genfromtxt(path / "history.csv", delimiter=",", names=True)
        for path in (out, folder)
    ]
    assert histories[0].dtype.names == histories[1].dtype.names
    for name in histories[0].dtype.names:
        np.testing.assert_allclose(*(h[name] for h in histories), rtol=1e-5)
    both = [(path / "training.json").read_text() for path in (out, folder)]
    assert both[0] == both[1]
    ones = kmt.MusicTagger.from_pretrained(folder).get_weights()
    others = kmt.MusicTagger.from_pretrained(out).get_weights()
    for one, other in zip(ones, others, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    again = run(*options)  # nothing is left to do
    assert again.exit_code == 0 and "epoch 2 of" not in again.stderr


@pytest.mark.slow
def test_folders_of_classes_are_dealt_out(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("high", "low"):
        (tmp_path / "music" / name).mkdir(parents=True)
        for i in range(10):
            t = np.arange(4 * 16000) / 16000
            pitch = (2000 if name == "high" else 100) * rng.uniform(0.9, 1.1)
            y = 0.3 * np.sin(2 * np.pi * pitch * t)
            soundfile.write(tmp_path / "music" / name / f"{i}.wav", y, 16000)
    out = tmp_path / "mine"
    options = ("--problem-type", "single_label_classification", "--rate", "0.01")
    done = run(
        *("train", "--data", tmp_path / "music", "--out", out, *QUICK, *options),
        *("--seeds", 2, "--quiet"),
    )
    assert done.exit_code == 0, done.output
    assert "epoch " not in done.stderr and "accuracy" in done.stdout
    assert "±" in done.stdout
    dealt = out / "splits.csv"
    assert f"--data {dealt}" in done.stdout
    kinds = [line.split(",")[2] for line in dealt.read_text().splitlines()[1:]]
    assert {k: kinds.count(k) for k in set(kinds)} == {
        "train": 16,
        "valid": 2,
        "test": 2,
    }
    done = run("evaluate", "--preset", out / "seed-0", "--data", dealt)
    assert done.exit_code == 0, done.output
    assert "2 tracks, 2 labels" in done.stdout


def test_numbers_are_learnt_from_their_columns(tmp_path, rows):
    numbers = [(p, i / 10, 1 - i / 10, split) for i, (p, _, split) in enumerate(rows)]
    header = ("path", "arousal", "valence", "split")
    table = write(tmp_path / "songs.csv", numbers, header)
    options = ("--problem-type", "regression", "--labels", "arousal,valence")
    done = run(
        *("train", "--data", table, "--out", tmp_path / "mine", *QUICK[:-1], 1),
        *options,
    )
    assert done.exit_code == 0, done.output
    assert "val_loss" in done.stdout
    given = ("evaluate", "--preset", tmp_path / "mine", "--data", table)
    done = run(*given, "--format", "json")
    assert done.exit_code == 0, done.output
    assert set(json.loads(done.stdout)["labels"]) == {"arousal", "valence"}
    kept = tmp_path / "numbers.csv"
    assert run(*given, "--predictions", kept).exit_code == 0
    with open(kept, newline="") as file:
        first = next(csv.DictReader(file))
    assert {"score: arousal", "target: valence"} <= set(first)
    for option, problem in ((("--baseline",), "baseline"), (("--split", "x"), "'x'")):
        done = run(*given, *option)
        assert done.exit_code == 2 and problem in done.output


# === Bad input ===


def bad_table(tmp_path, rows, change):
    """The table with one thing wrong; gives its path and what must be said."""
    rows = [list(map(str, row)) for row in rows]
    header = ["path", "tags", "split"]
    expected = None
    if change == "missing column":
        header[1] = "labels"
        expected = ["lacks a column: 'tags'", "'labels'"]
    elif change == "duplicate path":
        rows.append(rows[2])
        expected = [f"line {len(rows) + 1}", "is also in line 4"]
    elif change == "unknown tag":
        rows[3][1] = "drums|pinao"
        expected = ["line 5", "'pinao'"]
    elif change == "empty split":
        rows = [row for row in rows if row[2] != "valid"]
        expected = ["'valid'", "train (", "test ("]
    elif change == "all-negative tag":
        rows = [[p, t.replace("piano", ""), s] for p, t, s in rows]
        expected = ["'piano'", "no track"]
    elif change == "no file there":
        rows = [[p + "x", t, s] for p, t, s in rows]
        expected = [".oggx", "cannot be used"]
    return write(tmp_path / "bad.csv", rows, header), expected


@pytest.mark.parametrize(
    "change",
    [
        "missing column",
        "duplicate path",
        "unknown tag",
        "empty split",
        "all-negative tag",
        "no file there",
    ],
)
def test_a_bad_table_is_refused_by_name(tmp_path, rows, change):
    table, expected = bad_table(tmp_path, rows, change)
    out = tmp_path / "mine"
    done = run(
        "train", "--data", table, "--out", out, "--labels", "drums,piano", *QUICK
    )
    assert done.exit_code == 2, done.output
    assert "Traceback" not in done.output
    for text in expected:
        assert text.lower() in done.output.lower(), (text, done.output)
    assert not out.exists()


@pytest.mark.slow
def test_one_corrupt_file_among_many_is_named(tmp_path, rows):
    broken = tmp_path / "broken.ogg"
    broken.write_bytes(b"no audio at all" * 50)
    table = write(tmp_path / "songs.csv", [*rows, (broken, "drums", "train")])
    out = tmp_path / "mine"
    done = run("train", "--data", table, "--out", out, *QUICK[:-1], 1)
    assert done.exit_code == 1, done.output
    assert "broken.ogg" in done.stderr
    assert f"1 of {len(rows) + 1} files could not be read" in done.stderr
    assert kmt.MusicTagger.from_pretrained(out).labels is not None


def test_a_corrupt_file_is_left_out_of_a_report(tmp_path, rows, trained):
    folder, _, _ = trained
    broken = tmp_path / "broken.ogg"
    broken.write_bytes(b"no audio at all" * 50)
    table = write(tmp_path / "songs.csv", [*rows, (broken, "drums", "test")])
    done = run("evaluate", "--preset", folder, "--data", table)
    assert done.exit_code == 1, done.output
    assert "broken.ogg" in done.stderr
    assert f"1 of {SIZES['test'] + 1} tracks could not be read" in done.stderr
    assert f"{SIZES['test']} tracks, 2 labels" in done.stdout


def test_other_labels_than_the_models_are_named(tmp_path, rows, trained):
    folder, _, _ = trained
    changed = [(p, t.replace("piano", "organ"), s) for p, t, s in rows]
    table = write(tmp_path / "songs.csv", changed)
    done = run("evaluate", "--preset", folder, "--data", table)
    assert done.exit_code == 2
    assert "tags that are not labels" in done.output and "'organ'" in done.output
    assert "line " in done.output
    done = run(
        "evaluate", "--preset", folder, "--data", table, "--unknown-tags", "drop"
    )
    assert done.exit_code == 0, done.output
    assert "Undefined" in done.stdout and "piano (no positives)" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["evaluate"], "nothing to evaluate"),
        (["evaluate", "--data", "x.csv"], "which tagger"),
        (["evaluate", "--data", "x", "--chords", "a", "b"], "one at a time"),
        (["evaluate", "--data", "no.csv", "--preset", "vgg_mtt"], "no.csv"),
        (["evaluate", "--data", "x", "--preset", "crema"], "names chords"),
        (
            [
                "evaluate",
                "--data",
                "x",
                "--preset",
                "vgg_mtt",
                "--predictions",
                "x.txt",
            ],
            ".npz",
        ),
        (["train", "--data", "no.csv", "--out", "no-folder"], "no.csv"),
        (
            ["train", "--data", "x", "--out", "no-folder", "--preset", "vg_mtt"],
            "vgg_mtt",
        ),
        (["train", "--data", "x", "--out", __file__], "there is a file of this name"),
        (["train", "--out", "no-folder"], "--data"),
        (
            ["train", "--config", "no.toml"],
            "configuration cannot be read",
        ),
        (
            ["train", "--data", __file__, "--out", "n", "--problem-type", "regression"],
            "--labels arousal,valence",
        ),
    ],
)
def test_wrong_use_is_named(arguments, problem):
    done = run(*arguments)
    assert done.exit_code == 2, done.output
    assert problem in done.output, done.output
    assert "Traceback" not in done.output
