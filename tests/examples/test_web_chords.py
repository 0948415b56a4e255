"""The page's JavaScript for chords, run by Node.js, beside the package's Python."""

import importlib.util
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from keras_musictag.audio.tuning import hear_tuning
from keras_musictag.chords import Chordogram, decode, get_vocabulary

WEB = Path(__file__).resolve().parents[2] / "examples" / "web"
pytestmark = pytest.mark.skipif(
    shutil.which("node") is None, reason="needs Node.js (node)"
)
RATE = 22050


def run(program, tmp_path, **arrays):
    """Run a module that prints JSON; `take(name)` reads a float32 array."""
    for name, values in arrays.items():
        (tmp_path / name).write_bytes(np.ascontiguousarray(values, "float32").tobytes())
    take = """
    import { readFileSync } from "node:fs";
    const take = (name) => new Float32Array(Uint8Array.from(readFileSync(name)).buffer);
    """
    imports = "".join(
        f'import {{ {names} }} from "{(WEB / file).as_uri()}";\n'
        for file, names in {
            "chords.js": "segmentsOf, steadyPath, toLab",
            "tuning.js": "hearTuning",
        }.items()
    )
    (tmp_path / "run.mjs").write_text(imports + take + program, "utf-8")
    done = subprocess.run(
        ["node", "run.mjs"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def build():
    spec = importlib.util.spec_from_file_location("build_web", WEB / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("decoder", ["viterbi", "penalty"])
def test_paths_and_segments_are_those_of_the_package(decoder, build, tmp_path):
    vocabulary, hop = get_vocabulary("majmin"), 1024
    rng = np.random.default_rng(3)
    frames, n = 700, len(vocabulary)
    truth = np.repeat(rng.integers(0, n, frames // 7), 7)
    logits = rng.normal(0, 1.5, (frames, n)) + 2.0 * np.eye(n)[truth]
    values = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    values[30:40, 5] = 0  # as half precision makes them
    values = values.astype("float32")
    seconds = frames * hop / RATE + 0.01
    period, labels = hop / RATE, list(vocabulary.labels)
    penalty = build.change_penalty(decoder, n, period)
    found = run(
        f"""
        const path = steadyPath(take("values"), {n}, {penalty});
        const segments = segmentsOf(path, {period}, -0.5, {seconds});
        const lab = toLab(segments, {json.dumps(labels)});
        console.log(JSON.stringify({{ path: [...path], segments, lab }}));
        """,
        tmp_path,
        values=values,
    )
    path = decode(values, vocabulary, decoder=decoder, frame_period=period)
    assert found["path"] == path.tolist()
    gram = Chordogram({"chord": values}, vocabulary, period, -0.5, seconds, decoder)
    sequence = gram.decode()
    assert [labels[s["index"]] for s in found["segments"]] == sequence.labels
    times = [[s["start"], s["end"]] for s in found["segments"]]
    np.testing.assert_allclose(times, sequence.intervals, atol=1e-9)
    (tmp_path / "found.lab").write_text(found["lab"])
    assert type(sequence).from_lab(tmp_path / "found.lab").labels == sequence.labels


@pytest.mark.parametrize("cents", [-43, -20, 0, 12, 37])
@pytest.mark.parametrize("method", ["auto", "original"])
def test_tunings_are_those_of_the_package(cents, method, tmp_path):
    time = np.arange(3 * RATE) / RATE
    notes = [220 * 2 ** ((step + cents / 100) / 12) for step in (0, 4, 7, 12)]
    tones = [np.sin(2 * np.pi * hz * k * time) / k for hz in notes for k in (1, 2, 3)]
    samples = 0.1 * np.sum(tones, axis=0)
    samples += np.random.default_rng(0).normal(0, 1e-3, len(samples))
    found = run(
        f'console.log(hearTuning(take("samples"), "{method}"));',
        tmp_path,
        samples=samples,
    )
    expected = hear_tuning([samples.astype("float32")], RATE, method)
    assert found == pytest.approx(expected, abs=0.004)  # one step of the answer
    if method == "auto":
        assert found == pytest.approx(cents / 100, abs=0.04)


def test_noise_and_silence_have_no_tuning(tmp_path):
    noise = np.random.default_rng(1).normal(0, 0.1, RATE)
    found = run(
        """const heard = [take("noise"), new Float32Array(9000)].map(
          (samples) => hearTuning(samples, "auto"));
        console.log(JSON.stringify(heard));""",
        tmp_path,
        noise=noise,
    )
    assert found == [hear_tuning([noise.astype("float32")], RATE, "auto"), 0]
