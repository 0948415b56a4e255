"""Weights as safetensors files: strict in names, shapes and checksum."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from keras_musictag.checks import open_file
from keras_musictag.errors import PresetError
from keras_musictag.replacing import replacing

# Beginnings of the names of types in safetensors files.
_INTEGERS = ("BOOL", "I", "U")


def serialize(
    variables: Iterable, metadata: dict | None = None, *, dtype: str = "float32"
) -> bytes:
    """Return the contents of a safetensors file whose keys are variables' paths.

    Args:
        variables: Keras variables with unique paths, in any order.
        metadata: Optional strings to store in the file's header.
        dtype: `"float16"` for half the size; the numbers are rounded.

    Returns:
        The bytes; numbers are of this type whatever the variables' own precision, since
        files outlive policies.

    Raises:
        PresetError: If a number is NaN or infinite.
    """
    import safetensors.numpy

    arrays = {v.path: _to_array(v).astype(dtype) for v in variables}
    check_finite(arrays, "The weights of the model")
    return safetensors.numpy.save(arrays, metadata=metadata)


def save_weights(
    path,
    variables: Iterable,
    metadata: dict | None = None,
    *,
    dtype: str = "float32",
) -> dict:
    """Write variables to a safetensors file whose keys are their paths.

    Args:
        path: The file to write.
        variables: Keras variables with unique paths, in any order.
        metadata: Optional strings to store in the file's header.
        dtype: `"float16"` for a file of half the size; the numbers are rounded.

    Returns:
        `{"file": name, "bytes": size, "sha256": hex digest}`.
    """
    blob = serialize(variables, metadata, dtype=dtype)
    path = Path(path)
    with replacing(path) as part:
        part.write_bytes(blob)
    return {"file": path.name, **fingerprint(blob)}


def load_weights(
    path,
    variables: Iterable,
    *,
    expected: Mapping | None = None,
    skip: tuple[str, ...] = (),
) -> None:
    """Fill variables from a safetensors file; all of them or none.

    Args:
        path: The file to read.
        variables: The Keras variables to fill, addressed by their paths.
        expected: `bytes` and `sha256` that the file must have.
        skip: Layer names whose variables stay as they are (a fresh head).

    Raises:
        PresetError: If the file is missing or damaged, or its arrays are not
            exactly those of `variables` in name and shape.
    """
    fill(variables, read_arrays(path, expected), path, skip)


def fill(variables: Iterable, arrays: Mapping, path, skip: tuple[str, ...] = ()):
    """Give variables the values of arrays with the same names; all of them or none.

    Args:
        variables: The Keras variables to fill, addressed by their paths.
        arrays: Arrays by name; one that makes them when they are asked for tells their
            `shapes`.
        path: Where they come from, for messages.
        skip: Layer names whose variables stay as they are (a fresh head).

    Raises:
        PresetError: If the arrays are not exactly those of `variables` in name and
            shape.
    """
    skipped = tuple(f"{name}/" for name in skip)
    targets = {v.path: v for v in variables if not v.path.startswith(skipped)}
    if (shapes := getattr(arrays, "shapes", None)) is None:
        shapes = {key: array.shape for key, array in arrays.items()}
    shapes = {k: shape for k, shape in shapes.items() if not k.startswith(skipped)}
    check_shapes(path, {k: tuple(v.shape) for k, v in targets.items()}, shapes)
    for key, variable in targets.items():
        variable.assign(arrays[key])


def check_shapes(path, shapes: Mapping[str, tuple], found: Mapping) -> None:
    """Refuse arrays that are not those of a model in name and shape.

    Args:
        path: Where they come from, for messages.
        shapes: Those of the model's variables, by their paths.
        found: Those of the arrays, by name.

    Raises:
        PresetError: If they differ.
    """
    _check_names(path, set(shapes), set(found))
    for key, shape in shapes.items():
        if shape != found[key]:
            raise PresetError(
                f"The weight `{key}` in {path} has another shape than the model's.",
                received=f"{found[key]}, expected {shape}",
                advice="Load it into the architecture and settings it was saved from.",
            )


def fingerprint(blob: bytes) -> dict:
    """Return the size and the SHA-256 of a file's contents, as records note them."""
    return {"bytes": len(blob), "sha256": hashlib.sha256(blob).hexdigest()}


def read_arrays(path, expected: Mapping | None = None) -> dict[str, np.ndarray]:
    """Read a safetensors file.

    Args:
        path: The file.
        expected: `bytes` and `sha256` that it must have.

    Returns:
        Its arrays by name, those in bfloat16 as float32.

    Raises:
        PresetError: If the file is missing or damaged, or a number in it is none.
    """
    import safetensors

    blob = _read(Path(path), expected)
    try:
        arrays = {n: _decoded(view) for n, view in safetensors.deserialize(blob)}
    except (safetensors.SafetensorError, LookupError, ValueError) as error:
        raise _invalid(path, error) from error
    check_finite(arrays, f"The weights in {path}")
    return arrays


class StoredArrays(Mapping[str, np.ndarray]):
    """The weights of a safetensors file, each read when it is asked for.

    Arrays of whole numbers, which are no weights, are left out; numbers in bfloat16
    become float32.

    Args:
        path: The file.

    Raises:
        PresetError: If the file is missing or damaged; and when an array is asked for
            whose numbers are none.
    """

    def __init__(self, path):
        import safetensors

        self.path = Path(path)
        try:
            with open_file(self.path) as file:
                # It compares sizes and places with the file.
                with safetensors.safe_open(self.path, "np"):
                    length = int.from_bytes(file.read(8), "little")
                header = json.loads(file.read(length))
        except OSError as error:
            raise _unreadable(self.path, error) from error
        except (safetensors.SafetensorError, ValueError) as error:
            raise _invalid(self.path, error) from error
        header.pop("__metadata__", None)
        self._start = 8 + length
        self._views = {
            name: view
            for name, view in header.items()
            if not view["dtype"].startswith(_INTEGERS)
        }

    def __getitem__(self, name: str) -> np.ndarray:
        view = self._views[name]
        begin, end = view["data_offsets"]
        try:
            with open_file(self.path) as file:
                file.seek(self._start + begin)
                array = _decoded({**view, "data": file.read(end - begin)})
        except OSError as error:
            raise _unreadable(self.path, error) from error
        except ValueError as error:
            raise _invalid(self.path, error) from error
        check_finite({name: array}, f"The weights in {self.path}")
        return array

    def __iter__(self) -> Iterator[str]:
        return iter(self._views)

    def __len__(self) -> int:
        return len(self._views)


def _invalid(path, error: Exception) -> PresetError:
    return PresetError(
        f"The weights file {path} is not a valid safetensors file; nothing was loaded.",
        received=error,
        advice="Fetch or save the weights again.",
    )


def _unreadable(path, error: Exception) -> PresetError:
    return PresetError(
        f"The weights file {path} cannot be read.",
        received=error,
        advice="Check the path, or reinstall the package or save the model again.",
    )


def check_finite(arrays: Mapping, owner: str) -> None:
    """Refuse weights that hold NaN or infinity: every score would be NaN.

    Args:
        arrays: Arrays by name.
        owner: Whose they are, as the start of a sentence.

    Raises:
        PresetError: If there is one; it names the first array.
    """
    for name, array in arrays.items():
        bad = array.size - np.count_nonzero(np.isfinite(array))
        if bad:
            raise PresetError(
                f"{owner} are not all numbers: scores would be NaN.",
                received=f"{bad} of {array.size} values of `{name}` are NaN or "
                "infinite",
                advice="Training has diverged: lower the learning rate, or go back "
                "to an earlier state.",
            )


def copy_weights(targets: Iterable, sources: Iterable, skip: tuple[str, ...] = ()):
    """Give variables the values of those with the same paths.

    Args:
        targets: The Keras variables to fill.
        sources: Keras variables, among them one for each target.
        skip: Layer names whose variables stay as they are (a fresh head).
    """
    values = {variable.path: variable.value for variable in sources}
    skipped = tuple(f"{name}/" for name in skip)
    for variable in targets:
        if not variable.path.startswith(skipped):
            variable.assign(values[variable.path])


def weights_digest(about: str, variables: Iterable, *, by_path: bool = True) -> str:
    """Return the SHA-256 of a description and of the values of variables.

    Args:
        about: What else counts, as text.
        variables: Keras variables with unique paths.
        by_path: Whether they count in the order of their paths, with their shapes and
            in float32, as indexes and libraries note it; or as they come, as folders
            of cached embeddings are named.

    Returns:
        64 hexadecimal digits.
    """
    from keras import ops

    digest = hashlib.sha256(about.encode())
    if by_path:
        for path, variable in sorted({v.path: v for v in variables}.items()):
            array = _to_array(variable)
            digest.update(path.encode() + str(array.shape).encode() + array.tobytes())
        return digest.hexdigest()
    for variable in variables:
        array = ops.convert_to_numpy(variable.value)
        digest.update(variable.path.encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _read(path: Path, expected: Mapping | None) -> bytes:
    try:
        with open_file(path) as file:
            size = os.fstat(file.fileno()).st_size
            # A file of another size need not be read to be the wrong one.
            same_size = not expected or expected["bytes"] == size
            blob = file.read() if same_size else b""
    except OSError as error:
        raise _unreadable(path, error) from error
    if expected:
        digest = f" with sha256 {fingerprint(blob)['sha256']}" if same_size else ""
        if digest != f" with sha256 {expected['sha256']}":
            raise PresetError(
                f"The weights file {path} is damaged or was changed: expected "
                f"{expected['bytes']} bytes with sha256 {expected['sha256']}; "
                "nothing was loaded.",
                received=f"{size} bytes{digest}",
                advice="Reinstall the package, or fetch or save the weights again.",
            )
    return blob


def _decoded(view: Mapping) -> np.ndarray:
    """An array of a safetensors file; formats that NumPy lacks become float32."""
    import ml_dtypes  # Keras brings it

    name = view["dtype"]
    if name in ("BF16", "F8_E4M3", "F8_E5M2"):
        kind = {
            "BF16": ml_dtypes.bfloat16,
            "F8_E4M3": ml_dtypes.float8_e4m3fn,
            "F8_E5M2": ml_dtypes.float8_e5m2,
        }[name]
        values = np.frombuffer(view["data"], kind).astype("float32")
    else:
        if name not in ("F16", "F32", "F64"):
            raise ValueError(f"numbers of the type {name} are no weights")
        values = np.frombuffer(view["data"], f"<f{int(name[1:]) // 8}")
    return values.reshape(view["shape"])


def _check_names(path, wanted: set[str], found: set[str]) -> None:
    if wanted != found:
        raise PresetError(
            f"The arrays in {path} are not those of the model; nothing was loaded.",
            received=f"missing {sorted(wanted - found)[:5]}, "
            f"unexpected {sorted(found - wanted)[:5]} "
            f"({len(wanted - found)} and {len(found - wanted)} in all)",
            advice="Load it into the architecture and settings it was saved from.",
        )


def _to_array(variable) -> np.ndarray:
    from keras import ops

    array = ops.convert_to_numpy(variable.value)
    # Not ascontiguousarray, which gives single numbers an axis.
    return np.array(array, dtype="float32", order="C")
