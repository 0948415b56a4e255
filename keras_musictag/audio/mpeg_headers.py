"""Headers of MPEG audio frames, and the header frames of Xing, LAME and Fraunhofer."""

import dataclasses

SMALLEST_FRAME = 24
LARGEST_FRAME = 2881
MOST_INFO = 200  # bytes of a frame that are read for what it tells
# Sample rate, in the order of the two bits; halved and quartered by the version.
_RATES = (44100, 48000, 32000)
_BIT_RATES = {
    (1, 1): range(32, 449, 32),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
# Samples that the filter banks of every decoder are late by.
DECODER_DELAY = 529
# Samples that LAME, and what follows it, puts before the sound.
ENCODER_DELAY = 576


@dataclasses.dataclass(frozen=True)
class Format:
    """What the headers of one stream have in common."""

    version: float  # 1, 2 or 2.5
    layer: int
    sample_rate: int
    channels: int

    @property
    def frame_samples(self) -> int:
        """Samples per channel in a frame."""
        if self.layer == 1:
            return 384
        return 576 if self.layer == 3 and self.version > 1 else 1152

    @property
    def side_bytes(self) -> int:
        """Bytes between the header and the main data of layer III."""
        if self.version == 1:
            return 17 if self.channels == 1 else 32
        return 9 if self.channels == 1 else 17


def read_format(first: int, second: int, third: int) -> Format | None:
    """Read the last three bytes of a header."""
    version = {0: 2.5, 2: 2.0, 3: 1.0}.get(first >> 3 & 3)
    layer, rate = 4 - (first >> 1 & 3), second >> 2 & 3
    if first < 0xE0 or version is None or layer == 4 or rate == 3 or second >= 0xF0:
        return None
    sample_rate = _RATES[rate] >> int(version > 1) + int(version > 2)
    return Format(version, layer, sample_rate, 1 if third >= 0xC0 else 2)


def _tables() -> tuple[list[int], list[int]]:
    """Give the kind (0: no header) and the size of a frame by bytes 1 and 2."""
    kinds, sizes = [0] * 65536, [0] * 65536
    for key in range(0xE000, 65536):
        form = read_format(key >> 8, key & 255, 0)
        if form is None:
            continue
        kinds[key] = key & 0x1E0C
        index = (key >> 4 & 15) - 1
        if index < 0:
            continue  # free format: the size is the distance to the next header
        version = 1 if form.version == 1 else 2
        rates = _BIT_RATES[version, min(form.layer, 2 if version == 2 else 3)]
        padding = key >> 1 & 1
        bits = rates[index] * 1000
        if form.layer == 1:
            sizes[key] = (12 * bits // form.sample_rate + padding) * 4
        else:
            samples = form.frame_samples // 8
            sizes[key] = samples * bits // form.sample_rate + padding
    return kinds, sizes


KINDS, SIZES = _tables()


@dataclasses.dataclass
class Info:
    """What the header frame of Xing, LAME or Fraunhofer tells."""

    frames: int | None
    size: int | None  # bytes of the stream
    delay: int | None  # samples before the sound, without the decoder's own
    padding: int = 0  # samples after the sound


def read_info(frame: bytes, form: Format) -> Info | None:
    """Read a frame that holds no sound but a count of frames, or give `None`."""
    if form.layer != 3:
        return None
    if frame[36:40] == b"VBRI":
        size, frames = (int.from_bytes(frame[n : n + 4], "big") for n in (46, 50))
        return Info(frames or None, size or None, None)
    begin = 4 + form.side_bytes
    if frame[begin : begin + 4] not in (b"Xing", b"Info") or any(frame[6:begin]):
        return None
    flags, at = int.from_bytes(frame[begin + 4 : begin + 8], "big"), begin + 8
    numbers = []
    for flag in (1, 2):
        told = int.from_bytes(frame[at : at + 4], "big") if flags & flag else 0
        at += 4 if flags & flag else 0
        numbers.append(told or None)
    at += (100 if flags & 4 else 0) + (4 if flags & 8 else 0)
    delay, padding = None, 0
    if len(frame) >= at + 24 and frame[at]:
        both = int.from_bytes(frame[at + 21 : at + 24], "big")
        delay, padding = both >> 12, both & 4095
    return Info(numbers[0], numbers[1], delay, padding)
