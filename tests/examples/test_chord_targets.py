"""What the chord recipes teach: moved labels are labels of the moved chord."""

from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module", autouse=True)
def examples():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLES)
        yield


@pytest.fixture(scope="module")
def targets():
    from chord_material import targets

    return targets


def test_the_sound_of_labels_is_no_file_of_keys(tmp_path):
    from chord_material.features import sound_of

    for suffix in (".key", ".lab", ".ogg"):
        (tmp_path / f"song{suffix}").touch()
    assert sound_of(tmp_path / "song.lab") == tmp_path / "song.ogg"


@pytest.mark.parametrize(
    ("before", "after"),
    [("C:maj", "D:maj"), ("Bb:min7/b3", "C:min7/b3"), ("B:7(b9)", "C#:7(b9)")],
)
def test_transposed_targets_are_those_of_the_transposed_chord(targets, before, after):
    moved = targets.transpose(targets.one_hot([before]), 2)
    np.testing.assert_array_equal(moved, targets.one_hot([after]))


def test_keys_move_within_their_mode(targets):
    rows = targets.one_hot(["N", "N"])
    rows[0, targets.KEYS_AT + 11] = rows[1, targets.KEYS_AT + 12 + 9] = 1
    moved = targets.transpose(rows, -2)[:, targets.KEYS_AT : targets.KEY_SAID]
    np.testing.assert_array_equal(moved.argmax(axis=1), [9, 12 + 7])


def test_frames_next_to_a_change_weigh_otherwise(targets):
    rows = targets.one_hot(["C:maj"] * 5 + ["F:maj"] * 5 + ["F:7"] * 5)
    given = rows.copy()
    targets.weigh_changes(rows, 0)
    changed = (rows != given).any(axis=1)
    # The seventh comes without another triad.
    assert np.flatnonzero(changed).tolist() == [3, 4, 5, 6]
    weights = slice(targets.CHOICE_CLASSES, targets.KEYS_AT)
    assert given[:, weights].any() and not rows[changed, weights].any()
    np.testing.assert_array_equal(
        rows[:, : targets.CHOICE_CLASSES], given[:, : targets.CHOICE_CLASSES]
    )
