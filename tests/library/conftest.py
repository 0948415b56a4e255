"""Real clips, short and of several formats, in one built library; and tiny files."""

import hashlib
import shutil

import numpy as np
import pytest
import soundfile

import keras_musictag as kmt
from keras_musictag.library.analysis import Analyzer
from keras_musictag.library.jobs import Recipe

SECONDS = 7
RATE, SAMPLES = 16000, 8000  # of the tiny ones


@pytest.fixture(scope="module")
def songs(corpus, tmp_path_factory):
    """A folder of six short clips, each in its own format, and a file that is text."""
    folder = tmp_path_factory.mktemp("songs")
    (folder / "sub").mkdir()
    known = {f".{name.lower()}" for name in soundfile.available_formats()}
    found = sorted(p for p in (corpus / "real").iterdir() if p.suffix in known)
    for i, path in enumerate(found[:6]):
        rate = soundfile.info(path).samplerate
        y, _ = soundfile.read(path, frames=SECONDS * rate)
        place = folder / "sub" if i % 2 else folder
        soundfile.write(place / path.name, y, rate)
    (folder / "broken.mp3").write_text("this is no music\n")
    return folder


@pytest.fixture(scope="module")
def built(songs, tmp_path_factory):
    """The library of `songs` by two small taggers; `(folder, progress)`."""
    folder = tmp_path_factory.mktemp("libraries") / "built"
    return folder, kmt.library.build(songs, folder, ("musicnn_mtt", "musicnn_msd"))


@pytest.fixture
def library(built, tmp_path):
    """A copy of the library, to be changed."""
    return shutil.copytree(built[0], tmp_path / "library")


# === Tiny files and taggers, for what needs many builds ===


@pytest.fixture(scope="module")
def taggers(tmp_path_factory):
    """Two small taggers with weights by chance: their folders, and the models."""
    import keras

    folder = tmp_path_factory.mktemp("taggers")
    models = {}
    for seed, name in enumerate(("one", "two")):
        keras.utils.set_random_seed(seed)
        model = kmt.FCNTagger(
            [f"{name} {number}" for number in range(3)],
            n_fft=256,
            hop_length=6,
            chunk_samples=SAMPLES,
            filters=(4, 4, 4, 4, 4),
        )
        logits = model.head.get_layer("logits")
        logits.set_weights([20 * weights for weights in logits.get_weights()])
        model.save_pretrained(folder / name)
        models[str(folder / name)] = model
    return models


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Files of one size, by their bytes: ten of noise, and two that are no music."""
    path = tmp_path_factory.mktemp("sounds") / "a.wav"
    good = []
    for seed in range(10):
        random_numbers = np.random.default_rng(seed)
        waves = np.cumsum(random_numbers.normal(size=SAMPLES)) / (seed + 1) ** 2
        noise = random_numbers.normal(size=SAMPLES) * seed / 30
        y = 0.3 * (np.sin(waves) + noise)
        soundfile.write(path, y, RATE, subtype="PCM_16")
        good.append(path.read_bytes())
    return good, [(f"no music {n}, " * SAMPLES).encode()[: len(good[0])] for n in "ab"]


@pytest.fixture(scope="module")
def truth(taggers, sounds, tmp_path_factory):
    """The scores of each tagger for each content, without a library."""
    folder = tmp_path_factory.mktemp("truth")
    paths = []
    for number, content in enumerate(sounds[0]):
        paths.append(folder / f"{number}.wav")
        paths[-1].write_bytes(content)
    rows = [model.predict([str(path) for path in paths]) for model in taggers.values()]
    scores = dict(zip(sounds[0], np.concatenate(rows, axis=1), strict=True))
    apart = np.stack(list(scores.values()))
    distances = np.abs(apart[:, None] - apart[None]).max(axis=-1)
    assert distances[~np.eye(len(apart), dtype=bool)].min() > 1e-3
    return scores


@pytest.fixture(scope="module")
def analyzers(taggers):
    paths = tuple(taggers)
    return Analyzer(Recipe(paths[:1], batch_size=4)), Analyzer(Recipe(paths))


@pytest.fixture(scope="module")
def by_hash(truth):
    return {hashlib.sha256(content).hexdigest(): row for content, row in truth.items()}
