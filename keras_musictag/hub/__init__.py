"""Files from elsewhere: a cache, downloads that go on where they broke off, checks."""

from keras_musictag.hub.cache import cache_folder, lock
from keras_musictag.hub.download import fetch
from keras_musictag.hub.integrity import verify_file
from keras_musictag.hub.repository import download_repository, repository_id
from keras_musictag.hub.upload import upload_folder

__all__ = [
    "cache_folder",
    "download_repository",
    "fetch",
    "lock",
    "repository_id",
    "upload_folder",
    "verify_file",
]
