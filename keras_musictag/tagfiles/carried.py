"""What tags of another kind say: carried over into those that are about to be made.

Many programs read one kind only and forget the others once there is an ID3 tag, say.
Fields are called here as in Vorbis comments.
"""

import mmap
from typing import Any

from keras_musictag.tagfiles.containers import iff_chunks

_INFO = {
    b"INAM": "TITLE",
    b"IART": "ARTIST",
    b"IPRD": "ALBUM",
    b"ICRD": "DATE",
    b"IGNR": "GENRE",
    b"ICMT": "COMMENT",
    b"ITRK": "TRACKNUMBER",
    b"IPRT": "TRACKNUMBER",
    b"ICOP": "COPYRIGHT",
    b"IMUS": "COMPOSER",
    b"IWRI": "LYRICIST",
    b"ILNG": "LANGUAGE",
    b"IMED": "MEDIA",
    b"IENC": "ENCODEDBY",
    b"ITCH": "ENCODEDBY",
    b"ISFT": "ENCODER",
    b"IBPM": "BPM",
}
_AIFF = {
    b"NAME": "TITLE",
    b"AUTH": "ARTIST",
    b"(c) ": "COPYRIGHT",
    b"ANNO": "COMMENT",
}
APE_NAMES = {
    "ALBUMARTIST": "Album Artist",
    "DATE": "Year",
    "TRACKNUMBER": "Track",
    "DISCNUMBER": "Disc",
    "KEY": "KEY",
}
_FROM_APE = {
    **{ape.upper(): name for name, ape in APE_NAMES.items()},
    "INITIALKEY": "KEY",
    "RECORD DATE": "DATE",
}
FRAMES = {
    "TITLE": "TIT2",
    "SUBTITLE": "TIT3",
    "ARTIST": "TPE1",
    "ALBUM": "TALB",
    "ALBUMARTIST": "TPE2",
    "CONDUCTOR": "TPE3",
    "REMIXER": "TPE4",
    "COMPOSER": "TCOM",
    "LYRICIST": "TEXT",
    "DATE": "TDRC",
    "TRACKNUMBER": "TRCK",
    "DISCNUMBER": "TPOS",
    "GENRE": "TCON",
    "MOOD": "TMOO",
    "KEY": "TKEY",
    "BPM": "TBPM",
    "COPYRIGHT": "TCOP",
    "ENCODEDBY": "TENC",
    "ENCODER": "TSSE",
    "ISRC": "TSRC",
    "LABEL": "TPUB",
    "LANGUAGE": "TLAN",
    "MEDIA": "TMED",
}
_NAMES = {frame: name for name, frame in FRAMES.items()}
_COVER = "COVER ART (FRONT)"


def other_tags(path: str, file: Any) -> dict[str, list[str]]:
    """Read the texts of tags of other kinds than the one that is about to be made.

    Args:
        path: The file.
        file: What mutagen made of it.

    Returns:
        For each field its values: from `INFO` of WAV, text chunks of AIFF, and,
        in MP3, FLAC, WavPack, Monkey's Audio and TTA, from APEv2 and ID3.
    """
    kind = type(file).__name__
    if kind in ("WAVE", "AIFF"):
        return _from_chunks(path)
    tags: dict[str, list[str]] = {}
    if kind in ("MP3", "TrueAudio"):
        tags = _from_ape(path)
    if kind in ("MP3", "TrueAudio", "FLAC", "WavPack", "MonkeysAudio"):
        tags = {**_from_id3(path), **tags}
    return tags


def add_frames(tags: Any, path: str, file: Any) -> None:
    """Put what other tags say into an empty ID3 tag, and the cover of APEv2.

    Args:
        tags: The ID3 tag of mutagen.
        path: The file.
        file: What mutagen made of it.
    """
    from mutagen import apev2, id3

    for name, values in other_tags(path, file).items():
        if name == "COMMENT":
            tags.add(id3.COMM(encoding=3, lang="XXX", desc="", text=values))
        elif name == "LYRICS":
            text = "\n".join(values)
            tags.add(id3.USLT(encoding=3, lang="XXX", desc="", text=text))
        elif name in FRAMES:
            tags.add(getattr(id3, FRAMES[name])(encoding=3, text=values))
        else:
            tags.add(id3.TXXX(encoding=3, desc=name, text=values))
    if type(file).__name__ in ("MP3", "TrueAudio"):
        for name, value in read_ape(path).items():
            if name.upper() == _COVER and value.kind == apev2.BINARY:
                _, _, picture = value.value.partition(b"\0")
                mime = "image/png" if picture[:4] == b"\x89PNG" else "image/jpeg"
                tags.add(id3.APIC(encoding=0, mime=mime, type=3, data=picture))


def _from_chunks(path: str) -> dict[str, list[str]]:
    tags: dict[str, list[str]] = {}
    with (
        open(path, "rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        texts = [
            (_AIFF[name], data[body:end])
            for name, body, end in iff_chunks(data)
            if name in _AIFF
        ]
        for name, body, end in iff_chunks(data):
            if name == b"LIST" and data[body : body + 4] == b"INFO":
                texts += [
                    (_INFO[entry], data[start : min(stop, end)])
                    for entry, start, stop in iff_chunks(data, body + 4, end)
                    if entry in _INFO
                ]
    for name, text in texts:
        if value := _text(text):
            tags.setdefault(name, []).append(value)
    return tags


def _text(data: bytes) -> str:
    data = data.split(b"\0")[0]
    try:
        return data.decode("utf-8").strip()
    except UnicodeDecodeError:  # old programs wrote what Windows did
        return data.decode("cp1252", "replace").strip()


def read_ape(path: str) -> Any:
    """Return the APEv2 tag of any file, an empty dictionary without one."""
    from mutagen import apev2

    try:
        return apev2.APEv2(path)
    except apev2.error:
        return {}


def _from_ape(path: str) -> dict[str, list[str]]:
    tags: dict[str, list[str]] = {}
    for name, value in read_ape(path).items():
        if value.kind == 0:
            name = name.upper()
            texts = [text for text in value if text]
            tags.setdefault(_FROM_APE.get(name, name), []).extend(texts)
    return {name: list(dict.fromkeys(values)) for name, values in tags.items()}


def _from_id3(path: str) -> dict[str, list[str]]:
    from mutagen import id3

    try:
        tags = id3.ID3(path)
    except id3.error:
        return {}
    tags_by_name: dict[str, list[str]] = {}
    for frame in tags.values():
        name = _NAMES.get(frame.FrameID) or {
            "TXXX": getattr(frame, "desc", "").upper(),
            "COMM": "COMMENT",
            "USLT": "LYRICS",
        }.get(frame.FrameID)
        if name and name.isascii() and "=" not in name:
            text = frame.text if isinstance(frame.text, list) else [frame.text]
            tags_by_name.setdefault(name, []).extend(str(value) for value in text)
    genre = tags.get("TCON")
    if genre is not None:
        tags_by_name["GENRE"] = list(genre.genres)  # numbers of old tags have names
    return tags_by_name


def last_id3v1(path: str) -> bytes:
    """The ID3 tag of version 1 at the end of a file, 128 bytes; empty without one."""
    with open(path, "rb") as file:
        file.seek(-min(128, file.seek(0, 2)), 2)
        end = file.read()
    return end if end[:3] == b"TAG" and len(end) == 128 else b""
