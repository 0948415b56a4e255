"""What `keras-musictag tag --write` writes into the files."""

import dataclasses
from pathlib import Path

from keras_musictag import errors
from keras_musictag.cli.files import Say
from keras_musictag.cli.printing import say
from keras_musictag.cli.rendering import Renderer
from keras_musictag.cli.song_reports import ChordsAndTempo
from keras_musictag.labels import Labels
from keras_musictag.pages.summary import NOTHING_HEARD, SongSummary
from keras_musictag.tagfiles import FieldChange, FieldMap, choose_fields, write
from keras_musictag.tagfiles.fields import EXACT_TEMPO, OWN


@dataclasses.dataclass
class Writer:
    """Writes what is known about a track into its file.

    Args:
        mapping: Which group goes where.
        overwrite: Whether to replace the values of filled fields.
        dry_run: Whether to write nothing and only tell the changes.
        key: Whether to find the key as well.
        tempo: Whether to find the tempo as well.
        listener: Finds them.
    """

    mapping: FieldMap
    overwrite: bool
    dry_run: bool
    key: bool
    tempo: bool
    listener: ChordsAndTempo

    def add(self, path: Path, song: SongSummary, renderer: Renderer, show: Say) -> None:
        """Write into one file and tell the changes.

        They stand below the table; elsewhere they would spoil the results. Silence
        gets no tags.

        Raises:
            AudioError: If the file cannot be read or written.
        """
        changes = [f"  {NOTHING_HEARD}: nothing is written"]
        if not song.silent:
            changes = self._changes(path, song)
        if renderer.is_rich:
            say(renderer.console, "\n".join(changes))
        else:
            show("\n".join([str(path), *changes]))

    def _changes(self, path: Path, song: SongSummary) -> list[str]:
        if self.key:
            song = self.listener.with_chords(path, song)
        if self.tempo:
            song = self.listener.with_tempo(path, song)
        assert song.taggram is not None
        fields = choose_fields(
            song.taggram,
            self.mapping,
            key=song.key,
            tempo=song.tempo,
            preset=song.presets["tags"],
            key_notation=song.key_notation or "musical",
        )
        return lines(
            write(path, fields, overwrite=self.overwrite, dry_run=self.dry_run)
        )


def make_writer(
    labels: Labels,
    *,
    write: bool,
    dry_run: bool,
    map: Path | None,
    groups: list[str] | None,
    min_score: float | None,
    **options,
) -> Writer | None:
    """Return what writes into files; `None` if that is not asked for.

    Raises:
        ConfigError: If options do not belong together, or the map does not fit.
        MissingExtraError: If mutagen is not installed.
    """
    if not (write or dry_run):
        given = {"map": map, **options}
        wrong = [n for n in ("map", "overwrite", "key", "tempo") if given[n]]
        if wrong:
            raise errors.ConfigError(
                f"--{wrong[0]} is about writing into files.",
                received=f"--{wrong[0]} without --write",
                advice="Add --write, or --dry-run to see the changes first.",
            )
        return None
    errors.import_extra("mutagen", "files", "tag --write")
    mapping = FieldMap.from_toml(map) if map else FieldMap()
    mapping.check(labels)
    if groups:
        kept = {g: field for g, field in mapping.fields.items() if g in groups}
        mapping = dataclasses.replace(mapping, fields=kept)
    if min_score is not None:
        mapping = dataclasses.replace(mapping, min_score=min_score)
    return Writer(mapping, dry_run=dry_run, **options)


def lines(changes: list[FieldChange]) -> list[str]:
    """Say what changes: a line for each field, and one for all scores."""
    shown = [
        change
        for change in changes
        if not change.field.startswith(OWN) or change.field == EXACT_TEMPO
    ]
    told = [f"  {change}" for change in shown]
    own = len(changes) - len(shown)
    scores = [f"  {own} fields {OWN}* with scores"] if own else []
    return told + scores or ["  nothing changes"]
