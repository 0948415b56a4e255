"""What a sweep over a track keeps, and what it lets go."""

import numpy as np

from keras_musictag.engines.structure_blocks import BLOCK_FRAMES, Rows


def test_a_cut_joins_neighbours_and_sees_zeros_beyond_the_track():
    values = np.random.default_rng(0).normal(size=(1, 300, 5)).astype("float32")
    rows = Rows(1, 300, 5, values=values)
    np.testing.assert_array_equal(rows.cut(100, 290), values[:, 100:290])
    ends = rows.cut(-2, 303)
    np.testing.assert_array_equal(ends[:, 2:-3], values)
    assert not ends[:, :2].any() and not ends[:, -3:].any()


def test_blocks_go_once_their_neighbours_are_read():
    frames = 5 * BLOCK_FRAMES - 7
    rows = Rows(2, frames, 3, half=True)
    left = []
    for number in (1, 0, 2, 4, 3):  # threads may finish in another order
        rows.release(number)
        left.append([i for i, block in enumerate(rows.blocks) if block is not None])
    assert left == [[0, 1, 2, 3, 4], [1, 2, 3, 4], [2, 3, 4], [2, 3, 4], []]


def test_values_that_were_given_stay():
    rows = Rows(1, 10, 3, values=np.ones((1, 10, 3), "float32"))
    rows.release(0)
    assert rows.blocks[0].all()
