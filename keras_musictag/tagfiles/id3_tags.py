"""ID3 tags of version 2: in MP3, WAV, AIFF, TTA and DSF files."""

import types
from typing import Any

from keras_musictag.tagfiles.carried import add_frames, last_id3v1, read_ape
from keras_musictag.tagfiles.formats import Tags
from keras_musictag.tagfiles.named_tags import APETags

# Fields that some programs put where anybody may name one.
_FREE = {"mood": ("MOOD",), "key": ("KEY", "INITIALKEY"), "tempo": ("BPM",)}
_WITH_APE = ("MP3", "TrueAudio")  # may end in one, and in an ID3 tag of version 1


class ID3Tags(Tags):
    """ID3 of version 2; one of version 2.3 stays so, others become 2.4."""

    names = {
        "genre": ("TCON",),
        "mood": ("TMOO",),
        "key": ("TKEY",),
        "tempo": ("TBPM",),
    }

    def __init__(self, path, file):
        # Read anew as it stands: a translation would lose frames of version 2.3.
        file = type(file)(path, translate=False, load_v1=False)
        carry = file.tags is None
        super().__init__(path, file)
        self.old = self.tags.version[:2] == (2, 3)
        if not self.old:
            self.tags.update_to_v24()
        if carry:
            add_frames(self.tags, path, file)
        # An APEv2 tag beside it is what some programs read first: both say the same.
        self.beside: APETags | None = None
        self.beside_changed = False
        if type(file).__name__ in _WITH_APE and (tags := read_ape(path)):
            self.beside = APETags(path, types.SimpleNamespace(tags=tags))

    def _frames(self, field):
        """The frames of a field: one of its own, or one that anybody may name."""
        names = self.names.get(field, ())
        free = _FREE.get(field, () if names else (field,))
        return [frame for name in names for frame in self.tags.getall(name)] + [
            frame for frame in self.tags.getall("TXXX") if frame.desc.upper() in free
        ]

    def get(self, field):
        values = [str(text) for frame in self._frames(field) for text in frame.text]
        if not any(values) and self.beside is not None and field in self.names:
            return self.beside.get(field)
        return values

    def set(self, field, values):
        from mutagen import id3

        if self.beside is not None and field in self.names:
            self.beside.set(field, values)
            self.beside_changed = True
        for frame in self._frames(field):
            del self.tags[frame.HashKey]
        if not values:
            return
        text = list(values)
        # What is plain takes half the space in version 2.3.
        encoding = 0 if all(value.isascii() for value in text) else 3
        if field == "mood" and self.old:
            # TMOO came with version 2.4; so Picard calls it in earlier ones.
            self.tags.add(id3.TXXX(encoding=encoding, desc="mood", text=text))
        elif field in self.names:
            frame = getattr(id3, self.names[field][0])
            self.tags.add(frame(encoding=encoding, text=text))
        else:
            self.tags.add(id3.TXXX(encoding=encoding, desc=field, text=text))

    def normal(self, values):
        values = super().normal(values)
        return ("; ".join(values),) if self.old and values else values

    def fields(self, prefix):
        names = {frame.desc.upper() for frame in self.tags.getall("TXXX")}
        return sorted(name for name in names if name.startswith(prefix))

    def _save(self, path):
        self.tags.save(path, v2_version=3 if self.old else 4, v23_sep=None)

    def save(self, path):
        # An ID3 tag of version 1 stays: mutagen would fill it from the new one.
        end = b""
        if type(self.file).__name__ in _WITH_APE:
            end = last_id3v1(path)
        if type(self.file).__name__ in ("WAVE", "AIFF"):
            _pad_last_chunk(path)
        super().save(path)
        if self.beside is not None and self.beside_changed:
            self.beside.tags.save(path)
        if end and last_id3v1(path) != end:
            with open(path, "r+b") as file:
                file.seek(-128 if last_id3v1(path) else 0, 2)
                file.write(end)


def _pad_last_chunk(path: str) -> None:
    """Add the byte that a chunk of odd length needs where it is missing."""
    with open(path, "r+b") as file:
        head, size = file.read(8), file.seek(0, 2)
        order: Any = "little" if head[:4] == b"RIFF" else "big"
        if size % 2 and int.from_bytes(head[4:], order) in (size - 8, size - 7):
            file.write(b"\0")
            file.seek(4)
            file.write((size - 7).to_bytes(4, order))
