#!/usr/bin/env bash
# An Ogg file may be a chain: one whole stream after another, as the standard of the
# container allows and as recorders of web radio write it, with a new link for each song.
# soundfile opens such a file, announces the frames of the first link alone, reads these and
# stops. No error, no warning: of 6 + 6 seconds, 6 are heard. FFmpeg plays all 12 of two links
# alike. The same for Vorbis and Opus. Files of FLAC in Ogg were not tried.
# Found with soundfile 0.14.0 (libsndfile 1.2.2) and PyAV 18.1.0.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check soundfile==0.14.0 av==18.1.0 numpy==2.4.6 2>/dev/null
venv/bin/python - <<'PY'
import av
import numpy as np
import soundfile as sf


def ffmpeg_seconds(path):
    with av.open(path) as container:
        frames = list(container.decode(audio=0))
    return sum(frame.samples for frame in frames) / frames[0].sample_rate


for subtype, rate in (("VORBIS", 44100), ("OPUS", 48000)):
    for number in (1, 2):
        tone = 0.3 * np.sin(2 * np.pi * 220 * number * np.arange(6 * rate) / rate)
        sf.write(f"{number}.ogg", tone, rate, format="OGG", subtype=subtype)
    with open("chain.ogg", "wb") as chain:
        chain.write(open("1.ogg", "rb").read() + open("2.ogg", "rb").read())
    announced, read = sf.info("chain.ogg").duration, len(sf.read("chain.ogg")[0]) / rate
    ffmpeg = ffmpeg_seconds("chain.ogg")
    print(f"{subtype:6s} soundfile announces {announced:.2f} s, reads {read:.2f} s; FFmpeg {ffmpeg:.2f} s")
    assert abs(read - 6) < 0.1 and abs(announced - 6) < 0.1 and abs(ffmpeg - 12) < 0.1
PY
