#!/usr/bin/env bash
# FFmpeg turns Vorbis into Opus whose pages lie about their positions: where a timestamp of the
# source jumps, by a hundredth of a second, so does the position of the page, though no sound is
# there or missing. Each packet says how long it is, players go by that, and FFmpeg decodes all.
# soundfile (libsndfile 1.2.2) reads up to that page and then raises "Supported file format but
# file is malformed": the rest of the song cannot be had. `ffmpeg -i song.ogg song.opus`, no
# options but a bit rate, is enough; of 28 songs of 45 s 14 came out so (FFmpeg 5.1).
# Found with soundfile 0.14.0 (libsndfile 1.2.2) and FFmpeg 7.0.2 (imageio-ffmpeg 0.6.0).
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check soundfile==0.14.0 imageio-ffmpeg==0.6.0 numpy==2.4.6 2>/dev/null
venv/bin/python - <<'PY'
import subprocess

import imageio_ffmpeg
import numpy as np
import soundfile as sf

ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
rate, seconds = 44100, 30
rng = np.random.default_rng(0)
clicks = np.zeros((seconds * rate, 2), "float32")
for start in rng.integers(0, len(clicks) - 2000, 200):  # long and short windows of Vorbis
    decay = np.exp(-np.arange(2000) / 200)[:, None]
    clicks[start : start + 2000] += 0.3 * rng.normal(size=(2000, 2)) * decay
sf.write("song.ogg", clicks.clip(-1, 1), rate, format="OGG", subtype="VORBIS")
subprocess.run(
    [ffmpeg, "-v", "error", "-i", "song.ogg", "-b:a", "64k", "song.opus"], check=True
)
raw = subprocess.run(
    [ffmpeg, "-v", "error", "-i", "song.opus", "-f", "s16le", "-ac", "2", "-"],
    check=True, capture_output=True,
).stdout
heard = len(raw) / 4 / 48000
with sf.SoundFile("song.opus") as file:
    announced, read = file.frames / 48000, 0
    try:
        while len(block := file.read(4800)):
            read += len(block)
        error = "none"
    except sf.LibsndfileError as problem:
        error = str(problem)
print(f"FFmpeg hears {heard:.2f} s; soundfile announces {announced:.2f} s, reads {read / 48000:.2f} s, then: {error}")
assert abs(heard - seconds) < 0.1 and "malformed" in error and read / 48000 < seconds - 0.5
PY
