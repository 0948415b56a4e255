"""What a file itself notes of the state that it had: for `undo`."""

import dataclasses
import json

from keras_musictag.errors import AudioError
from keras_musictag.tagfiles.fields import OWN, check_field
from keras_musictag.tagfiles.formats import Tags
from keras_musictag.tagfiles.patches import NO_SEAL

UNDO = OWN + "UNDO"  # the field that holds it
_FILE = "file"  # no field is called so

Values = tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Journal:
    """What `undo` needs.

    Args:
        fields: For each field that was changed, its values before the first change
            and after the last one.
        seal: Digest of the file as it was left; empty if `patch` is.
        patch: What makes the first bytes of the file from those that it has now;
            empty if another program changed it between two writes.
    """

    fields: dict[str, tuple[Values, Values]]
    seal: str = ""
    patch: str = ""

    @classmethod
    def of(cls, tags: Tags) -> "Journal":
        """Read the journal of a file; an empty one if it has none.

        Raises:
            AudioError: If it is damaged.
        """
        try:
            noted = json.loads("".join(tags.get(UNDO)) or "{}")
            file = noted.pop(_FILE, {"sha256": "", "patch": ""})
            return cls(
                {
                    check_field(field): (_values(earlier), _values(written))
                    for field, (earlier, written) in noted.items()
                },
                *_values([file["sha256"], file["patch"]]),
            )
        except (
            ValueError,
            AttributeError,
            TypeError,
            LookupError,
            RecursionError,
        ) as error:
            raise AudioError(
                f"The field {UNDO}, which notes the earlier values, is damaged.",
                received=tags.path,
                advice="Remove that field with another program; the file is unchanged.",
            ) from error

    def text(self) -> str:
        """Return what `of` reads, not sealed yet."""
        noted: dict = dict(self.fields)
        if self.patch:
            noted[_FILE] = {"sha256": NO_SEAL, "patch": self.patch}
        return json.dumps(noted, sort_keys=True)


def _values(values) -> Values:
    if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
        raise ValueError("no list of texts")
    return tuple(values)
