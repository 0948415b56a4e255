"""What can be read: paths and file objects, checked before anything decodes them."""

import contextlib
import io
import os
from pathlib import Path
from typing import Any

from keras_musictag.audio.arrays import is_array
from keras_musictag.errors import AudioError

_TEXT_CONTROLS = b"\t\n\r\f\x1b"


class LocalFile(io.FileIO):
    """A file that was opened here, by its path: decoders may use its descriptor.

    It has no buffer, which would not notice that they move the descriptor.
    """


class Decoder:
    """What decodes a file; a context that closes it.

    Attributes:
        owned: Closes the file that was opened for the decoder; files of the caller
            stay open.
    """

    owned = contextlib.ExitStack()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()
        self.owned.close()

    def close(self) -> None:
        """Close what decodes."""
        raise NotImplementedError


def check_source(source: Any) -> tuple[str, Any]:
    """Check that a source can be read, without decoding it.

    Args:
        source: Path (`str` or `Path`) or binary file object. One that cannot seek
            is read into memory; others are read from their start.

    Returns:
        Its name for messages, and an absolute path (`str`) or a file object.

    Raises:
        AudioError: If it is missing, a folder, unreadable, empty or text.
    """
    if isinstance(source, (str, os.PathLike)):
        path = Path(source).expanduser()
        open_path(path).close()
        # Absolute: "-" or "http:" at the start would mean something to the libraries.
        return str(source), str(path.absolute())
    if not hasattr(source, "read"):
        raise AudioError(
            "A path or a file object is needed.",
            received="an array"
            if is_array(source)
            else f"an object of type {type(source).__name__}",
            advice="Pass the path of an audio file, or a file opened with 'rb'.",
        )
    name = getattr(source, "name", None)
    name = name if isinstance(name, str) else f"<{type(source).__name__}>"
    seekable = getattr(source, "seekable", lambda: True)
    try:
        source = source if seekable() else io.BytesIO(source.read())
        source.seek(0)
        head = source.read(4096)
    except (OSError, TypeError, ValueError) as error:
        raise _unreadable(name, error) from error
    _check_start(head, name)
    return name, source


def open_path(path: Path) -> LocalFile:
    """Open a file and check it as `check_source` does.

    Args:
        path: The file, without `~`.

    Returns:
        The file, at its start.

    Raises:
        AudioError: As `check_source`.
    """
    try:
        exists, is_folder, is_file = path.exists(), path.is_dir(), path.is_file()
    except (OSError, ValueError) as error:  # for example a name that is too long
        raise _unreadable(str(path), error) from error
    if not exists:
        raise AudioError(
            "The audio file does not exist.",
            received=path,
            advice="Check the path; it is relative to the current folder.",
        )
    if not is_file:
        raise AudioError(
            f"An audio file is needed, this is {'a folder' if is_folder else 'none'}.",
            received=path,
            advice="Expand folders with keras_musictag.audio.find_files.",
        )
    with contextlib.ExitStack() as on_error:
        try:
            file = on_error.enter_context(LocalFile(path))
            _check_start(file.read(4096), str(path))
            file.seek(0)
        except OSError as error:
            raise _unreadable(str(path), error) from error
        on_error.pop_all()
    return file


def _unreadable(name: str, error: Exception) -> AudioError:
    return AudioError(
        f"The audio file cannot be read ({getattr(error, 'strerror', None) or error}).",
        received=name,
        advice="Check that it may be read, and that file objects are opened with 'rb'.",
    )


def _check_start(head: bytes | str, name: str) -> None:
    if isinstance(head, str):
        problem, advice = "The file is opened as text.", "Open it with mode 'rb'."
    elif not head:
        problem = "The audio file is empty (0 bytes)."
        advice = "Copy or download it again."
    elif _is_text(head):
        problem = "The file holds text, it is not audio."
        advice = "Look into it: a failed download often is a web page."
    else:
        return
    raise AudioError(problem, received=name, advice=advice)


def _is_text(head: bytes) -> bool:
    # Playlists, web pages, lyrics. Checked before decoding, since mpg123 searches
    # text for frames and PyAV would follow a playlist.
    if any(byte < 32 and byte not in _TEXT_CONTROLS for byte in head):
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start > 4090  # a character cut in two at the end of the head
    return True
