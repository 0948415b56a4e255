"""Which field gets what: groups, labels, key and tempo."""

import numpy as np
import pytest

import keras_musictag as kmt
from keras_musictag import tagfiles
from keras_musictag.errors import ConfigError, LabelError


@pytest.fixture
def taggram():
    labels = kmt.Labels(
        ["rock", "Hip-Hop", "pop", "calm", "piano", "hip hop"],
        groups=["genre", "genre", "genre", "mood", "instrument", None],
    )
    scores = np.float32([[0.5, 0.7, 0.05, 0.2, 0.9, 0.3]])
    return kmt.Taggram(np.zeros(1), labels, scores)


def test_groups_labels_key_and_tempo_find_their_fields(taggram):
    fields = tagfiles.choose_fields(taggram, key="Bb:min", tempo=99.6, preset="mine")
    assert fields == {
        "genre": ["Hip-Hop", "rock"],
        "mood": ["calm"],
        "key": ["Bbm"],
        "tempo": ["100"],
        "KMT_TEMPO": ["99.60"],
        "KMT_ROCK": ["0.5000"],
        "KMT_HIP_HOP": ["0.7000"],
        "KMT_POP": ["0.0500"],
        "KMT_CALM": ["0.2000"],
        "KMT_PIANO": ["0.9000"],
        "KMT_HIP_HOP_2": ["0.3000"],
        "KMT_PRESET": ["mine"],
    }
    with pytest.raises(LabelError, match="no name of a key"):
        tagfiles.choose_fields(taggram, key="H:dur")


@pytest.mark.parametrize("tempo", [None, 0.0])
def test_without_beats_there_is_no_tempo_and_its_label_has_its_own_field(tempo):
    tagged = kmt.Taggram(np.zeros(1), kmt.Labels(["tempo"]), np.float32([[0.5]]))
    fields = tagfiles.choose_fields(tagged, tempo=tempo)
    assert fields == {"KMT_TEMPO_2": ["0.5000"]}


def test_a_map_renames_drops_and_moves(taggram, tmp_path):
    path = tmp_path / "map.toml"
    path.write_text(
        "max_labels = 2\nmin_score = 0.0\n"
        '[fields]\ngenre = "genre"\ninstrument = "instrument"\nlabels = "mood"\n'
        '[labels]\nrock = ""\n"Hip-Hop" = "Rap"\n'
    )
    fields = tagfiles.choose_fields(taggram, tagfiles.FieldMap.from_toml(path))
    plain = {k: v for k, v in fields.items() if not k.startswith("KMT_")}
    assert plain == {
        "INSTRUMENT": ["piano"],
        "genre": ["Rap", "pop"],
        "mood": ["hip hop"],
    }


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[fields]\nmoood = 'mood'", "group that the model does not have.*'moood'"),
        ("[labels]\nrok = 'Rock'", "label that the model does not have.*'rock'"),
        ("[fields]\ngenre = 'key'", "holds no labels"),
        ("[fields]\ngenre = 'a=b'", "cannot be called so"),
        ("[fields]\ngenre = 1", "a text for each text"),
        ("max_labels = 0", "max_labels"),
        ("min_score = nan", "finite"),
        ("feilds = 1", "Did you mean 'fields'"),
        ("[fields", "cannot be read"),
    ],
)
def test_a_bad_map_is_told(taggram, tmp_path, text, match):
    path = tmp_path / "map.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=match):
        tagfiles.choose_fields(taggram, tagfiles.FieldMap.from_toml(path))


@pytest.mark.parametrize(
    ("notation", "expected"),
    [("musical", "Bbm"), ("camelot", "3A"), ("openkey", "8m")],
)
def test_the_key_is_written_as_programs_of_djs_do(taggram, notation, expected):
    fields = tagfiles.choose_fields(taggram, key="Bb:min", key_notation=notation)
    assert fields["key"] == [expected]
    with pytest.raises(ConfigError, match="openkey"):
        tagfiles.choose_fields(taggram, key="Bb:min", key_notation="german")
