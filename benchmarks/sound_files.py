"""Files for benchmarks and tests, by soundfile and PyAV; and ways to harm them."""

import contextlib
import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soundfile

RATE = 44100
SECONDS = 12


def bursts(
    seconds: float = SECONDS, rate: int = RATE, channels: int = 2, seed: int = 0
):
    """Give noise that comes and goes over a tone, `(samples, channels)`."""
    n = int(seconds * rate)
    t = np.arange(n) / rate
    noise = np.random.default_rng(seed).normal(0, 0.2, n) * ((2 * t) % 1 < 0.3)
    y = noise + 0.1 * np.sin(2 * np.pi * 440 * t)
    return np.stack([y * 0.8**c for c in range(channels)], axis=1).astype("float32")


def by_soundfile(y, rate: int, file_format: str, **options) -> bytes:
    """Encode with soundfile."""
    file = io.BytesIO()
    soundfile.write(file, y, rate, format=file_format, **options)
    return file.getvalue()


def by_av(
    y, rate: int, codec: str, container: str, bit_rate=128_000, **options
) -> bytes:
    """Encode with PyAV."""
    file = io.BytesIO()
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[y.shape[1]]
    muxer = {key: str(value) for key, value in options.items()}
    with av.open(file, "w", format=container, options=muxer) as out:
        stream = out.add_stream(codec, rate=rate, layout=layout)
        if bit_rate:
            stream.bit_rate = bit_rate
        context = stream.codec_context
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(y.T), "fltp", layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        context.open(strict=False)
        resampler = av.AudioResampler(
            context.format.name, layout, rate, frame_size=context.frame_size or 1024
        )
        for piece in [*resampler.resample(frame), *resampler.resample(None), None]:
            out.mux(stream.encode(piece))
    return file.getvalue()


def mp3(seconds=SECONDS, rate=RATE, channels=2, bit_rate=128_000, xing=0, seed=0):
    """Encode MP3, without a header frame unless `xing`."""
    y = bursts(seconds, rate, channels, seed)
    bare = {"write_xing": xing, "id3v2_version": 0}
    return by_av(y, rate, "libmp3lame", "mp3", bit_rate, **bare)


def id3v2(size: int = 3000) -> bytes:
    """Give a tag with a picture of so many bytes, which look like frames at times."""
    picture = b"\xff\xfb\x90\x64" * (size // 4)
    lengths = bytes(size >> shift & 127 for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + lengths + picture[:size].ljust(size, b"\0")


ID3V1 = b"TAG" + b"A title".ljust(125, b"\0")
APE = b"APETAGEX" + (2000).to_bytes(4, "little") + (1040).to_bytes(4, "little")
APE += (1).to_bytes(4, "little") + (0xA0000000).to_bytes(4, "little") + bytes(8)
APE += b"x" * 1008 + APE[:20] + (0x80000000).to_bytes(4, "little") + bytes(8)
LYRICS = b"LYRICSBEGININD0000200" + b"LYR00010la la la l" + b"000039LYRICS200"


def hole(data: bytes, at: float, size: int, fill: bytes = b"") -> bytes:
    """Take bytes out, or put others in their place."""
    begin = int(len(data) * at)
    return data[:begin] + fill * size + data[begin + size :]


def inserted(data: bytes, at: float, more: bytes) -> bytes:
    """Put bytes in between."""
    begin = int(len(data) * at)
    return data[:begin] + more + data[begin:]


def flipped(data: bytes, *places: float) -> bytes:
    """Invert a byte at some places."""
    out = bytearray(data)
    for at in places:
        out[int(len(out) * at)] ^= 0xFF
    return bytes(out)


def sized(
    data: bytes, mark: bytes, value: int, width=4, order="little", skip=0
) -> bytes:
    """Write another size behind a mark."""
    at = data.index(mark) + len(mark) + skip
    value %= 256**width
    return data[:at] + value.to_bytes(width, order) + data[at + width :]


def ffmpeg_seconds(path: Path) -> float:
    """Count what FFmpeg decodes of the first stream."""
    seconds = 0.0
    with (
        contextlib.suppress(av.FFmpegError, IndexError),
        av.open(str(path)) as container,
    ):
        for packet in container.demux(container.streams.audio[0]):
            with contextlib.suppress(av.FFmpegError):
                for frame in packet.decode():
                    seconds += frame.samples / frame.sample_rate
    return seconds
