"""What a saved model says of itself, and of where its weights came from."""

from keras_musictag.errors import PresetError
from keras_musictag.presets.records import CONFIG_FILE

KEPT = (
    "license",
    "commercial_use",
    "training_data_terms",
    "copyright",
    "authors",
    "citation",
    "trained_on",
    "limits",
    "reported",
    "measured",
)


def of_preset(record: dict, weights: dict) -> dict:
    """Return what copies of a preset keep of where their weights came from.

    Args:
        record: The preset.
        weights: `bytes` and `sha256` of the weights that were loaded.

    Returns:
        The entry `origin` of a `config.json`. Its `weights_sha256` tells later
        whether weights are still those that the reported scores belong to.
    """
    values = {key: record[key] for key in KEPT if record.get(key) not in (None, "", [])}
    return {"preset": record["name"], **values, "weights_sha256": weights["sha256"]}


def check_agreement(record: dict, said: dict, source) -> None:
    """Compare what a `config.json` says in the Hub's words with its `config`.

    Args:
        record: The `config.json`.
        said: What the model made from its `config` says in these words; entries
            that the file leaves out are not compared.
        source: Where the file lies, for the message.

    Raises:
        PresetError: If an entry differs.
    """
    for key, value in said.items():
        if key in record and record[key] != value:
            raise PresetError(
                f"The {CONFIG_FILE} of {source} contradicts itself: its `{key}` is "
                "not that of its `config`.",
                received=_difference(record[key], value),
                advice="Save the model again, or correct the file.",
            )


def _difference(found, wanted) -> str:
    """Two values, or their first entries that differ."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in (*wanted, *found):
            if found.get(key) != wanted.get(key):
                return f"{key!r}: {found.get(key)!r} beside {wanted.get(key)!r}"
    return f"{found!r} beside {wanted!r}"
