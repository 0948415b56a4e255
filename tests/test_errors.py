"""The three-part messages, and what becomes of them on the way."""

import pickle

import pytest

from keras_musictag.errors import (
    AudioError,
    MissingExtraError,
    MusicTagError,
    import_extra,
    warn_deprecated,
)


def test_a_message_has_three_parts():
    error = AudioError("It is bad.", received=3, advice="Do better.")
    assert str(error) == "It is bad. Received: 3. Do better."
    assert isinstance(error, MusicTagError)
    assert isinstance(error, ValueError)


def test_errors_cross_process_borders():
    error = AudioError("It is bad.", received=OSError("x"), advice="Do better.")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is AudioError
    assert str(again) == str(error)


def test_a_missing_package_names_the_extra():
    with pytest.raises(MissingExtraError, match=r"keras-musictag\[plot\]"):
        import_extra("no_such_package_anywhere", "plot", "This picture")


def test_a_deprecation_points_at_the_line_that_uses_the_old_name():
    def old_name():
        warn_deprecated("old_name()", "new_name()", removed_in="0.3")

    with pytest.warns(DeprecationWarning, match=r"removed in .* 0\.3") as got:
        old_name()
    assert got[0].filename == __file__
    assert str(got[0].message).endswith("use new_name() instead.")
