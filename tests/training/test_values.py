"""Numbers of one's own: what is predicted for held-out tracks is scikit-learn's."""

import numpy as np
import pytest
import soundfile
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from typer.testing import CliRunner

import keras_musictag as kmt
from keras_musictag.cli import app
from keras_musictag.errors import ConfigError, LabelError
from keras_musictag.models.fitting.probe import STRENGTHS

COUNT = 12


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Tones with noise; the number is how much noise there is."""
    folder = tmp_path_factory.mktemp("songs")
    rng = np.random.default_rng(0)
    time = np.arange(50000) / 16000
    lines = ["path,noise"]
    for i in range(COUNT):
        level = i / COUNT
        wave = 0.2 * np.sin(2 * np.pi * rng.uniform(300, 600) * time)
        wave += rng.normal(0, 0.01 + 0.1 * level, len(time))
        soundfile.write(folder / f"{i}.wav", wave.clip(-1, 1), 16000)
        lines.append(f"{i}.wav,{5 + 2 * level}")
    path = folder / "songs.csv"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


@pytest.fixture(scope="module")
def tagger(tmp_path_factory):
    import keras

    keras.utils.set_random_seed(0)
    return kmt.VGGTagger(["a", "b"], filters=4)


@pytest.fixture(scope="module")
def taught(tagger, table):
    return kmt.teach_values(tagger, kmt.data.from_csv(table, tags=["noise"]), folds=4)


def test_held_out_predictions_are_those_of_scikit_learn(tagger, table, taught):
    tracks = kmt.data.from_csv(table, tags=["noise"])
    features = np.stack(tagger.embed(tracks.paths)).astype("float64")
    alphas = [1 / strength for strength in STRENGTHS]
    ridge = make_pipeline(StandardScaler(), RidgeCV(alphas))
    folds = KFold(4, shuffle=True, random_state=0)
    expected = cross_val_predict(ridge, features, tracks.targets[:, 0], cv=folds)
    np.testing.assert_allclose(taught.report.scores[:, 0], expected, atol=1e-4)
    mae = taught.report.per_label["mae"][0]
    assert mae == pytest.approx(
        np.abs(expected - tracks.targets[:, 0]).mean(), abs=1e-4
    )
    means = [tracks.targets[rest].mean() for rest, part in folds.split(features)]
    off = [
        np.abs(tracks.targets[part, 0] - mean)
        for mean, (_, part) in zip(means, folds.split(features), strict=True)
    ]
    assert taught.baseline[0] == pytest.approx(np.concatenate(off).mean())
    assert mae < taught.baseline[0] / 2  # noise is easy to hear
    assert str(taught).startswith(f"noise: off by {mae:.3g} on average on held-out")


def test_the_tagger_says_numbers(taught, table, tmp_path):
    tagger = taught.tagger
    assert tagger.problem_type == "regression" and tagger.labels == ["noise"]
    again = kmt.MusicTagger.from_pretrained(tagger.save_pretrained(tmp_path / "noise"))
    quiet, loud = (
        again.predict(table.parent / f"{i}.wav")[0, 0] for i in (0, COUNT - 1)
    )
    assert 4.5 < quiet < 5.6 < 6.2 < loud < 7.5


def test_too_few_tracks_are_told(tagger, table):
    tracks = kmt.data.from_csv(table, tags=["noise"])[:3]
    with pytest.raises(LabelError, match="at least 4 tracks.*3 tracks that can"):
        kmt.teach_values(tagger, tracks)
    with pytest.raises(ConfigError, match="needs a tagger"):
        kmt.teach_values("musicnn_mtt", tracks)


def test_the_command_prints_the_held_out_error(tagger, table, tmp_path):
    source = tagger.save_pretrained(tmp_path / "source")
    command = ["teach", "noise", "--values", str(table), "--preset", str(source)]
    result = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "noise: off by " in result.stdout and "held-out" in result.stdout
    assert kmt.MusicTagger.from_pretrained(tmp_path / "out").labels == ["noise"]


def test_either_a_table_or_examples(table, tmp_path):
    out = ["--out", str(tmp_path / "out")]
    for given, message in (
        (["--values", str(table), "--yes", str(table)], "by a table alone"),
        (["--yes", str(table)], "no --no"),
        ([], "no --yes and no --no"),
    ):
        result = CliRunner().invoke(app, ["teach", "noise", *given, *out])
        assert result.exit_code == 2 and message in result.stderr
