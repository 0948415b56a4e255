#!/usr/bin/env bash
# music21 writes the Roman numeral of a chord (roman.romanNumeralFromChord) so that it does
# not read it back as that chord (roman.RomanNumeral) in a minor key. F major in A minor is
# written "bVI", counted from the major scale, and "bVI" in A minor is read as F flat major,
# counted from the minor one, where "VI" is F major already; likewise G major, "bVII". Both
# are the commonest chords of minor besides the tonic. In major keys the two agree. Nothing
# warns, so numerals that are kept as text and made into chords again are a semitone flat.
# Found with music21 10.5.1 (and its defaults): of the seven triads on the degrees of natural
# A minor five come back, the sixth and the seventh a semitone lower; in C major all seven.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check music21==10.5.1 numpy==2.4.6 2>/dev/null
venv/bin/python - <<'PY'
from music21 import chord, key, roman

def there_and_back(tonic):
    home = key.Key(tonic)
    degrees = home.getScale().getPitches(f"{home.tonic.name}3", f"{home.tonic.name}5")
    changed = {}
    for i in range(7):
        triad = chord.Chord([degrees[i], degrees[i + 2], degrees[i + 4]])
        figure = roman.romanNumeralFromChord(triad, home).figure
        again = roman.RomanNumeral(figure, home)
        if set(again.pitchClasses) != set(triad.pitchClasses):
            lower = (triad.root().pitchClass - again.root().pitchClass) % 12
            changed[triad.root().name] = (figure, again.root().name, lower)
    print(f"{home}: {changed or 'all seven triads come back'}")
    return changed

assert there_and_back("C") == {}
assert there_and_back("a") == {"F": ("bVI", "F-", 1), "G": ("bVII", "G-", 1)}
# Written by hand, the numerals of minor are read from the minor scale.
home = key.Key("a")
assert roman.RomanNumeral("VI", home).root().name == "F"
assert roman.RomanNumeral("VII", home).root().name == "G"
PY
