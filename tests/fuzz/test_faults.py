"""Damaged files end in a result or in our own error; none crashes, hangs or grows.

500 inputs here; `KMT_FUZZ=20000` tries more, `python -m tests.fuzz.campaign` logs
each. The faults that a campaign found have their own tests below.
"""

import json
import os
import time

import numpy as np
import pytest
import soundfile

import keras_musictag as kmt
from keras_musictag import tagfiles
from keras_musictag.errors import AudioError, ConfigError, LabelError, PresetError
from keras_musictag.presets import records
from tests.fuzz import campaign

COUNT = int(os.environ.get("KMT_FUZZ", "500"))
DEEP = "[" * 100_000


@pytest.mark.timeout(60 + COUNT)
def test_every_damaged_input_ends_well(corpus):
    for extra in ("av", "mutagen", "torch"):
        pytest.importorskip(extra, reason=f"the campaign needs {extra}")
    outcomes = list(campaign.run(0, COUNT, corpus))
    assert [outcome.index for outcome in outcomes] == list(range(COUNT))
    assert [outcome for outcome in outcomes if outcome.end not in campaign.GOOD] == []
    ends = {outcome.end for outcome in outcomes}
    assert ends == set(campaign.GOOD), "damage so mild, or so strong, tests nothing"
    kinds = {outcome.what.split(" ")[0] for outcome in outcomes}
    assert len(kinds) == 9, kinds


def test_an_absurd_sample_rate_costs_no_memory_and_no_time(tmp_path):
    path = tmp_path / "tone.wav"
    soundfile.write(path, np.zeros(4000), 16000)
    data = bytearray(path.read_bytes())
    data[24:28] = (268_451_456).to_bytes(4, "little")
    path.write_bytes(data)
    began = time.monotonic()
    y, rate = kmt.audio.load(path)
    assert (len(y), rate) == (4000, 268_451_456)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "labels",
    [
        7,
        None,
        {},
        {"names": 3},
        {"names": ["a"], "priors": ["x"]},
        {"names": ["a"], "priors": [10**400]},
        [[]],
    ],
)
def test_labels_of_another_kind_are_told(labels):
    with pytest.raises(LabelError):
        kmt.Labels.from_config(labels)


def test_nesting_too_deep_is_told(tmp_path):
    (tmp_path / records.CONFIG_FILE).write_text(DEEP)
    with pytest.raises(PresetError, match="cannot be read"):
        records.read_folder(tmp_path)
    for suffix in (".jams", ".json"):
        path = tmp_path / f"deep{suffix}"
        path.write_text(DEEP)
        with pytest.raises(LabelError, match="is no JSON"):
            getattr(kmt.ChordSequence, f"from_{suffix[1:]}")(path)
    path = tmp_path / "deep.toml"
    path.write_text("x = " + DEEP)
    with pytest.raises(ConfigError, match="cannot be read"):
        tagfiles.FieldMap.from_toml(path)


def test_a_label_that_is_a_list_is_told(tmp_path):
    with pytest.raises(LabelError, match="must be text"):
        kmt.chords.parse([])
    path = tmp_path / "song.json"
    song = kmt.ChordSequence([[0.0, 1.0]], ["C:maj"])
    record = json.loads(song.to_json())
    record["segments"][0]["label"] = [[]]
    path.write_text(json.dumps(record))
    with pytest.raises(LabelError, match="not legal"):
        kmt.ChordSequence.from_json(path)


def test_an_ogg_whose_comments_are_cut_is_told(tmp_path):
    pytest.importorskip("mutagen", reason="needs the extra `files`")
    data = kmt.audio.demo_path().read_bytes()
    place = data.index(b"\x03vorbis")
    path = tmp_path / "cut.ogg"
    path.write_bytes(data[: place + 7] + b"\0" * 4 + data[place + 60 :])
    with pytest.raises(AudioError, match="tags of the file cannot be read"):
        tagfiles.read(path)
