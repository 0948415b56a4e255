"""Weights of others, read one array at a time."""

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from keras_musictag.conversion.sota import FittedArrays
from keras_musictag.errors import PresetError
from keras_musictag.presets.weights import StoredArrays


def written(folder, **arrays):
    path = folder / "model.safetensors"
    path.write_bytes(safetensors.numpy.save(arrays, metadata={"format": "pt"}))
    return path


def test_each_array_is_what_was_written_and_counters_are_left_out(tmp_path):
    kernel = np.arange(6, dtype="float32").reshape(2, 3)
    half = np.array([0.5, -2], ml_dtypes.bfloat16)
    path = written(tmp_path, kernel=kernel, half=half, steps=np.array([3]))
    arrays = StoredArrays(path)
    assert sorted(arrays) == ["half", "kernel"] and len(arrays) == 2
    np.testing.assert_array_equal(arrays["kernel"], kernel)
    np.testing.assert_array_equal(arrays["half"], [0.5, -2])
    assert arrays["half"].dtype == np.float32
    with pytest.raises(KeyError):
        arrays["steps"]


def test_damage_is_told(tmp_path):
    path = written(tmp_path, kernel=np.ones(4, "float32"))
    whole = path.read_bytes()
    arrays = StoredArrays(path)
    path.write_bytes(whole[:-4])
    with pytest.raises(PresetError, match="not a valid safetensors"):
        StoredArrays(path)
    with pytest.raises(PresetError, match="not a valid safetensors"):
        arrays["kernel"]  # it was cut off since
    path.unlink()
    for ask in (lambda: arrays["kernel"], lambda: StoredArrays(path)):
        with pytest.raises(PresetError, match="cannot be read"):
            ask()
    path = written(tmp_path, kernel=np.array([1, np.nan], "float32"))
    with pytest.raises(PresetError, match="1 of 2 values of `kernel`"):
        StoredArrays(path)["kernel"]


def test_arrays_of_variables_are_checked_at_once_and_made_when_asked_for(tmp_path):
    given = np.array([[1, 1e-40, 3]], "float32")
    arrays = StoredArrays(written(tmp_path, weight=given))
    names = {"dense/kernel": (("weight",), np.transpose)}
    fitted = FittedArrays(arrays, names, {"dense/kernel": (3, 1)})
    np.testing.assert_array_equal(fitted["dense/kernel"], [[1], [0], [3]])
    with pytest.raises(PresetError, match="does not fit the variable"):
        FittedArrays(arrays, names, {"dense/kernel": (1, 3)})
