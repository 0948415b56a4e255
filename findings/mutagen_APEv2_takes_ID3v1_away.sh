#!/usr/bin/env bash
# A program that adds one APEv2 field to an MP3 with mutagen loses the title and artist of a
# song whose tag is an ID3v1. ID3v1 must be the last 128 bytes of a file, and APEv2 belongs
# before it, but APEv2.save() puts the new tag behind: the bytes of the ID3v1 remain and no
# reader finds them, FFmpeg and mutagen itself among them. If the file has both tags in the
# right order, saving the APEv2 deletes the ID3v1 for good. Neither warns; deleting the APEv2
# leaves the ID3v1 alone in both cases.
# Found with mutagen 1.48.1; FFmpeg 8.1.2 of av 18.1.0 reads title, artist, album, date, track
# and genre before the save, and nothing after.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check mutagen==1.48.1 av==18.1.0 soundfile==0.14.0 numpy==2.4.6 2>/dev/null
venv/bin/python - <<'PY'
import pathlib
import struct

import av
import numpy as np
import soundfile as sf
from mutagen.apev2 import APEv2, delete
from mutagen.mp3 import MP3

song = pathlib.Path("song.mp3")
sf.write(song, 0.1 * np.sin(np.arange(88200) / 16), 44100, format="MP3")
sound = song.read_bytes()
id3v1 = struct.pack(
    "3s30s30s30s4s28sBBB", b"TAG", b"So What", b"Miles Davis", b"Kind of Blue", b"1959", b"", 0, 1, 8
)
assert len(id3v1) == 128 and b"TAG" not in sound[-128:]

def look(step):
    """Whether the ID3v1 is in the file, and the titles that mutagen and FFmpeg find."""
    stored = id3v1 in song.read_bytes()
    title = str((MP3(song).tags or {}).get("TIT2", ""))
    with av.open(str(song)) as file:
        other = file.metadata.get("title", "")
    print(f"{step:36s} ID3v1 stored: {stored!s:5}  mutagen: {title!r:9}  FFmpeg: {other!r}")
    return stored, title, other

kept, hidden, gone = (True, "So What", "So What"), (True, "", ""), (False, "", "")
song.write_bytes(sound + id3v1)
assert look("sound, ID3v1") == kept
tag = APEv2()
tag["mood"] = "calm"
tag.save(song)
assert look("  a new APEv2 saved") == hidden
apev2 = song.read_bytes()[len(sound + id3v1) :]
delete(song)
assert look("  the APEv2 deleted") == kept

song.write_bytes(sound + apev2 + id3v1)
assert look("sound, APEv2, ID3v1") == kept
tag = APEv2(song)
tag["mood"] = "wild"
tag.save()
assert look("  the APEv2 saved") == gone
song.write_bytes(sound + apev2 + id3v1)
delete(song)
assert look("  the APEv2 deleted instead") == kept
PY
