"""One view of three kinds of tags: ID3, Vorbis comments, MP4 atoms."""

import struct
import zlib
from collections.abc import Sequence
from typing import Any

from keras_musictag.errors import AudioError, import_extra

_FREEFORM = "----:com.apple.iTunes:"
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
        Its tags; a file without any has empty ones.

    Raises:
        AudioError: If the file is damaged, or its format has no tags that can be
            written.
        MissingExtraError: If mutagen is not installed.
    """
    mutagen = import_extra("mutagen", "files", "Tags in files")
    from mutagen import aiff, flac, mp3, mp4, oggflac, oggopus, oggvorbis, wave

    views: dict[type, type[Tags]] = {
        **dict.fromkeys((mp3.MP3, wave.WAVE, aiff.AIFF), ID3Tags),
        **dict.fromkeys(
            (flac.FLAC, oggvorbis.OggVorbis, oggopus.OggOpus, oggflac.OggFLAC),
            VorbisTags,
        ),
        mp4.MP4: MP4Tags,
    }
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
        advice="MP3, WAV, AIFF, FLAC, OGG, Opus and M4A files do; convert it.",
    )


class Tags:
    """What a file says in its fields, whatever the format calls them.

    Args:
        path: The file, for messages.
        file: What mutagen made of it.
    """

    names: dict[str, str] = {}

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
        """Write the tags into a copy of the file; an empty tag is taken away."""
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


class VorbisTags(Tags):
    """Vorbis comments."""

    names = {"genre": "GENRE", "mood": "MOOD", "key": "INITIALKEY", "tempo": "BPM"}

    def get(self, field):
        return list(self.tags.get(self.names.get(field, field), []))

    def set(self, field, values):
        name = self.names.get(field, field)
        if name in self.tags:
            del self.tags[name]
        if values:
            self.tags[name] = list(values)

    def fields(self, prefix):
        names = {name.upper() for name, _ in self.tags}
        return sorted(name for name in names if name.startswith(prefix))


class MP4Tags(Tags):
    """Atoms of MP4."""

    names = {
        "genre": "\xa9gen",
        "mood": _FREEFORM + "MOOD",
        "key": _FREEFORM + "initialkey",
        "tempo": "tmpo",
    }

    def _name(self, field):
        name = self.names.get(field, _FREEFORM + field)
        # Other programs may write freeform names in small letters.
        same = (k for k in self.tags if k.upper() == name.upper())
        return next(same, name)

    def get(self, field):
        values = self.tags.get(self._name(field), [])
        return [
            v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v)
            for v in values
        ]

    def set(self, field, values):
        name = self._name(field)
        self.tags.pop(name, None)
        if not values:
            return
        if field == "tempo":
            self.tags[name] = [min(65535, round(float(v))) for v in values]
        elif name.startswith(_FREEFORM):
            self.tags[name] = [value.encode() for value in values]
        else:
            self.tags[name] = list(values)

    def fields(self, prefix):
        names = (
            k[len(_FREEFORM) :].upper() for k in self.tags if k.startswith(_FREEFORM)
        )
        return sorted({name for name in names if name.startswith(prefix)})


class ID3Tags(Tags):
    """ID3 of version 2; one of version 2.3 stays so, others become 2.4."""

    names = {"genre": "TCON", "mood": "TMOO", "key": "TKEY", "tempo": "TBPM"}

    def __init__(self, path, file):
        # Read anew as it stands: a translation would lose frames of version 2.3.
        kind = type(file)
        file = kind(path, translate=False, load_v1=False)
        if file.tags is None:  # then one of version 1 counts, if there is any
            file = kind(path, translate=False)
        super().__init__(path, file)
        self.old = self.tags.version[:2] == (2, 3)
        if not self.old:
            self.tags.update_to_v24()

    def _frames(self, field):
        """The frames of a field: one of its own, or one that anybody may name."""
        name = self.names.get(field)
        found = self.tags.getall(name) if name else []
        own = "MOOD" if field == "mood" else field if name is None else None
        if own is not None:
            found = found + [
                f for f in self.tags.getall("TXXX") if f.desc.upper() == own
            ]
        return found

    def get(self, field):
        return [str(text) for frame in self._frames(field) for text in frame.text]

    def set(self, field, values):
        from mutagen import id3

        for frame in self._frames(field):
            del self.tags[frame.HashKey]
        name = self.names.get(field)
        if field == "mood" and self.old:
            name, field = None, "MOOD"  # TMOO came with version 2.4
        if not values:
            return
        text = list(values)
        if name is None:
            self.tags.add(id3.TXXX(encoding=3, desc=field, text=text))
        else:
            self.tags.add(getattr(id3, name)(encoding=3, text=text))

    def normal(self, values):
        values = super().normal(values)
        return ("; ".join(values),) if self.old and values else values

    def fields(self, prefix):
        names = {frame.desc.upper() for frame in self.tags.getall("TXXX")}
        return sorted(name for name in names if name.startswith(prefix))

    def _save(self, path):
        self.tags.save(path, v2_version=3 if self.old else 4, v23_sep=None)

    def save(self, path):
        from mutagen import mp3

        # An ID3 tag of version 1 stays: mutagen would fill it from the new one.
        end = _last_tag(path) if isinstance(self.file, mp3.MP3) else b""
        super().save(path)
        if end and _last_tag(path) != end:
            with open(path, "r+b") as file:
                file.seek(-128 if _last_tag(path) else 0, 2)
                file.write(end)


def _last_tag(path: str) -> bytes:
    """The ID3 tag of version 1 at the end of a file."""
    with open(path, "rb") as file:
        file.seek(-min(128, file.seek(0, 2)), 2)
        end = file.read()
    return end if end[:3] == b"TAG" and len(end) == 128 else b""
