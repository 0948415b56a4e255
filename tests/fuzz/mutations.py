"""Damage: bytes flipped, cut, moved and swapped, values made extreme."""

import json
import random

EXTREMES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
TEXTS = ("nan", "inf", "-1", "1e309", "9" * 400, "", "\0", '"', "\ufeff", "é" * 50, "0")
VALUES = (None, True, -1, 0, 1e308, "", "x", [], {}, [[]], {"": []}, "9" * 50, 2**70)


def damaged(data: bytes, chance: random.Random, other: bytes) -> bytes:
    """Damage bytes once to four times."""
    for _ in range(chance.choice((1, 1, 2, 4))):
        data = chance.choice(_BYTES)(bytearray(data), chance, other)
    return bytes(data)


def damaged_text(data: bytes, chance: random.Random, other: bytes) -> bytes:
    """Damage text: as bytes, or one of its words."""
    if chance.random() < 0.4:
        return damaged(data, chance, other)
    pieces = data.replace(b",", b"\0,\0").replace(b"\t", b"\0\t\0").split(b"\0")
    for _ in range(chance.choice((1, 3))):
        pieces[chance.randrange(len(pieces))] = chance.choice(TEXTS).encode()
    return b"".join(pieces)


def damaged_json(data: bytes, chance: random.Random, other: bytes) -> bytes:
    """Damage JSON: as text, one of its values, or its depth."""
    kind = chance.random()
    if kind < 0.3:
        return damaged_text(data, chance, other)
    if kind < 0.33:
        depth = chance.choice((500, 5000, 200_000))
        return b"[" * depth + chance.choice((b"", b"]" * depth))
    record = json.loads(data)
    for _ in range(chance.choice((1, 2, 4))):
        _change(record, chance)
    return json.dumps(record).encode()


def _change(record, chance):
    place = record
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return
        key = chance.choice(keys)
        below = place[key]
        if isinstance(below, (dict, list)) and chance.random() < 0.75:
            place = below
            continue
        if chance.random() < 0.2:
            del place[key]
        elif chance.random() < 0.1 and isinstance(place, dict):
            place["extra"] = below
        else:
            place[key] = chance.choice(VALUES)
        return


def _flip(data, chance, other):
    for _ in range(chance.choice((1, 4, 40))):
        data[_early(data, chance)] ^= 1 << chance.randrange(8)
    return data


def _cut(data, chance, other):
    return data[: _early(data, chance)] or data[:1]


def _remove(data, chance, other):
    start = _early(data, chance)
    del data[start : start + chance.choice((1, 4, 100, 5000))]
    return data or bytearray(b"\0")


def _repeat(data, chance, other):
    start = _early(data, chance)
    piece = data[start : start + chance.choice((1, 4, 100, 5000))]
    return data[:start] + piece * chance.choice((2, 3, 50)) + data[start:]


def _insert(data, chance, other):
    start = _early(data, chance)
    return data[:start] + chance.randbytes(chance.choice((1, 4, 300))) + data[start:]


def _blank(data, chance, other):
    start = _early(data, chance)
    size = min(chance.choice((4, 64, 4096)), len(data) - start)
    data[start : start + size] = bytes([chance.choice((0, 255))]) * size
    return data


def _splice(data, chance, other):
    """The start of another file, of another format perhaps, before this one."""
    size = chance.choice((4, 12, 40, 200, 4000))
    return bytearray(other[:size]) + data[chance.choice((0, size)) :]


def _length(data, chance, other):
    """An extreme number in the place of 2, 4 or 8 bytes."""
    start, size = _early(data, chance), chance.choice((2, 4, 4, 4, 8))
    value = chance.choice(EXTREMES) % (1 << 8 * size)
    data[start : start + size] = value.to_bytes(size, chance.choice(("big", "little")))
    return data


_BYTES = (_flip, _cut, _remove, _repeat, _insert, _blank, _splice, _length, _length)


def _early(data, chance):
    """A place, most often in the first bytes: headers are where damage tells."""
    reach = chance.choice((64, 512, len(data)))
    return chance.randrange(max(1, min(reach, len(data))))
