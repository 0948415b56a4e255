"""Saved models to the Hugging Face Hub, through the Hub's own client."""

from keras_musictag.errors import PresetError
from keras_musictag.hub.repository import PREFIX, http_status


def upload_folder(
    folder,
    repo_id: str,
    *,
    private: bool | None = None,
    commit_message: str | None = None,
    token: str | bool | None = None,
) -> str:
    """Upload all files of a folder to a Hub repository, in one commit.

    The Hub's client does the work, with its settings (`HF_TOKEN`, `HF_ENDPOINT`).
    A repository that does not exist is made; in one that does, files of the same
    name are replaced and others stay. Files that are there already are not sent
    again, so that a second try goes on where the first one broke off.

    Args:
        folder: The folder.
        repo_id: `"org/name"`, or `"name"` in the namespace of the token's owner.
        private: Whether a new repository is private; `None` takes the default of
            its owner. An existing one stays as it is.
        commit_message: What the commit says; a plain text if `None`.
        token: An access token that may write; `None` takes the one that is stored.

    Returns:
        The address of the commit. Its last part is the commit's id, which
        `download_repository` takes as `revision`.

    Raises:
        PresetError: If the name cannot be one, the token may not write there, or
            the Hub cannot be reached or does not take the files.

    ```python
    from keras_musictag.hub.upload import upload_folder

    upload_folder("my_tagger", "someone/my-tagger", private=True)
    ```
    """
    import httpx2
    from huggingface_hub import HfApi

    repo_id = str(repo_id).removeprefix(PREFIX).rstrip("/")
    api = HfApi(library_name="keras-musictag", token=token)
    try:
        made = api.create_repo(repo_id, private=private, exist_ok=True)
        done = api.upload_folder(
            repo_id=made.repo_id,
            folder_path=folder,
            commit_message=commit_message or "Upload with keras-musictag",
        )
    # The client's own errors are one of the first two, those of large files the
    # third, and connections that fail are passed on from below.
    except (OSError, ValueError, RuntimeError, httpx2.HTTPError) as error:
        raise _explained(error, repo_id) from error
    return str(done.commit_url)


def _explained(error: BaseException, repo_id: str) -> PresetError:
    from huggingface_hub import errors

    if isinstance(error, RuntimeError) and error.__cause__:
        error = error.__cause__  # an upload in a thread of its own
    lines = str(error).strip().splitlines() or [type(error).__name__]
    status = http_status(error)
    if isinstance(error, errors.HFValidationError):
        what = "This is no name for a Hub repository."
        advice = "Pass 'organisation/name'."
    elif isinstance(error, errors.OfflineModeIsEnabled):
        what = "Nothing can be uploaded while HF_HUB_OFFLINE is set."
        advice = "Leave the environment variable out."
    elif status is not None:
        what, advice = _refused(status, repo_id)
    else:
        what = f"{repo_id} cannot be uploaded: the Hub was not reached, or refused it."
        advice = "Check the network and try again; what has arrived is not sent again."
    return PresetError(what, received=f"{repo_id}: {lines[0]}", advice=advice)


def _refused(status: int, repo_id: str) -> tuple[str, str]:
    """What an HTTP status means for an upload, and what to do about it."""
    if status == 401:
        return (
            "The Hub does not know who you are: there is no token, or it is not valid.",
            "Run `hf auth login`, or pass a `token` that may write.",
        )
    if status == 403:
        return (
            f"Your token may not write to {repo_id}.",
            "Pass a `token` with write access, or a repository of your own.",
        )
    if status == 404:
        return (
            f"There is no place for {repo_id} on the Hub, or you may not see it.",
            "Check the spelling of the organisation and your rights in it.",
        )
    if status == 429 or status >= 500:
        return (
            "The Hub is too busy to take the upload.",
            "Try again later; what has arrived is not sent again.",
        )
    return f"The Hub does not take the files of {repo_id}.", "See the answer above."
