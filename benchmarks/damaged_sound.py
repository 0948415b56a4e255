"""Seconds kept and lost of damaged and odd files, beside what FFmpeg gets from them.

    python -m benchmarks.damaged_sound            # a table for the docs
    python -m benchmarks.damaged_sound --keep in  # leave the files in a folder

Every file is made here, with soundfile and PyAV, from twelve seconds of bursts.
"""

import argparse
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.sound_files import (
    APE,
    ID3V1,
    LYRICS,
    RATE,
    SECONDS,
    bursts,
    by_av,
    by_soundfile,
    ffmpeg_seconds,
    flipped,
    hole,
    id3v2,
    inserted,
    mp3,
    sized,
)
from keras_musictag import audio
from keras_musictag.errors import AudioError, AudioWarning

Case = tuple[str, str, bytes, float]  # name, suffix, content, true seconds


def mp3_cases() -> Iterator[Case]:
    """MP3: rate, count and tags of every kind, and damage."""
    noise = np.random.default_rng(5).bytes(5000)
    loud, low = mp3(0.5, bit_rate=320_000), mp3(11.5, bit_rate=64_000, seed=2)
    bare, info = mp3(), mp3(xing=1)
    half, other = mp3(6, xing=1), mp3(6, xing=1, seed=3)
    yield "variable rate, no header: loud start", ".mp3", loud + low, SECONDS
    yield "variable rate, no header: quiet start", ".mp3", low + loud, SECONDS
    yield "two joined", ".mp3", half + other, SECONDS
    yield "two joined, tag between", ".mp3", half + id3v2() + other, SECONDS
    yield (
        "two joined, ID3v1 and ID3v2 between",
        ".mp3",
        half + ID3V1 + id3v2() + other,
        12,
    )
    yield "joined, other bit rate", ".mp3", half + mp3(6, bit_rate=64_000), SECONDS
    yield "joined, other sample rate", ".mp3", half + mp3(6, 48000, xing=1), SECONDS
    yield "joined, half the sample rate", ".mp3", half + mp3(6, 22050), SECONDS
    yield "joined, mono then stereo", ".mp3", mp3(6, channels=1) + mp3(6), SECONDS
    yield "joined, stereo then mono", ".mp3", half + mp3(6, channels=1, xing=1), SECONDS
    yield (
        "tags at both ends",
        ".mp3",
        id3v2(70_000) + bare + LYRICS + APE + ID3V1,
        SECONDS,
    )
    yield "APE tag and ID3v1 behind", ".mp3", info + APE + ID3V1, SECONDS
    yield "zeros at the start", ".mp3", bytes(5000) + bare, SECONDS
    yield "rubbish at the start", ".mp3", noise + info, SECONDS
    yield "zeros at the end", ".mp3", bare + bytes(4096), SECONDS
    yield "rubbish at the end", ".mp3", info + noise, SECONDS
    yield "zeros inside", ".mp3", inserted(bare, 0.5, bytes(1500)), SECONDS
    yield "rubbish inside", ".mp3", inserted(bare, 0.5, noise), SECONDS
    yield "800 bytes lost", ".mp3", hole(bare, 0.5, 800), SECONDS - 0.05
    yield "5 holes of 3000 bytes", ".mp3", _holes(bare, 3000), SECONDS - 5 * 0.19
    yield "4 kB blank", ".mp3", hole(bare, 0.5, 4096, b"\0"), SECONDS - 0.26
    yield "4 kB of 255", ".mp3", hole(bare, 0.5, 4096, b"\xff"), SECONDS - 0.26
    yield "second half blank", ".mp3", hole(bare, 0.5, len(bare), b"\0"), SECONDS / 2
    yield "10 bytes wrong", ".mp3", flipped(bare, *np.linspace(0.1, 0.9, 10)), SECONDS
    yield "cut, with a count", ".mp3", info[: len(info) // 2], SECONDS / 2
    at = info.index(b"Info") + 8
    for name, count in (("small", 50), ("large", 2000)):
        wrong = info[:at] + count.to_bytes(4, "big") + info[at + 4 :]
        yield f"count too {name}", ".mp3", wrong, SECONDS
    low_rate = mp3(6, 8000, 1, 16_000)
    yield "8 kHz, no header", ".mp3", low_rate, 6
    yield "MPEG-2", ".mp3", mp3(6, 22050, 1, 48_000), 6
    mp2 = by_av(bursts(), RATE, "mp2", "mp2", 192_000)
    yield "layer II, zeros inside", ".mp2", inserted(mp2, 0.4, bytes(3000)), SECONDS
    wav = by_av(bursts(), RATE, "libmp3lame", "wav")
    yield "MP3 inside WAV", ".wav", wav, SECONDS
    for mode in ("VARIABLE", "AVERAGE"):
        y = bursts()
        coded = by_soundfile(y, RATE, "MP3", bitrate_mode=mode, compression_level=0.3)
        size = len(coded) // 3
        yield f"{mode.lower()} rate", ".mp3", coded, SECONDS
        yield f"{mode.lower()} rate, start lost", ".mp3", coded[size:], SECONDS * 2 / 3


def _holes(data: bytes, size: int) -> bytes:
    for at in np.linspace(0.8, 0.2, 5):
        data = hole(data, at, size)
    return data


def flac_cases() -> Iterator[Case]:
    """FLAC."""
    y = bursts()
    whole = by_soundfile(y, RATE, "FLAC")
    other = by_soundfile(bursts(6, seed=4), RATE, "FLAC")
    mono48 = by_soundfile(bursts(6, 48000, 1), 48000, "FLAC")
    yield "one byte wrong", ".flac", flipped(whole, 0.5), SECONDS
    yield "5 bytes wrong", ".flac", flipped(whole, 0.1, 0.3, 0.5, 0.7, 0.9), SECONDS
    yield "1000 bytes lost", ".flac", hole(whole, 0.5, 1000), SECONDS
    yield "100 kB lost", ".flac", hole(whole, 0.5, 100_000), SECONDS
    yield "10 kB blank", ".flac", hole(whole, 0.5, 10_000, b"\0"), SECONDS
    yield (
        "rubbish inside",
        ".flac",
        inserted(whole, 0.5, bytes(range(256)) * 20),
        SECONDS,
    )
    yield "rubbish at the start", ".flac", bytes(1000) + whole, SECONDS
    yield "ID3v2 before, ID3v1 behind", ".flac", id3v2() + whole + ID3V1, SECONDS
    yield "APE tag behind", ".flac", whole + APE, SECONDS
    yield "zeros behind", ".flac", whole + bytes(4096), SECONDS
    yield "cut", ".flac", whole[: len(whole) // 2], SECONDS / 2
    yield "two joined", ".flac", whole + other, SECONDS + 6
    yield "joined, other rate and channels", ".flac", whole + mono48, SECONDS + 6
    numbers = int.from_bytes(whole[18:26], "big") >> 36 << 36
    for name, total in (("unknown", 0), ("too small", 1000), ("too large", RATE * 20)):
        head = whole[:18] + (numbers | total).to_bytes(8, "big")
        yield f"length {name}", ".flac", head + whole[26:], SECONDS
        if not total:
            yield "length unknown, ID3v1", ".flac", head + whole[26:] + ID3V1, SECONDS
            yield (
                "length unknown, a byte wrong",
                ".flac",
                flipped(head + whole[26:], 0.5),
                12,
            )


def ogg_cases() -> Iterator[Case]:
    """OGG Vorbis, Opus and FLAC."""
    for coding in ("VORBIS", "OPUS"):
        rate = 48000 if coding == "OPUS" else RATE
        suffix = ".opus" if coding == "OPUS" else ".ogg"
        whole = by_soundfile(bursts(12, rate), rate, "OGG", subtype=coding)
        other = by_soundfile(bursts(6, rate, seed=6), rate, "OGG", subtype=coding)
        low = 24000 if coding == "OPUS" else 22050
        mono = by_soundfile(bursts(6, low, 1), low, "OGG", subtype=coding)
        name = coding.capitalize()
        yield f"{name}, chained", suffix, whole + other, 18
        yield f"{name}, chained, other rate, channels", suffix, other + mono, 12
        yield f"{name}, mono then stereo, chained", suffix, mono + other, 12
        yield f"{name}, three chained", suffix, other * 2 + mono, 18
        yield f"{name}, one byte wrong", suffix, flipped(whole, 0.5), 11.5
        yield f"{name}, 500 bytes lost", suffix, hole(whole, 0.5, 500), 11.5
        yield f"{name}, 10 kB blank", suffix, hole(whole, 0.5, 10_000, b"\0"), 10.5
        yield f"{name}, rubbish at the start", suffix, bytes(777) + whole, 12
        yield f"{name}, rubbish inside", suffix, inserted(whole, 0.5, b"?" * 5000), 11.5
        yield f"{name}, zeros behind", suffix, whole + bytes(5000), 12
        yield f"{name}, cut", suffix, whole[: len(whole) // 2], 6
        yield f"{name}, start lost", suffix, whole[:5000] + whole[len(whole) // 2 :], 6
    for rate in (RATE, 48000):
        flac = by_av(bursts(6), RATE, "flac", "ogg", None)
        more = by_av(bursts(6, rate, seed=2), rate, "flac", "ogg", None)
        yield f"FLAC, chained, {rate} Hz", ".oga", flac + more, 12
    yield "FLAC, one byte wrong", ".oga", flipped(flac, 0.5), 6


def chunk_cases() -> Iterator[Case]:
    """WAV, RF64, AIFF, W64, CAF and AU."""
    y, more = bursts(), b"LIST\x1a\0\0\0INFOISFT\x0e\0\0\0Lavf62.3.100\0\0"
    wav = by_soundfile(y, RATE, "WAV", subtype="PCM_16")
    size = len(wav) - 44
    for name, told in (
        ("0", 0),
        ("unknown", -1),
        ("2^31 - 1", 2**31 - 1),
        ("too large", size * 2),
    ):
        wrong = sized(sized(wav, b"data", told), b"RIFF", told)
        yield f"WAV, size {name}", ".wav", wrong, SECONDS
    yield "WAV, size too small", ".wav", sized(wav, b"data", 1000), SECONDS
    yield "WAV, only RIFF size 0", ".wav", sized(wav, b"RIFF", 0), SECONDS
    yield (
        "WAV, size 0, 24 bit",
        ".wav",
        sized(by_soundfile(y, RATE, "WAV", subtype="PCM_24"), b"data", 0),
        SECONDS,
    )
    yield "WAV, ID3v1 behind", ".wav", wav + ID3V1, SECONDS
    yield "WAV, LIST behind", ".wav", wav + more, SECONDS
    yield "WAV, zeros behind", ".wav", wav + bytes(512), SECONDS
    yield "WAV, cut", ".wav", wav[: len(wav) // 2], SECONDS / 2
    adpcm = by_soundfile(y, RATE, "WAV", subtype="IMA_ADPCM")
    yield "WAV, ADPCM", ".wav", adpcm, SECONDS
    yield "WAV, ADPCM, size 0", ".wav", sized(adpcm, b"data", 0), SECONDS
    rf64 = by_soundfile(y, RATE, "RF64", subtype="PCM_16")
    yield "RF64, size 0", ".wav", sized(rf64, b"ds64", 0, 8, skip=12), SECONDS
    yield "RF64, size unknown", ".rf64", sized(rf64, b"ds64", -1, 8, skip=12), SECONDS
    yield (
        "RF64, size too large",
        ".rf64",
        sized(rf64, b"ds64", 2**40, 8, skip=12),
        SECONDS,
    )
    aiff = by_soundfile(y, RATE, "AIFF", subtype="PCM_16")
    for name, told in (
        ("0", 0),
        ("unknown", -1),
        ("too large", size * 2),
        ("too small", 1000),
    ):
        yield (
            f"AIFF, size {name}",
            ".aiff",
            sized(aiff, b"SSND", told, order="big"),
            SECONDS,
        )
    yield (
        "AIFF, frames 0",
        ".aiff",
        sized(aiff, b"COMM", 0, order="big", skip=6),
        SECONDS,
    )
    none = sized(sized(aiff, b"SSND", 0, order="big"), b"COMM", 0, order="big", skip=6)
    yield "AIFF, size and frames 0", ".aiff", none, SECONDS
    w64 = by_soundfile(y, RATE, "W64", subtype="PCM_16")
    end = bytes.fromhex("f3acd3118cd100c04f8edb8a")
    for name, told in (
        ("0", 0),
        ("unknown", -1),
        ("too large", size * 2),
        ("too small", 1000),
    ):
        yield f"W64, size {name}", ".w64", sized(w64, b"data" + end, told, 8), SECONDS
    caf = by_soundfile(y, RATE, "CAF", subtype="PCM_16")
    for name, told in (
        ("0", 0),
        ("unknown", -1),
        ("too large", size * 2),
        ("too small", 1000),
    ):
        yield f"CAF, size {name}", ".caf", sized(caf, b"data", told, 8, "big"), SECONDS
    au = by_soundfile(y, RATE, "AU", subtype="PCM_16")
    for name, told in (
        ("0", 0),
        ("unknown", -1),
        ("too large", size * 2),
        ("too small", 1000),
    ):
        yield (
            f"AU, size {name}",
            ".au",
            sized(au, b".snd", told, order="big", skip=4),
            SECONDS,
        )
    floats = by_soundfile(y, RATE, "WAV", subtype="FLOAT")
    yield "WAV, float, size 0", ".wav", sized(floats, b"data", 0), SECONDS


def av_cases() -> Iterator[Case]:
    """Raw AAC, MP4, Matroska, WMA."""
    aac = by_av(bursts(), RATE, "aac", "adts")
    half = by_av(bursts(6), RATE, "aac", "adts")
    low = by_av(bursts(6, 22050, 1), 22050, "aac", "adts")
    yield "AAC, 2000 bytes lost", ".aac", hole(aac, 0.5, 2000), SECONDS - 0.15
    yield "AAC, one byte wrong", ".aac", flipped(aac, 0.5), SECONDS
    yield "AAC, zeros inside", ".aac", inserted(aac, 0.5, bytes(2000)), SECONDS
    yield "AAC, 4 kB blank", ".aac", hole(aac, 0.5, 4096, b"\0"), SECONDS - 0.28
    yield "AAC, zeros behind", ".aac", aac + bytes(4096), SECONDS
    yield "AAC, tags at both ends", ".aac", id3v2() + aac + ID3V1, SECONDS
    yield "AAC, joined", ".aac", half + half, SECONDS
    yield "AAC, joined, other rate, channels", ".aac", half + low, SECONDS
    yield "AAC, cut", ".aac", aac[: len(aac) // 2], SECONDS / 2
    m4a = by_av(
        bursts(),
        RATE,
        "aac",
        "mp4",
        movflags="frag_keyframe+empty_moov",
        frag_duration=10**6,
    )
    yield "M4A, in fragments", ".m4a", m4a, SECONDS
    yield "M4A, in fragments, cut", ".m4a", m4a[: len(m4a) // 2], SECONDS / 2
    mka = by_av(bursts(), RATE, "aac", "matroska")
    yield (
        "Matroska, 3000 bytes blank",
        ".mka",
        hole(mka, 0.5, 3000, b"\0"),
        SECONDS - 0.2,
    )
    yield "Matroska, cut", ".mka", mka[: len(mka) // 2], SECONDS / 2


GROUPS: dict[str, Callable[[], Iterator[Case]]] = {
    "MP3": mp3_cases,
    "FLAC": flac_cases,
    "OGG": ogg_cases,
    "chunks": chunk_cases,
    "FFmpeg": av_cases,
}


def measure(path: Path) -> tuple[float, float, int, str]:
    """Give seconds decoded, seconds that the warning names, their number, the error."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            y, rate = audio.load(path)
        except AudioError as error:
            return 0.0, 0.0, 0, str(error).split(".")[0]
    texts = [str(w.message) for w in caught if issubclass(w.category, AudioWarning)]
    lost = [float(s) for text in texts for s in re.findall(r"([\d.]+) s at ", text)]
    return len(y) / rate, sum(lost), len(lost) or len(texts), ""


def main() -> None:
    """Make every file, read it both ways, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", type=Path, help="folder to leave the files in")
    parser.add_argument("--only", help="group: " + ", ".join(GROUPS))
    options = parser.parse_args()
    print("| file | holds (s) | kept (s) | told as lost (s) | FFmpeg (s) |")
    print("|---|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        for group, cases in GROUPS.items():
            if options.only not in (None, group):
                continue
            for name, suffix, content, true in cases():
                path = folder / (re.sub(r"\W+", "_", f"{group} {name}") + suffix)
                path.write_bytes(content)
                kept, lost, count, error = measure(path)
                told = f"{lost:.2f}" if count else "-"
                print(
                    f"| {group}: {name} | {true:.2f} | {error or f'{kept:.2f}'} "
                    f"| {told} | {ffmpeg_seconds(path):.2f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
