"""Samples and offsets of many formats, beside FFmpeg; and time beside another commit.

    python benchmarks/sound_formats.py                  # the table
    python benchmarks/sound_formats.py --before FOLDER  # times, FOLDER: older clone
    python benchmarks/sound_formats.py --crops FOLDER   # random crops of one hour

Files are made here, with soundfile and PyAV.
"""

import argparse
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
Variant = tuple[str, str, int, int, bytes]  # name, suffix, rate, channels, content


def soundfile_variants() -> Iterator[Variant]:
    """What libsndfile writes."""
    from benchmarks.sound_files import bursts, by_soundfile

    def made(name, suffix, file_format, rate=44100, channels=2, **options):
        content = by_soundfile(bursts(3, rate, channels), rate, file_format, **options)
        return name, suffix, rate, channels, content

    subtypes = "PCM_U8 PCM_16 PCM_24 PCM_32 FLOAT DOUBLE ULAW ALAW IMA_ADPCM MS_ADPCM"
    for subtype in subtypes.split():
        yield made(f"WAV {subtype}", ".wav", "WAV", subtype=subtype)
    yield made("WAV GSM610", ".wav", "WAV", 8000, 1, subtype="GSM610")
    yield made("WAVEX PCM_24", ".wav", "WAVEX", subtype="PCM_24")
    yield made("WAVEX 6 channels", ".wav", "WAVEX", 48000, 6)
    for subtype in ("PCM_S8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"):
        yield made(f"AIFF {subtype}", ".aiff", "AIFF", subtype=subtype)
    for file_format in ("AU", "CAF", "W64", "RF64"):
        for subtype in ("PCM_16", "PCM_24", "FLOAT"):
            suffix = f".{file_format.lower()}"
            yield made(f"{file_format} {subtype}", suffix, file_format, subtype=subtype)
    yield made("CAF ALAC", ".caf", "CAF", subtype="ALAC_16")
    for subtype in ("PCM_S8", "PCM_16", "PCM_24"):
        for rate, channels in ((44100, 2), (96000, 1), (8000, 1)):
            name = f"FLAC {subtype}"
            yield made(name, ".flac", "FLAC", rate, channels, subtype=subtype)
    for rate in (8000, 22050, 44100, 48000, 96000):
        for channels in (1, 2):
            name = "OGG Vorbis"
            yield made(name, ".ogg", "OGG", rate, channels, subtype="VORBIS")
    for rate in (8000, 16000, 24000, 48000):
        yield made("OGG Opus", ".opus", "OGG", rate, 2, subtype="OPUS")
    for mode in ("CONSTANT", "AVERAGE", "VARIABLE"):
        for rate, channels in (
            (44100, 2),
            (48000, 1),
            (22050, 2),
            (16000, 1),
            (8000, 1),
        ):
            yield made(
                f"MP3 {mode.lower()}", ".mp3", "MP3", rate, channels, bitrate_mode=mode
            )


def av_variants() -> Iterator[Variant]:
    """What FFmpeg writes."""
    import av

    from benchmarks.sound_files import bursts, by_av

    kinds = [
        ("AAC in M4A", ".m4a", "aac", "ipod", 44100, 2),
        ("AAC in M4A", ".m4a", "aac", "ipod", 22050, 1),
        ("AAC in M4A, 5.1", ".m4a", "aac", "ipod", 48000, 6),
        ("AAC, raw", ".aac", "aac", "adts", 44100, 2),
        ("AAC in Matroska", ".mka", "aac", "matroska", 48000, 2),
        ("AAC in MPEG-TS", ".ts", "aac", "mpegts", 48000, 2),
        ("ALAC in M4A", ".m4a", "alac", "ipod", 44100, 2),
        ("FLAC in Matroska", ".mka", "flac", "matroska", 44100, 2),
        ("FLAC in OGG", ".oga", "flac", "ogg", 44100, 2),
        ("FLAC in MP4", ".mp4", "flac", "mp4", 44100, 2),
        ("AC-3", ".ac3", "ac3", "ac3", 48000, 2),
        ("E-AC-3", ".eac3", "eac3", "eac3", 48000, 2),
        ("AC-3 in Matroska", ".mka", "ac3", "matroska", 44100, 2),
        ("MP2", ".mp2", "mp2", "mp2", 44100, 2),
        ("MP2 in MPEG", ".mpg", "mp2", "mpeg", 48000, 2),
        ("MP3 by FFmpeg", ".mp3", "libmp3lame", "mp3", 44100, 2),
        ("MP3 by FFmpeg", ".mp3", "libmp3lame", "mp3", 24000, 1),
        ("MP3 in WAV", ".wav", "libmp3lame", "wav", 44100, 2),
        ("MP3 in MP4", ".mp4", "libmp3lame", "mp4", 44100, 2),
        ("MP3 in AVI", ".avi", "libmp3lame", "avi", 44100, 2),
        ("MP3 in Matroska", ".mka", "libmp3lame", "matroska", 44100, 2),
        ("Opus in WebM", ".webm", "libopus", "webm", 48000, 2),
        ("Opus in OGG", ".opus", "libopus", "ogg", 48000, 2),
        ("Opus in MP4", ".mp4", "libopus", "mp4", 48000, 2),
        ("Vorbis in WebM", ".webm", "libvorbis", "webm", 44100, 2),
        ("Vorbis by FFmpeg", ".ogg", "libvorbis", "ogg", 48000, 2),
        ("PCM in MOV", ".mov", "pcm_s16le", "mov", 48000, 2),
        ("PCM in Matroska", ".mka", "pcm_s24le", "matroska", 44100, 2),
        ("PCM in AVI", ".avi", "pcm_s16le", "avi", 44100, 2),
        ("PCM in AIFF", ".aiff", "pcm_s16be", "aiff", 44100, 2),
        ("PCM in CAF", ".caf", "pcm_s16be", "caf", 44100, 2),
        ("PCM in W64", ".w64", "pcm_s16le", "w64", 44100, 2),
        ("PCM in AU", ".au", "pcm_s16be", "au", 44100, 2),
        ("ADPCM in WAV", ".wav", "adpcm_ms", "wav", 44100, 2),
        ("TTA", ".tta", "tta", "tta", 44100, 2),
        ("WavPack", ".wv", "wavpack", "wv", 44100, 2),
        ("WMA 1", ".wma", "wmav1", "asf", 44100, 2),
        ("WMA 2", ".wma", "wmav2", "asf", 44100, 2),
        ("WMA 2", ".wma", "wmav2", "asf", 22050, 1),
    ]
    for name, suffix, codec, container, rate, channels in kinds:
        y = bursts(3, rate, channels)
        compressed = not codec.startswith(
            ("pcm", "flac", "alac", "tta", "wavpack", "adpcm")
        )
        bits = (96_000 if channels < 6 else 384_000) if compressed else None
        try:
            content = by_av(y, rate, codec, container, bits)
        except (av.FFmpegError, ValueError) as error:
            print(f"{name} cannot be made: {error}", file=sys.stderr)
            continue
        yield name, suffix, rate, channels, content


def by_ffmpeg(path: Path) -> tuple[np.ndarray, int]:
    """Decode the first stream with FFmpeg: mean of the channels, and the rate."""
    import av

    pieces = []
    with av.open(str(path)) as container:
        for frame in container.decode(container.streams.audio[0]):
            y, rate = frame.to_ndarray(), frame.sample_rate
            if not frame.format.is_planar:
                y = y.reshape(-1, frame.layout.nb_channels).T
            if y.dtype.kind != "f":
                y = y / 2.0 ** (8 * y.dtype.itemsize - 1) - (y.dtype.kind == "u")
            pieces.append(y.astype("float32").mean(axis=0))
    return np.concatenate(pieces), rate


def offset(y: np.ndarray, other: np.ndarray, rate: int) -> int:
    """Give the samples by which `y` is later than `other`."""
    most = rate // 5
    begin, size = rate, rate // 2
    near = y[begin - most : begin + size + most].astype("float64")
    piece = other[begin : begin + size].astype("float64")
    from scipy.signal import correlate

    return int(np.argmax(correlate(near, piece, "valid"))) - most


def table() -> None:
    """Print a row for each variant."""
    from benchmarks.sound_files import bursts
    from keras_musictag import audio

    print("| format | Hz | channels | samples | FFmpeg | late by | FFmpeg late by |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    count = same = 0
    with tempfile.TemporaryDirectory() as folder:
        for make in (soundfile_variants, av_variants):
            for name, suffix, rate, channels, content in make():
                path = Path(folder, f"a{suffix}")
                path.write_bytes(content)
                source = bursts(3, rate, channels).mean(axis=1)
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    y, own = audio.load(path)
                    seconds = audio.duration(path)
                other, other_rate = by_ffmpeg(path)
                assert seconds == len(y) / own, name
                # libsndfile gives Opus the rate that it was made from.
                other = audio.resample(other, other_rate, own)
                source = audio.resample(source, rate, own)
                late = offset(y, source, own), offset(other, source, own)
                equal = len(y) == len(other) and np.allclose(y, other, atol=1e-3)
                count, same = count + 1, same + equal
                mark = " (same)" if equal else ""
                print(
                    f"| {name} | {rate} | {channels} | {len(y)} | {len(other)}{mark} "
                    f"| {late[0]} | {late[1]} |",
                    flush=True,
                )
    print(f"\n{count} variants, {same} of them sample for sample as FFmpeg has them.")


# === Times ===


def timed(folder: Path, program: str, *arguments: str) -> dict:
    """Run a program of this file with the package of a folder."""
    environment = {**os.environ, "PYTHONPATH": f"{folder}"}
    command = [sys.executable, __file__, program, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def stream(path: str) -> None:
    """Print the least processor time of four runs over a file."""
    from keras_musictag.audio.files import native_blocks

    times = []
    for _ in range(4):
        began = time.process_time()
        samples = sum(len(block) for block in native_blocks(path)[1])
        times.append(time.process_time() - began)
    print(json.dumps({"seconds": min(times), "samples": samples}))


def compare(before: Path) -> None:
    """Print the time of each format, and its ratio to an older package."""
    import soundfile

    from benchmarks.sound_files import bursts, by_av

    kinds = [("wav", {}), ("aiff", {}), ("flac", {}), ("ogg", {"subtype": "VORBIS"})]
    kinds += [("ogg", {"subtype": "OPUS"}), ("mp3", {"bitrate_mode": "CONSTANT"})]
    kinds += [("mp3", {"bitrate_mode": "VARIABLE"})]
    print("| format | before (s) | now (s) | ratio |\n|---|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for number, (suffix, options) in enumerate(
            kinds + [("m4a", {}), ("nohead.mp3", {})]
        ):
            path = Path(folder, f"{number}.{suffix}")
            y, rate = np.tile(bursts(30, 48000), (6, 1)), 48000
            if suffix == "m4a":
                path.write_bytes(by_av(y, rate, "aac", "ipod"))
            elif suffix == "nohead.mp3":
                path.write_bytes(by_av(y, rate, "libmp3lame", "mp3", write_xing=0))
            else:
                with soundfile.SoundFile(path, "w", rate, 2, **options) as file:
                    for begin in range(0, len(y), rate):  # libsndfile: small pieces
                        file.write(y[begin : begin + rate])
            times = {"before": [], "now": []}
            for _ in range(2):
                for name, room in (("before", before), ("now", ROOT)):
                    times[name].append(timed(room, "--stream", str(path))["seconds"])
            old, new = (min(values) for values in times.values())
            name = " ".join([suffix, *options.values()])
            print(f"| {name} | {old:.3f} | {new:.3f} | {new / old:.2f} |", flush=True)


def crop(path: str, count: str) -> None:
    """Print the time of random crops of ten seconds."""
    from keras_musictag import audio

    chance = np.random.default_rng(0)
    audio.excerpt(path, 16000, 160, lambda n: 0)
    began = time.perf_counter()
    for _ in range(int(count)):
        audio.excerpt(
            path, 16000, 160_000, lambda n: int(chance.integers(0, n - 160_000))
        )
    print(json.dumps({"seconds": (time.perf_counter() - began) / int(count)}))


def crops(before: Path) -> None:
    """Print the time of a random crop of an hour, and its ratio to an older package."""
    print("| one hour of | before (s) | now (s) | times faster |\n|---|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for mode in ("CONSTANT", "VARIABLE"):
            path = Path(folder, "hour.mp3")
            path.write_bytes(hour(mode))
            old = timed(before, "--crop", str(path), "4")["seconds"]
            new = timed(ROOT, "--crop", str(path), "20")["seconds"]
            name = f"MP3, {mode.lower()} rate"
            print(f"| {name} | {old:.3f} | {new:.3f} | {old / new:.0f} |", flush=True)


def hour(mode: str) -> bytes:
    """Give an hour of MP3: a minute sixty times, with a header that counts them."""
    from benchmarks.sound_files import bursts, by_soundfile
    from keras_musictag.audio import mpeg

    options = {"bitrate_mode": mode, "compression_level": 0.5}
    minute = by_soundfile(bursts(60), 44100, "MP3", **options)
    frames = mpeg.survey(io.BytesIO(minute))
    begin, end = frames.offsets[frames.runs[0].first], frames.runs[-1].end
    head = bytearray(minute[frames.offsets[0] : begin])
    at = max(head.find(b"Xing"), head.find(b"Info")) + 8
    head[at : at + 4] = (60 * frames.info.frames).to_bytes(4, "big")
    head[at + 4 : at + 8] = (len(head) + 60 * (end - begin)).to_bytes(4, "big")
    return bytes(head) + 60 * minute[begin:end]


def main() -> None:
    """Choose what to print."""
    parser = argparse.ArgumentParser(description=re.split("\n", __doc__)[0])
    parser.add_argument("--before", type=Path, help="folder of an older clone")
    parser.add_argument("--crops", type=Path, help="folder of an older clone")
    parser.add_argument("--stream", help=argparse.SUPPRESS)
    parser.add_argument("--crop", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    sys.path.append(str(ROOT))
    if options.stream:
        stream(options.stream)
    elif options.crop:
        crop(*options.crop)
    elif options.before:
        compare(options.before.resolve())
    elif options.crops:
        crops(options.crops.resolve())
    else:
        table()


if __name__ == "__main__":
    main()
