"""The page itself: Gradio's controls, and one component that draws the results."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keras_musictag import audio, errors
from keras_musictag.demo.downloads import write_downloads
from keras_musictag.demo.guard import Streams
from keras_musictag.demo.listener import BEAT_PRESET, DECODERS, Listener
from keras_musictag.demo.shelf import KEPT_SECONDS, Shelf
from keras_musictag.demo.similar import Similar
from keras_musictag.demo.view import (
    beat_marks,
    chord_lane,
    file_link,
    heat_map,
    key_lane,
    tag_groups,
    wanted_lanes,
)
from keras_musictag.pages.summary import NOTHING_HEARD, SongSummary

ASSETS = Path(__file__).with_name("assets")
TITLE = "What is heard in this song?"
WAITING = 64  # visitors in the queue, at most
LOOK_SECONDS = 600  # of Gradio, after files that are older than KEPT_SECONDS
FEWEST_BEATS = 2  # one tells no tempo
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
        shelf: Where songs and results lie.
    """

    def __init__(self, listener: Listener, similar: Similar | None, shelf: Shelf):
        self.listener, self.similar, self.shelf = listener, similar, shelf

    def listen(
        self,
        visit: str,
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
        self.shelf.hold(visit, song)
        choice = chords, vocabulary, decoder
        # Gradio's menus report one choice twice: when it is made, and when they lose
        # the keyboard.
        made = self.shelf.made(visit, (song, preset, choice))
        if made is not None:
            yield made
            return
        try:
            yield from self._steps(view, visit, song, preset, choice)
        except EXPECTED as error:
            yield {**view, "state": "error", "message": say(error)}

    def _steps(self, view, visit, song, preset, choice):
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
        summary = SongSummary(view["name"], taggram, presets={"tags": preset})
        notices = [seen.notice]
        if summary.silent:  # scores would mean nothing
            notices.append(f"{NOTHING_HEARD[0].upper()}{NOTHING_HEARD[1:]}.")
        else:
            heard = wanted_lanes(taggram, self.listener.segments)
            summary = dataclasses.replace(summary, heard=heard)
            view |= {"groups": tag_groups(taggram), "heat": heat_map(taggram)}
            view["heard"] = [
                {"name": name, "intervals": intervals}
                for name, intervals in heard.items()
            ]
            yield {**view, "message": "Listening for chords …"}
            try:
                summary = self._with_chords(summary, view, song, choice)
            except errors.AudioError as error:  # too short for chords, not for tags
                notices.append(f"No chords: {say(error)}")
            yield {**view, "message": "Listening for beats …"}
            summary = self._with_beats(summary, view, song)
            if self.similar is not None:
                yield {**view, "message": "Looking for similar clips …"}
                view["similar"] = self.similar.to(song)
        results = self.shelf.results(visit, (song, preset, choice))
        files = write_downloads(results.folder, summary)
        view["downloads"] = [
            {"name": name, "file": file_link(path)} for name, path in files.items()
        ]
        message = " ".join(filter(None, notices))
        results.view = {**view, "state": "done", "message": message}
        yield results.view

    def _with_chords(self, summary, view, song, choice) -> SongSummary:
        sequence = self.listener.chords(song, *choice)
        presets = {**summary.presets, "chords": choice[0]}
        summary = dataclasses.replace(summary, chords=sequence, presets=presets)
        summary = summary.with_keys()
        view |= {"chords": chord_lane(sequence, summary.keys), "facts": told(summary)}
        view["keys"] = key_lane(summary.keys) if summary.keys else []
        return summary

    def _with_beats(self, summary, view, song) -> SongSummary:
        beats = self.listener.beats(song)
        if len(beats) < FEWEST_BEATS:
            return summary
        if summary.chords is not None:
            beats = beats.with_bars(summary.chords)
        presets = {**summary.presets, "beats": BEAT_PRESET}
        summary = dataclasses.replace(summary, beats=beats, presets=presets)
        view |= {"beats": beat_marks(beats), "facts": told(summary)}
        return summary

    def why(
        self, visit: str, song: str | None, preset: str, tag: str
    ) -> dict[str, Any]:
        """Return which seconds speak for a tag, and which against it."""
        if song is None:
            return {}
        self.shelf.hold(visit, song)
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


def told(summary: SongSummary) -> list[str]:
    """Return what stands beside the name of a song and its length."""
    facts = summary.facts()
    return [facts[name] for name in ("key", "tempo", "meter") if name in facts]


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


def build(gr, page: Page, streams: Streams, limits: str) -> Any:
    """Lay out the page.

    Args:
        gr: The module `gradio`.
        page: What happens on it.
        streams: Knows who listens for results.
        limits: What it says about the size of songs.

    Returns:
        A `gradio.Blocks`, its queue set up.
    """
    with gr.Blocks(
        title=TITLE, analytics_enabled=False, delete_cache=(LOOK_SECONDS, KEPT_SECONDS)
    ) as blocks:
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
        _connect(gr, page, streams, (song, recording, demo), choices, view)

        def left(request: gr.Request):
            page.shelf.leave(request.session_hash)

        blocks.unload(left)
    return blocks.queue(max_size=WAITING, api_open=False)


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


def _connect(gr, page: Page, streams: Streams, sources, choices, view) -> None:
    """Say what follows when a visitor does something."""
    song, recording, demo = sources
    preset, chords, vocabulary, decoder = choices
    shelf = page.shelf

    def shown(path, request: gr.Request):
        if path is not None and request.session_hash:
            shelf.hold(request.session_hash, path, only=True)
        return started(path)

    def listen(song, preset, chords, vocabulary, decoder, request: gr.Request):
        """Yield what is known of a song, more each time."""
        visit = request.session_hash
        if streams.wait_for(visit):
            yield from page.listen(visit, song, preset, chords, vocabulary, decoder)
        else:
            yield EMPTY

    # One song at a time, whoever it is for: it fills the machine as it is.
    heard = {
        "fn": listen,
        "inputs": [song, *choices],
        "outputs": view,
        "concurrency_limit": 1,
        "concurrency_id": "listen",
        "trigger_mode": "multiple",  # another song may come before this one is done
        "show_progress": "hidden",
    }
    hidden = {"api_name": False, "trigger_mode": "multiple", "show_progress": "hidden"}
    quick = {**hidden, "queue": False}

    def changed(name):
        known = page.listener.vocabularies(name)
        return gr.Dropdown(known, value=known[0][1])

    def then_listen(after, name=False):
        after(shown, song, view, **quick).then(api_name=name, **heard)

    vocabularies = chords.input(changed, chords, vocabulary, **quick)
    taken = recording.stop_recording(
        lambda path: (path, None), recording, [song, recording], **quick
    )
    clip = demo.click(lambda: copied(audio.demo_path()), None, song, **quick)

    def copied(path):
        # Gradio hands out only what lies in its own folder.
        folder = gr.utils.get_upload_folder()
        path = gr.processing_utils.save_file_to_cache(path, folder)
        shelf.expect(path)
        return path

    def opened(event: gr.EventData):
        try:
            return copied(page.clip(event._data["place"]))
        except EXPECTED as error:
            raise gr.Error(say(error), print_exception=False) from error

    def wondered(path, name, event: gr.EventData, request: gr.Request):
        visit = request.session_hash
        if not streams.wait_for(visit):
            return gr.HTML()
        return gr.HTML(why=page.why(visit, path, name, event._data["tag"]))

    other = view.open_clip(opened, None, song, **quick)
    song.clear(lambda: EMPTY, None, view, **quick)
    then_listen(song.upload, "listen")
    for choice in (preset, vocabulary, decoder):
        then_listen(choice.input)
    for event in (vocabularies, taken, clip, other):
        then_listen(event.then)
    # Not `why`: an event that is called as a property is sent in its place.
    view.explain(
        wondered,
        [song, preset],
        view,
        concurrency_limit=1,
        concurrency_id="why",
        **hidden,
    )
