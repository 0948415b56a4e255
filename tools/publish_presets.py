"""Publish presets on the Hugging Face Hub, one repository each.

    python tools/publish_presets.py --dry-run             # what would be done
    python tools/publish_presets.py --namespace keras-musictag
    python tools/publish_presets.py "fcn_*" --namespace someone --private

Run it again after an interruption: repositories that hold the same files already are
skipped, and large files that have arrived are not sent again. Presets whose weights
are neither in the package nor to be had from their authors are named at the end.
The token is the stored one (`hf auth login`) or that of `HF_TOKEN`.
"""

import argparse
import tempfile
from pathlib import Path

from keras_musictag import presets
from keras_musictag.errors import MusicTagError, PresetError
from keras_musictag.hub.integrity import verify_file
from keras_musictag.hub.upload import upload_folder
from keras_musictag.presets.records import read_folder

NAMESPACE = "keras-musictag"


def published_files(repo_id: str) -> dict | None:
    """Return size and checksum of each file of a repository, `None` without one."""
    import httpx2
    from huggingface_hub import HfApi, errors

    try:
        about = HfApi().model_info(repo_id, files_metadata=True)
    except errors.RepositoryNotFoundError:
        return None
    except (OSError, httpx2.HTTPError) as error:
        raise PresetError(
            f"The Hub does not say what {repo_id} holds.",
            received=error,
            advice="Check the network and the token, and try again.",
        ) from error
    return {
        file.rfilename: {"size": file.lfs.size, "sha256": file.lfs.sha256}
        if file.lfs
        else {"size": file.size, "git_blob": file.blob_id}
        for file in about.siblings
    }


def changed_files(folder: Path, there: dict) -> list[str]:
    """Name the files of a folder that a repository lacks or holds otherwise."""
    changed = []
    for path in sorted(folder.iterdir()):
        try:
            verify_file(path, **there[path.name])
        except (KeyError, PresetError):
            changed.append(path.name)
    return changed


def make(name: str, folder: Path, repo_id: str) -> str:
    """Write a preset's files; returns the checksum if the preset should know it."""
    # The base of taggers and of chord recognisers alike.
    from keras_musictag.models.base import PretrainedModel

    model = PretrainedModel.from_pretrained(name)
    model.save_pretrained(folder, repo_id=repo_id)
    made = read_folder(folder)["weights"]
    weights = presets.preset_info(name)["weights"]
    bundled = weights["source"] == "bundled"
    recorded = weights if bundled else weights.get("hub")
    if recorded and made["sha256"] != recorded["sha256"]:
        raise PresetError(
            f"The weights of {name} are not those that its preset names.",
            received=f"{made['sha256']}, expected {recorded['sha256']}",
            advice="Make the preset anew, and see why they differ.",
        )
    return "" if recorded else f"; give its preset {made['bytes']} B, {made['sha256']}"


def publish(name: str, args) -> str:
    """Publish one preset, and say in a few words what was done."""
    repo_id = f"{args.namespace}/{name}"
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        note = make(name, folder, repo_id)
        there = published_files(repo_id)
        changed = changed_files(folder, there or {})
        if not changed:
            return "is there already" + note
        what = (
            f"{', '.join(changed)} to {'a new' if there is None else 'the'} repository"
        )
        if args.dry_run:
            return f"would send {what}" + note
        message = f"{name} of keras-musictag"
        url = upload_folder(
            folder, repo_id, private=args.private or None, commit_message=message
        )
        return f"sent {what}: {url}" + note


def main(arguments: list[str] | None = None) -> int:
    """Publish the presets that the arguments name; 1 if one of them failed."""
    parser = argparse.ArgumentParser(description="Publish presets on the Hub.")
    parser.add_argument("pattern", nargs="*", default=["*"], help='such as "fcn_*"')
    parser.add_argument("--namespace", default=NAMESPACE, help="user or organisation")
    parser.add_argument("--private", action="store_true", help="new ones are private")
    parser.add_argument("--dry-run", action="store_true", help="send nothing")
    args = parser.parse_args(arguments)
    names = sorted({n for p in args.pattern for n in presets.list_presets(p)})
    if not names:
        parser.error(f"no preset fits {args.pattern}")
    failed = []
    for name in names:
        try:
            print(f"{name}: {publish(name, args)}", flush=True)
        except MusicTagError as error:
            failed.append(name)
            print(f"{name}: FAILED. {error}", flush=True)
    done = len(names) - len(failed)
    print(f"{done} of {len(names)} presets done; failed: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
