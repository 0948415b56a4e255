#!/usr/bin/env bash
# FFmpeg writes the metadata key 'tmpo' into an M4A as the atom of that name, the usual place
# of a song's tempo, which every tag library reads. Opening the same file it shows no tempo:
# neither in the metadata of the container nor of the stream. Other atoms that hold a whole
# number come back ('compilation', 'rating', 'media_type'). So a tempo is lost, without a
# warning, where FFmpeg copies a song from M4A to M4A with all the metadata that it shows,
# and a program that reads tags by FFmpeg believes that no M4A has a tempo. The option
# export_all of the reader brings it, under 'tmpo'; a freeform atom 'BPM' is shown always.
# Found with av 18.1.0 (FFmpeg 8.1.2) and mutagen 1.48.1 as the other reader.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check av==18.1.0 mutagen==1.48.1 numpy==2.4.6 2>/dev/null
venv/bin/python - <<'PY'
import av
import numpy as np
from mutagen.mp4 import MP4

def write(path, **metadata):
    tone = 0.1 * np.sin(2 * np.pi * 440 * np.arange(44100) / 44100)
    with av.open(path, "w") as output:
        output.metadata.update(metadata)
        stream = output.add_stream("aac", rate=44100, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone[None].astype("float32"), format="fltp", layout="mono")
        frame.sample_rate = 44100
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            output.mux(packet)

def copy(source, target, **how):
    with av.open(source, **how) as file, av.open(target, "w") as output:
        output.metadata.update(file.metadata)
        old = file.streams.audio[0]
        new = output.add_stream_from_template(old)
        for packet in file.demux(old):
            if packet.dts is not None:
                packet.stream = new
                output.mux(packet)

def shown(path, **how):
    with av.open(path, **how) as file:
        return {**file.metadata, **file.streams.audio[0].metadata}

def atom(path):
    return MP4(path).tags.get("tmpo")

write("song.m4a", title="Song", tmpo="126", compilation="1")
tags = MP4("song.m4a")
tags["rtng"] = tags["stik"] = [1]
tags.save()
seen = shown("song.m4a")
everything = shown("song.m4a", options={"export_all": "1"})
print("mutagen   ", dict(MP4("song.m4a").tags))
print("FFmpeg    ", seen)
print("export_all", everything)
assert atom("song.m4a") == [126]
assert not any("126" in value for value in seen.values())
numbers = [seen[name] for name in ("title", "compilation", "rating", "media_type")]
assert numbers == ["Song", "1", "1", "1"]
assert everything["tmpo"] == "126"

copy("song.m4a", "copy.m4a")
copy("song.m4a", "whole_copy.m4a", options={"export_all": "1"})
print("tempo of a copy, and of one with export_all:", atom("copy.m4a"), atom("whole_copy.m4a"))
assert MP4("copy.m4a").tags["\xa9nam"] == ["Song"] and MP4("copy.m4a").tags["cpil"]
assert atom("copy.m4a") is None and atom("whole_copy.m4a") == [126]

tags["----:com.apple.iTunes:BPM"] = b"126"
tags.save()
assert shown("song.m4a")["BPM"] == "126"
PY
