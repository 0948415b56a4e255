"""The text of CONTRIBUTING.md leads to a model, a preset and a data set."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from contributing import code

ROOT = Path(__file__).resolve().parent.parent
READER = """
from keras_musictag.data.small_moods import small_moods
__all__.append("small_moods")
"""
# In the copy of the package, after the script of the section on presets.
CHECK = """
import numpy as np
x = np.full(16000, 0.1, "float32")
again = kmt.MusicTagger.from_pretrained("loudness_toy")
np.testing.assert_array_equal(again.predict(x), model.predict(x))
assert kmt.list_presets("loud*") == ["loudness_toy"]
tracks = kmt.data.small_moods("moods")
assert (tracks.labels, tracks.splits) == (["calm", "wild"], {"train": 1, "test": 1})
print("Done:", kmt.__file__)
"""


@pytest.mark.slow
def test_the_text_leads_to_a_model_a_preset_and_a_data_set(tmp_path):
    package = tmp_path / "keras_musictag"
    shutil.copytree(
        ROOT / "keras_musictag",
        package,
        copy_function=os.symlink,
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    toy = package / "models" / "taggers" / "loudness.py"
    toy.write_text(code("Adding an architecture"))
    (package / "data" / "small_moods.py").write_text(code("Adding a data set"))
    for name, addition in {
        "__init__.pyi": "",
        "data/__init__.py": READER,
    }.items():
        text = (package / name).read_text()
        (package / name).unlink()  # a link to the file of the checkout
        (package / name).write_text(text + addition)
    (tmp_path / "tools").mkdir()
    for name in ("tools/generate_api.py", "tools/floors.py", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "moods").mkdir()
    table = "file,moods,part\na.wav,calm,train\nb.wav,wild,test\n"
    (tmp_path / "moods" / "moods.csv").write_text(table)

    script = code("Adding a preset") + CHECK
    for command in (["tools/generate_api.py"], ["-c", script]):
        done = subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-3000:]
    assert f"Done: {package}" in done.stdout
    assert "LoudnessTagger" in (package / "__init__.pyi").read_text()
