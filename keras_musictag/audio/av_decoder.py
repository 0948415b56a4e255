"""What FFmpeg reads through PyAV: M4A, WMA, the sound of videos and more."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_musictag.audio import adts, ogg
from keras_musictag.audio.arrays import pcm_to_float
from keras_musictag.audio.inputs import Decoder
from keras_musictag.audio.pieces import rewound
from keras_musictag.audio.segments import Loss, conformed

# Lengths that these containers announce are measured, not estimated.
_EXACT = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "asf")
_TOLERANCE = 0.25  # seconds: encoder delay and padding stay below it
_MOST_PLANES = 8
_GAP = 0.1  # seconds between the times of two frames that are no jitter
# Seconds by which sound may begin after its file: less is rounding, more is a damaged
# clock.
_EARLIEST, _LATEST = 0.01, 600.0


class NotDecodable(Exception):
    """PyAV found no audio in a file."""


class AvDecoder(Decoder):
    """A file that PyAV (FFmpeg) reads: the sound of a container or a video.

    It has the attributes of `SoundFileDecoder`. Of several streams of sound it reads
    the first one that is marked as default: of stems, that is the mix. Sound that
    begins after the picture has silence before it, so that times are the player's.
    """

    def __init__(self, name: str, file: Any):
        import av

        self.name, self.kind = name, ("", "")
        self.truncated: bool | None = None
        self.losses: list[Loss] = []
        self._source, self._damaged = file, False
        self._gaps: list[Loss] = []
        file.seek(0)
        try:
            # Local only: a playlist must not make us fetch anything.
            self._container = av.open(file, options={"protocol_whitelist": "file"})
        except (av.FFmpegError, OSError, ValueError) as error:
            raise NotDecodable(getattr(error, "strerror", None) or error) from error
        streams = self._container.streams.audio
        if not streams:
            self._container.close()
            raise NotDecodable("it has no sound")
        self._stream = next((s for s in streams if _is_default(s)), streams[0])
        self._delay = self._delay_of_sound()
        self._decoded = self._delay  # seconds
        self._frames = self._decode()
        self._first = next(self._frames, None)
        if self._first is None:
            self._container.close()
            raise NotDecodable("no sound can be decoded")
        self.sample_rate = self._first.sample_rate
        self.channels = self._first.layout.nb_channels
        announced = self._announced()
        self.announced = None if announced is None else announced + self._delay

    def close(self) -> None:
        self._frames.close()
        self._container.close()

    def _announced(self) -> float | None:
        name = self._container.format.name
        has_pictures = bool(self._container.streams.video)
        # ASF announces the length of the file for each stream.
        if name not in _EXACT or (name == "asf" and has_pictures):
            return None
        if self._stream.duration:
            return float(self._stream.duration * self._stream.time_base)
        # The whole container may outlast its sound if it has pictures.
        whole = self._container.duration
        if not whole or has_pictures:
            return None
        # Matroska counts from the time 0, with or without anything there.
        before = self._container.start_time or 0 if name.startswith("matroska") else 0
        return (whole - max(before, 0)) / 1e6

    def _delay_of_sound(self) -> float:
        """Seconds from the first stream of the file to the sound, as players have it.

        The start of the stream, and not the time of its first frame, from which
        decoders cut what an encoder put before the sound.
        """
        start, first = self._stream.start_time, self._container.start_time
        if start is None or first is None:
            return 0.0
        delay = float(start * self._stream.time_base) - first / 1e6
        return delay if _EARLIEST < delay < _LATEST else 0.0

    def _decode(self):
        import av

        expected = None
        try:
            for packet in self._container.demux(self._stream):
                try:
                    frames = packet.decode()
                except av.FFmpegError:  # go on with the next packet
                    seconds = float((packet.duration or 0) * (packet.time_base or 0))
                    self._damaged |= bool(packet.size)
                    if seconds:
                        self._gaps.append(Loss(self._decoded, seconds))
                    continue
                for frame in frames:
                    if frame.time is not None:
                        lost = frame.time - (
                            frame.time if expected is None else expected
                        )
                        if lost > _GAP:
                            self._gaps.append(Loss(self._decoded, lost))
                        expected = frame.time + frame.samples / frame.sample_rate
                    self._decoded += frame.samples / frame.sample_rate
                    yield frame
        except av.FFmpegError:
            self._damaged = True

    def exact_length(self) -> None:
        """Give `None`: containers do not know their length to the sample."""

    def known_length(self) -> None:
        """Give `None`: see `exact_length`."""

    def blocks(self, size: int) -> Iterator[np.ndarray]:
        """Decode float32 blocks of shape `(n, channels)`, `n` about `size`."""
        held, count, decoded = [], 0, 0
        for block in itertools.chain(self._silence(size), self._conformed()):
            held.append(block)
            count, decoded = count + len(block), decoded + len(block)
            if count >= size:
                yield np.concatenate(held)
                held, count = [], 0
        if held:
            yield np.concatenate(held)
        self._conclude(decoded / self.sample_rate)

    def _silence(self, size: int) -> Iterator[np.ndarray]:
        left = round(self._delay * self.sample_rate)
        while left > 0:
            count = min(size, left)
            yield np.zeros((count, self.channels), "float32")
            left -= count

    def _conformed(self) -> Iterator[np.ndarray]:
        frames = itertools.chain([self._first], self._frames)
        own = self.sample_rate, self.channels
        for format, group in itertools.groupby(frames, key=_rate_and_channels):
            blocks: Iterator[np.ndarray] = map(self._samples, group)
            if format != own:
                blocks = conformed(blocks, format[0], *own)
            yield from blocks

    def _conclude(self, decoded: float) -> None:
        if self._container.format.name == "aac":
            with rewound(self._source) as source:
                self.losses += adts.losses(source)
        elif self._container.format.name == "ogg":
            self.losses += ogg.losses(self._source, self.sample_rate)
        if self._damaged and not self.losses:
            self.losses += self._gaps
        missing = (self.announced or 0) - decoded
        told = sum(loss.seconds for loss in self.losses)
        if missing > told + _TOLERANCE:
            gaps = [] if self.losses else self._gaps
            told += sum(loss.seconds for loss in gaps)
            self.losses += gaps
            if missing > told + _TOLERANCE:
                self.losses.append(Loss(decoded + told, missing - told))
        self.truncated = self._damaged or bool(self.losses)

    def _samples(self, frame: Any) -> np.ndarray:
        channels = frame.layout.nb_channels
        if frame.format.is_planar and channels > _MOST_PLANES:
            frame = _packed(frame)
        samples = frame.to_ndarray()
        if frame.format.is_planar:
            samples = samples.T
        return pcm_to_float(samples.reshape(-1, channels), name=self.name)


def _packed(frame: Any) -> Any:
    """Interleave the channels: PyAV crashes at the ninth plane of a frame."""
    import av

    layout, rate = frame.layout, frame.sample_rate
    frame.pts = None
    pieces = av.AudioResampler("flt", layout, rate).resample(frame)
    return pieces[0]


def _is_default(stream: Any) -> bool:
    return "default" in str(getattr(stream, "disposition", "")).lower()


def _rate_and_channels(frame: Any) -> tuple[int, int]:
    return frame.sample_rate, frame.layout.nb_channels
