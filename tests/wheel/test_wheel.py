"""The built wheel, installed where nothing of the checkout is in reach."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

WHEEL = os.environ.get("KMT_WHEEL")
pytestmark = pytest.mark.skipif(not WHEEL, reason="set KMT_WHEEL to a built wheel")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps"]
    subprocess.run([*command, "--target", folder, WHEEL], check=True)
    return folder


def run(site: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=site,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_holds_what_it_needs_and_no_more():
    names = zipfile.ZipFile(WHEEL).namelist()
    for needed in (
        "py.typed",
        "__init__.pyi",
        "audio/demo.ogg",
        "presets/vgg_mtt.json",
    ):
        assert f"keras_musictag/{needed}" in names
    assert any(name.endswith("licenses/NOTICE") for name in names)
    folders = {name.split("/")[0] for name in names}
    assert {f for f in folders if not f.endswith(".dist-info")} == {"keras_musictag"}
    assert Path(WHEEL).stat().st_size < 18e6


def test_every_bundled_preset_loads_and_tags(site):
    code = (
        "import keras_musictag as kmt, pathlib, sys\n"
        f"assert pathlib.Path(kmt.__file__).is_relative_to({str(site)!r})\n"
        "bundled = [n for n in kmt.list_presets()\n"
        "  if kmt.preset_info(n)['weights'].get('source') == 'bundled']\n"
        "for name in bundled:\n"
        "  if 'vocabulary' in kmt.preset_info(name)['config']:\n"
        "    model = kmt.ChordRecognizer.from_pretrained(name)\n"
        "    print(name, len(model.recognize(kmt.audio.demo_path()).labels) > 1)\n"
        "    continue\n"
        "  model = kmt.MusicTagger.from_pretrained(name)\n"
        "  print(name, model.tag(kmt.audio.demo_path(), top_k=1)[0][0])\n"
    )
    lines = run(site, "-c", code).split("\n")
    assert "musicnn_msd jazz" in lines
    assert "crema True" in lines
    assert len([line for line in lines if line]) >= 5


def test_the_command_runs(site):
    code = "import sys; from keras_musictag.cli import main; sys.exit(main())"
    assert "jazz" in run(site, "-c", code, "tag", "--demo", "--format", "csv")
