"""The map of a collection, used in a real browser as people would."""

import numpy as np
import pytest

from keras_musictag import pages
from keras_musictag.errors import ConfigError, LabelError

pytest.importorskip("jinja2")


def circle(count=40):
    """Tracks around a circle: the way between two of them is known."""
    angles = np.arange(count) * 2 * np.pi / count
    embeddings = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    scores = np.stack([np.arange(count) / count, np.full(count, 0.5)], axis=1)
    return embeddings, [f"song {i:02d}" for i in range(count)], scores


@pytest.fixture(scope="module")
def map_file(tmp_path_factory, corpus):
    embeddings, names, scores = circle()
    files = sorted((corpus / "real").glob("*.mp3"))
    page = pages.collection_map(
        embeddings,
        ["<b>first</b>", *names[1:]],
        files=[files[i % len(files)] for i in range(len(names))],
        tags=(["rock", "piano"], scores),
        keys=["A:min", None] * 20,
        n_neighbors=4,
        title="Songs & <others>",
    )
    path = tmp_path_factory.mktemp("map") / "map.html"
    path.write_text(page, encoding="utf-8")
    return path


@pytest.fixture
def opened(tab, map_file):
    tab.goto(map_file.as_uri())
    return tab


def where(tab, track):
    """The middle of a track's point in the window."""
    return tab.evaluate(
        "i => { const box = canvas.getBoundingClientRect();"
        " return [box.x + screenX(i), box.y + screenY(i)]; }",
        track,
    )


def test_names_show_under_the_pointer_and_a_click_tells_more(opened):
    assert opened.title() == "Songs & <others>"
    opened.mouse.move(*where(opened, 7))
    assert opened.locator("#tip").inner_text() == "song 07"
    opened.mouse.click(*where(opened, 7))
    assert opened.locator("#name").inner_text() == "song 07"
    rows = opened.locator("#tags tr").all_inner_texts()
    assert [row.split() for row in rows] == [["piano", "0.50"], ["rock", "0.17"]]
    alike = opened.locator("#alike li").all_inner_texts()
    alike = [line.rsplit(maxsplit=1) for line in alike]
    assert {name for name, _ in alike} == {"song 05", "song 06", "song 08", "song 09"}
    cosine = float(alike[0][1])
    assert cosine == pytest.approx(np.cos(2 * np.pi / 40), abs=0.006)
    # The music plays: a real MP3, from where it lies.
    opened.wait_for_function("document.getElementById('player').duration > 20")


def test_search_finds_and_the_keyboard_suffices(opened):
    opened.locator("#find").fill("SONG 1")
    assert opened.locator("#count").inner_text() == "10 of 40 tracks"
    assert len(opened.locator("#hits li").all()) == 10
    opened.keyboard.press("Enter")
    assert opened.locator("#name").inner_text() == "song 10"
    opened.locator("#find").fill("<b>")
    opened.keyboard.press("Enter")
    assert opened.locator("#name").inner_text() == "<b>first</b>"  # text, not HTML
    opened.locator("#map").focus()
    before = where(opened, 0)
    opened.keyboard.press("ArrowRight")
    opened.keyboard.press("+")
    assert where(opened, 0) != before


def test_a_path_goes_from_like_to_like_and_is_saved(opened, tmp_path):
    opened.mouse.click(*where(opened, 2))
    opened.locator("#from").click()
    assert "choose the other end" in opened.locator("#route").inner_text()
    opened.mouse.click(*where(opened, 9))
    opened.locator("#to").click()
    steps = opened.locator("#steps li").all_inner_texts()
    assert steps == [f"song {i:02d}" for i in range(2, 10)]
    with opened.expect_download() as download:
        opened.locator("#save").click()
    download.value.save_as(tmp_path / "path.m3u8")
    lines = (tmp_path / "path.m3u8").read_text("utf-8").splitlines()
    assert lines[:2] == ["#EXTM3U", "#EXTINF:-1,song 02"]
    assert len(lines) == 17 and all(line.startswith("file://") for line in lines[2::2])


def test_islands_are_joined_where_they_are_nearest(tab, tmp_path):
    generator = np.random.default_rng(0)
    corners = np.repeat(np.eye(3), 20, axis=0)
    embeddings = corners + generator.normal(0, 0.05, (60, 3))
    names = [str(i) for i in range(60)]
    page = pages.collection_map(embeddings, names, method="pca", n_neighbors=3)
    (tmp_path / "m.html").write_text(page, encoding="utf-8")
    tab.goto((tmp_path / "m.html").as_uri())
    path = tab.evaluate("shortest(0, 59)")
    assert (path[0], path[-1]) == (0, 59)
    # Two bridges, each between the most similar tracks of two corners.
    bridges = tab.evaluate("data.bridges")
    rows = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    cosines = rows @ rows.T
    for i, j, cosine in bridges:
        corner = cosines[i // 20 * 20 : i // 20 * 20 + 20]
        other = np.arange(60) // 20 == j // 20
        assert i // 20 != j // 20
        assert cosine == pytest.approx(corner[:, other].max())
    assert not tab.locator("#player").is_visible()  # there are no files


def test_colours_follow_the_choice(opened):
    opened.locator("#colour").select_option("rock")
    low, high = opened.evaluate("[colours[0], colours[39]]")
    assert (low, high) == ("rgb(206,214,222)", "rgb(125,20,70)")
    opened.locator("#colour").select_option("key")
    assert opened.evaluate("colours[0] !== colours[1] && colours[0] === colours[2]")


def test_what_cannot_be_mapped():
    embeddings, names, scores = circle(6)
    with pytest.raises(ConfigError, match="6 embeddings, .*'names': 5"):
        pages.collection_map(embeddings, names[:5])
    with pytest.raises(ConfigError, match="of 3 labels"):
        pages.collection_map(embeddings, names, tags=(["a", "b", "c"], scores))
    with pytest.raises(ConfigError, match="three tracks or more"):
        pages.collection_map(embeddings[:2], names[:2])
    with pytest.raises(LabelError, match="H:dur"):
        pages.collection_map(embeddings, names, keys=["H:dur"] * 6)
