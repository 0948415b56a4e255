"""Tags that lie before, between and behind the sound of a file."""

import re


def tag_size(data: bytes) -> int:
    """Give the bytes of the tag that some bytes begin with, 0 if it is none.

    Args:
        data: ID3v2, ID3v1, APE and Lyrics3 are known; of a Lyrics3 tag all of it is
            needed, of the others 32 bytes.
    """
    if data[:3] == b"ID3" and len(data) >= 10 and max(data[6:10]) < 128:
        size = 10
        for shift, byte in zip((21, 14, 7, 0), data[6:10], strict=True):
            size += byte << shift
        return size + (10 if data[5] & 0x10 else 0)
    if data[:8] == b"APETAGEX" and len(data) >= 32:
        is_header = data[23] & 0x20
        return 32 + (int.from_bytes(data[12:16], "little") if is_header else 0)
    if data[:11] == b"LYRICSBEGIN":
        end = re.search(rb"LYRICS200|LYRICSEND", data)
        return end.end() if end else 11
    if data[:4] == b"TAG+":
        return 227
    return 128 if data[:3] == b"TAG" else 0


def behind_tags(data: bytes, offset: int) -> int:
    """Give the offset behind the tags that begin at one; perhaps behind `data`."""
    while size := tag_size(data[offset:]):
        offset += size
    return offset
