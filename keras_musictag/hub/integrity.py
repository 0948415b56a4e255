"""Checks that a file holds exactly the bytes that a preset names."""

import hashlib
from pathlib import Path

from keras_musictag.checks import open_file
from keras_musictag.errors import ConfigError, PresetError

CHUNK = 1024 * 1024


def verify_file(
    path,
    *,
    sha256: str | None = None,
    git_blob: str | None = None,
    size: int | None = None,
) -> None:
    """Compare a file with its known size, sha256 or git blob id.

    A git blob id is how a git repository names a file's contents; it serves where
    nothing else was published. All that is given must fit.

    Args:
        path: The file; it is read in pieces of 1 MiB.
        sha256: Its sha256, 64 hexadecimal digits.
        git_blob: Its git blob id, 40 hexadecimal digits: the sha1 of
            `b"blob <size>\\0"` and the contents.
        size: Its size in bytes.

    Raises:
        PresetError: If the file cannot be read or differs from what is expected.
        ConfigError: If there is nothing to compare with.

    ```python
    import tempfile
    from pathlib import Path
    from keras_musictag.hub.integrity import verify_file

    path = Path(tempfile.mkdtemp()) / "hello.txt"
    path.write_bytes(b"hello\\n")
    verify_file(path, git_blob="ce013625030ba8dba906f756967f9e9ca394464a", size=6)
    ```
    """
    expected = {"size": size, "sha256": sha256, "git blob id": git_blob}
    expected = {what: value for what, value in expected.items() if value is not None}
    if not expected:
        raise ConfigError(
            "A file can only be verified against something.",
            received=f"{Path(path).name} alone",
            advice="Pass sha256=, git_blob= or size=.",
        )
    try:
        measured = _measure(path, expected)
    except OSError as error:
        raise PresetError(
            "The file cannot be read.",
            received=f"{type(error).__name__}: {error}",
            advice="Check the path, or fetch the file again.",
        ) from error
    for what, value in expected.items():
        # The size comes first: a wrong one explains the wrong digests.
        if str(value).lower() != str(measured[what]):
            raise PresetError(
                f"The {what} of {Path(path).name} is not the expected one.",
                received=f"{measured[what]}, expected {value}",
                advice="The file is damaged, cut off or another version: delete it "
                "and fetch it again.",
            )


def _measure(path, wanted) -> dict[str, object]:
    """Size and wanted digests of a file, from one pass over it."""
    with open_file(path) as file:
        size = file.seek(0, 2)
        file.seek(0)
        digests = {}
        if "sha256" in wanted:
            digests["sha256"] = hashlib.sha256()
        if "git blob id" in wanted:
            # Git's own choice; sha1 is weak against those who made the file.
            header = b"blob %d\0" % size
            digests["git blob id"] = hashlib.sha1(header, usedforsecurity=False)
        while digests and (piece := file.read(CHUNK)):
            for digest in digests.values():
                digest.update(piece)
    hexes = {what: digest.hexdigest() for what, digest in digests.items()}
    return {"size": size, **hexes}
