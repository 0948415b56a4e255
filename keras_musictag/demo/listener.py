"""`Listener`: the models behind the page, and what they make of a file."""

import functools
import threading
from typing import Any

from keras_musictag import presets
from keras_musictag.beats import BeatSequence
from keras_musictag.chords import VOCABULARIES, get_vocabulary
from keras_musictag.chords.chordogram import Chordogram
from keras_musictag.chords.sequence import ChordSequence
from keras_musictag.demo.survey import survey
from keras_musictag.engines.files import ready_engine
from keras_musictag.errors import ConfigError
from keras_musictag.presets.records import read_record
from keras_musictag.tracks.taggram import Taggram

# Each recogniser has its own steady decoder.
STEADY = "viterbi"
DECODERS = {STEADY: "Steady (Viterbi)", "argmax": "Frame by frame"}
EVERYTHING = "all"
BEAT_PRESET = "beatnet"  # quick, and in the package
VOCABULARY_NAMES = {
    EVERYTHING: "All it knows",
    "majmin": "Major and minor",
    "sevenths": "With sevenths",
    "tetrads": "14 qualities",
}
REMEMBERED = 8  # results kept, so that another vocabulary costs no second hearing


class Listener:
    """Loads each model once and remembers the last results.

    Args:
        taggers: Names of presets or folders of taggers; the first is the page's choice.
        recognizers: The same for chords.
        max_minutes: Length of a recording, at most.
        segments: Labels or groups of which the page shows where they are heard, with
            the lowest score that counts; if empty it chooses for itself.

    Raises:
        ConfigError: If a preset names chords where tags are wanted, or the reverse.
        PresetError: If there is no such preset.
    """

    def __init__(self, taggers, recognizers, max_minutes: float, segments=()):
        self.max_minutes, self.segments = max_minutes, segments
        self.taggers = [*dict.fromkeys((*taggers, *_bundled(chords=False)))]
        self.recognizers = [*dict.fromkeys((*recognizers, *_bundled(chords=True)))]
        named = (*self.taggers, *self.recognizers)
        self._records = {name: read_record(name) for name in named}
        for names, wants_chords in ((taggers, False), (recognizers, True)):
            for name in names:
                _check_kind(name, self._records[name], wants_chords)
        remember = functools.lru_cache(maxsize=REMEMBERED)
        self._lock, self._load = threading.Lock(), functools.cache(self._model)
        self._load_keras = functools.cache(self._keras_model)
        self.survey = remember(lambda path: survey(path, max_minutes))
        self.taggram = remember(self._taggram)
        self.chordogram = remember(self._chordogram)
        self.beats = remember(self._beats)
        self.seconds = remember(self._seconds)

    def model(self, name: str) -> Any:
        """Return a model, loaded at first use."""
        with self._lock:
            return self._load(name)

    def keras_model(self, name: str) -> Any:
        """Return a model that knows its gradients, loaded at first use."""
        with self._lock:
            return self._load_keras(name)

    def vocabularies(self, recognizer: str) -> list[tuple[str, str]]:
        """Return which chords a recogniser can tell apart: what to call it, its name.

        The last one tells the most.
        """
        own = self._records[recognizer]["config"]["vocabulary"]
        size = len(own["labels"] if isinstance(own, dict) else get_vocabulary(own))
        smaller = [name for name in VOCABULARIES if len(get_vocabulary(name)) < size]
        names = [name for name in smaller if name in VOCABULARY_NAMES]
        return [(VOCABULARY_NAMES[name], name) for name in (*names, EVERYTHING)]

    def chords(
        self, path: str, recognizer: str, vocabulary: str, decoder: str
    ) -> ChordSequence:
        """Name the chords of a file."""
        return self.chordogram(path, recognizer).decode(
            None if vocabulary == EVERYTHING else vocabulary,
            None if decoder == STEADY else decoder,
        )

    # === Each of these is done once for a file ===

    def _model(self, name: str) -> Any:
        return ready_engine(name, many=True) or self._load_keras(name)

    def _keras_model(self, name: str) -> Any:
        if name in self.recognizers:
            from keras_musictag.models.recognizer import ChordRecognizer

            return ChordRecognizer.from_pretrained(name)
        if name == BEAT_PRESET:
            from keras_musictag.models.tracker import BeatTracker

            return BeatTracker.from_pretrained(name)
        from keras_musictag.models.tagger import MusicTagger

        return MusicTagger.from_pretrained(name)

    def _taggram(self, path: str, tagger: str) -> Taggram:
        return self.model(tagger).taggram(path)

    def _chordogram(self, path: str, recognizer: str) -> Chordogram:
        return self.model(recognizer).chordogram(path)

    def _beats(self, path: str) -> BeatSequence:
        return self.model(BEAT_PRESET).track(path)

    def _seconds(self, path: str, tagger: str, label: str) -> list[float]:
        """Return what each second did for a tag."""
        from keras_musictag.insight.saliency import saliency

        found = saliency(self.keras_model(tagger), path, label)
        return [round(float(value), 5) for value in found.seconds()]


OPTIONS = {"tags": "--preset", "chords": "--chords"}


def _check_kind(name: str, record: dict, wants_chords: bool) -> None:
    task, wanted = record["task"], "chords" if wants_chords else "tags"
    if task != wanted:
        other = OPTIONS.get(task)
        raise ConfigError(
            f"This preset names {'keys' if task == 'key' else task}.",
            received=f"{OPTIONS[wanted]} {name}",
            advice=f"Use: {other} {name}"
            if other
            else f"Give one that names {wanted}.",
        )


def _bundled(*, chords: bool) -> list[str]:
    """Presets whose weights are in the package: these fetch nothing."""
    task = "chords" if chords else "tags"
    records = map(presets.preset_info, presets.list_presets())
    return [
        record["name"]
        for record in records
        if record["weights"]["source"] == "bundled" and record["task"] == task
    ]
