"""Agreement of two recognisers, with mir_eval's comparison of triads as the oracle."""

import io

import numpy as np
import pytest
from mir_eval import chord

from keras_musictag.chords.sequence import ChordSequence
from keras_musictag.errors import LabelError

ONE = ChordSequence(
    [[0, 2], [2, 4], [4, 5], [5, 7], [7, 8]],
    ["C:maj", "A:min7", "N", "Db:9", "F:sus4(b7)"],
    [0.9, 0.5, None, 0.2, 0.4],
    duration=9,
)
OTHER = ChordSequence(
    [[0, 1.5], [1.5, 3], [3, 5.5], [5.5, 7], [7, 8]],
    ["C:7/3", "A:min", "N", "C#:maj", "F:maj"],
)


def test_shares_are_those_of_mir_eval():
    marked = ONE.compared_with(OTHER)
    grid = np.arange(0, 8, 0.25) + 0.125
    agrees = chord.triads(ONE.sample(grid), OTHER.sample(grid))
    for (start, end, *_), share in zip(ONE, marked.agreements, strict=True):
        inside = (grid > start) & (grid < end)
        assert share == pytest.approx(agrees[inside].mean())
    assert marked.agreed_share == pytest.approx(agrees.mean())
    assert list(marked) == list(ONE) and ONE.agreed_share is None
    assert marked != ONE


def test_an_inversion_over_a_foreign_tone_is_the_same_triad():
    one, other = (ChordSequence([[0, 1]], [x]) for x in ("C:maj/2", "C:maj"))
    assert one.compared_with(other).agreed_share == 1.0
    nothing = ChordSequence([], [], duration=3)
    assert nothing.compared_with(one).agreements is None
    assert one.compared_with(nothing).agreed_share == 0.0


def test_agreements_stay_with_their_segments():
    marked = ONE.compared_with(OTHER)
    shares = marked.agreements
    np.testing.assert_array_equal(marked[1:3].agreements, shares[1:3])
    np.testing.assert_array_equal(marked.between(1, 6).agreements, shares[:4])
    np.testing.assert_array_equal(marked.transpose(3).agreements, shares)
    np.testing.assert_array_equal(marked.spelled("F:maj").agreements, shares)
    np.testing.assert_array_equal(marked.filled().agreements, [*shares, np.nan])
    halves = ChordSequence([[0, 1], [1, 4]], ["C:maj", "C:maj"], None, 4, [1, 0.5])
    assert halves.merged().agreements == pytest.approx([0.625])
    assert list(marked.to_dataframe()["agreement"]) == list(shares)


def test_files_keep_them():
    marked = ONE.compared_with(OTHER)
    for text, read in (
        (marked.to_json(), ChordSequence.from_json),
        (marked[:].to_csv(), ChordSequence.from_csv),
    ):
        again = read(io.StringIO(text))
        np.testing.assert_array_equal(again.agreements, marked.agreements)
    assert "agreement" not in ONE.to_json() + ONE.to_csv()
    with pytest.raises(LabelError, match="the agreement in .* is no number"):
        ChordSequence.from_csv(
            io.StringIO("start,end,label,agreement\n0,1,C:maj,much\n")
        )
    with pytest.raises(LabelError, match="one finite agreement"):
        ChordSequence([[0, 1]], ["C:maj"], agreements=[0.5, 0.5])
