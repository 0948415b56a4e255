"""The report of a song: one page that holds all, and escapes what it is given."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from keras_musictag import Labels, Taggram, pages
from keras_musictag.beats import BeatSequence
from keras_musictag.chords import ChordSequence
from keras_musictag.errors import ConfigError
from keras_musictag.keys import KeySequence
from keras_musictag.pages import SongSummary

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")


class Page(HTMLParser):
    """Collects what a browser would show and fetch."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.addresses = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.addresses += [v for k, v in attrs if k in ("src", "href", "action")]

    def handle_data(self, data):
        self.texts.append(data.strip())

    def classed(self, name):
        return [a for _, a in self.tags if name in (a.get("class") or "").split()]


def song():
    labels = Labels(["rock", "piano", "sad"], groups=["genre", "instrument", "mood"])
    scores = np.array([[0.9, 0.2, 0.1], [0.7, 0.4, 0.1]], "float32")
    return Taggram(np.array([0.0, 3.0]), labels, scores)


def chords():
    intervals = [[0, 10], [10, 20], [20, 20.2], [20.2, 24]]
    return ChordSequence(intervals, ["C:maj", "A:min", "F:maj7", "N"])


def test_one_page_holds_everything():
    summary = SongSummary(
        "song.mp3",
        song(),
        chords(),
        tempo=119.7,
        presets={"tags": "musicnn_msd"},
    )
    text = pages.song_report(summary)
    page = Page(text)
    shown = " ".join(page.texts)
    for expected in ("song.mp3", "0:24", "120 BPM", "C major (8B)", "musicnn_msd"):
        assert expected in shown
    assert re.search(r"rock\s+0\.800", shown)  # the mean of both chunks
    # Nothing is fetched: the only address is a picture that stands in the page.
    (address,) = page.addresses
    head, data = address.split(",")
    assert head == "data:image/png;base64"
    from matplotlib.image import imread

    picture = imread(io.BytesIO(base64.b64decode(data)))
    assert picture.shape[1] > 600 and np.ptp(picture[..., :3]) > 0.9
    assert "script" not in [tag for tag, _ in page.tags]


def test_the_key_in_the_notation_that_is_asked_for():
    for notation, expected in (("openkey", "1m"), ("camelot", "8A"), ("musical", "Am")):
        summary = SongSummary(
            "x",
            song(),
            ChordSequence([[0, 4], [4, 6], [6, 8]], ["A:min", "D:min", "E:min"]),
            key_notation=notation,
        )
        assert expected in Page(pages.song_report(summary)).texts


def test_chords_lie_where_they_sound():
    page = Page(pages.song_report(SongSummary("x", song(), chords())))
    boxes = [a for a in page.classed("chord") if "style" in a]
    places = [
        tuple(map(float, re.findall(r"[\d.]+(?=%)", box["style"]))) for box in boxes
    ]
    # Lines of 16 seconds: A minor is cut at the end of the first one.
    expected = [(0, 62.5), (62.5, 37.5), (0, 25), (25, 1.25), (26.25, 23.75)]
    np.testing.assert_allclose(places, expected, atol=2e-3)
    kinds = [box["class"].split()[1] for box in boxes]
    assert kinds == ["filled", "open", "open", "filled", "none"]
    assert boxes[3]["title"] == "Fmaj7, 20.00 to 20.20 s"
    assert "Fmaj7" not in page.texts  # too short to be written into the box
    assert {"C", "Am", "N.C."} <= set(page.texts)


def test_beats_and_bars_stand_below_the_chords():
    beats = BeatSequence([1.0, 3.0, 5.0, 15.0, 16.0, 20.0], [3, 1, 2, 3, 1, 2])
    page = Page(pages.song_report(SongSummary("x", song(), chords(), beats)))
    ticks = page.classed("beat")
    places = [float(re.search(r"[\d.]+", tick["style"])[0]) for tick in ticks]
    # Lines of 16 seconds; bars are counted from the first whole one.
    assert places == [6.25, 18.75, 31.25, 93.75, 0.0, 25.0]
    bars = ["bar" in tick["class"] for tick in ticks]
    assert bars == [False, True, False, False, True, False]
    assert {"1", "2"} <= set(page.texts) and "0" not in page.texts
    assert f"{beats.tempo:.0f} BPM" in page.texts
    unknown = BeatSequence(beats.times)
    page = Page(pages.song_report(SongSummary("x", song(), chords(), unknown)))
    assert len(page.classed("beat")) == 6 and "2" not in page.texts
    assert not Page(pages.song_report(SongSummary("x", song(), chords()))).classed(
        "beat"
    )


def test_a_line_for_each_label_shows_where_it_is_heard():
    heard = {"vocals": [(3.0, 6.0), (12.0, 24.5)], "flute": []}
    summary = SongSummary("x", song(), chords(), heard=heard)
    page = Page(pages.song_report(summary))
    boxes = page.classed("heard")
    assert [box["title"] for box in boxes] == [
        "vocals, 0:03 to 0:06",
        "vocals, 0:12 to 0:24",
    ]
    places = [
        tuple(map(float, re.findall(r"[\d.]+(?=%)", box["style"]))) for box in boxes
    ]
    assert places == [(12.5, 12.5), (50, 50)]  # of 24 seconds; the end is cut
    assert {"vocals", "flute", "nowhere", "Where it is heard"} <= set(page.texts)
    alone = Page(pages.song_report(SongSummary("x", song(), heard={"rock": [(0, 6)]})))
    assert "100.000%" in alone.classed("heard")[0]["style"]
    assert not Page(pages.song_report(SongSummary("x", song()))).classed("heard")


def spans(page):
    """Left and right of the key regions in percent, their colours and titles."""
    regions = page.classed("region")
    places = [
        tuple(map(float, re.findall(r"[\d.]+(?=%)", region["style"])))
        for region in regions
    ]
    colours = [re.search(r"#\w{6}", region["style"])[0] for region in regions]
    return places, colours, [region["title"] for region in regions]


def test_keys_that_change_stand_in_each_line():
    keys = KeySequence([[0, 12], [12, 24]], ["C:maj", "A:min"])
    page = Page(pages.song_report(SongSummary("x", song(), chords(), keys=keys)))
    places, colours, titles = spans(page)
    # The whole song, then lines of 16 seconds.
    expected = [(0, 50), (50, 50), (0, 75), (75, 25), (0, 50)]
    np.testing.assert_allclose(places, expected, atol=1e-3)
    assert colours == [colours[i] for i in (0, 1, 0, 1, 1)] and len(set(colours)) == 2
    assert titles[:2] == ["C major (8B), 0:00 to 0:12", "A minor (8A), 0:12 to 0:24"]
    assert page.texts.count("Am 8A") == 3
    openkey = SongSummary("x", song(), chords(), keys=keys, key_notation="openkey")
    assert Page(pages.song_report(openkey)).texts.count("1m") == 3


def test_one_key_is_one_band():
    bounds = 2.5 * np.arange(37)
    one = ChordSequence(np.c_[bounds[:-1], bounds[1:]], ["C", "F", "G:7", "C"] * 9)
    page = Page(pages.song_report(SongSummary("x", song(), one)))
    places, _, titles = spans(page)  # the chords tell the key
    assert places == [(0, 100)] and titles == ["C major (8B), 0:00 to 1:30"]
    assert "C major (8B)" in page.texts and "C 8B" in page.texts
    none = SongSummary("x", song(), ChordSequence([[0, 9]], ["N"]))
    assert not Page(pages.song_report(none)).classed("region")


def test_names_of_files_and_tags_are_text():
    labels = Labels(["<b>rock</b>", "a&b"])
    taggram = Taggram(np.zeros(1), labels, np.full((1, 2), 0.5, "float32"))
    text = pages.song_report(SongSummary("<script>alert(1)</script>", taggram))
    assert "<script" not in text and "<b>" not in text
    assert {"<b>rock</b>", "a&b", "<script>alert(1)</script>"} <= set(Page(text).texts)


def test_without_chords_there_is_no_lane():
    summary = SongSummary("x", song(), duration=65.0)
    page = Page(pages.song_report(summary))
    assert "1:05" in page.texts and not page.classed("lane")
    assert "key" not in page.texts and "tempo" not in page.texts


def test_what_cannot_be_reported():
    empty = Taggram(np.zeros(0), song().labels, np.zeros((0, 3), "float32"))
    with pytest.raises(ConfigError, match="empty taggram"):
        pages.song_report(SongSummary("x", empty))
    with pytest.raises(ConfigError, match="no taggram"):
        pages.song_report(SongSummary("x", chords=chords()))
