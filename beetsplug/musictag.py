"""A plugin for beets: `beet musictag` keeps the scores of each song as fields.

In beets' config.yaml, with the defaults:

    plugins: musictag
    musictag:
        preset: musicnn_msd   # or a saved folder
        groups: []            # such as [mood, genre]; empty for all labels
        key: no               # also beets' initial_key, where it is empty
        tempo: no             # also beets' bpm, where it is empty, and kmt_tempo
        auto: yes             # also on import
        force: no             # also songs that have scores of this preset
        write: no             # also into the tags of the files
"""

import os
from typing import Any

from beets import ui
from beets.dbcore import types
from beets.plugins import BeetsPlugin

from keras_musictag import environment, presets, tagfiles
from keras_musictag.errors import MissingExtraError, MusicTagError
from keras_musictag.labels import Labels
from keras_musictag.presets.records import read_folder

PRESET = "kmt_preset"  # the field that names where the scores come from
TEMPO = "kmt_tempo"  # the exact tempo, 0 for a song without beats
FAILURES = (MusicTagError, MissingExtraError, OSError)


class MusicTagPlugin(BeetsPlugin):
    """Adds `kmt_mellow` and the like, one number for each label of the preset."""

    def __init__(self):
        super().__init__()
        self.config.add(
            {
                "preset": "musicnn_msd",
                "groups": [],
                "key": False,
                "tempo": False,
                "auto": True,
                "force": False,
                "write": False,
            }
        )
        self._model: Any = None
        self._keys: Any = None
        self._tracker: Any = None
        if self.config["auto"].get(bool):
            # By then the files lie where they will stay: those are written.
            self.register_listener("import_task_files", self._imported)

    @property
    def item_types(self):
        """The fields of all presets are numbers, so that ranges can be asked for."""
        records = [presets.preset_info(name) for name in presets.list_presets()]
        records = [r for r in records if r["task"] == "tags"]
        names = {name for r in (*records, self._record()) for name in _fields(r)}
        return {**dict.fromkeys(names, types.Float(4)), TEMPO: types.Float(2)}

    def commands(self):
        """Give the command `beet musictag`."""
        command = ui.Subcommand("musictag", help="score genres, moods, instruments")
        options = command.parser
        options.add_option(
            "-f", "--force", action="store_true", help="score songs that have scores"
        )
        options.add_option("-k", "--key", action="store_true", help="find the key too")
        options.add_option(
            "-t", "--tempo", action="store_true", help="find the tempo too"
        )
        options.add_option(
            "-w", "--write", action="store_true", help="write into the files too"
        )
        options.add_option(
            "-W", "--nowrite", action="store_false", dest="write", help="do not"
        )

        def run(library, chosen, query):
            self.config.set_args(chosen)
            self.tag(library.items(query))

        command.func = run
        return [command]

    def tag(self, items) -> None:
        """Score songs and store the scores; one that cannot be read is named."""
        record = self._record()
        if not self.config["force"].get(bool):
            items = [i for i in items if self._lacks(i)]
        items = list(items)
        fields = _fields(record, self.config["groups"].as_str_seq())
        if not items:
            self._log.info("no song lacks the scores of {}", self._preset())
            return
        paths = [os.fsdecode(item.path) for item in items]
        outcomes = self._load().iter_taggrams(paths)
        for item, path, outcome in zip(items, paths, outcomes, strict=True):
            if isinstance(outcome, FAILURES):
                self._log.error("{}: {}", path, outcome)
                continue
            try:
                key, tempo = self._key_of(path), self._tempo_of(path)
            except FAILURES as error:
                self._log.error("{}: {}", path, error)
                continue
            scores = dict(zip(outcome.labels, outcome.aggregate(), strict=True))
            for field, label in fields.items():
                item[field] = float(scores[label])
            item[PRESET] = self._preset()
            if key is not None and not item.initial_key:
                item["initial_key"] = key.short
            if tempo is not None:
                item[TEMPO] = tempo
                item["bpm"] = item.bpm or round(tempo)
            if self.config["write"].get(bool):
                self._write(item, path, outcome, key, tempo)
            item.store()
            self._log.info("{}: {}", item, _best(outcome))

    def _lacks(self, item) -> bool:
        """Whether something that is asked for is not known of a song."""
        wants_key, wants_tempo = (self.config[n].get(bool) for n in ("key", "tempo"))
        return (
            item.get(PRESET) != self._preset()
            or (wants_key and not item.initial_key)
            or (wants_tempo and TEMPO not in item)
        )

    def _key_of(self, path) -> Any:
        """Find the key, as `keras-musictag tag --key` does, if it is asked for."""
        if not self.config["key"].get(bool):
            return None
        if self._keys is None:
            from keras_musictag.models.key_recognizers.from_chords import (
                ChordKeyRecognizer,
            )

            self._keys = ChordKeyRecognizer.from_pretrained()
        return self._keys.recognize(path).key

    def _tempo_of(self, path) -> float | None:
        """Find the tempo, as `keras-musictag beats` does, if it is asked for."""
        if not self.config["tempo"].get(bool):
            return None
        if self._tracker is None:
            from keras_musictag.models.tracker import BeatTracker

            self._tracker = BeatTracker.from_pretrained("beatnet")
        return self._tracker.track(path).tempo

    def _write(self, item, path, taggram, key, tempo) -> None:
        """Write into the file, and let beets know what it now says."""
        fields = tagfiles.choose_fields(
            taggram, key=key, tempo=tempo, preset=self._preset()
        )
        try:
            changes = tagfiles.write(path, fields)
        except (MusicTagError, MissingExtraError) as error:
            self._log.error("{}: {}", path, error)
            return
        new = {c.field: list(c.after) for c in changes if c.after and not c.kept}
        if "genre" in new:
            item["genres"] = new["genre"]
        if "key" in new:
            item["initial_key"] = new["key"][0]
        if "tempo" in new:
            item["bpm"] = int(new["tempo"][0])
        item.mtime = item.current_mtime()

    def _imported(self, session, task) -> None:
        self.tag(task.imported_items())

    def _preset(self) -> str:
        return self.config["preset"].as_str()

    def _record(self) -> dict:
        """Read the preset, without starting a backend."""
        folder = os.path.expanduser(self._preset())
        read = read_folder if os.path.isdir(folder) else presets.preset_info
        try:
            record = read(folder if os.path.isdir(folder) else self._preset())
        except MusicTagError as error:
            raise ui.UserError(f"musictag: {error}") from error
        if record["task"] != "tags":
            raise ui.UserError(f"musictag: {self._preset()} names chords, not tags")
        return record

    def _load(self):
        if self._model is None:
            environment.quiet_tensorflow()
            from keras_musictag.models.tagger import MusicTagger

            self._model = MusicTagger.from_pretrained(
                os.path.expanduser(self._preset())
            )
        return self._model


def _fields(record: dict, groups=None) -> dict[str, str]:
    """For each field of ours its label; `KMT_MELLOW` of a file is `kmt_mellow`."""
    labels = Labels.from_config(record["config"]["labels"])
    names = tagfiles.score_fields(labels)
    try:
        chosen = [labels[i] for i in labels.select(groups or None)]
    except MusicTagError as error:
        raise ui.UserError(f"musictag: {error}") from error
    return {names[label].lower(): label for label in chosen}


def _best(taggram) -> str:
    return ", ".join(f"{label} {score:.2f}" for label, score in taggram.top(3))
