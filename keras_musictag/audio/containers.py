"""Sizes in the headers of WAV, RF64, AIFF, W64, CAF and AU files.

A recorder that is killed, or that writes to a pipe, leaves 0, the largest number or
the size of an earlier moment there. What follows the sound then tells how far it goes.
"""

import dataclasses
from typing import Any

from keras_musictag.audio.pieces import Piece, Pieces, rewound
from keras_musictag.audio.segments import Layout, Segment
from keras_musictag.audio.tag_sizes import behind_tags

_W64 = bytes.fromhex("726966662e91cf11a5d628db04c10000")
_W64_END = bytes.fromhex("f3acd3118cd100c04f8edb8a")
STREAMED = 0x7FFF0000  # sizes written by programs that could not seek back


@dataclasses.dataclass(frozen=True)
class _Family:
    """How the chunks of a format are written."""

    first: int  # offset of the first chunk
    id_bytes: int
    size_bytes: int
    order: str
    sound: bytes  # the chunk of the samples
    inclusive: bool = False  # sizes count the head of the chunk
    alignment: int = 2
    skipped: int = 0  # bytes of the chunk before its samples


def _family(head: bytes) -> _Family | None:
    if head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return _Family(12, 4, 4, "little", b"data")
    if head[:4] == b"RIFX" and head[8:12] == b"WAVE":
        return _Family(12, 4, 4, "big", b"data")
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return _Family(12, 4, 4, "big", b"SSND", skipped=8)
    if head[:16] == _W64:
        return _Family(40, 16, 8, "little", b"data" + _W64_END, True, 8)
    if head[:4] == b"caff":
        return _Family(8, 4, 8, "big", b"data", alignment=1, skipped=4)
    return None


@dataclasses.dataclass
class _Chunk:
    offset: int  # of its head
    begin: int  # of its content
    size: int  # of its content, as told


def layout(file: Any, head: bytes) -> Layout | None:
    """Lay out a file of chunks, with sizes that are true; `None` if it is none.

    Args:
        file: Binary file object.
        head: Its first bytes.
    """
    if head[:4] == b".snd":
        return _au_layout(file, head)
    family, plain = _family(head), Layout([Segment(file)])
    if family is None:
        return None
    with rewound(file) as source:
        size = source.seek(0, 2)
        chunk = _sound_chunk(source, size, family)
        if chunk is None:
            return plain
        told = chunk.size
        if head[:4] in (b"RF64", b"BW64") and told == 0xFFFFFFFF:
            source.seek(28)
            told = int.from_bytes(source.read(8), "little")
        available = size - chunk.begin
        ends = chunk.begin + told
        if told - available > 16:
            unknown = told in (2**32 - 1, 2**64 - 1) or told >= STREAMED > available
            missing = 0 if unknown else told - available
            return _patched(file, head, family, chunk, available, missing)
        if told < available - 16 and not _chunks_follow(source, ends, size, family):
            if told <= family.skipped and _chunks_follow(
                source, chunk.begin, size, family
            ):
                return plain  # it has no sound
            return _patched(file, head, family, chunk, available, 0)
    return plain


def _au_layout(file: Any, head: bytes) -> Layout:
    """AU has no chunks: what follows the header is sound."""
    begin, told = (int.from_bytes(head[n : n + 4], "big") for n in (4, 8))
    with rewound(file) as source:
        available = source.seek(0, 2) - begin
        source.seek(begin + told)
        tagged = behind_tags(source.read(2**16), 0)
    if abs(told - available) <= 16 or available <= 0 or tagged or told >= STREAMED:
        return Layout([Segment(file)])
    before = head[:8] + available.to_bytes(4, "big") + head[12:begin]
    pieces: list[Piece] = [before, (begin, available)]
    return Layout([Segment(Pieces(file, pieces))], share=max(1, told / available))


def _sound_chunk(source: Any, size: int, family: _Family) -> _Chunk | None:
    offset, width = family.first, family.id_bytes + family.size_bytes
    while offset + width <= size:
        name, told = _read_head(source, offset, family)
        if name == family.sound:
            return _Chunk(offset, offset + width, told)
        following = offset + width + told
        following += -following % family.alignment
        if following <= offset:
            return None
        offset = following
    return None


def _read_head(source: Any, offset: int, family: _Family) -> tuple[bytes, int]:
    source.seek(offset)
    head = source.read(family.id_bytes + family.size_bytes)
    told = int.from_bytes(head[family.id_bytes :], family.order)  # type: ignore
    if family.inclusive:
        told = max(0, told - len(head))
    return head[: family.id_bytes], told


def _chunks_follow(source: Any, offset: int, size: int, family: _Family) -> bool:
    """Whether from an offset on there are chunks, tags, zeros or nothing."""
    offset += -offset % family.alignment
    width = family.id_bytes + family.size_bytes
    while size - offset > 16:
        source.seek(offset)
        head = source.read(2**16)
        if behind_tags(head, 0) or not any(head):
            return True
        name, told = _read_head(source, offset, family)
        plain = all(32 <= byte < 127 for byte in name[:4])
        if not plain or (family.inclusive and name[4:] not in (_W64_END, _W64[4:])):
            return False
        if told > size - offset - width:
            return False
        offset += width + told
        offset += -offset % family.alignment
    return True


def _patched(
    file: Any, head: bytes, family: _Family, chunk: _Chunk, size: int, missing: int
) -> Layout:
    """Read the file with another size of the sound, and of the whole."""
    width = family.id_bytes + family.size_bytes
    told = size + (width if family.inclusive else 0)
    with rewound(file) as source:
        end = source.seek(0, 2)
        source.seek(0)
        before = bytearray(source.read(chunk.begin))
    at = chunk.offset + family.id_bytes
    if head[:4] in (b"RF64", b"BW64"):
        before[20:28] = (end - 8).to_bytes(8, "little")
        before[28:36] = told.to_bytes(8, "little")
        before[36:44] = bytes(8)
    else:
        most = 256**family.size_bytes - 1
        before[at : at + family.size_bytes] = min(told, most).to_bytes(
            family.size_bytes,
            family.order,  # type: ignore
        )
        if family.first == 12:
            whole = min(end - 8, most).to_bytes(4, family.order)  # type: ignore
            before[4:8] = whole
        elif family.inclusive:
            before[16:24] = end.to_bytes(8, "little")
    pieces: list[Piece] = [bytes(before), (chunk.begin, end - chunk.begin)]
    share = 1 + missing / max(1, size - family.skipped)
    return Layout([Segment(Pieces(file, pieces))], share=share)
