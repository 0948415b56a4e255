"""Short files of every format that holds tags, made by encoders or by hand."""

import struct
from fractions import Fraction

import numpy as np
import soundfile

RATE = 44100
# For each kind its suffix, FFmpeg's encoder, container, and options of that.
ENCODED = {
    "aac": (".m4a", "aac", "ipod", {}),
    "aac_head_first": (".m4a", "aac", "ipod", {"movflags": "faststart"}),
    "aac_fragments": (
        ".m4a",
        "aac",
        "mp4",
        {"movflags": "frag_keyframe+empty_moov", "frag_duration": "500000"},
    ),
    "aac_fragments_relative": (
        ".m4a",
        "aac",
        "mp4",
        {
            "movflags": "frag_keyframe+empty_moov+default_base_moof",
            "frag_duration": "500000",
        },
    ),
    "aac_dash": (
        ".m4a",
        "aac",
        "mp4",
        {"movflags": "dash+global_sidx", "frag_duration": "500000"},
    ),
    "alac": (".m4a", "alac", "ipod", {}),
    "wavpack": (".wv", "wavpack", None, {}),
    "wma": (".wma", "wmav2", None, {}),
    "tta": (".tta", "tta", None, {}),
}
WRITTEN = {
    "mp3": (".mp3", {}),
    "wav": (".wav", {}),
    "aiff": (".aiff", {}),
    "flac": (".flac", {}),
    "vorbis": (".ogg", {}),
    "opus": (".opus", {"format": "OGG", "subtype": "OPUS"}),
}
KINDS = (*WRITTEN, *ENCODED, "monkeys_audio", "dsf")


def tone(seconds=2.0, rate=RATE):
    """Two tones and some noise, `(samples, 2)`."""
    t = np.arange(int(seconds * rate)) / rate
    noise = np.random.default_rng(7).normal(size=len(t))
    left = 0.3 * np.sin(2 * np.pi * 220 * t) + 0.02 * noise
    right = 0.2 * np.sin(2 * np.pi * 555 * t) + 0.02 * noise
    return np.stack([left, right], axis=1).astype("float32")


def make_song(folder, kind, name="song"):
    """Make a file of one of `KINDS`; returns its path."""
    if kind in WRITTEN:
        suffix, options = WRITTEN[kind]
        path = folder / f"{name}{suffix}"
        rate = 48000 if kind == "opus" else RATE
        soundfile.write(path, tone(rate=rate), rate, **options)
    elif kind in ENCODED:
        path = folder / f"{name}{ENCODED[kind][0]}"
        encode(path, tone(), *ENCODED[kind][1:])
    else:
        path = folder / f"{name}{'.ape' if kind == 'monkeys_audio' else '.dsf'}"
        path.write_bytes(_monkeys_audio() if kind == "monkeys_audio" else _dsf())
    return path


def encode(path, samples, codec, container=None, options=None, rate=RATE):
    """Encode sound with FFmpeg."""
    import av

    with av.open(str(path), "w", format=container, options=options or {}) as out:
        stream = out.add_stream(codec, rate=rate, layout="stereo")
        stream.bit_rate = 128000
        context = stream.codec_context
        context.open()
        resampler = av.AudioResampler(
            context.format.name, "stereo", rate, frame_size=context.frame_size or 4096
        )
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples.T), "fltp", "stereo"
        )
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))


def _monkeys_audio(frames=3, last=20000):
    """Version 3.99 with frames that are marked as silent: FFmpeg has no encoder."""
    blocks = struct.pack("<II", 0x80000000, 3) + bytes(8)
    size = 52 + 24 + 4 * frames
    start = b"MAC " + struct.pack(
        "<HHIIIIIII", 3990, 0, 52, 24, 4 * frames, 0, frames * len(blocks), 0, 0
    )
    header = struct.pack("<HHIIIHHI", 2000, 0, 4 * 73728, last, frames, 16, 2, RATE)
    seek = struct.pack(f"<{frames}I", *(size + n * len(blocks) for n in range(frames)))
    return start + bytes(16) + header + seek + frames * blocks


def _dsf(blocks=8):
    """One bit samples of two channels, 2.8 MHz."""
    sound = np.random.default_rng(3).bytes(blocks * 4096 * 2)
    form = (1, 0, 2, 2, 2822400, 1, blocks * 4096 * 8, 4096, 0)
    chunk = b"fmt " + struct.pack("<QIIIIIIQII", 52, *form)
    chunk += b"data" + struct.pack("<Q", 12 + len(sound)) + sound
    return b"DSD " + struct.pack("<QQQ", 28, 28 + len(chunk), 0) + chunk
