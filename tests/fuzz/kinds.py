"""What is damaged, and who has to bear it."""

import io
import json
import random
import shutil
import zipfile
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
import soundfile

import keras_musictag as kmt
from keras_musictag import presets, tagfiles
from keras_musictag.cli import arguments
from keras_musictag.presets import records
from tests.fuzz import judge
from tests.fuzz.mutations import damaged, damaged_json, damaged_text

EXCERPT = 40_000  # bytes of real music, from its start
SOUNDFILE = {
    ".wav": {},
    ".aiff": {},
    ".au": {},
    ".caf": {},
    ".w64": {},
    ".rf64": {"format": "RF64"},
    ".flac": {},
    ".ogg": {},
    ".opus": {"format": "OGG", "subtype": "OPUS"},
    ".mp3": {},
    ".adpcm.wav": {"format": "WAV", "subtype": "MS_ADPCM"},
}
AV = {".m4a": "aac", ".mka": "ac3", ".webm": "libopus", ".wma": "wmav2", ".aac": "aac"}


class Seeds:
    """The undamaged files, made once in a folder of their own.

    Args:
        folder: Where to make them.
        corpus: Real music and chords.
    """

    def __init__(self, folder: Path, corpus: Path):
        self.folder, self.corpus = folder, corpus

    def make(self) -> None:
        """Make all of them."""
        for kind in ("audio", "chords", "tables", "configs", "checkpoints"):
            getattr(self, kind)

    @cached_property
    def audio(self) -> list[tuple[str, bytes]]:
        """Suffix and content: real music of each kind, and short tones in the rest."""
        found = []
        for path in sorted((self.corpus / "real").iterdir()):
            if path.suffix != ".tsv":
                whole = path.read_bytes()
                found.append((path.suffix, whole[:EXCERPT]))
        t = np.arange(24000) / 48000
        y = np.stack([0.3 * np.sin(2 * np.pi * f * t) for f in (220, 440)], axis=1)
        for suffix, kind in SOUNDFILE.items():
            path = self.folder / f"tone{suffix}"
            soundfile.write(path, y, 48000, **kind)
            found.append((path.suffix, path.read_bytes()))
        found += [(suffix, self._av(suffix, codec, y)) for suffix, codec in AV.items()]
        for suffix in (".mp3", ".flac", ".ogg", ".m4a", ".aiff"):
            path = self.folder / f"tagged{suffix}"
            shutil.copyfile(self.folder / f"tone{suffix}", path)
            tagfiles.write(path, {"genre": ["Rock"], "KMT_ROCK": ["0.5"]})
            found.append((suffix, path.read_bytes()))
        return found

    def _av(self, suffix, codec, y):
        import av

        path = self.folder / f"tone{suffix}"
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=48000, layout="stereo")
            stream.bit_rate = 128_000
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(y.T, "f4"), "fltp", "stereo"
            )
            frame.sample_rate, frame.pts = 48000, 0
            for part in (frame, None):
                container.mux(stream.encode(part))
        return path.read_bytes()

    @cached_property
    def chords(self) -> dict[str, list[bytes]]:
        """Content by suffix."""
        found: dict[str, list[bytes]] = {
            ".lab": [],
            ".jams": [],
            ".json": [],
            ".csv": [],
        }
        for path in sorted((self.corpus / "chords").glob("*.lab"))[::6]:
            song = kmt.ChordSequence.from_lab(path)
            found[".lab"].append(path.read_bytes())
            found[".jams"].append(song.to_jams().encode())
            found[".json"].append(song.to_json().encode())
            found[".csv"].append(song.to_csv().encode())
        return found

    @cached_property
    def tables(self) -> list[bytes]:
        """CSV data sets: tags in one column, and numbers in several."""
        path = self.corpus / "tags" / "tags.csv"
        table = b"path,calm,wild,split\na.mp3,0.5,1,train\nb.mp3,,0,test\n"
        return [b"".join(path.read_bytes().splitlines(True)[:20]), table]

    @cached_property
    def configs(self) -> list[bytes]:
        """What `config.json` of a saved model holds."""
        found = []
        for name in ("musicnn_mtt", "vgg_msd", "fcn_mtat"):
            record = presets.preset_info(name)
            record |= {"format_version": 1}
            found.append(json.dumps(record).encode())
        return found

    @cached_property
    def checkpoints(self) -> list[bytes]:
        """Small state dictionaries in both formats of `torch.save`."""
        import torch

        found = []
        thing = {
            "state_dict": {f"layer{i}.weight": torch.ones(3, 4) * i for i in range(4)},
            "epoch": 3,
        }
        thing["state_dict"]["half"] = torch.zeros(5, dtype=torch.bfloat16)
        for new in (True, False):
            file = io.BytesIO()
            torch.save(thing, file, _use_new_zipfile_serialization=new)
            found.append(file.getvalue())
        return found


# === Trials: each damages one seed and returns what has to bear it ===

Trial = tuple[str, Callable[[], object]]


def audio(seeds: Seeds, chance: random.Random, folder: Path) -> Trial:
    suffix, data = chance.choice(seeds.audio)
    _, other = chance.choice(seeds.audio)
    if chance.random() < 0.1:
        suffix, _ = chance.choice(seeds.audio)  # the name lies
    path = folder / f"damaged{suffix}"
    path.write_bytes(damaged(data, chance, other))
    act = chance.choice(("load", "blocks", "duration", "tags"))
    return f"{act} {suffix}", {
        "load": lambda: judge.judge(path, lambda: judge.load(path)),
        "blocks": lambda: judge.judge(path, lambda: judge.stream(path)),
        "duration": lambda: kmt.audio.duration(path),
        "tags": lambda: _tags(path),
    }[act]


def _tags(path):
    tagfiles.read(path)
    tagfiles.write(path, {"genre": ["Pop"], "tempo": ["99"]}, overwrite=True)
    tagfiles.undo(path)


def checkpoint(seeds: Seeds, chance: random.Random, folder: Path) -> Trial:
    data, other = (chance.choice(seeds.checkpoints) for _ in range(2))
    if data[:2] == b"PK" and chance.random() < 0.6:  # inside, with sums that fit
        data = _rezipped(data, chance)
    else:
        data = damaged(data, chance, other)
    path = folder / "damaged.pth"
    path.write_bytes(data)
    return "checkpoint", lambda: kmt.conversion.read_checkpoint(path)


def _rezipped(data, chance):
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("data.pkl") or chance.random() < 0.1:
                content = damaged(content, chance, content)
            new.writestr(name, content)
    return file.getvalue()


def chords(seeds: Seeds, chance: random.Random, folder: Path) -> Trial:
    suffix = chance.choice(list(seeds.chords))
    data, other = (chance.choice(seeds.chords[suffix]) for _ in range(2))
    harm = damaged_json if suffix in (".jams", ".json") else damaged_text
    path = folder / f"damaged{suffix}"
    path.write_bytes(harm(data, chance, other))
    read = getattr(kmt.ChordSequence, f"from_{suffix[1:]}")
    return f"chords {suffix}", lambda: _use(read(path))


def _use(song):
    """What is read must also be fit for use."""
    song.key()
    song.to_lab()


def table(seeds: Seeds, chance: random.Random, folder: Path) -> Trial:
    index = chance.randrange(2)
    data = seeds.tables[index]
    path = folder / "damaged.csv"
    path.write_bytes(damaged_text(data, chance, seeds.tables[1 - index]))
    options = {"bad_rows": chance.choice(("raise", "skip")), "separator": "|"}
    if index == 1:
        options |= {"tags": ["calm", "wild"]}
    return "table", lambda: kmt.data.from_csv(path, **options)


def config(seeds: Seeds, chance: random.Random, folder: Path) -> Trial:
    data, other = (chance.choice(seeds.configs) for _ in range(2))
    (folder / records.CONFIG_FILE).write_bytes(damaged_json(data, chance, other))
    return "config", lambda: _read_config(folder)


def _read_config(folder):
    record = arguments.read_record(str(folder))
    kmt.Labels.from_config(record["config"]["labels"])


def field_map(seeds: Seeds, chance: random.Random, folder: Path) -> Trial:
    text = b'max_labels = 2\n[fields]\ngenre = "genre"\n[labels]\nrock = "Rock"\n'
    path = folder / "damaged.toml"
    path.write_bytes(damaged_text(text, chance, text))
    return "map", lambda: tagfiles.FieldMap.from_toml(path)


# Audio has most ways to go wrong.
KINDS = (
    (audio,) * 8 + (checkpoint,) * 4 + (chords,) * 4 + (table, table, config, config)
)
KINDS += (field_map,)
