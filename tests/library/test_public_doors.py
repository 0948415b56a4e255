"""What the library asks of models are public methods, which other programs have too."""

import ast
from pathlib import Path

import numpy as np
import pytest

import keras_musictag as kmt
from keras_musictag.tracks import sources
from keras_musictag.tracks.inference import End

PACKAGE = Path(kmt.__file__).parent
# Of gradio's events and pages, and of Python, which have them by no other name.
FOREIGN = {"_data", "_exit", "_queue"}


def private_names(path):
    """Names with an underscore that a file takes from something other than itself."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.Attribute):
            own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            names = [] if own else [node.attr]
        else:
            continue
        for name in names:
            dunder = name.startswith("__") and name.endswith("__")
            if name.startswith("_") and not dunder and name not in FOREIGN:
                yield f"{path.relative_to(PACKAGE)}:{node.lineno} {name}"


@pytest.mark.parametrize("room", ["library", "demo", "cli"])
def test_no_room_reaches_into_another(room):
    files = list((PACKAGE / room).rglob("*.py"))
    assert files
    assert [name for path in files for name in private_names(path)] == []


def means(tagger, tracks, outputs=("scores",)):
    """Score tracks of different lengths, their chunks in turns."""
    batcher = tagger.mean_batcher(outputs, batch_size=3)
    rate, results = tagger.sample_rate, {}
    for position, track in enumerate(tracks):
        for chunk in sources.cut(track, rate, rate, tagger.chunking):
            batcher.add(position, chunk)
        batcher.close(End(position, track, len(track), None))
        results |= {output.position: output.outputs for output in batcher.finished()}
    batcher.flush()
    return results | {output.position: output.outputs for output in batcher.finished()}


@pytest.fixture(scope="module")
def tracks():
    y, _ = kmt.audio.load(kmt.audio.demo_path(), 16000)
    return [y[: 16000 * seconds] for seconds in (4, 13, 2)]


def test_means_of_chunks_cut_elsewhere_are_predict_and_embed(tracks):
    tagger = kmt.MusicTagger.from_pretrained("musicnn_mtt")
    outputs = means(tagger, tracks, ("scores", "penultimate"))
    embedded = tagger.embed(tracks)
    for position, expected in enumerate(tagger.predict(tracks)):
        values = outputs[position]
        np.testing.assert_allclose(values["scores"], expected, atol=1e-5)
        np.testing.assert_allclose(values["penultimate"], embedded[position], atol=1e-4)


def test_a_segment_cut_elsewhere_has_the_chordogram_of_its_samples():
    model = kmt.ChordRecognizer.from_pretrained("crnn_majmin_rendered")
    y, rate = kmt.audio.load(kmt.audio.demo_path(), model.sample_rate)
    y = y[: 9 * rate]
    segment, whole = model.segment(), model.chordogram(y, rate)
    for chunk in sources.cut_with_span(sources.Counted([y]), model.whole_track.plan):
        segment.add(chunk)
    chordogram = segment.chordogram(len(y))
    assert chordogram.duration == whole.duration == 9
    assert set(chordogram.outputs) == set(whole.outputs)
    np.testing.assert_allclose(
        chordogram.probabilities(), whole.probabilities(), atol=1e-6
    )
    with pytest.raises(kmt.AudioError, match="shorter than one frame"):
        segment.chordogram(model.hop_length - 1)
