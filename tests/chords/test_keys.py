"""Names of keys: Camelot's wheel and Open Key Notation as their makers print them."""

import pytest

from keras_musictag.chords import Key, camelot, open_key
from keras_musictag.chords.keys import parse_key
from keras_musictag.errors import ConfigError, LabelError

# Open Key as beatunes.com and Traktor's manual print it, Camelot as Mixed In Key does:
# number of Open Key, number of Camelot, major, minor.
WHEEL = """
1 8 C Am
2 9 G Em
3 10 D Bm
4 11 A F#m
5 12 E Dbm
6 1 B Abm
7 2 Gb Ebm
8 3 Db Bbm
9 4 Ab Fm
10 5 Eb Cm
11 6 Bb Gm
12 7 F Dm
"""


@pytest.mark.parametrize("line", WHEEL.split("\n")[1:-1])
def test_the_published_wheels(line):
    number, hour, major, minor = line.split()
    for name, letter, place in ((major, "d", "B"), (minor, "m", "A")):
        assert open_key(name) == f"{number}{letter}"
        assert camelot(name) == f"{hour}{place}"
        for code in (f"{number}{letter}", f"{hour}{place}"):
            assert open_key(code) == f"{number}{letter}"
            assert camelot(":".join(parse_key(code))) == f"{hour}{place}"


def test_a_key_in_three_notations():
    key = Key("F#:min")
    names = ("musical", "camelot", "openkey")
    assert [key.notated(name) for name in names] == ["F#m", "11A", "4m"]
    assert key.open_key == "4m"
    with pytest.raises(ConfigError, match="Use one of 'musical', 'camelot', 'openkey'"):
        key.notated("camelott")


@pytest.mark.parametrize("bad", ["0m", "13d", "1M", "1D", "1", "m1"])
def test_what_is_no_open_key(bad):
    with pytest.raises(LabelError, match="no name of a key"):
        open_key(bad)
