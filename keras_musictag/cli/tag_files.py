"""What `keras-musictag tag` writes into the files, and takes back."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path

import typer
from rich.console import Console

from keras_musictag import errors
from keras_musictag.cli.printing import EXPECTED, Format, Results, say
from keras_musictag.cli.song_reports import Listener
from keras_musictag.labels import Labels
from keras_musictag.tagfiles import FieldChange, FieldMap, choose_fields, undo, write
from keras_musictag.tagfiles.fields import OWN


@dataclasses.dataclass
class Writer:
    """Writes what is known about a track into its file.

    Args:
        mapping: Which group goes where.
        preset: Name of the model, to be kept beside the scores.
        overwrite: Whether to replace the values of filled fields.
        dry_run: Whether to write nothing and only tell the changes.
        key: Whether to find the key as well.
        tempo: Whether to find the tempo as well.
        listener: Finds them.
        key_notation: How the key is written.
    """

    mapping: FieldMap
    preset: str
    overwrite: bool
    dry_run: bool
    key: bool
    tempo: bool
    listener: Listener
    key_notation: str

    def add(self, path: Path, taggram, results: Results, messages: Console) -> bool:
        """Write into one file and tell the changes; whether that went well.

        They stand below the table; elsewhere they would spoil the results, and go
        where the messages go: the standard error of this process is kept silent.
        """
        try:
            changes = lines(self._write(path, taggram))
        except EXPECTED as error:
            say(messages, f"{path}: {error}")
            return False
        if results.format == Format.table:
            say(results.console, "\n".join(changes))
        else:
            say(messages, "\n".join([str(path), *changes]))
        return True

    def _write(self, path, taggram):
        fields = choose_fields(
            taggram,
            self.mapping,
            key=self.listener.chords(path).key() if self.key else None,
            tempo=self.listener.tempo(path) if self.tempo else None,
            preset=self.preset,
            key_notation=self.key_notation,
        )
        return write(path, fields, overwrite=self.overwrite, dry_run=self.dry_run)


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
    if options["tempo"]:
        errors.import_extra("librosa", "chords", "tag --tempo")
    mapping = FieldMap.from_toml(map) if map else FieldMap()
    mapping.check(labels)
    if groups:
        kept = {g: field for g, field in mapping.fields.items() if g in groups}
        mapping = dataclasses.replace(mapping, fields=kept)
    if min_score is not None:
        mapping = dataclasses.replace(mapping, min_score=min_score)
    return Writer(mapping, dry_run=dry_run, **options)


def take_back(files: Iterable[Path], dry_run: bool) -> int:
    """Take back what was written into files; returns how many failed."""
    failed = 0
    for path in files:
        try:
            changes = lines(undo(path, dry_run=dry_run))
        except EXPECTED as error:
            typer.echo(f"{path}: {error}", err=True)
            failed += 1
            continue
        typer.echo("\n".join([str(path), *changes]))
    return failed


def lines(changes: list[FieldChange]) -> list[str]:
    """Say what changes: a line for each field, and one for all scores."""
    told = [f"  {change}" for change in changes if not change.field.startswith(OWN)]
    own = sum(change.field.startswith(OWN) for change in changes)
    scores = [f"  {own} fields {OWN}* with scores"] if own else []
    return told + scores or ["  nothing changes"]
