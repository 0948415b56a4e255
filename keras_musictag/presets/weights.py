"""Weights as safetensors files: strict in names, shapes and checksum."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from keras_musictag.errors import PresetError
from keras_musictag.replacing import replacing


def save_weights(path, variables: Iterable, metadata: dict | None = None) -> dict:
    """Write variables to a safetensors file whose keys are their paths.

    Args:
        path: The file to write.
        variables: Keras variables with unique paths, in any order.
        metadata: Optional strings to store in the file's header.

    Returns:
        `{"file": name, "bytes": size, "sha256": hex digest}`.
    """
    import safetensors.numpy

    # float32 whatever the variables' own precision: the file outlives policies.
    arrays = {v.path: _to_array(v) for v in variables}
    blob = safetensors.numpy.save(arrays, metadata=metadata)
    path = Path(path)
    with replacing(path) as part:
        part.write_bytes(blob)
    return {"file": path.name, **_fingerprint(blob)}


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
    arrays = _read(Path(path), expected)
    skipped = tuple(f"{name}/" for name in skip)
    targets = {v.path: v for v in variables if not v.path.startswith(skipped)}
    arrays = {k: a for k, a in arrays.items() if not k.startswith(skipped)}
    _check_names(path, set(targets), set(arrays))
    for key, variable in targets.items():
        if tuple(variable.shape) != arrays[key].shape:
            raise PresetError(
                f"The weight `{key}` in {path} has another shape than the model's.",
                received=f"{arrays[key].shape}, expected {tuple(variable.shape)}",
                advice="Load it into the architecture and settings it was saved from.",
            )
    for key, variable in targets.items():
        variable.assign(arrays[key])


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


def _read(path: Path, expected: Mapping | None) -> dict[str, np.ndarray]:
    import safetensors
    import safetensors.numpy

    try:
        blob = path.read_bytes()
    except OSError as error:
        raise PresetError(
            f"The weights file {path} cannot be read.",
            received=error,
            advice="Check the path, or reinstall the package or save the model again.",
        ) from error
    if expected:
        found = _fingerprint(blob)
        wanted = {key: expected[key] for key in found}
        if found != wanted:
            raise PresetError(
                f"The weights file {path} is damaged or was changed: expected "
                f"{wanted['bytes']} bytes with sha256 {wanted['sha256']}; "
                "nothing was loaded.",
                received=f"{found['bytes']} bytes with sha256 {found['sha256']}",
                advice="Reinstall the package, or fetch or save the weights again.",
            )
    try:
        return safetensors.numpy.load(blob)
    except safetensors.SafetensorError as error:
        raise PresetError(
            f"The weights file {path} is not a valid safetensors file; "
            "nothing was loaded.",
            received=error,
            advice="Fetch or save the weights again.",
        ) from error


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


def _fingerprint(blob: bytes) -> dict:
    return {"bytes": len(blob), "sha256": hashlib.sha256(blob).hexdigest()}
