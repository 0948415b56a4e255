"""Label lists with groups and priors."""

import pytest

from keras_musictag.errors import LabelError
from keras_musictag.labels import GROUPS, Labels
from keras_musictag.presets import list_presets, preset_info


def test_labels_behave_like_a_list_of_names():
    labels = Labels(["rock", "piano"], ["genre", "instrument"], [0.2, 0.1])
    assert labels == ["rock", "piano"]
    assert list(labels) == ["rock", "piano"]
    assert labels[1] == "piano"
    assert labels.index("piano") == 1
    assert "jazz" not in labels
    assert len(labels) == 2
    assert Labels.from_config(labels.to_config()) == labels
    assert Labels(["rock", "piano"]) != labels


def test_select_by_group():
    labels = Labels(["rock", "piano", "jazz"], ["genre", "instrument", "genre"])
    assert labels.select("genre") == [0, 2]
    assert labels.select(["instrument", "genre"]) == [0, 1, 2]
    assert labels.select(None) == [0, 1, 2]


def test_some_of_the_labels_keep_groups_and_priors():
    labels = Labels(
        ["rock", "piano", "jazz"], ["genre", None, "genre"], [0.2, 0.1, 0.3]
    )
    assert labels.take([2, 1]) == Labels(["jazz", "piano"], ["genre", None], [0.3, 0.1])
    assert Labels(["rock", "piano"]).take([1]) == Labels(["piano"])


def test_a_group_has_the_columns_of_what_is_there():
    names = ["guitar", "No Vocals", "voice", "instrumental", "vocals"]
    labels = Labels(names, ["strings", "vocals", "vocals", "vocals", "vocals"])
    assert labels.columns("strings") == [0]
    assert labels.columns("vocals") == [4]  # the label comes first
    assert labels.columns("No Vocals") == [1]
    named = Labels([*names[:4], "choir"], labels.groups)
    assert named.columns("vocals") == [2, 4]
    assert Labels(["no drums"], ["drums"]).columns("drums") == [0]
    with pytest.raises(LabelError, match="Did you mean 'guitar'"):
        labels.columns("guitars")


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        ([], {}, "at least one"),
        (["a", ""], {}, "non-empty"),
        (["a", 3], {}, "non-empty strings.*3"),
        (["a", "b", "a"], {}, r"only once.*\['a'\]"),
        ("rock", {}, r"list of names.*\['rock'\]"),
        (["a", "b"], {"groups": ["genre"]}, "1 groups for 2 labels"),
        (["a"], {"priors": [0.1, 0.2]}, "2 priors for 1 labels"),
    ],
)
def test_labels_that_cannot_be(names, options, message):
    with pytest.raises(LabelError, match=message):
        Labels(names, **options)


def test_unknown_groups_name_the_known_ones():
    with pytest.raises(LabelError, match="colour.*genre"):
        Labels(["rock"], ["genre"]).select("colour")
    with pytest.raises(LabelError, match="no groups"):
        Labels(["rock"]).select("genre")


TAGGERS = [n for n in list_presets() if preset_info(n)["task"] == "tags"]


@pytest.mark.parametrize("preset", TAGGERS)
def test_preset_labels_have_known_groups_and_priors(preset):
    labels = Labels.from_config(preset_info(preset)["config"]["labels"])
    assert set(labels.groups) <= set(GROUPS)
    if labels.priors is not None:
        assert all(0 < prior < 1 for prior in labels.priors)
