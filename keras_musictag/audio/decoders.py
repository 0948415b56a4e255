"""Decoders: soundfile for what libsndfile reads, PyAV for the rest.

`open_sound` picks one. Before soundfile decodes a file, its structure is read:
`layouts` finds joined streams, rubbish, holes and wrong numbers in headers. Both
decoders give blocks of `(n, channels)` float32 samples, go on behind damage, and say
what is missing and where:

- WAV, AIFF, CAF, W64: the header announces more bytes than there are.
- FLAC: frames that do not decode; silence takes their place.
- OGG: pages that are missing or damaged; the last one is incomplete or not marked as
  the end of its stream.
- MP3: bytes between frames that are no tag; more than 0.25 s less than the number of
  frames in its Xing, Info or VBRI header.
- MP4, MOV, Matroska, WebM, ASF: more than 0.25 s less than announced. AAC: bytes
  between frames. Any format read by PyAV: a packet that cannot be decoded.

A stream that changes its rate or its channels is converted to what it had first.
"""

import contextlib
import os
import re
from pathlib import Path
from typing import Any

from keras_musictag.audio.av_decoder import AvDecoder, NotDecodable
from keras_musictag.audio.inputs import check_source, open_path
from keras_musictag.audio.layouts import lay_out
from keras_musictag.audio.pieces import read_at
from keras_musictag.audio.soundfile_decoder import SoundFileDecoder
from keras_musictag.errors import AudioError, import_extra

SOUNDFILE_SUFFIXES = frozenset(
    (
        ".8svx .aif .aifc .aiff .au .avr .bwf .caf .flac .ircam .mp1 .mp2 .mp3 .mpa "
        ".mpga .nist .oga .ogg .opus .paf .pvf .rf64 .sf .snd .sph .svx .voc .w64 .wav "
        ".wave"
    ).split()
)
AV_SUFFIXES = frozenset(
    (
        ".3g2 .3gp .aa3 .aac .ac3 .amr .ape .asf .avi .awb .dff .dsf .dts .dtshd .eac3 "
        ".ec3 .f4a .f4v .flv .gsm .m2t .m2ts .m4a .m4b .m4r .m4v .mka .mks .mkv .mlp "
        ".mov .mp4 .mpc .mpeg .mpg .mts .ogv .ogx .oma .qcp .ra .rm .shn .spx .tak "
        ".thd .ts .tta .vob .weba .webm .wma .wmv .wv"
    ).split()
)

# MP4 family, Matroska and WebM, ASF (WMA).
_AV_MAGIC = re.compile(rb"....ftyp|\x1aE\xdf\xa3|0&\xb2u\x8ef\xcf\x11", re.DOTALL)


def open_sound(
    source: Any, *, compensate_delay: bool = False
) -> SoundFileDecoder | AvDecoder:
    """Open a file with the decoder that can read it.

    Args:
        source: Path or binary file object.
        compensate_delay: As in `keras_musictag.audio.load`.

    Returns:
        The decoder; a context manager that closes the file.

    Raises:
        AudioError: If the file is not audio or its header is damaged.
        MissingExtraError: If it needs the extra `av`, which is not installed.
    """
    if not isinstance(source, (str, os.PathLike)):
        return _find_decoder(*check_source(source), compensate_delay)
    # A path is opened once, here, for all that look into it and for the decoder.
    with contextlib.ExitStack() as on_error:
        file = on_error.enter_context(open_path(Path(source).expanduser()))
        sound = _find_decoder(str(source), file, compensate_delay)
        sound.owned = on_error.pop_all()
    return sound


def _find_decoder(
    name: str, file: Any, compensate_delay: bool
) -> SoundFileDecoder | AvDecoder:
    import soundfile

    suffix = Path(name).suffix.lower()
    try:
        if suffix != ".raw":  # no header: libsndfile would believe anything
            layout = lay_out(name, file, compensate_delay)
            sound = SoundFileDecoder(name, file, layout)
            if sound.kind[0] == "MP3" and layout.survey is None:
                layout = lay_out(name, file, compensate_delay, is_mpeg=True)
                sound = SoundFileDecoder(name, file, layout)
            return sound
    except soundfile.LibsndfileError as error:
        cause = error.error_string.strip().rstrip(".")
    else:
        cause = "samples without a header"
    if suffix in AV_SUFFIXES or _AV_MAGIC.match(read_at(file, 0, 16)):
        import_extra("av", "av", f"Reading {suffix or 'such'} files")
    try:
        return AvDecoder(name, file)
    except ImportError:
        pass  # optional here: the file has no mark of a format that PyAV reads
    except NotDecodable as error:
        cause = str(error) if suffix not in SOUNDFILE_SUFFIXES else cause
    if cause.startswith("File does not exist"):  # what libsndfile says of odd MP3s
        cause = "no MPEG audio found"
    raise AudioError(
        f"The file is not audio in a known format, or its header is damaged ({cause}).",
        received=name,
        advice="Check that it plays elsewhere; convert it to WAV, FLAC or MP3.",
    )
