"""How each kind of file is laid out, found from its bytes without decoding."""

import re
from pathlib import Path
from typing import Any

from keras_musictag.audio import containers, flac, mpeg, ogg
from keras_musictag.audio.mpeg_headers import (
    DECODER_DELAY,
    ENCODER_DELAY,
    LARGEST_FRAME,
)
from keras_musictag.audio.pieces import Pieces, read_at, rewound
from keras_musictag.audio.segments import Layout, Loss, Segment
from keras_musictag.audio.tag_sizes import behind_tags

_HEAD = 2**16
_OGG_SUFFIXES = (".oga", ".ogg", ".opus")
_MPEG_SUFFIXES = (".mp1", ".mp2", ".mp3", ".mpga")
# Files that are something else, whatever their suffix: MP4, Matroska, ASF, MPEG
# program and transport streams.
_OTHERS = re.compile(
    rb"....ftyp|\x1aE\xdf\xa3|0&\xb2u\x8ef\xcf\x11|\0\0\x01\xba|G.{187}G.{187}G",
    re.DOTALL,
)


def lay_out(
    name: str, file: Any, compensate_delay: bool = False, is_mpeg: bool = False
) -> Layout:
    """Find how to read a file.

    Args:
        name: Its name; the suffix matters where rubbish comes first.
        file: Binary file object.
        compensate_delay: Whether to leave out the encoder's and decoder's delay of an
            MP3 that does not tell it.
        is_mpeg: Whether it is MPEG audio, whatever it begins with.

    Returns:
        A `Layout`; of unknown kinds the file as it is.
    """
    head = read_at(file, 0, _HEAD)
    suffix = Path(name).suffix.lower()
    family = None if is_mpeg else containers.layout(file, head)
    if family is not None:
        return family
    layout, named = None, is_mpeg or suffix in _MPEG_SUFFIXES
    if not is_mpeg and (head[:4] == b"OggS" or suffix in _OGG_SUFFIXES):
        layout = ogg.layout(file, head)
    elif not is_mpeg and (head[:3] in (b"fLa", b"ID3") or suffix == ".flac"):
        layout = flac.layout(file, head)
    if layout is None and (is_mpeg or not _OTHERS.match(head)):
        layout = _mpeg_layout(file, head, named, compensate_delay)
    return layout or Layout([Segment(file)])


def _mpeg_layout(
    file: Any, head: bytes, named: bool, compensate_delay: bool
) -> Layout | None:
    with rewound(file) as source:
        if not named:  # only what begins with frames
            begin = behind_tags(head, 0)
            source.seek(begin)
            start = source.read(2)
            if len(start) < 2 or start[0] != 255 or start[1] < 0xE2:
                return None
        survey = mpeg.survey(source)
    if not survey.runs:
        return None
    if not named and survey.offsets[0] > behind_tags(head, 0):
        return None
    layout = Layout([], survey.losses(), survey=survey)
    for runs in survey.formats():
        samples = sum(run.stop - run.first for run in runs)
        samples *= runs[0].format.frame_samples
        pieces, zeros = survey.pieces(runs, runs[0].first, runs[-1].stop)
        segment = Segment(Pieces(file, pieces, zeros), count=samples)
        if layout.segments and survey.headed(runs):  # FFmpeg: a frame of silence
            segment.gap = runs[0].format.frame_samples
        layout.segments.append(segment)
    _trim(layout, survey, compensate_delay)
    if len(survey.runs) == 1 and survey.offsets[0] == behind_tags(head, 0):
        segment, info = layout.segments[0], survey.info
        trims = info is not None and info.delay is not None  # as libsndfile does
        lead = 0 if trims else segment.lead
        layout.direct = Segment(file, lead, segment.count)
    return layout


def _trim(layout: Layout, survey: mpeg.Survey, compensate_delay: bool) -> None:
    """Leave out the samples that the encoder put before and behind the sound."""
    first, form = layout.segments[0], survey.runs[0].format
    total, info = first.count or 0, survey.info
    frames = total // form.frame_samples
    if info is None or info.delay is None:
        if compensate_delay and form.layer == 3:
            first.lead = min(total, ENCODER_DELAY + DECODER_DELAY)
    else:
        first.lead = min(total, info.delay + DECODER_DELAY)
    first.count = total - first.lead
    layout.lead = first.lead
    if info is None or info.frames is None:
        return
    told = info.frames * form.frame_samples
    if info.delay is not None:
        after = max(0, info.padding - DECODER_DELAY)
        told -= first.lead + after
        if info.frames == frames:
            first.count = max(0, first.count - after)
    whole = info.size is not None and info.size <= survey.sound_bytes + LARGEST_FRAME
    if told > 0 and len(layout.segments) == 1 and not whole:
        layout.announced = max(told, first.count)
        missing = (layout.announced - first.count) / form.sample_rate
        if survey.ends_whole and missing:  # not at the end, but in the holes
            in_losses = sum(loss.seconds for loss in layout.losses)
            scale = max(1.0, missing / in_losses) if in_losses else 1.0
            layout.losses = [Loss(at, scale * lost) for at, lost in layout.losses]
