"""What libsndfile reads: WAV, AIFF, FLAC, OGG, MP3 and more."""

import os
import re
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_musictag.audio.containers import STREAMED
from keras_musictag.audio.inputs import Decoder, LocalFile
from keras_musictag.audio.pieces import Pieces
from keras_musictag.audio.segments import Layout, Loss, Segment, conformed

_UNKNOWN = 2**62  # libsndfile's "length unknown" lies above
_TOLERANCE = 0.25  # seconds: encoder delay and padding stay below it
_SLACK = 0.02  # seconds that a decoder may give less without a loss


class SoundFileDecoder(Decoder):
    """A file that libsndfile reads, whole or in pieces where it is damaged.

    Args:
        name: What to call it in messages.
        file: Binary file object.
        layout: How to read it.

    Attributes:
        name: As above.
        sample_rate: In Hz.
        channels: Number of channels.
        truncated: Whether sound is missing; `None` until that is known.
        announced: Seconds that the header announces, or `None`.
        losses: What is missing, as far as it is known where.
        kind: Format and coding of the samples, such as `("WAV", "PCM_16")`; empty if
            the file is not whole.
    """

    def __init__(self, name: str, file: Any, layout: Layout):
        self.name, self._source, self._layout = name, file, layout
        self.losses: list[Loss] = list(layout.losses)
        self.truncated: bool | None = None
        self._file = self._open_first(layout)
        self.sample_rate, self.channels = self._file.samplerate, self._file.channels
        self._is_mpeg = layout.survey is not None
        cut = layout.open_ended or _misses_bytes(self._file.extra_info)
        self.kind = self._file.format, self._file.subtype
        if len(layout.segments) > 1 or self.losses:
            self.kind = "", ""
        self._frames = self._count_frames(cut)
        known = self._frames is not None
        self.announced = self._frames / self.sample_rate if known else None
        self._cut = cut
        exact = self.exact_length() is not None or self._file.format == "FLAC"
        self._slack = 0.5 / self.sample_rate if exact else _TOLERANCE

    def _open_first(self, layout: Layout) -> Any:
        import soundfile

        direct = layout.direct
        if direct is not None and direct.count is not None:
            try:
                file = _open(direct)
            except soundfile.LibsndfileError:
                return _open(layout.segments[0])
            needed = direct.lead + direct.count
            trimmed = layout.segments[0].lead > direct.lead
            if len(file) == needed or (len(file) > needed and not trimmed):
                layout.segments[0] = direct
                return file
            file.close()
        return _open(layout.segments[0])

    def _count_frames(self, cut: bool) -> int | None:
        if self._layout.announced is not None:
            return self._layout.announced
        if self._is_mpeg or cut or len(self._layout.segments) > 1:
            return None
        frames = len(self._file)
        return round(frames * self._layout.share) if frames < _UNKNOWN else None

    def close(self) -> None:
        self._file.close()

    def exact_length(self) -> int | None:
        """Give the samples per channel if known without decoding."""
        # Headers of compressed files can estimate, and know nothing of damage.
        compressed = self._file.format in ("FLAC", "OGG", "MP3")
        plain = self._file.subtype.startswith(("PCM_", "FLOAT", "DOUBLE"))
        return len(self._file) if plain and not compressed else None

    def known_length(self) -> int | None:
        """Give the samples per channel of a file without damage, if known."""
        layout = self._layout
        several = len(layout.segments) > 1 or layout.share > 1
        if several or self.losses or layout.damaged:
            return None
        if self._is_mpeg:
            count = self._layout.segments[0].count
            return count if self._frames in (None, count) else None
        return self._frames

    def read(self, start: int, count: int) -> np.ndarray | None:
        """Decode `(count, channels)` float32 samples of a file just opened.

        `None` if they are not there.
        """
        import soundfile

        try:
            file, skipped = self._near(start)
            _skip(file, skipped)
            block = file.read(count, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError:
            return None
        return block if len(block) == count else None

    def _near(self, start: int) -> tuple[Any, int]:
        """Give a decoder that stands before a sample, and how far before.

        libsndfile 1.2 seeks to wrong places in OGG, and to right ones in MP3 where it
        then decodes wrong: frames there need bytes of those before.
        """
        survey = self._layout.survey
        if survey is not None:
            runs, start = survey.runs, start + self._layout.lead
            size = runs[0].format.frame_samples
            frame = survey.frame(start // size)
            begin = survey.before(runs, frame)
            pieces, zeros = survey.pieces(runs, begin, runs[-1].stop)
            self._file.close()
            self._file = _open(Segment(Pieces(self._source, pieces, zeros)))
            return self._file, start - survey.position(begin) * size
        if self._file.format != "OGG":
            self._file.seek(start)
            return self._file, 0
        return self._file, start

    def blocks(self, size: int) -> Iterator[np.ndarray]:
        """Decode float32 blocks of shape `(n, channels)` with `n <= size`."""
        decoded, filled, file = 0, 0, self._file
        waiting = deque(self._layout.segments)
        while waiting:
            segment = waiting.popleft()
            yield from _silence(segment.gap, size, self.channels)
            decoded, filled = decoded + segment.gap, filled + segment.gap
            reading = _Reading(segment, file, size)
            file = None
            for block in self._conformed(reading):
                decoded += len(block)
                yield block
            following = reading.following()
            if following is not None:
                waiting.appendleft(following)
                if following.gap or reading.decoded != reading.expected:
                    lost = following.gap / self.sample_rate
                    self.losses.append(Loss(decoded / self.sample_rate, lost))
            else:
                self._note_missing(decoded, reading)
        self._conclude(decoded - filled)

    def _conformed(self, reading: "_Reading") -> Iterator[np.ndarray]:
        format = reading.sample_rate, reading.channels
        if format == (self.sample_rate, self.channels) or not reading.sample_rate:
            return reading.blocks()
        rates = reading.sample_rate, self.sample_rate
        return conformed(reading.blocks(), *rates, self.channels)

    def _note_missing(self, decoded: int, reading: "_Reading") -> None:
        """Note what a segment should have and has not."""
        if reading.expected is None:
            self._cut |= reading.damaged
            return
        missing, rate = reading.expected - reading.decoded, reading.sample_rate
        rate = rate or self.sample_rate
        if missing <= (_SLACK * rate if reading.loose else 0):
            return
        holes = reading.segment.holes() if reading.segment.holes else []
        end = decoded / self.sample_rate
        begin, weight = end - reading.decoded / rate, sum(n for _, n in holes)
        for sample, lacking in holes:
            second = begin + sample / rate
            self.losses.append(Loss(second, missing / rate * lacking / weight))
        if not holes:
            self.losses.append(Loss(end, missing / rate))

    def _conclude(self, decoded: int) -> None:
        seconds = sum(loss.seconds for loss in self.losses)
        if self.announced is not None:
            missing = self.announced - decoded / self.sample_rate - seconds
            if missing > self._slack:
                self.losses.append(Loss(self.announced - missing, missing))
        self.truncated = bool(self._cut or self._layout.damaged or self.losses)


class _Reading:
    """One segment while it is read.

    Attributes:
        decoded: Samples so far.
        expected: Samples there should be, if known.
        damaged: Whether the decoder failed.
    """

    def __init__(self, segment: Segment, file: Any, size: int):
        import soundfile

        self.segment, self.size = segment, size
        self.decoded, self.expected = 0, segment.count
        self.damaged, self.loose = False, True
        self.sample_rate = self.channels = 0
        try:
            self._file = _open(segment) if file is None else file
        except soundfile.LibsndfileError:
            self._file, self.damaged = None, True
            return
        self.sample_rate, self.channels = self._file.samplerate, self._file.channels
        self.loose = self._file.format != "FLAC"
        if self.expected is None and self._file.format == "OGG":
            self.expected = len(self._file) if len(self._file) < _UNKNOWN else None

    def blocks(self) -> Iterator[np.ndarray]:
        """Decode blocks `(n, channels)`."""
        import soundfile

        if self._file is None:
            return
        # Where a decoder can go on behind the count, it shall show that by failing.
        limit = None if self.segment.resume else self.segment.count
        lead, failed = self.segment.lead, False
        while not failed and (limit is None or self.decoded < limit):
            size = self.size if limit is None else min(self.size, limit - self.decoded)
            block = np.empty((size, self.channels), np.float32)
            try:
                if not self.decoded:
                    _skip(self._file, lead)
                count = len(self._file.read(out=block))
            except soundfile.LibsndfileError:
                # What precedes the damage is in the block; the position tells.
                count, failed = max(0, self._file.tell() - lead - self.decoded), True
            self.decoded += count
            if count:
                yield block[:count]
            elif not failed:
                break
        self._file.close()
        self.damaged = failed

    def following(self) -> Segment | None:
        """Find where the sound goes on behind damage, or behind its end."""
        if self.segment.resume is None:
            return None
        return self.segment.resume(self.decoded, self.segment.file.tell())


def _open(segment: Segment) -> Any:
    import soundfile

    segment.file.seek(0)
    if isinstance(segment.file, LocalFile):  # no call of Python for each read
        # A descriptor of its own: older versions of libsndfile close it if they fail.
        file = soundfile.SoundFile(os.dup(segment.file.fileno()), closefd=True)
    else:
        file = soundfile.SoundFile(segment.file)
    # Or soundfile seeks after every read, and MP3 frames get lost at the seams.
    file.seekable = lambda: False
    return file


def _skip(file: Any, count: int) -> None:
    while count > 0 and len(file.read(min(count, 2**16), dtype="float32")):
        count -= 2**16


def _silence(count: int, size: int, channels: int) -> Iterator[np.ndarray]:
    for begin in range(0, count, size):
        yield np.zeros((min(size, count - begin), channels), np.float32)


def _misses_bytes(log: str) -> bool:
    """Search libsndfile's log for a size that the file does not have."""
    sizes = re.findall(
        r"^\s*(?:data|SSND|Data Size|riff|Riff size)\s*: (\d+) \(should be (\d+)\)",
        log,
        re.MULTILINE,
    )
    # A few bytes are padding that some programs count.
    return any(
        int(told) < STREAMED and int(told) > int(is_) + 16 for told, is_ in sizes
    )
