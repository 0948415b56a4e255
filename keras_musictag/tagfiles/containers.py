"""What in a file moves with its tags, and where its encoded sound lies.

Longer tags move the sound. In Ogg that changes the number and checksum of each page
behind them, in MP4 each table of absolute offsets.
"""

import bisect
import itertools
import struct
import zlib
from collections.abc import Iterator
from typing import Any

_OGG_FLIP = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_MP4_PARENTS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"moof", b"traf", b"mfra")
_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
_IFF_TAGS = (b"ID3 ", b"id3 ", b"LIST", b"NAME", b"AUTH", b"ANNO", b"(c) ", b"JUNK")

Span = tuple[int, int]  # first byte, and the one behind the last


def set_relative(data: Any, restore: bool = False) -> None:
    """Write what depends on the length of the tags as what it deviates from its rule.

    Two files that differ only in their tags are then alike behind them.

    Args:
        data: The bytes of a file, changed in place, none of them moved.
        restore: Whether to do the opposite.
    """
    if data[:4] == b"OggS":
        _set_relative_pages(data, restore)
    elif data[4:8] == b"ftyp":
        anchor = next((a for name, a, _, _ in mp4_atoms(data) if name == b"mdat"), 0)
        for position, size in mp4_offsets(data):
            value = int.from_bytes(data[position : position + size], "big")
            value = (value + (anchor if restore else -anchor)) % 256**size
            data[position : position + size] = value.to_bytes(size, "big")


def sound_spans(data: Any) -> list[Span]:
    """Return where the encoded sound lies, in the order of the file.

    Args:
        data: The bytes of a file.

    Returns:
        For each piece its first byte and the one behind its last.
    """
    start = bytes(data[:16])
    if start[:4] == b"OggS":
        # Pages of headers end at sample 0, or (-1) in the middle of one.
        pages = itertools.dropwhile(
            lambda page: _number(data, page[0] + 6, 8, "little") in (0, 2**64 - 1),
            _ogg_pages(data),
        )
        return [(start + 27 + data[start + 26], end) for start, end in pages]
    if start[4:8] == b"ftyp":
        atoms = mp4_atoms(data)
        return [(body, end) for name, _, body, end in atoms if name == b"mdat"]
    if start[:4] in (b"RIFF", b"FORM"):
        return [
            (body, end) for name, body, end in iff_chunks(data) if name not in _IFF_TAGS
        ]
    if start == _ASF_HEADER:
        return _asf_data(data)
    if start[:4] == b"DSD ":
        return [(28, min(len(data), _number(data, 20, 8, "little") or len(data)))]
    return [_between_tags(data)]


def _number(data, position: int, size: int, order: Any = "big") -> int:
    return int.from_bytes(data[position : position + size], order)


# === Ogg ===


def _ogg_pages(data) -> Iterator[Span]:
    position, size = 0, len(data)
    while position + 27 <= size and data[position : position + 4] == b"OggS":
        lacing = data[position + 27 : position + 27 + data[position + 26]]
        end = position + 27 + len(lacing) + sum(lacing)
        if end > size:
            return
        yield position, end
        position = end


def _set_relative_pages(data, restore: bool) -> None:
    counts: dict[bytes, int] = {}
    for start, end in _ogg_pages(data):
        stream = bytes(data[start + 14 : start + 18])
        index = counts[stream] = counts.get(stream, -1) + 1
        number = _number(data, start + 18, 4, "little")
        if restore:
            number = (number + index) % 2**32
            data[start + 18 : start + 22] = number.to_bytes(4, "little")
        stored = _number(data, start + 22, 4, "little")
        data[start + 22 : start + 26] = bytes(4)
        stored ^= _ogg_checksum(bytes(data[start:end]))
        data[start + 22 : start + 26] = stored.to_bytes(4, "little")
        if not restore:
            number = (number - index) % 2**32
            data[start + 18 : start + 22] = number.to_bytes(4, "little")


def _ogg_checksum(page: bytes) -> int:
    # Ogg's is zlib's with the bits of each byte in the other order, and not inverted.
    flipped = ~zlib.crc32(page.translate(_OGG_FLIP), 0xFFFFFFFF) & 0xFFFFFFFF
    return int(f"{flipped:032b}"[::-1], 2)


# === MP4 ===


def mp4_atoms(data, start: int = 0, end: int | None = None):
    """Give the atoms of a range: name, start, start of the body, end."""
    end = len(data) if end is None else end
    while start + 8 <= end:
        size, name = _number(data, start, 4), bytes(data[start + 4 : start + 8])
        body = start + 8
        if size == 1:
            size, body = _number(data, body, 8), body + 8
        elif size == 0:  # up to the end of the file
            size = end - start
        if size < body - start:
            return
        yield name, start, body, min(end, start + size)
        start += size


def mp4_offsets(data, start: int = 0, end: int | None = None) -> Iterator[Span]:
    """Give the absolute offsets in all tables: position and size of the number."""
    for name, _, body, stop in mp4_atoms(data, start, end):
        if name in _MP4_PARENTS:
            yield from mp4_offsets(data, body, stop)
        elif name in (b"stco", b"co64"):
            size = 4 if name == b"stco" else 8
            count = min(_number(data, body + 4, 4), (stop - body - 8) // size)
            yield from ((body + 8 + n * size, size) for n in range(count))
        elif name == b"tfhd" and _number(data, body + 3, 1) & 1:
            yield body + 8, 8
        elif name == b"tfra":
            version, sizes = _number(data, body, 1), _number(data, body + 11, 1)
            size = 8 if version == 1 else 4
            more = 3 + (sizes >> 4 & 3) + (sizes >> 2 & 3) + (sizes & 3)
            step = 2 * size + more
            count = min(_number(data, body + 12, 4), (stop - body - 16) // step)
            yield from ((body + 16 + n * step + size, size) for n in range(count))


def mend_mp4_offsets(data, original) -> None:
    """Give the offsets of a file with other tags their values.

    Args:
        data: The bytes of the file, changed in place.
        original: The bytes with the earlier tags.

    Raises:
        ValueError: If more than the tags differs, or an offset has no room.
    """
    old, new = list(mp4_atoms(original)), list(mp4_atoms(data))
    places, offsets = list(mp4_offsets(data)), list(mp4_offsets(original))
    if [a[0] for a in old] != [a[0] for a in new] or len(places) != len(offsets):
        raise ValueError("the written copy has other atoms")
    starts = [start for _, start, _, _ in old]
    for (place, size), (position, _) in zip(places, offsets, strict=True):
        value = _number(original, position, size)
        atom = bisect.bisect_right(starts, value) - 1
        if atom >= 0 and value < old[atom][3]:
            value += new[atom][1] - starts[atom]
        try:
            data[place : place + size] = value.to_bytes(size, "big")
        except OverflowError as error:
            raise ValueError("the sound would lie beyond 4 GB") from error


# === The others ===


def iff_chunks(data, start: int = 12, end: int | None = None):
    """Give the chunks of a WAV or AIFF file: name, start of the body, its end."""
    order = "little" if data[:4] == b"RIFF" else "big"
    end = len(data) if end is None else min(end, len(data))
    while start + 8 <= end:
        size = _number(data, start + 4, 4, order)
        stop = start + 8 + size
        yield bytes(data[start : start + 4]), start + 8, stop
        start = stop + size % 2


def _asf_data(data) -> list[Span]:
    position = 0
    while position + 24 <= len(data):
        size = _number(data, position + 16, 8, "little")
        if data[position : position + 16] == _ASF_DATA or size < 24:
            return [(position + 50, min(len(data), position + size))]
        position += size
    return []


def _between_tags(data) -> Span:
    """What is neither a tag at the start nor at the end: MP3, FLAC, TTA, WavPack."""
    start, end = 0, len(data)
    while data[start : start + 3] == b"ID3":
        size = data[start + 6 : start + 10]
        footer = _number(data, start + 5, 1) & 16
        start += 10 + sum(byte << 7 * (3 - n) for n, byte in enumerate(size))
        start += 10 if footer else 0
    if data[start : start + 4] == b"fLaC":
        start, last = start + 4, False
        while not last and start + 4 <= end:
            last = bool(data[start] & 128)
            start += 4 + _number(data, start + 1, 3)
    if data[end - 128 : end - 125] == b"TAG":
        end -= 128
    if data[end - 32 : end - 24] == b"APETAGEX":
        header = 32 if struct.unpack("<I", data[end - 12 : end - 8])[0] >> 31 else 0
        end -= _number(data, end - 20, 4, "little") + header
    return start, max(start, end)
