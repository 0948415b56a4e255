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
from keras_musictag.replacing import exchange, locked, sync
from keras_musictag.tagfiles import patches
from keras_musictag.tagfiles.fields import OWN, STANDARD, check_field
from keras_musictag.tagfiles.formats import Tags, open_tags
from keras_musictag.tagfiles.journal import UNDO, Journal
from keras_musictag.tagfiles.sound_check import same_sound

# Stand in the journal until it is known. A piece of a patch that ends beside them may
# take one of them for its own; then the next is tried.
_FILLERS = "~^|{}"
_IDENTITY = ("st_ino", "st_size", "st_mtime_ns")
_TICK_NS = 20_000_000  # within which two writes may leave a file with the same time
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
    with _opened(path, dry_run) as (target, tags, before):
        changes = _changes(tags, wanted, overwrite)
        if not dry_run and any(not change.kept for change in changes):
            journal = _noted(Journal.of(tags), changes)
            make = functools.partial(_write_copy, target, changes, journal)
            _replace(target, before, make)
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
    with _opened(path, dry_run) as (target, tags, before):
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
            _replace(target, before, make)
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


@contextlib.contextmanager
def _opened(path, dry_run: bool) -> Iterator[tuple[str, Tags, os.stat_result]]:
    """Check a path; give the file that it leads to, its tags, and its state before.

    Nobody else who asks for the file's lock writes it meanwhile.
    """
    _, target = check_source(path)
    if not isinstance(target, str):
        raise AudioError(
            "Tags are in files only.",
            received=f"an object of type {type(target).__name__}",
            advice="Pass the path of an audio file.",
        )
    target = os.path.realpath(target)
    with contextlib.ExitStack() as held:
        try:
            if not dry_run:
                held.enter_context(locked(target))
            before = os.stat(target) if dry_run else _settled(target)
        except OSError as error:
            raise _unwritable(target, error) from error
        yield target, open_tags(target), before


def _settled(target: str) -> os.stat_result:
    """Return a file's state as soon as another write would give it another time."""
    for _ in range(5):
        state = os.stat(target)
        if not 0 <= time.time_ns() - state.st_mtime_ns < _TICK_NS:
            break
        time.sleep(_TICK_NS / 1e9)
    return state


def _unwritable(target: str, error: Exception) -> AudioError:
    return AudioError(
        "The tags cannot be written; the file is as it was.",
        received=f"{target} ({getattr(error, 'strerror', None) or error})",
        advice="Check that the file and its folder may be written, and the space.",
    )


def _replace(target: str, before: os.stat_result, make: Callable[[str], None]) -> None:
    """Put a copy in the place of a file, if it holds the same sound."""
    try:
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
            with locked(copy):  # so that the next one waits until it was looked at
                _take_place(copy, target, before)
    except (OSError, ValueError) as error:
        raise _unwritable(target, error) from error


def _take_place(copy: str, target: str, before: os.stat_result) -> None:
    """Put a copy in the place of a file, unless another program has written it.

    Where the system can exchange two files, what was in the place is looked at when it
    is out of it: nothing can come between. Then it lies where the copy was.
    """
    _check_unchanged(target, before)
    ours = os.stat(copy)
    folder = os.path.dirname(target)
    if not exchange(copy, target):
        os.replace(copy, target)
        sync(folder)
        return
    try:
        sync(folder)  # a write that was under way is over by then
        _check_unchanged(copy, before)
    except OSError:
        exchange(copy, target)
        if not os.path.samestat(os.stat(copy), ours):
            exchange(copy, target)  # it was written yet again: the newest stays
        raise


def _check_unchanged(path: str, before: os.stat_result) -> None:
    now = os.stat(path)
    if any(getattr(now, name) != getattr(before, name) for name in _IDENTITY):
        raise OSError("another program changed it meanwhile")


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
