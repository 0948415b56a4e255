"""Saved models on the Hugging Face Hub, through the Hub's own client."""

import re
from pathlib import Path

from keras_musictag.errors import PresetError

PREFIX = "hf://"
_REPO_ID = re.compile(r"[\w.-]+/[\w.-]+")


def repository_id(source) -> str | None:
    """Return the repository that `source` names, or `None` if it names none.

    Args:
        source: `"org/name"`, `"hf://org/name"`, or anything else. A folder that
            exists under that name comes first, as for every Hub library.

    Returns:
        `"org/name"` or `None`.

    ```python
    from keras_musictag.hub.repository import repository_id

    repository_id("hf://someone/my-tagger")  # 'someone/my-tagger'
    ```
    """
    if not isinstance(source, str):
        return None
    if source.startswith(PREFIX):
        return source.removeprefix(PREFIX).rstrip("/")
    if _REPO_ID.fullmatch(source) and not Path(source).exists():
        return source
    return None


def download_repository(
    repo_id: str,
    files,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir=None,
    local_files_only: bool = False,
    force_download: bool = False,
    optional=(),
) -> Path:
    """Return a folder with files of a Hub repository, all of one commit.

    The Hub's client does the work: its cache, its resuming, its settings
    (`HF_HOME`, `HF_TOKEN`, `HF_ENDPOINT`, `HF_HUB_OFFLINE`). Without a network,
    what the cache holds is used. Nothing in the files is executed.

    Args:
        repo_id: `"org/name"`.
        files: Names of the files that are needed.
        revision: Branch, tag or commit; the main branch if `None`.
        token: An access token; `None` takes the one that is stored, if any.
        cache_dir: The Hub client's cache; `None` takes its own default.
        local_files_only: If `True`, nothing is downloaded.
        force_download: If `True`, what the cache holds is fetched anew.
        optional: Names of files that come along if the repository has them.

    Returns:
        The folder.

    Raises:
        PresetError: If there is no such repository, revision or file, if it may
            not be read, or if the Hub cannot be reached and the cache lacks it.

    ```python
    from keras_musictag.hub.repository import download_repository

    download_repository("someone/my-tagger", ["config.json"])
    ```
    """
    from huggingface_hub import hf_hub_download

    folder: Path | None = None
    for name in (*files, *optional):
        try:
            path = hf_hub_download(
                repo_id,
                name,
                revision=revision,
                token=token,
                cache_dir=cache_dir,
                local_files_only=local_files_only,
                force_download=force_download,
                library_name="keras-musictag",
            )
        except (OSError, ValueError) as error:  # all of the client's are one of these
            if name in optional and _is_absent(
                error, repo_id, name, revision, cache_dir
            ):
                continue
            raise _explained(error, repo_id, revision, name) from error
        folder = Path(path).parent
        revision = folder.name  # the commit: later files must be of the same one
    if folder is None:
        raise PresetError(
            "No file of the repository was asked for.",
            received=f"files={files!r}",
            advice="Name at least one, for example 'config.json'.",
        )
    return folder


def _is_absent(error, repo_id: str, name: str, revision, cache_dir) -> bool:
    """Whether a repository lacks a file; not merely the network or the cache."""
    from huggingface_hub import _CACHED_NO_EXIST, errors, try_to_load_from_cache

    if isinstance(error, errors.LocalEntryNotFoundError):
        cached = try_to_load_from_cache(repo_id, name, cache_dir, revision)
        return cached is _CACHED_NO_EXIST
    return isinstance(error, errors.EntryNotFoundError)


def http_status(error: BaseException) -> int | None:
    """Return the HTTP status behind an error of the client, or `None`."""
    for cause in (error, error.__cause__):
        response = getattr(cause, "response", None)
        if response is not None:
            return response.status_code
    return None


def _explained(error, repo_id: str, revision, name: str) -> PresetError:
    from huggingface_hub import errors

    first = str(error).strip().splitlines()[0]
    received = f"{repo_id} at {revision or 'main'}: {first}"
    if isinstance(error, errors.HFValidationError):
        what = "This is no name of a Hub repository."
        advice = "Pass 'organisation/name'."
    elif isinstance(error, errors.GatedRepoError):
        what = f"The authors of {repo_id} ask for your consent first."
        advice = f"Open https://huggingface.co/{repo_id}, accept, and pass `token`."
    elif http_status(error) == 403:
        what = f"Your token may not read {repo_id}."
        advice = "Pass a `token` with read access to this repository."
    elif isinstance(error, errors.RevisionNotFoundError):
        what = f"{repo_id} has no such revision."
        advice = "Pass an existing branch, tag or commit as `revision`."
    elif isinstance(error, errors.RepositoryNotFoundError):
        what = f"There is no repository {repo_id} on the Hub, or you may not read it."
        advice = "Check the spelling; for a private one, pass a `token` that may read."
    elif isinstance(error, errors.LocalEntryNotFoundError):
        what = f"{repo_id}/{name} is not in the cache, and the Hub was not reached."
        advice = (
            "Check the network, or leave `local_files_only` and HF_HUB_OFFLINE out."
        )
    elif isinstance(error, errors.EntryNotFoundError):
        what = f"{repo_id} holds no model of this package: {name} is missing."
        advice = "Pass a repository made by `save_pretrained`."
    else:
        what = f"{repo_id}/{name} cannot be fetched from the Hub."
        advice = "Try again later; the part that arrived is kept."
    return PresetError(what, received=received, advice=advice)
