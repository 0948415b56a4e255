"""The frames of an MPEG audio file (MP3, MP2, MP1), found without decoding.

A decoder stops at rubbish, believes a wrong count, and estimates the length where no
header tells it. `survey` walks from header to header instead, and tells what lies
between: tags, which are skipped, and damage, which is noted.
"""

import dataclasses
import re
from array import array
from bisect import bisect_right
from typing import Any

from keras_musictag.audio.mpeg_headers import (
    KINDS,
    LARGEST_FRAME,
    MOST_INFO,
    SIZES,
    SMALLEST_FRAME,
    Format,
    Info,
    read_format,
    read_info,
)
from keras_musictag.audio.pieces import Piece
from keras_musictag.audio.segments import Loss
from keras_musictag.audio.tag_sizes import tag_size

_WINDOW = 2**20
_AHEAD = 2**15  # bytes in sight of a header: a few of the largest frames
# Padding of a disk's clusters is no loss; more than that may have been sound.
_MOST_PADDING = 2**15
_MOST_BY_CHANCE = 4  # headers that are found in rubbish
_HEADER = re.compile(rb"\xff[\xe2-\xff][\x00-\xef]")


@dataclasses.dataclass
class Run:
    """Frames of one format, one right behind the other."""

    format: Format
    first: int  # index of its first frame
    stop: int  # index behind its last frame
    end: int  # offset of the byte behind it
    missing: int = 0  # bytes that its last frame lacks


@dataclasses.dataclass
class Survey:
    """The frames of a file; see `survey`."""

    offsets: array
    runs: list[Run]
    info: Info | None
    damage: list[tuple[int, int]]  # index of a frame, bytes that are no sound there
    silent_bytes: int  # behind the last frame, without tags
    lone_frames: tuple[int, int]  # headers in rubbish: before the frames, and behind
    ends_whole: bool  # whether the last frame is all there

    def formats(self) -> list[list[Run]]:
        """Give runs of the same format that follow each other together."""
        groups: list[list[Run]] = []
        for run in self.runs:
            if groups and groups[-1][-1].format == run.format:
                groups[-1].append(run)
            else:
                groups.append([run])
        return groups

    def frame(self, position: int) -> int:
        """Give the index of a frame from its number among those that hold sound."""
        for run in self.runs:
            if position < run.stop - run.first:
                return run.first + position
            position -= run.stop - run.first
        return self.runs[-1].stop

    def position(self, frame: int) -> int:
        """Give the number of a frame among those that hold sound."""
        return sum(
            min(run.stop, frame) - run.first for run in self.runs if run.first < frame
        )

    def headed(self, runs: list[Run]) -> bool:
        """Whether a frame without sound before these runs was left out."""
        index = self.runs.index(runs[0])
        before = self.runs[index - 1].stop if index else 0
        return runs[0].first > before

    @property
    def sound_bytes(self) -> int:
        """Bytes of all frames."""
        return sum(run.end - self.offsets[run.first] for run in self.runs)

    def pieces(self, runs: list[Run], first: int, stop: int) -> tuple[list[Piece], int]:
        """Give the bytes of frames `first` to `stop` of some runs.

        Behind them a decoder needs some zeros: it estimates the number of frames by
        the size of the first one, and would stop too early.
        """
        pieces: list[Piece] = []
        for run in runs:
            low, high = max(first, run.first), min(stop, run.stop)
            if low >= high:
                continue
            begin = self.offsets[low]
            end = self.offsets[high] if high < run.stop else run.end
            pieces.append((begin, end - begin))
            if high == run.stop and run.missing:
                pieces.append(bytes(run.missing))
        return pieces, (stop - first + 16) * LARGEST_FRAME

    def before(self, runs: list[Run], frame: int) -> int:
        """Give the frame to start at so that `frame` is decoded right.

        Main data of layer III begin up to 511 bytes before their frame; the filter
        banks remember another frame or two. They go round in circles, which decides
        how values are rounded: of up to 8 frames.
        """
        form, first = runs[0].format, runs[0].first
        frame, bytes_ahead = max(first, frame - 2), 0
        most = 0 if form.layer < 3 else 511 if form.version == 1 else 255
        while frame > first and bytes_ahead < most:
            frame -= 1
            run = runs[bisect_right(runs, frame, key=lambda run: run.first) - 1]
            last = frame + 1 == run.stop
            end = run.end + run.missing if last else self.offsets[frame + 1]
            bytes_ahead += end - self.offsets[frame] - 6 - form.side_bytes
        return self.frame(self.position(frame) // 8 * 8)

    def losses(self) -> list[Loss]:
        """Give what is damaged, in seconds, at the mean bit rate of the file."""
        seconds, starts = 0.0, []
        for run in self.runs:
            starts.append(seconds)
            seconds += self._seconds(run.format, run.stop - run.first)
        if not self.runs:
            return []
        rate = self.sound_bytes / seconds
        losses = []
        for frame, size in self.damage:
            index = bisect_right(self.runs, frame, key=lambda run: run.first) - 1
            run = self.runs[index]
            second = starts[index] + self._seconds(run.format, frame - run.first)
            least = self._seconds(run.format, 1)
            losses.append(Loss(second, max(least, size / rate)))
        form = self.runs[0].format
        for at, count in zip((0.0, seconds), self.lone_frames, strict=True):
            if count >= _MOST_BY_CHANCE:
                losses.append(Loss(at, self._seconds(form, count)))
        if self.silent_bytes > _MOST_PADDING and not (self.info and self.info.frames):
            losses.append(Loss(seconds, self.silent_bytes / rate))
        return losses

    @staticmethod
    def _seconds(form: Format, frames: int) -> float:
        return frames * form.frame_samples / form.sample_rate


def survey(file: Any) -> Survey:
    """Find all frames of an MPEG audio file.

    Args:
        file: Binary file object that can seek.

    Returns:
        A `Survey`; its `runs` are empty if the file is no MPEG audio.
    """
    return _Walker(file).walk()


def _format_at(data: bytes, index: int) -> Format | None:
    header = data[index + 1 : index + 4]
    return read_format(*header) if len(header) == 3 else None


class _Walker:
    """Walks from header to header, a window of the file in sight."""

    def __init__(self, file: Any):
        self.file = file
        self.size = file.seek(0, 2)
        self.base, self.data = 0, b""
        self.sizes = SIZES
        self.offsets = array("q")
        self.runs: list[Run] = []
        self.damage: list[tuple[int, int]] = []

    def walk(self) -> Survey:
        offset = self._behind_tags(0)
        begin = self._search(offset)
        end = offset
        while begin is not None:
            end = self._run(begin)
            resumed = self._behind_tags(end)
            begin = resumed if self._starts(resumed) else None
            if begin is None:
                # A frame that lacks bytes reaches into the next one.
                begin = self._search(
                    self.offsets[-1] + 4 if resumed == end else resumed
                )
                if begin is not None:
                    self._note(resumed, begin)
        silent = self.size - self._behind_tags(end)
        info = self._take_out_info()
        return Survey(
            self.offsets,
            self.runs,
            info,
            self.damage,
            max(0, silent),
            (
                self._count_headers(0, self.offsets[0]),
                self._count_headers(end, self.size),
            )
            if self.runs
            else (0, 0),
            silent < SMALLEST_FRAME,
        )

    def _note(self, expected: int, begin: int) -> None:
        if begin < expected:
            self.runs[-1].end = begin
            self.runs[-1].missing = expected - begin
            self.damage.append((len(self.offsets) - 1, expected - begin))
        elif begin - expected >= SMALLEST_FRAME:
            self.damage.append((len(self.offsets), begin - expected))

    def _see(self, offset: int, ahead: int = _AHEAD) -> int:
        """Have the bytes from an offset in `data`; returns its index there."""
        end = min(self.size, offset + ahead)
        if not (self.base <= offset and end <= self.base + len(self.data)):
            self.file.seek(offset)
            self.base, self.data = offset, self.file.read(max(_WINDOW, ahead))
        return offset - self.base

    def _run(self, begin: int) -> int:
        """Walk as far as each frame ends where the next one begins."""
        index = self._see(begin)
        data, base, kinds, sizes = self.data, self.base, KINDS, self.sizes
        form = read_format(data[index + 1], data[index + 2], data[index + 3])
        assert form is not None
        kind, mono = kinds[data[index + 1] << 8 | data[index + 2]], form.channels == 1
        first, limit = len(self.offsets), len(data) - 4
        append = self.offsets.append
        while True:
            if index > limit:
                offset = base + index
                if offset + 4 > self.size:
                    break
                index = self._see(offset)
                data, base, limit = self.data, self.base, len(self.data) - 4
                if index > limit:  # the file shrank
                    break
            key = data[index + 1] << 8 | data[index + 2]
            wrong = data[index] != 255 or kinds[key] != kind or not sizes[key]
            if wrong or (data[index + 3] >= 192) != mono:
                break
            append(base + index)
            index += sizes[key]
        end = base + index
        if end > self.size and len(self.offsets) - first > 1:  # its last one is cut
            end = self.offsets.pop()
        self.runs.append(Run(form, first, len(self.offsets), end))
        return end

    def _behind_tags(self, offset: int) -> int:
        while offset < self.size:
            index = self._see(offset)
            size = tag_size(self.data[index : index + _AHEAD])
            if not size:
                break
            offset += size
        return min(offset, self.size)

    def _starts(self, offset: int) -> bool:
        """Whether frames start here: as before, or enough of them to be sure."""
        if offset + 4 > self.size:
            return False
        return self._chain(self._see(offset))

    def _search(self, offset: int) -> int | None:
        """Find the next place where frames start."""
        while offset + 4 <= self.size:
            index = self._see(offset, 2 * _AHEAD)
            end = self.base + len(self.data)
            last = len(self.data) if end >= self.size else len(self.data) - _AHEAD
            for match in _HEADER.finditer(self.data, index, last):
                if self._chain(match.start()):
                    return self.base + match.start()
            if end >= self.size:
                return None
            offset = self.base + last
        return None

    def _chain(self, index: int) -> bool:
        """Whether enough headers follow each other from this place in `data`."""
        data, before = self.data, self.runs[-1].format if self.runs else None
        if len(data) - index < 4 or data[index] != 255:
            return False
        form, count = read_format(*data[index + 1 : index + 4]), 0
        if form is None:
            return False
        self._learn_free_size(index)
        needed = 2 if form == before else 3 if before is None else 4
        while count < needed:
            header = data[index : index + 4]
            rest = self.size - self.base - index
            if rest <= 0 or (rest < 4 and count) or tag_size(data[index : index + 32]):
                # The last frame of a stream has no other one behind it.
                return count > 1 or form == before
            if len(header) < 4 or header[0] != 255 or read_format(*header[1:]) != form:
                return False
            size = self.sizes[header[1] << 8 | header[2]]
            if not size:
                return False
            if size > rest:  # a frame that the end of the file cuts
                return count > 1 or (count == 1 and form == before)
            count, index = count + 1, index + size
        return True

    def _learn_free_size(self, index: int) -> None:
        """Measure the frames of free format, whose headers tell no size."""
        data = self.data
        key = data[index + 1] << 8 | data[index + 2]
        if key & 0xF0 or self.sizes[key]:
            return
        header = re.compile(
            re.escape(data[index : index + 2])
            + b"[%s]" % re.escape(bytes([key & 0xFD, key & 0xFF | 2]))
        )
        following = header.search(
            data, index + SMALLEST_FRAME, index + 2 * LARGEST_FRAME
        )
        if following is None:
            return
        unit = 4 if key >> 9 & 3 == 3 else 1
        size = following.start() - index - unit * (key >> 1 & 1)
        self.sizes = list(self.sizes)
        for padding in (0, 2):
            self.sizes[key & ~2 | padding] = size + unit * (padding >> 1)

    def _count_headers(self, begin: int, end: int) -> int:
        """Count headers of the format of the sound in what is no row of frames."""
        begin = self._behind_tags(begin)
        self.file.seek(begin)
        data = self.file.read(max(0, min(_WINDOW, end - begin)))
        form = self.runs[0].format
        return sum(
            _format_at(data, match.start()) == form for match in _HEADER.finditer(data)
        )

    def _take_out_info(self) -> Info | None:
        """Leave out frames that tell of the others; give what the first one tells.

        A later one, in files that were joined, is a frame of silence unless another
        decoder begins there, which would believe it.
        """
        first, before = None, None
        for run in self.runs:
            if run.format != before:
                self.file.seek(self.offsets[run.first])
                info = read_info(self.file.read(MOST_INFO), run.format)
                first = info if run.first == 0 else first
                run.first += info is not None
            before = run.format
        self.runs = [run for run in self.runs if run.first < run.stop]
        return first
