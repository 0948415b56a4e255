"""Decoders: soundfile for what libsndfile reads, PyAV for the rest.

`open_sound` picks one. Both give blocks of `(n, channels)` float32 samples, keep
what could be decoded of a damaged file, and say whether the file is cut short:

- WAV, AIFF, AU, CAF, W64: the header announces more bytes than there are.
- FLAC: decoding fails before the announced length.
- OGG: the last page is incomplete or not marked as the end of its stream.
- MP3: more than 0.25 s less than the number of frames in its Xing, Info or VBRI
  header. Without that header the length is only estimated from the size of the
  file (intact files are 2 to 5 frames off, those of variable bit rate by any
  amount), so nothing can be told.
- MP4, MOV, Matroska, WebM, ASF: more than 0.25 s less than announced. Any format
  read by PyAV: a packet that cannot be decoded.
"""

import contextlib
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from keras_musictag.audio.arrays import is_array, pcm_to_float
from keras_musictag.errors import AudioError, import_extra

SOUNDFILE_SUFFIXES = frozenset(
    (
        ".aif .aifc .aiff .au .caf .flac .mp2 .mp3 .mpga .oga .ogg .opus .rf64 .snd "
        ".w64 .wav .wave"
    ).split()
)
AV_SUFFIXES = frozenset(
    (
        ".3gp .aac .ac3 .amr .ape .asf .avi .eac3 .flv .m4a .m4b .m4v .mka .mkv "
        ".mov .mp4 .mpeg .mpg .ogv .tta .webm .wma .wmv .wv"
    ).split()
)

# MP4 family, Matroska and WebM, ASF (WMA).
_AV_MAGIC = re.compile(rb"....ftyp|\x1aE\xdf\xa3|0&\xb2u\x8ef\xcf\x11", re.DOTALL)
# Lengths that these containers announce are measured, not estimated.
_AV_EXACT = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "asf")
_TOLERANCE = 0.25  # seconds: encoder delay and padding stay below it
_UNKNOWN = 2**62  # libsndfile's "length unknown" lies above
_STREAMED = 0x7FFF0000  # sizes written by programs that could not seek back
_OGG_PAGE = 65536  # bytes; a page is shorter
_TEXT_CONTROLS = b"\t\n\r\f\x1b"


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
        _open_path(path).close()
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


def _open_path(path: Path) -> BinaryIO:
    """Open a file and check it as `check_source` does."""
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
            file = on_error.enter_context(open(path, "rb"))
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


def open_sound(source: Any) -> "SoundFileDecoder | AvDecoder":
    """Open a file with the decoder that can read it.

    Args:
        source: Path or binary file object.

    Returns:
        The decoder; a context manager that closes the file.

    Raises:
        AudioError: If the file is not audio or its header is damaged.
        MissingExtraError: If it needs the extra `av`, which is not installed.
    """
    if not isinstance(source, (str, os.PathLike)):
        return _find_decoder(*check_source(source), None)
    # A path is opened once, here, for all that look into it and for the decoder.
    path = Path(source).expanduser()
    with contextlib.ExitStack() as on_error:
        file = on_error.enter_context(_open_path(path))
        sound = _find_decoder(str(source), file, str(path.absolute()))
        sound.owned = on_error.pop_all()
    return sound


def _find_decoder(
    name: str, file: Any, path: str | None
) -> "SoundFileDecoder | AvDecoder":
    import soundfile

    suffix = Path(name).suffix.lower()
    try:
        if suffix != ".raw":  # no header: libsndfile would believe anything
            return _sound_file(name, file, path)
    except soundfile.LibsndfileError as error:
        cause = error.error_string.strip().rstrip(".")
    else:
        cause = "samples without a header"
    if suffix in AV_SUFFIXES or _AV_MAGIC.match(_read(file, 0, 16)):
        import_extra("av", "av", f"Reading {suffix or 'such'} files")
    try:
        return AvDecoder(name, file)
    except ImportError:
        pass  # optional here: the file has no mark of a format that PyAV reads
    except _NotDecodable as error:
        cause = str(error) if suffix not in SOUNDFILE_SUFFIXES else cause
    if cause.startswith("File does not exist"):  # what libsndfile says of odd MP3s
        cause = "no MPEG audio found"
    raise AudioError(
        f"The file is not audio in a known format, or its header is damaged ({cause}).",
        received=name,
        advice="Check that it plays elsewhere; convert it to WAV, FLAC or MP3.",
    )


def _sound_file(name: str, file: Any, path: str | None) -> "SoundFileDecoder":
    import soundfile

    try:
        return SoundFileDecoder(name, file)
    except soundfile.LibsndfileError:
        if path is None or Path(path).suffix.lower() in AV_SUFFIXES:
            raise
        # By its path: libsndfile goes by the suffix where the bytes say nothing.
        return SoundFileDecoder(name, path)


class _NotDecodable(Exception):
    """PyAV found no audio in a file."""


def _read(file: Any, offset: int, size: int) -> bytes:
    """Read bytes of a path or a file object; a negative offset is from the end."""
    if isinstance(file, str):
        with open(file, "rb") as opened:
            return _read(opened, offset, size)
    end = file.seek(0, 2)
    file.seek(max(0, end + offset) if offset < 0 else offset)
    data = file.read(size)
    file.seek(0)
    return data


class _Decoder:
    """What closes the file that `open_sound` opened for a decoder."""

    owned = contextlib.ExitStack()  # nothing, as for files of the caller

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()
        self.owned.close()

    def close(self) -> None:
        """Close what decodes."""
        raise NotImplementedError


class SoundFileDecoder(_Decoder):
    """A file that libsndfile reads.

    Attributes:
        name: What to call the file in messages.
        sample_rate: In Hz.
        channels: Number of channels.
        truncated: Whether the file is cut short; `None` until that is known.
        announced: Seconds that the header announces, or `None`.
        kind: Format and coding of the samples, such as `("WAV", "PCM_16")`.
    """

    def __init__(self, name: str, file: Any):
        import soundfile

        self.name = name
        self.truncated: bool | None = None
        is_ogg = _read(file, 0, 4) == b"OggS"
        open_ended = is_ogg and not _has_last_page(_read(file, -_OGG_PAGE, _OGG_PAGE))
        has_frame_count = _has_frame_count(file)
        if not isinstance(file, str):
            file.seek(0)
        self._file = soundfile.SoundFile(file)
        # Or soundfile seeks after every read, and MP3 frames get lost at the seams.
        self._file.seekable = lambda: False
        self.sample_rate, self.channels = self._file.samplerate, self._file.channels
        self.kind = self._file.format, self._file.subtype
        self._is_mp3 = self._file.format == "MP3"
        self._frames = len(self._file)
        if open_ended or _misses_bytes(self._file.extra_info):
            self.truncated = True
        known = self._frames < _UNKNOWN and not self.truncated
        known = known and (has_frame_count or not self._is_mp3)
        self.announced = self._frames / self.sample_rate if known else None

    def close(self) -> None:
        self._file.close()

    def exact_length(self) -> int | None:
        """Give the samples per channel if known without decoding."""
        # Headers of compressed files can estimate, and know nothing of damage.
        compressed = self._file.format in ("FLAC", "OGG", "MP3")
        plain = self._file.subtype.startswith(("PCM_", "FLOAT", "DOUBLE"))
        return self._frames if plain and not compressed else None

    def announced_length(self) -> int | None:
        """Give the samples per channel that the header counts, if it does."""
        return None if self.announced is None else self._frames

    def read(self, start: int, count: int) -> np.ndarray | None:
        """Decode `(count, channels)` float32 samples of a file just opened.

        `None` if they are not there.
        """
        import soundfile

        try:
            self._skip(start)
            block = self._file.read(count, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError:
            return None
        return block if len(block) == count else None

    def _skip(self, count: int) -> None:
        # libsndfile 1.2 seeks to wrong places in OGG, and libmpg123 prints errors
        # about frames that begin before the place: these two are decoded up to it.
        if self._file.format not in ("OGG", "MP3"):
            self._file.seek(count)
            return
        while count > 0 and len(self._file.read(min(count, 2**16), dtype="float32")):
            count -= 2**16

    def blocks(self, size: int) -> Iterator[np.ndarray]:
        """Decode float32 blocks of shape `(n, channels)` with `n <= size`."""
        import soundfile

        decoded = 0
        while True:
            block = np.empty((size, self.channels), np.float32)
            try:
                count, damaged = len(self._file.read(out=block)), False
            except soundfile.LibsndfileError:
                # What precedes the damage is in the block; the position tells.
                count, damaged = max(0, self._file.tell() - decoded), True
            decoded += count
            if count:
                yield block[:count]
            if damaged or not count:
                break
        slack = int(_TOLERANCE * self.sample_rate) if self._is_mp3 else 0
        missing = self.announced is not None and decoded + slack < self._frames
        self.truncated = bool(self.truncated or damaged or missing)


def _misses_bytes(log: str) -> bool:
    """Search libsndfile's log for a size that the file does not have."""
    sizes = re.findall(
        r"^\s*(?:data|SSND|Data Size|riff|Riff size)\s*: (\d+) \(should be (\d+)\)",
        log,
        re.MULTILINE,
    )
    # A few bytes are padding that some programs count.
    return any(
        int(told) < _STREAMED and int(told) > int(is_) + 16 for told, is_ in sizes
    )


def _has_last_page(tail: bytes) -> bool:
    """Say whether the end of an OGG file is a whole page that ends its stream."""
    page = tail[tail.rfind(b"OggS") :]
    if len(page) < 27 or page[:4] != b"OggS":
        return False
    segments = page[27 : 27 + page[26]]
    whole = len(segments) == page[26] and len(page) >= 27 + page[26] + sum(segments)
    return whole and bool(page[5] & 4)


def _has_frame_count(file: Any) -> bool:
    """Say whether an MP3 file states its number of frames."""
    head, begin = _read(file, 0, 10), 0
    if head[:3] == b"ID3" and len(head) == 10:
        size = 0
        for byte in head[6:10]:  # seven bits each
            size = size << 7 | byte & 127
        begin = 10 + size
    return bool(re.search(b"Xing|Info|VBRI", _read(file, begin, 256)))


class AvDecoder(_Decoder):
    """A file that PyAV (FFmpeg) reads: the sound of a container or a video.

    It has the attributes of `SoundFileDecoder`.
    """

    def __init__(self, name: str, file: Any):
        import av

        self.name, self.kind = name, ("", "")
        self.truncated: bool | None = None
        if not isinstance(file, str):
            file.seek(0)
        try:
            # Local only: a playlist must not make us fetch anything.
            self._container = av.open(file, options={"protocol_whitelist": "file"})
        except (av.FFmpegError, OSError, ValueError) as error:
            raise _NotDecodable(getattr(error, "strerror", None) or error) from error
        if not self._container.streams.audio:
            self._container.close()
            raise _NotDecodable("it has no sound")
        self._stream = self._container.streams.best("audio")
        self._frames, self._damaged = self._decode(), False
        self._first = next(self._frames, None)
        if self._first is None:
            self._container.close()
            raise _NotDecodable("no sound can be decoded")
        self.sample_rate = self._first.sample_rate
        self.channels = self._first.layout.nb_channels
        self.announced = self._announced()

    def close(self) -> None:
        self._frames.close()
        self._container.close()

    def _announced(self) -> float | None:
        if self._container.format.name not in _AV_EXACT:
            return None
        if self._stream.duration:
            return float(self._stream.duration * self._stream.time_base)
        # The whole container may outlast its sound if it has pictures.
        whole = self._container.duration
        return whole / 1e6 if whole and not self._container.streams.video else None

    def _decode(self):
        import av

        try:
            for packet in self._container.demux(self._stream):
                try:
                    yield from packet.decode()
                except av.InvalidDataError:
                    self._damaged = True  # go on with the next packet
        except av.FFmpegError:
            self._damaged = True

    def exact_length(self) -> None:
        """Give `None`: containers do not know their length to the sample."""

    def blocks(self, size: int) -> Iterator[np.ndarray]:
        """Decode float32 blocks of shape `(n, channels)`, `n` about `size`."""
        held, count, decoded = [], 0, 0
        frame = self._first
        while frame is not None:
            held.append(self._samples(frame, decoded))
            count, decoded = count + frame.samples, decoded + frame.samples
            frame = next(self._frames, None)
            if count >= size or frame is None:
                yield np.concatenate(held)
                held, count = [], 0
        least = ((self.announced or 0) - _TOLERANCE) * self.sample_rate
        self.truncated = self._damaged or decoded < least

    def _samples(self, frame: Any, decoded: int) -> np.ndarray:
        found = frame.sample_rate, frame.layout.nb_channels
        if found != (self.sample_rate, self.channels):
            raise AudioError(
                "The sample rate or the number of channels changes inside the file.",
                received=f"{self.name}, {found[0]} Hz and {found[1]} channels "
                f"after {decoded / self.sample_rate:.1f} s",
                advice="Convert it to WAV or FLAC first.",
            )
        samples = frame.to_ndarray()
        if frame.format.is_planar:
            samples = samples.T
        return pcm_to_float(samples.reshape(-1, self.channels), name=self.name)
