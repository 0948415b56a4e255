"""Opus in OGG: pages whose positions its packets contradict.

FFmpeg writes jumps of its timestamps into the positions of pages, a hundredth of a
second here and there. Players do not mind; libsndfile 1.2.2 calls such files malformed,
and stops. The packets say how long each page really is.
"""

from collections.abc import Callable, Iterable
from typing import Any

from keras_musictag.audio.pieces import Piece

MAGIC = b"OpusHead"
HEADERS = 2  # packets before the first one with sound
# Samples of a frame at 48 kHz, by the number of its coding (RFC 6716, table 2).
_SILK, _HYBRID, _CELT = (480, 960, 1920, 2880), (480, 960), (120, 240, 480, 960)
_LAST = 4  # the flag of the last page


def mended(
    file: Any, begin: int, end: int, pages: Iterable, checksum: Callable[[bytes], bytes]
) -> list[Piece] | None:
    """Give a stream in pieces in which each position follows from the packets before.

    Args:
        file: Binary file object.
        begin, end: Where the stream lies.
        pages: Its pages, with `offset`, `size`, `position` and `flags`.
        checksum: Of the bytes of a page.

    Returns:
        Pieces for `Pieces`; `None` if it is no Opus, or its positions are right.
    """
    pieces: list[Piece] = []
    packet, packets, samples, copied = b"", 0, 0, begin
    before: int | None = None
    ours = 0
    for page in pages:
        file.seek(page.offset)
        data = file.read(page.size)
        count, at = data[26], 27 + data[26]
        if page.offset == begin and data[at : at + len(MAGIC)] != MAGIC:
            return None
        for size in data[27 : 27 + count]:
            packet += data[at : at + size][: 2 - len(packet)]
            at += size
            if size < 255:  # the packet ends
                packets += 1
                samples += _samples(packet) if packets > HEADERS else 0
                packet = b""
        if packets <= HEADERS or page.position < 0:
            continue
        if before is None:
            ours = page.position
        else:
            step = page.position - before
            # The end of the last page may be filling that nobody shall hear.
            ours += min(step, samples) if page.flags & _LAST and step > 0 else samples
        before, samples = page.position, 0
        if ours != page.position:
            head = data[:6] + ours.to_bytes(8, "little") + data[14:]
            header = head[:22] + checksum(head) + head[26 : 27 + count]
            pieces += [(copied, page.offset - copied), header]
            copied = page.offset + len(header)
    return [*pieces, (copied, end - copied)] if pieces else None


def _samples(packet: bytes) -> int:
    """Return how long a packet is, at 48 kHz, from its first two bytes."""
    if not packet:
        return 0
    coding, code = packet[0] >> 3, packet[0] & 3
    if coding < 12:
        size = _SILK[coding % 4]
    elif coding < 16:
        size = _HYBRID[coding % 2]
    else:
        size = _CELT[coding % 4]
    if code == 3:
        return size * (packet[1] & 63 if len(packet) > 1 else 0)
    return size * (1 if code == 0 else 2)
