#!/usr/bin/env bash
# sfizz reads the beginning of a sample when an SFZ file is loaded, and the rest while it plays, in
# a thread of its own. pysfizz turns "freewheeling" on, the mode for rendering to a file, in which
# one would expect the player to wait for that thread. It does not always: now and then the first
# note of a synth ends where the part ends that was read before, after 0.19 s, and the rest of the
# five seconds is silence, without a word. The same note a moment later is whole, so that a
# program that makes its notes in a row gets songs with a hole in them, another one each time.
# Found with pysfizz 0.1.3, a FLAC of 10 s and notes of 5 s: one first note in four to fourteen.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pysfizz==0.1.3 numpy==2.4.6 \
  soundfile==0.13.1 2>/dev/null
venv/bin/python - <<'PY'
import subprocess
import sys

import numpy as np
import soundfile

rate = 44100
seconds = np.arange(10 * rate) / rate
soundfile.write("tone.flac", 0.5 * np.sin(2 * np.pi * 440 * seconds), rate)
with open("tone.sfz", "w") as file:
    file.write("<region> sample=tone.flac pitch_keycenter=69\n")

program = """
import time
import numpy as np
import pysfizz

synth = pysfizz.Synth(22050, 64)
synth.load_sfz_file("tone.sfz")
for _ in range(2):
    sound = synth.render_note(69, 100, 5.0, 6.0)[0]
    blocks = np.abs(sound[: len(sound) // 441 * 441].reshape(-1, 441)).max(axis=1)
    print(0.02 * (blocks > 1e-3).sum())
    time.sleep(0.5)
"""
first, second = [], []
while len(first) < 200 and not sum(one < 1 for one in first) > 1:
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    one, other = map(float, said.stdout.split())
    first.append(one)
    second.append(other)
short = sum(one < 1 for one in first)
print(f"notes of 5 s, one in each of {len(first)} processes: {short} sound for less than 1 s")
print(f"the shortest of the first: {min(first):.2f} s; of the second: {min(second):.2f} s")
sys.exit(0 if short and min(second) > 4.9 else "The behaviour has changed.")
PY
