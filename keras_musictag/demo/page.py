"""The page itself: Gradio's controls, and one component that draws the results."""

import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keras_musictag import audio, errors
from keras_musictag.demo.downloads import write_downloads
from keras_musictag.demo.listener import DECODERS, Listener
from keras_musictag.demo.similar import Similar
from keras_musictag.demo.view import chord_lane, file_link, heat_map, tag_groups
from keras_musictag.pages import SongSummary

ASSETS = Path(__file__).with_name("assets")
TITLE = "What is heard in this song?"
WAITING = 64  # visitors in the queue, at most
KEPT_SECONDS = 3600  # of uploads and results
LOOK_SECONDS = 600  # after them
EMPTY: dict[str, Any] = {"state": "empty"}
EXPECTED = (errors.MusicTagError, errors.MissingExtraError, OSError)


def asset(name: str) -> str:
    """Return the text of a file beside this one."""
    return (ASSETS / name).read_text(encoding="utf-8")


class Page:
    """What happens when somebody uses the page; `build` lays it out.

    Args:
        listener: The models.
        similar: Clips to compare with, if there is a library.
    """

    def __init__(self, listener: Listener, similar: Similar | None):
        self.listener, self.similar = listener, similar

    def listen(
        self,
        song: str | None,
        preset: str,
        chords: str,
        vocabulary: str,
        decoder: str,
    ) -> Iterator[dict[str, Any]]:
        """Yield what is known of a song, more each time."""
        if song is None:
            yield EMPTY
            return
        view = about(song)
        try:
            yield from self._steps(view, song, preset, chords, vocabulary, decoder)
        except EXPECTED as error:
            yield {**view, "state": "error", "message": say(error)}

    def _steps(self, view, song, preset, chords, vocabulary, decoder):
        yield {**view, "message": "Reading the file …"}
        seen = self.listener.survey(song)
        view |= {
            "audio": file_link(song),
            "duration": round(seen.duration, 3),
            "peaks": seen.peaks,
            "preset": preset,
        }
        yield {**view, "message": "Listening for tags …"}
        taggram = self.listener.taggram(song, preset)
        view |= {"groups": tag_groups(taggram), "heat": heat_map(taggram)}
        summary = SongSummary(view["name"], taggram, presets={"tags": preset})
        yield {**view, "message": "Listening for chords …"}
        notices = [seen.notice]
        try:
            sequence = self.listener.chords(song, chords, vocabulary, decoder)
            summary = dataclasses.replace(
                summary, chords=sequence, presets={"tags": preset, "chords": chords}
            )
            view |= {
                "chords": chord_lane(sequence),
                "key": summary.facts().get("key", ""),
            }
        except errors.AudioError as error:  # too short for chords, not for tags
            notices.append(f"No chords: {say(error)}")
        if self.similar is not None:
            yield {**view, "message": "Looking for similar clips …"}
            view["similar"] = self.similar.to(song)
        with tempfile.TemporaryDirectory() as folder:
            files = write_downloads(folder, summary)
            view["downloads"] = [
                {"name": name, "file": file_link(path)} for name, path in files.items()
            ]
            # Gradio copies the files before it asks for more.
            yield {**view, "state": "done", "message": " ".join(filter(None, notices))}

    def why(self, song: str | None, preset: str, tag: str) -> dict[str, Any]:
        """Return which seconds speak for a tag, and which against it."""
        if song is None:
            return {}
        asked = {"song": song, "preset": preset, "tag": tag}
        try:
            return {**asked, "seconds": self.listener.seconds(song, preset, tag)}
        except EXPECTED as error:
            return {**asked, "message": say(error)}

    def clip(self, place: int) -> str:
        """Return the path of a clip of the library, by its place in it.

        Raises:
            ConfigError: If there is none, or its file is gone.
        """
        paths = [] if self.similar is None else self.similar.paths
        if not (0 <= place < len(paths) and Path(paths[place]).is_file()):
            raise errors.ConfigError(
                "The clip is no longer where the library found it.",
                received=place,
                advice="Choose another one.",
            )
        return paths[place]


def started(song: str | None) -> dict[str, Any]:
    """Return what is shown until the models have time for a song.

    From here on the page shows this song; late results of another one are not `fresh`.
    """
    if song is None:
        return EMPTY
    return {**about(song), "fresh": True, "message": "Waiting for its turn …"}


def about(song: str) -> dict[str, Any]:
    """Return what every view of a song holds."""
    return {"state": "working", "song": song, "name": Path(song).name}


def say(error: Exception) -> str:
    """Return a message without the path, which means nothing to a visitor."""
    if isinstance(error, errors.MusicTagError):
        return f"{error.problem} {error.advice}".strip()
    if isinstance(error, errors.MissingExtraError):
        return (
            "This kind of file cannot be read here, the server lacks a package for it. "
            "Try MP3, OGG, FLAC or WAV."
        )
    return f"The file cannot be read ({type(error).__name__}): try it again."


def build(gr, page: Page, *, max_mb: float, max_minutes: float) -> Any:
    """Lay out the page.

    Args:
        gr: The module `gradio`.
        page: What happens on it.
        max_mb: Size of a file, at most; for the text.
        max_minutes: Length of a recording, at most; for the text.

    Returns:
        A `gradio.Blocks`, its queue set up.
    """
    with gr.Blocks(
        title=TITLE, analytics_enabled=False, delete_cache=(LOOK_SECONDS, KEPT_SECONDS)
    ) as blocks:
        limits = f"Up to {max_mb:g} MB and {max_minutes:g} minutes."
        gr.HTML(
            asset("head.html").replace("LIMITS", limits),
            js_on_load=None,
            elem_id="kmt-head",
        )
        with gr.Row(elem_id="kmt-sources"):
            song = gr.File(label="Song", scale=2, height=160, elem_id="kmt-song")
            with gr.Column(scale=1, min_width=240):
                recording = gr.Audio(
                    sources=["microphone"],
                    type="filepath",
                    label="Or record",
                    editable=False,
                    elem_id="kmt-recording",
                )
                demo = gr.Button("Try the demo clip", size="md", elem_id="kmt-demo")
        choices = _choices(gr, page.listener)
        view = gr.HTML(
            EMPTY,
            why={},
            apply_default_css=False,
            html_template=asset("player.html"),
            js_on_load=asset("player.js"),
            elem_id="kmt-view",
        )
        _connect(gr, page, (song, recording, demo), choices, view)
    return blocks.queue(max_size=WAITING)


def _choices(gr, listener: Listener) -> tuple:
    """Make the menus: tagger, chord recogniser, vocabulary, decoder."""
    vocabularies = listener.vocabularies(listener.recognizers[0])
    with gr.Row(elem_id="kmt-choices"):
        return (
            gr.Dropdown(listener.taggers, label="Tags by", elem_id="kmt-preset"),
            gr.Dropdown(listener.recognizers, label="Chords by", elem_id="kmt-chords"),
            gr.Dropdown(vocabularies, label="Which chords", elem_id="kmt-vocabulary"),
            gr.Dropdown(
                [(name, value) for value, name in DECODERS.items()],
                label="Chord changes",
                elem_id="kmt-decoder",
            ),
        )


def _connect(gr, page: Page, sources, choices, view) -> None:
    """Say what follows when a visitor does something."""
    song, recording, demo = sources
    preset, chords, vocabulary, decoder = choices
    # One song at a time, whoever it is for: it fills the machine as it is.
    heard = {
        "fn": page.listen,
        "inputs": [song, *choices],
        "outputs": view,
        "concurrency_limit": 1,
        "concurrency_id": "listen",
        "trigger_mode": "multiple",  # another song may come before this one is done
        "show_progress": "hidden",
    }
    quick = {
        "queue": False,
        "trigger_mode": "multiple",
        "show_progress": "hidden",
        "api_name": False,
    }

    def changed(name):
        known = page.listener.vocabularies(name)
        return gr.Dropdown(known, value=known[0][1])

    def then_listen(after, name=False):
        after(started, song, view, **quick).then(api_name=name, **heard)

    vocabularies = chords.input(changed, chords, vocabulary, **quick)
    taken = recording.stop_recording(
        lambda path: (path, None), recording, [song, recording], **quick
    )
    clip = demo.click(lambda: copied(audio.demo_path()), None, song, **quick)

    def copied(path):
        # Gradio hands out only what lies in its own folder.
        folder = gr.utils.get_upload_folder()
        return gr.processing_utils.save_file_to_cache(path, folder)

    def opened(event: gr.EventData):
        try:
            return copied(page.clip(event._data["place"]))
        except EXPECTED as error:
            raise gr.Error(say(error), print_exception=False) from error

    def wondered(path, name, event: gr.EventData):
        return gr.HTML(why=page.why(path, name, event._data["tag"]))

    other = view.open_clip(opened, None, song, **quick)
    song.clear(lambda: EMPTY, None, view, **quick)
    then_listen(song.upload, "listen")
    for choice in (preset, vocabulary, decoder):
        then_listen(choice.input)
    for event in (vocabularies, taken, clip, other):
        then_listen(event.then)
    view.why(
        wondered,
        [song, preset],
        view,
        concurrency_limit=1,
        concurrency_id="why",
        trigger_mode="multiple",
        show_progress="hidden",
        api_name=False,
    )
