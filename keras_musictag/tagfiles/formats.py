"""One view of all kinds of tags: ID3, APEv2, Vorbis comments, MP4, ASF."""

import mmap
import struct
import zlib
from collections.abc import Sequence
from typing import Any

from keras_musictag.errors import AudioError, import_extra
from keras_musictag.tagfiles.containers import iff_chunks

_STREAMED = 0x7FFF0000  # lengths written by programs that could not go back
# What mutagen raises on damaged files beside its own errors.
_DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


def open_tags(path: str, like: "Tags | None" = None) -> "Tags":
    """Open the tags of a file.

    Args:
        path: The file.
        like: Tags of a file of the same format, where the name does not tell it.

    Returns:
        Its tags; a file without any has empty ones, or what its other tags say.

    Raises:
        AudioError: If the file is damaged, or its format has no tags that can be
            written.
        MissingExtraError: If mutagen is not installed.
    """
    mutagen = import_extra("mutagen", "files", "Tags in files")
    views = _views()
    _check_lengths(path)
    try:
        file = type(like.file)(path) if like else mutagen.File(path, list(views))
        view = views.get(type(file))
        if view is not None:
            return view(path, file)
    except (mutagen.MutagenError, *_DAMAGE) as error:
        raise AudioError(
            "The tags of the file cannot be read.",
            received=f"{path} ({error or type(error).__name__})",
            advice="Check that it plays, and copy it again if it does not.",
        ) from error
    raise AudioError(
        "Files of this format hold no tags that can be written.",
        received=path,
        advice="MP3, WAV, AIFF, FLAC, OGG, Opus, M4A, WMA, WavPack, Monkey's Audio, "
        "TTA and DSF files do; convert it.",
    )


def _views() -> dict[type, type["Tags"]]:
    """Return how the tags of each kind of file are seen, by mutagen's class for it."""
    from mutagen import (
        aiff,
        asf,
        dsf,
        flac,
        monkeysaudio,
        mp3,
        mp4,
        oggflac,
        oggopus,
        oggspeex,
        oggvorbis,
        trueaudio,
        wave,
        wavpack,
    )

    from keras_musictag.tagfiles import id3_tags, named_tags

    return {
        **dict.fromkeys(
            (mp3.MP3, wave.WAVE, aiff.AIFF, trueaudio.TrueAudio, dsf.DSF),
            id3_tags.ID3Tags,
        ),
        **dict.fromkeys(
            (
                flac.FLAC,
                oggvorbis.OggVorbis,
                oggopus.OggOpus,
                oggflac.OggFLAC,
                oggspeex.OggSpeex,
            ),
            named_tags.VorbisTags,
        ),
        **dict.fromkeys(
            (wavpack.WavPack, monkeysaudio.MonkeysAudio), named_tags.APETags
        ),
        asf.ASF: named_tags.ASFTags,
        mp4.MP4: named_tags.MP4Tags,
    }


def _check_lengths(path: str) -> None:
    """Refuse WAV and AIFF files whose headers do not say where the sound ends."""
    with (
        open(path, "rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        head, size = data[:12], len(data)
        if head[:4] in (b"RF64", b"BW64"):
            raise AudioError(
                "RF64, the form of WAV for files over 4 GB, holds no tags.",
                received=path,
                advice="Convert it to FLAC, or to plain WAV if it is small enough.",
            )
        if head[:4] not in (b"RIFF", b"FORM"):
            return
        order: Any = "little" if head[:4] == b"RIFF" else "big"
        whole = 8 + int.from_bytes(head[4:8], order)
        sound = [chunk for chunk in iff_chunks(data) if chunk[0] in (b"data", b"SSND")]
        lengths = [end - body for _, body, end in sound]
        inside = all(end <= min(whole, size) for _, _, end in sound)
        if sound and all(lengths) and inside and whole <= size + 1:
            return
        reason = "it is cut short, or its header is damaged"
        if 8 in (whole, *lengths) or 0 in lengths:
            reason = "its recorder was stopped before it noted the length"
        if max(whole, *lengths, 0) >= _STREAMED:
            reason = "it was written as a stream, of unknown length"
        raise AudioError(
            f"The header does not say where the sound ends: {reason}. "
            "Tags have no place in such a file.",
            received=path,
            advice="Write it anew: ffmpeg -i old.wav -c copy new.wav",
        )


class Tags:
    """What a file says in its fields, whatever the format calls them.

    A field may have several names: all of them are written, and the first that is
    filled counts.

    Args:
        path: The file, for messages.
        file: What mutagen made of it.
    """

    names: dict[str, tuple[str, ...]] = {}

    def __init__(self, path: str, file: Any):
        self.path, self.file = path, file
        if file.tags is None:
            file.add_tags()
        self.tags = file.tags

    def get(self, field: str) -> list[str]:
        """Return the values of a field; an empty list if it is not there."""
        raise NotImplementedError

    def normal(self, values: Sequence[str]) -> tuple[str, ...]:
        """Return values as the format can hold them."""
        return tuple(value for value in values if value)

    def set(self, field: str, values: Sequence[str]) -> None:
        """Give a field its values; none of them takes it away."""
        raise NotImplementedError

    def fields(self, prefix: str) -> list[str]:
        """Return the names of the fields of one's own that begin so, in capitals."""
        raise NotImplementedError

    def save(self, path: str) -> None:
        """Write the tags into a copy of the file; an empty tag is taken away.

        Raises:
            OSError: If that fails.
        """
        import mutagen

        try:
            if len(self.tags):
                self._save(path)
            else:
                self.file.delete(path)
        except (mutagen.MutagenError, *_DAMAGE) as error:
            raise OSError(str(error) or type(error).__name__) from error

    def _save(self, path: str) -> None:
        self.file.save(path)
