"""Tags that are pairs of names and values: Vorbis comments, APEv2, ASF, MP4."""

import mmap
import os
from collections.abc import Iterator
from typing import Any

from keras_musictag.tagfiles.carried import APE_NAMES, last_id3v1, other_tags
from keras_musictag.tagfiles.containers import mend_mp4_offsets
from keras_musictag.tagfiles.formats import Tags

_FREEFORM = "----:com.apple.iTunes:"


class NamedTags(Tags):
    """What these kinds have in common: names are alike whatever their case."""

    own = "{}"  # how a field without a standard name is called

    def _stored(self, field: str) -> Iterator[str]:
        """The names under which a field is there, the one that counts first."""
        there = {name.upper(): name for name in self._all_names()}
        for name in self._names(field):
            if name.upper() in there:
                yield there[name.upper()]

    def _names(self, field: str) -> tuple[str, ...]:
        return self.names.get(field) or (self.own.format(field),)

    def _all_names(self) -> list[str]:
        return list(self.tags.keys())

    def get(self, field):
        values = (self._texts(self.tags[name]) for name in self._stored(field))
        return next((filled for filled in values if any(filled)), [])

    def _texts(self, values: Any) -> list[str]:
        return [str(value) for value in values]

    def set(self, field, values):
        for name in list(self._stored(field)):
            del self.tags[name]
        if values:
            for name in self._names(field):
                self.tags[name] = self._stored_values(name, list(values))

    def _stored_values(self, name: str, values: list[str]) -> list:
        return values

    def fields(self, prefix):
        start = self.own.format(prefix)
        names = {name for name in self._all_names() if name.upper().startswith(start)}
        cut = len(start) - len(prefix)
        return sorted({name[cut:].upper() for name in names})


class VorbisTags(NamedTags):
    """Vorbis comments. Of the two names of the key, Picard and Navidrome read `KEY`."""

    names = {
        "genre": ("GENRE",),
        "mood": ("MOOD",),
        "key": ("INITIALKEY", "KEY"),
        "tempo": ("BPM",),
    }

    def __init__(self, path, file):
        super().__init__(path, file)
        if not self.tags:  # beside these, what others say is no longer read
            for name, values in other_tags(path, file).items():
                self.tags[name] = values


class APETags(NamedTags):
    """APEv2."""

    names = {
        "genre": ("Genre",),
        "mood": ("Mood",),
        "key": ("KEY", "INITIALKEY"),
        "tempo": ("BPM",),
    }

    def __init__(self, path, file):
        super().__init__(path, file)
        if not self.tags:
            for name, values in other_tags(path, file).items():
                self.tags[APE_NAMES.get(name, name)] = values

    def _texts(self, values):
        return list(values) if values.kind == 0 else []  # others hold no text

    def _save(self, path):
        # An ID3 tag of version 1 comes last; mutagen would delete it, or hide it.
        end = last_id3v1(path)
        if end:
            os.truncate(path, os.path.getsize(path) - len(end))
        super()._save(path)
        with open(path, "ab") as file:
            file.write(end)


class ASFTags(NamedTags):
    """Attributes of ASF, the container of WMA."""

    names = {
        "genre": ("WM/Genre",),
        "mood": ("WM/Mood",),
        "key": ("WM/InitialKey", "INITIALKEY"),
        "tempo": ("WM/BeatsPerMinute",),
    }


class MP4Tags(NamedTags):
    """Atoms of MP4."""

    own = _FREEFORM + "{}"
    names = {
        "genre": ("\xa9gen",),
        "mood": (_FREEFORM + "MOOD",),
        "key": (_FREEFORM + "initialkey",),
        "tempo": ("tmpo", _FREEFORM + "TEMPO"),  # FFmpeg shows the second only
    }

    def fields(self, prefix):
        names = [name for name in self._all_names() if name.startswith(_FREEFORM)]
        fields = {name[len(_FREEFORM) :].upper() for name in names}
        return sorted(name for name in fields if name.startswith(prefix))

    def _texts(self, values):
        return [
            value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
            for value in values
        ]

    def _stored_values(self, name, values):
        if name == "tmpo":
            return [min(65535, round(float(value))) for value in values]
        if name.startswith(_FREEFORM):
            return [value.encode() for value in values]
        return values

    def _save(self, path):
        super()._save(path)
        with (
            open(self.path, "rb") as original,
            open(path, "r+b") as copy,
            mmap.mmap(original.fileno(), 0, access=mmap.ACCESS_READ) as before,
            mmap.mmap(copy.fileno(), 0, access=mmap.ACCESS_WRITE) as after,
        ):
            mend_mp4_offsets(after, before)
            after.flush()
