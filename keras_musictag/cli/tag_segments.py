"""Where in a song labels are heard, as `keras-musictag tag --segments` shows it."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from keras_musictag.chords.sheet import clock
from keras_musictag.labels import Labels
from keras_musictag.pages.summary import SongSummary
from keras_musictag.tracks.segments import wanted_segments


class Segments:
    """Labels or groups, and where songs have them.

    Args:
        wanted: Labels or groups, also as `"vocals=0.3"`; empty if nobody has asked.
        labels: Those of the model.
        threshold: The lowest score that counts for those that say nothing themselves;
            `None` for what is usual.

    Raises:
        LabelError: If there is no such label or group.
        ConfigError: If one is there twice.
    """

    def __init__(self, wanted: list[str], labels: Labels, threshold: float | None):
        self.thresholds = dict(wanted_segments(wanted, threshold))
        for name in self.thresholds:
            labels.columns(name)

    def of(self, song: SongSummary) -> dict[str, list[tuple[float, float]]]:
        """Return the segments of a song by name, in seconds."""
        if song.taggram is None or song.silent:
            return {name: [] for name in self.thresholds}
        found = song.taggram.segments
        return {name: found(name, threshold=t) for name, t in self.thresholds.items()}

    def rows(self, song: SongSummary) -> Iterator[list[str]]:
        """Give label, start and end of each segment."""
        for name, intervals in song.heard.items():
            for start, end in intervals:
                yield [name, f"{start:.3f}", f"{end:.3f}"]

    def below(self, table: RenderableType, song: SongSummary) -> RenderableType:
        """Put a line for each name below the table of a song."""
        lines = []
        for name, intervals in song.heard.items():
            times = ", ".join(f"{clock(a)} to {clock(b)}" for a, b in intervals)
            lines.append(Text(f" {name}: {times or 'nowhere'}"))
        return Group(table, *lines) if lines else table
