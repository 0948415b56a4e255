"""Write fields into music files safely, and take them back."""

import contextlib
import dataclasses
import functools
import hashlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from keras_musictag.audio.inputs import check_source
from keras_musictag.errors import AudioError, ConfigError
from keras_musictag.replacing import sync
from keras_musictag.tagfiles import patches
from keras_musictag.tagfiles.fields import OWN, STANDARD, check_field
from keras_musictag.tagfiles.formats import Tags, open_tags
from keras_musictag.tagfiles.journal import UNDO, Journal
from keras_musictag.tagfiles.sound_check import same_sound

# Stand in the journal until it is known. A piece of a patch that ends beside them may
# take one of them for its own; then the next is tried.
_FILLERS = "~^|{}"
_LEFT_OVER = 3600.0  # seconds after which a working copy belongs to nobody


@dataclasses.dataclass(frozen=True)
class FieldChange:
    """What becomes of one field of a file.

    Args:
        field: `"genre"`, `"mood"`, `"key"`, `"tempo"`, or the name in capitals.
        before: The values that it had.
        after: The values that it has now, or would have.
        kept: Whether it was filled and therefore left as it was; `after` then
            holds what was not written.
    """

    field: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    kept: bool = False

    def __str__(self) -> str:
        before, after = (
            "; ".join(values) or "-" for values in (self.before, self.after)
        )
        if self.kept:
            return f"{self.field}: {before} (kept, not {after})"
        return f"{self.field}: {before} -> {after}"


def read(path) -> dict[str, list[str]]:
    """Read the fields of a file that `write` may fill.

    Args:
        path: An MP3, WAV, AIFF, FLAC, OGG, Opus, M4A, WMA, WavPack, Monkey's Audio,
            TTA or DSF file.

    Returns:
        For each filled field its values: `genre`, `mood`, `key`, `tempo`, and our
        own such as `KMT_MELLOW`.

    Raises:
        AudioError: If the file cannot be read, or its format has no such tags.
        MissingExtraError: If mutagen is not installed.

    Example:

    ```python
    import keras_musictag as kmt

    kmt.tagfiles.read("song.mp3").get("genre")
    ```
    """
    tags = open_tags(check_source(path)[1])
    names = [name for name in tags.fields(OWN) if name != UNDO]
    found = {name: tags.get(name) for name in (*STANDARD, *names)}
    return {name: values for name, values in found.items() if _filled(values)}


def write(
    path,
    fields: Mapping[str, list[str]],
    *,
    overwrite: bool = False,
    dry_run: bool = False,
) -> list[FieldChange]:
    """Write fields into the tags of a music file; the sound stays as it is.

    A copy beside the file is written, read again and put in its place in one step:
    whatever happens meanwhile, the file is the old one or the new one. Fields that
    are filled are kept, except our own (`KMT_...`), which are replaced as a whole.
    The file itself notes, for `undo`, what the changed fields held before and how its
    earlier bytes come back. What only tags of another kind said, such as the `INFO`
    of a WAV file, is carried over into those that are made.

    Args:
        path: A file of one of the formats of `read`. A link stays one, and
            the file that it leads to is written.
        fields: For each field its values, as from `choose_fields`.
        overwrite: Whether to replace the values of filled fields.
        dry_run: Whether to write nothing and only tell the changes.

    Returns:
        What changes, and what was kept, in the order of `fields`. Our own fields
        are listed only where their value changes.

    Raises:
        AudioError: If the file cannot be read or written, has been changed
            meanwhile, or its format has no such tags.
        ConfigError: If a field cannot be called so, or a value is no text.
        MissingExtraError: If mutagen is not installed.

    Example:

    ```python
    import keras_musictag as kmt

    for change in kmt.tagfiles.write("song.mp3", {"genre": ["Rock"]}, dry_run=True):
        print(change)
    ```
    """
    wanted = {check_field(name): _texts(name, vals) for name, vals in fields.items()}
    target, tags = _open(path)
    changes = _changes(tags, wanted, overwrite)
    if not dry_run and any(not change.kept for change in changes):
        journal = _noted(Journal.of(tags), changes)
        _replace(target, functools.partial(_write_copy, target, changes, journal))
    return changes


def undo(path, *, dry_run: bool = False) -> list[FieldChange]:
    """Take back what `write` did to a file, however often.

    The file gets back the very bytes that it had. If another program has changed it
    since, the fields get back the values that they had, except those that were edited;
    our own fields go.

    Args:
        path: The file.
        dry_run: Whether to write nothing and only tell the changes.

    Returns:
        What changes; an empty list if nothing was ever written.

    Raises:
        AudioError: As `write`.
        MissingExtraError: If mutagen is not installed.

    Example:

    ```python
    import keras_musictag as kmt

    kmt.tagfiles.undo("song.mp3", dry_run=True)
    ```
    """
    target, tags = _open(path)
    journal = Journal.of(tags)
    changes = []
    for field, (earlier, written) in journal.fields.items():
        now = tuple(tags.get(field))
        if now != earlier:
            changes.append(FieldChange(field, now, earlier, kept=now != written))
    own = tags.fields(OWN)
    changes += [FieldChange(name, tuple(tags.get(name)), ()) for name in own]
    if own and not dry_run:
        if _is_as_left(target, journal):
            make = functools.partial(patches.apply_patch, target, journal.patch)
        else:
            make = functools.partial(_save_changes, target, changes, "")
        _replace(target, make)
    return [change for change in changes if change.field != UNDO]


# === What changes ===


def _texts(name, values) -> tuple[str, ...]:
    listed = isinstance(values, (list, tuple))
    if not listed or not all(isinstance(v, str) and "\0" not in v for v in values):
        raise ConfigError(
            "The values of a field must be a list of texts.",
            received=f"{name}={values!r}",
            advice='Give for example {"genre": ["Rock"], "tempo": ["120"]}.',
        )
    if name == "tempo" and not all(v.isascii() and v.isdigit() for v in values):
        raise ConfigError(
            "The tempo must be a whole number.",
            received=f"{name}={values!r}",
            advice='Give for example {"tempo": ["120"]}.',
        )
    return tuple(values)


def _filled(values) -> bool:
    return any(value.strip() not in ("", "0") for value in values)


def _changes(tags: Tags, wanted: dict, overwrite: bool) -> list[FieldChange]:
    changes = []
    has_own = any(name.startswith(OWN) for name in wanted)
    there = [name for name in tags.fields(OWN) if name != UNDO] if has_own else []
    stale = {name: () for name in there if name not in wanted}
    for name, after in {**wanted, **stale}.items():
        before, after = tuple(tags.get(name)), tags.normal(after)
        if before != after:
            kept = _filled(before) and not overwrite and not name.startswith(OWN)
            changes.append(FieldChange(name, before, after, kept))
    return changes


def _noted(journal: Journal, changes: list[FieldChange]) -> Journal:
    """The journal with these changes: values before our first one, and after."""
    fields = dict(journal.fields)
    for change in changes:
        if change.kept or change.field.startswith(OWN):
            continue
        earlier, written = fields.get(change.field, (change.before, change.before))
        if change.before != written:  # edited by the user since
            earlier = change.before
        fields[change.field] = (earlier, change.after)
    return dataclasses.replace(journal, fields=fields)


# === The file ===


def _open(path) -> tuple[str, Tags]:
    """Check a path; give the file that it leads to, and its tags."""
    _, target = check_source(path)
    if not isinstance(target, str):
        raise AudioError(
            "Tags are in files only.",
            received=f"an object of type {type(target).__name__}",
            advice="Pass the path of an audio file.",
        )
    target = os.path.realpath(target)
    return target, open_tags(target)


def _replace(target: str, make: Callable[[str], None]) -> None:
    """Put a copy in the place of a file, if it holds the same sound."""
    try:
        before = os.stat(target)
        if not before.st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH):
            raise PermissionError("it is write-protected")
        with _beside(target) as copy:
            make(copy)
            if not same_sound(target, copy):
                raise OSError("the sound of the written copy is not the same")
            shutil.copystat(target, copy)
            os.utime(copy)  # it has changed: players and backups go by the time
            with contextlib.suppress(OSError, AttributeError):
                os.chown(copy, before.st_uid, before.st_gid)
            sync(copy)
            now = os.stat(target)
            if (now.st_mtime_ns, now.st_size) != (before.st_mtime_ns, before.st_size):
                raise OSError("another program changed it meanwhile")
            os.replace(copy, target)
            sync(os.path.dirname(target))
    except (OSError, ValueError) as error:
        raise AudioError(
            "The tags cannot be written; the file is as it was.",
            received=f"{target} ({getattr(error, 'strerror', None) or error})",
            advice="Check that the file and its folder may be written, and the space.",
        ) from error


def _write_copy(
    target: str, changes: list[FieldChange], journal: Journal, copy: str
) -> None:
    """Make a copy with new fields, which notes how the first bytes come back."""
    with _original(target, journal) as original:
        if original is None:
            _save_changes(target, changes, journal.text(), copy)
            return
        room = 512
        for filler in _FILLERS:
            while True:  # until the field has room for what stands in it
                _save_changes(target, changes, filler * room, copy)
                patch = patches.make_patch(copy, original)
                text = dataclasses.replace(journal, patch=patch).text()
                if len(text) + len(patches.NO_SEAL) < room:
                    break
                room = len(text) * 9 // 8 + 256
            # In Ogg the seal may fall on the end of a page; then it is moved.
            for padded in (text.ljust(room), text.rjust(room)):
                _save_changes(target, changes, padded, copy)
                if patches.seal(copy) and patches.fits(copy, patch, original):
                    return
        raise OSError("its bytes could not be brought back")


@contextlib.contextmanager
def _original(target: str, journal: Journal) -> Iterator[str | None]:
    """Give a file with the first bytes of a file; `None` if nobody knows them."""
    if not open_tags(target).fields(OWN):  # never written by us
        yield target
    elif _is_as_left(target, journal):
        with _beside(target) as original:
            patches.apply_patch(target, journal.patch, original)
            yield original
    else:
        yield None


def _is_as_left(target: str, journal: Journal) -> bool:
    return bool(journal.patch) and patches.is_sealed(target, journal.seal)


def _save_changes(
    target: str, changes: list[FieldChange], journal: str, copy: str
) -> None:
    """Make a copy with other fields, and read it again: it must say what it should."""
    shutil.copyfile(target, copy)
    tags = open_tags(target)
    for change in changes:
        if not change.kept:
            tags.set(change.field, change.after)
    tags.set(UNDO, [journal] if journal else [])
    tags.save(copy)
    again = open_tags(copy, like=tags)
    names = {*STANDARD, *tags.fields(OWN), *again.fields(OWN)}
    if any(again.get(name) != tags.get(name) for name in names):
        raise OSError("the written copy does not read back as it should")


@contextlib.contextmanager
def _beside(target: str) -> Iterator[str]:
    """Give a new file beside another; remove it, and those of killed runs."""
    folder, name = os.path.split(target)
    prefix = f".kmt-{hashlib.sha1(os.fsencode(name)).hexdigest()[:16]}-"
    for old in Path(folder).glob(f"{prefix}*.tmp"):
        with contextlib.suppress(OSError):
            if old.stat().st_mtime < time.time() - _LEFT_OVER:
                old.unlink()
    handle, copy = tempfile.mkstemp(prefix=prefix, suffix=".tmp", dir=folder)
    os.close(handle)
    try:
        yield copy
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(copy)
