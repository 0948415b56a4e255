"""Tags in music files: fields that players show, and scores; needs the extra `files`.

MP3, WAV, AIFF, TTA and DSF have ID3 tags, FLAC, OGG and Opus Vorbis comments, WavPack
and Monkey's Audio APEv2, WMA the attributes of ASF, M4A its atoms. The sound is never
touched, and `undo` brings back each byte.
"""

from keras_musictag.tagfiles.fields import FieldMap, choose_fields, score_fields
from keras_musictag.tagfiles.writing import FieldChange, read, undo, write

__all__ = [
    "FieldChange",
    "FieldMap",
    "choose_fields",
    "read",
    "score_fields",
    "undo",
    "write",
]
