"""PyTorch checkpoints are read as PyTorch reads them, and hostile ones run nothing."""

import argparse
import collections
import contextlib
import copyreg
import gzip
import io
import os
import pickle
import pickletools
import random
import struct
import subprocess
import sys
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

import keras_musictag.conversion.pickles as reader
from keras_musictag.conversion.pytorch import read_checkpoint
from keras_musictag.errors import PresetError

MAGIC = 0x1950A86A20F9469CFC6C
SYSTEM = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}
NUMBERS = np.arange(4, dtype="<f4").tobytes()


# Files made by hand: a pickle written opcode by opcode, in both containers


def fragment(thing) -> bytes:
    """The opcodes that put a plain value on the stack."""
    return pickletools.optimize(pickle.dumps(thing, 2))[2:-1]


def glob(name: str) -> bytes:
    module, _, attribute = name.rpartition(".")
    return f"c{module}\n{attribute}\n".encode()


def tensor(
    *, offset=0, size=(4,), stride=(1,), count=4, kind="torch.FloatStorage", key="0"
) -> bytes:
    pid = fragment("storage") + glob(kind) + fragment(key) + fragment("cpu")
    pid = b"(" + pid + fragment(count) + b"tQ"
    rest = fragment(offset) + fragment(size) + fragment(stride) + fragment(False)
    hooks = glob("collections.OrderedDict") + b")R"
    return glob("torch._utils._rebuild_tensor_v2") + b"(" + pid + rest + hooks + b"tR"


def dictionary(**entries: bytes) -> bytes:
    items = b"".join(fragment(key) + value for key, value in entries.items())
    return b"}(" + items + b"u"


def as_zip(body: bytes, compression=zipfile.ZIP_STORED, **members: bytes) -> bytes:
    pickled = b"\x80\x02" + body + b"."
    defaults = {"data.pkl": pickled, "version": b"3\n", "data/0": NUMBERS}
    members = defaults | members
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(f"archive/{name}", content)
    return file.getvalue()


def as_legacy(body: bytes, *, keys=("0",), count=4, numbers=NUMBERS) -> bytes:
    head = b"".join(pickle.dumps(part, 2) for part in (MAGIC, 1001, SYSTEM))
    storages = pickle.dumps(list(keys), 2)
    storages += b"".join(struct.pack("<q", count) + numbers for _ in keys)
    return head + b"\x80\x02" + body + b"." + storages


NO_STORAGES: dict = {as_zip: {}, as_legacy: {"keys": ()}}
CONTAINERS = pytest.mark.parametrize("container", [as_zip, as_legacy])

# Python loads some text codecs at their first use; the reader needs this one.
"".encode("raw-unicode-escape")
_watched: list[list[str]] = []
_seen = (
    "os.",
    "subprocess.",
    "pickle.",
    "exec",
    "compile",
    "import",
    "open",
    "socket.",
)


def _hook(event, _):
    if _watched and event.startswith(_seen):
        _watched[-1].append(event)


sys.addaudithook(_hook)


@contextlib.contextmanager
def nothing_runs():
    """Python itself reports every import, command, file and unpickled name."""
    _watched.append([])
    try:
        yield
    finally:
        events = _watched.pop()
    assert events == []


@contextlib.contextmanager
def little_memory(limit=2_000_000):
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()


# Good files


def equal(found, expected) -> None:
    """Same names in the same order, same types, same bits as PyTorch's tensors."""
    assert list(found) == list(expected)
    for name, value in expected.items():
        if str(value.dtype) == "torch.bfloat16":
            value = value.float()
        value = value.detach().numpy()
        assert isinstance(found[name], np.ndarray), name
        assert (found[name].dtype, found[name].shape) == (value.dtype, value.shape)
        assert found[name].tobytes() == value.tobytes(), name
        assert found[name].flags.c_contiguous
        assert found[name].flags.writeable


def save(thing, new_format, **kwargs) -> bytes:
    torch = pytest.importorskip("torch")
    file = io.BytesIO()
    torch.save(thing, file, _use_new_zipfile_serialization=new_format, **kwargs)
    return file.getvalue()


def load(data: bytes):
    torch = pytest.importorskip("torch")
    return torch.load(io.BytesIO(data), weights_only=True)


def sample_tensors(torch):
    torch.manual_seed(0)
    base = torch.randn(6, 8)
    tensors = {
        "plain": torch.randn(3, 4, 5),
        "transposed": base.T,
        "strided": base[1::2, 2:7:3],
        "row": base[3],
        "expanded": base[:, :1].expand(6, 5),
        "scalar": torch.tensor(3),
        "empty": torch.zeros(0, 7),
        "flags": torch.tensor([True, False, True]),
        "one": torch.tensor(True),
        "special": torch.tensor([float("nan"), float("inf"), -0.0, 1e-45]),
        "parameter": torch.nn.Parameter(torch.randn(2, 2)),
        "complex": torch.randn(3, dtype=torch.complex64),
    }
    floats = [torch.float16, torch.float32, torch.float64, torch.bfloat16]
    integers = [torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64]
    for dtype in floats + integers:
        tensors[str(dtype)] = (torch.randn(5, 2) * 50).abs().to(dtype).T
    tensors["bfloat16_scalar"] = torch.tensor(1.5, dtype=torch.bfloat16)
    return collections.OrderedDict(tensors)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("new_format", [False, True])
def test_agrees_with_torch(new_format, protocol):
    torch = pytest.importorskip("torch")
    data = save(sample_tensors(torch), new_format, pickle_protocol=protocol)
    with nothing_runs():
        found = read_checkpoint(data)
    expected = load(data) if protocol == 2 else sample_tensors(torch)
    equal(found, expected)


def test_all_kinds_of_source(tmp_path):
    torch = pytest.importorskip("torch")
    data = save({"w": torch.arange(3)}, True)
    path = tmp_path / "model.pth"
    path.write_bytes(data)
    for source in (path, str(path), data, bytearray(data), io.BytesIO(data)):
        equal(read_checkpoint(source), {"w": torch.arange(3)})
    with path.open("rb") as file:
        equal(read_checkpoint(file), {"w": torch.arange(3)})


@pytest.mark.parametrize("new_format", [False, True])
def test_lightning_checkpoint(new_format):
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(5, 3)).sum().backward()
    optimizer.step()
    state = model.state_dict()
    prefixed = collections.OrderedDict((f"model.{k}", v) for k, v in state.items())
    checkpoint = {
        "epoch": 3,
        "pytorch-lightning_version": "2.1",
        "state_dict": prefixed,
        "optimizer_states": [optimizer.state_dict()],
        "lr_schedulers": [],
        "callbacks": {"ModelCheckpoint": {"best": np.float64(0.3), "at": Path("a/b")}},
        "hyper_parameters": argparse.Namespace(lr=1e-3, tags={"rock", "pop"}),
        "counts": collections.defaultdict(list, {"a": [1]}),
        "frozen": frozenset({1, 2}),
        "array": np.arange(3),
        "loss": torch.tensor(0.25),
        "device": torch.device("cpu"),
        "dtype": torch.float32,
    }
    data = save(checkpoint, new_format)
    with nothing_runs():
        found = read_checkpoint(data)
    equal(found, state)


def test_wrappers_and_nested_dictionaries():
    torch = pytest.importorskip("torch")
    w, b = torch.randn(2), torch.randn(3)
    for wrapper in ("state_dict", "model_state_dict", "model", "net"):
        data = save({"loss": b, wrapper: {"w": w}}, True)
        equal(read_checkpoint(data), {"w": w})
    equal(read_checkpoint(save({"model": {"state_dict": {"w": w}}}, True)), {"w": w})
    nested = {"encoder": {"w": w, 5: b}, "head": {"b": {"b": b}}, "list": [w]}
    equal(read_checkpoint(save(nested, True)), {"encoder.w": w, "head.b.b": b})
    with pytest.raises(PresetError, match="two tensors are named 'a.b'"):
        read_checkpoint(save({"a": {"b": w}, "a.b": w}, True))


def test_prefixes_go_only_when_all_share_them():
    torch = pytest.importorskip("torch")
    w = torch.randn(2)
    cases = {
        ("module.a", "module.b"): ["a", "b"],
        ("model.module.a", "model.module.b"): ["a", "b"],
        ("net._orig_mod.a.model.b",): ["a.model.b"],
        ("model.a", "criterion.b"): ["model.a", "criterion.b"],
        ("model.a", "module.b"): ["model.a", "module.b"],
        ("model.", "model.a"): ["model.", "model.a"],
        ("modela", "modelb"): ["modela", "modelb"],
    }
    for names, expected in cases.items():
        found = read_checkpoint(save(dict.fromkeys(names, w), True))
        assert list(found) == expected


def test_shared_storage_is_read_once_for_all(tmp_path):
    torch = pytest.importorskip("torch")
    base = torch.arange(12.0)
    views = {"a": base[:4], "b": base[4:].view(2, 4), "c": base.view(3, 4).T}
    for new_format in (False, True):
        data = save(views, new_format)
        equal(read_checkpoint(data), load(data))


@CONTAINERS
def test_handmade_files_agree_with_torch(container):
    """Keeps the hostile files below honest: only what is hostile is refused."""
    body = dictionary(w=tensor(), v=tensor(offset=1, size=(2, 1), stride=(2, 7)))
    if container is as_legacy:
        body = body.replace(b"tQ", b"NtQ")
    equal(read_checkpoint(container(body)), load(container(body)))


def test_ordered_dict_of_python_2():
    pair = b"](" + fragment("w") + tensor() + b"e"
    body = glob("collections.OrderedDict") + b"](" + pair + b"e\x85R"
    equal(read_checkpoint(as_zip(body)), load(as_zip(body)))


def test_numbers_of_a_big_endian_machine():
    swapped = np.arange(4, dtype=">f4").tobytes()
    data = as_zip(dictionary(w=tensor()), **{"data/0": swapped, "byteorder": b"big"})
    equal(read_checkpoint(data), load(data))
    with pytest.raises(PresetError, match="damaged"):
        read_checkpoint(as_zip(dictionary(w=tensor()), byteorder=b"middle"))


def test_archive_that_was_compressed_again():
    data = as_zip(dictionary(w=tensor()), zipfile.ZIP_DEFLATED)
    assert read_checkpoint(data)["w"].tobytes() == NUMBERS
    for other in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with pytest.raises(PresetError, match="compression"):
            read_checkpoint(as_zip(dictionary(w=tensor()), other))


def test_published_checkpoints_equal_torchs(reference):
    torch = pytest.importorskip("torch")
    paths = sorted((reference / "sota" / "weights").glob("*.pth"))
    if not paths:
        pytest.skip("needs reference/sota/weights/*.pth")
    for path in paths:
        expected = torch.load(path, weights_only=True, map_location="cpu")
        with path.open("rb") as file, nothing_runs():
            found = read_checkpoint(file)
        equal(found, expected)


def test_needs_neither_torch_nor_keras():
    code = (
        "import sys, keras_musictag.conversion.pytorch;"
        "print({'torch', 'keras', 'tensorflow', 'jax'} & set(sys.modules))"
    )
    root = Path(reader.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True
    )
    assert (done.stdout.strip(), done.stderr) == ("set()", "")


# Hostile files


class Made:
    """Does harm when it is made, by NEWOBJ or NEWOBJ_EX."""

    def __new__(cls, path, **_):
        Path(path).touch()
        return object.__new__(cls)


class Restored:
    """Does harm when its state is set, by BUILD."""

    def __setstate__(self, path):
        Path(path).touch()


class Reduced:
    """Pickled by Python itself as a call of a function of the author's choice."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


HERE = __name__
# Each writes opcodes that create the file when the usual loader runs them.
ATTACKS = {
    "reduce": lambda p: glob("os.mkdir") + fragment((p,)) + b"R",
    "system": lambda p: glob("os.system") + fragment((f"touch {p}",)) + b"R",
    "posix": lambda p: glob("posix.mkdir") + fragment((p,)) + b"R",
    "stack_global": lambda p: (
        fragment("os") + fragment("mkdir") + b"\x93" + fragment((p,)) + b"R"
    ),
    "inst": lambda p: b"(" + fragment(p) + b"ios\nmkdir\n",
    "obj": lambda p: b"(" + glob("os.mkdir") + fragment(p) + b"o",
    "newobj": lambda p: glob(f"{HERE}.Made") + fragment((p,)) + b"\x81",
    "newobj_ex": lambda p: (
        glob(f"{HERE}.Made") + fragment((p,)) + fragment({}) + b"\x92"
    ),
    "build": lambda p: glob(f"{HERE}.Restored") + b")\x81" + fragment(p) + b"b",
    "exec": lambda p: (
        glob("builtins.exec") + fragment((f"open({p!r}, 'w').close()",)) + b"R"
    ),
    "import": lambda p: (
        glob("builtins.getattr")
        + (b"(" + glob("builtins.__import__") + fragment(("os",)) + b"R")
        + (fragment("mkdir") + b"tR" + fragment((p,)) + b"R")
    ),
    "open": lambda p: glob("io.open") + fragment((p, "w")) + b"R",
    "methodcaller": lambda p: (
        glob("operator.methodcaller")
        + (fragment(("touch",)) + b"R")
        + (glob("pathlib.Path") + fragment((p,)) + b"R\x85R")
    ),
    "in_list": lambda p: b"](]" + glob("os.mkdir") + fragment((p,)) + b"Rae",
    "argument": lambda p: (
        glob("collections.OrderedDict")
        + (b"](](" + fragment("a") + glob("io.open") + fragment((p, "w")) + b"R")
        + b"ee\x85R"
    ),
}
PLACES = {
    "top": lambda attack: attack,
    "value": lambda attack: dictionary(w=tensor(), x=attack),
    "state_dict": lambda attack: dictionary(
        state_dict=dictionary(w=tensor(), x=attack), y=attack
    ),
    "popped": lambda attack: attack + b"0" + dictionary(w=tensor()),
    "attributes": lambda attack: dictionary(w=tensor()) + attack + b"b",
    "hook": lambda attack: dictionary(
        w=tensor().replace(glob("collections.OrderedDict") + b")R", attack)
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_hostile_pickles_run_nothing(attack, tmp_path):
    sentinel = tmp_path / "sentinel"
    opcodes = ATTACKS[attack](str(sentinel))
    # The proof that the attack is real: the usual loader falls for it.
    pickle.loads(b"\x80\x02" + opcodes + b".")
    assert sentinel.exists()
    sentinel.rmdir() if sentinel.is_dir() else sentinel.unlink()
    for container in (as_zip, as_legacy):
        for place in PLACES.values():
            data = container(place(opcodes))
            try:
                with nothing_runs():
                    found = read_checkpoint(data)
            except PresetError:
                found = {"w": np.frombuffer(NUMBERS)}  # refused: just as good
            assert not sentinel.exists()
            assert {k: v.tobytes() for k, v in found.items()} == {"w": NUMBERS}


@CONTAINERS
@pytest.mark.parametrize("name", ["os.system", "nt.system", "subprocess.Popen"])
def test_programs_get_a_clear_error(container, name):
    body = dictionary(w=tensor(), x=glob(name) + fragment(("true",)) + b"R")
    with pytest.raises(PresetError, match=f"nothing was run.*{name}.*Do not load"):
        read_checkpoint(container(body))


@CONTAINERS
@pytest.mark.parametrize("attack", ["newobj", "newobj_ex", "build", "methodcaller"])
def test_unknown_objects_are_dropped(container, attack, tmp_path):
    opcodes = ATTACKS[attack](str(tmp_path / "sentinel"))
    for place in ("value", "state_dict", "popped", "attributes", "hook"):
        with nothing_runs():
            found = read_checkpoint(container(PLACES[place](opcodes)))
        assert {k: v.tobytes() for k, v in found.items()} == {"w": NUMBERS}
    with pytest.raises(PresetError, match="no state dict.*an object of"):
        read_checkpoint(container(PLACES["top"](opcodes), **NO_STORAGES[container]))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("protocol", range(6))
def test_objects_with_reduce_run_nothing(protocol, tmp_path):
    sentinel = tmp_path / "sentinel"
    for function in (os.mkdir, os.makedirs, exec):
        argument = str(sentinel)
        if function is exec:
            argument = f"import os; os.mkdir({str(sentinel)!r})"
        bomb = Reduced(function, argument)
        pickle.loads(pickle.dumps(bomb, protocol))
        assert sentinel.exists()
        sentinel.rmdir()
        for thing in (bomb, {"state_dict": {"w": [bomb]}}, [bomb], {bomb: 1}):
            pickled = pickle.dumps(thing, protocol)
            for data in (
                pickled,
                as_zip(b"", **{"data.pkl": pickled}),
                pickle.dumps(MAGIC, 2) + pickled,
                as_legacy(b"N") + pickled,
                as_legacy(b"N")[:137] + pickled + pickle.dumps([], 2),
            ):
                with nothing_runs(), pytest.raises(PresetError):
                    read_checkpoint(data)
        assert not sentinel.exists()


def test_torch_save_of_a_bomb_runs_nothing(tmp_path):
    torch = pytest.importorskip("torch")
    sentinel = tmp_path / "sentinel"
    bomb = Reduced(os.mkdir, str(sentinel))
    for new_format in (False, True):
        data = save({"state_dict": {"w": torch.ones(2)}, "hook": bomb}, new_format)
        with nothing_runs(), pytest.raises(PresetError, match="nothing was run"):
            read_checkpoint(data)
    assert not sentinel.exists()


def test_extension_opcodes_run_nothing(tmp_path):
    sentinel = tmp_path / "sentinel"
    rest = fragment((str(sentinel),)) + b"R"
    copyreg.add_extension("os", "mkdir", 240)
    try:
        pickle.loads(b"\x80\x02\x82\xf0" + rest + b".")
        assert sentinel.exists()
        sentinel.rmdir()
        for code in (b"\x82\xf0", b"\x83\xf0\x00", b"\x84\xf0\x00\x00\x00"):
            for container in (as_zip, as_legacy):
                data = container(dictionary(w=tensor(), x=code + rest))
                with nothing_runs(), pytest.raises(PresetError, match="opcode EXT"):
                    read_checkpoint(data)
    finally:
        copyreg.remove_extension("os", "mkdir", 240)
    assert not sentinel.exists()


STORAGE = fragment("storage") + glob("torch.FloatStorage")
PERSISTENT = {
    "text": b"Pstorage\n",
    "number": fragment(7) + b"Q",
    "list": b"]Q",
    "empty": b")Q",
    "short": b"(" + STORAGE + b"tQ",
    "other": fragment(("file", "/etc/passwd", "0", "cpu", 4)) + b"Q",
    "kind_is_text": fragment(("storage", "FloatStorage", "0", "cpu", 4)) + b"Q",
    "kind_unknown": tensor(kind="torch.QInt8Storage"),
    "kind_hostile": tensor(kind="os.system"),
    "key_is_number": tensor(key=0),
    "key_climbs": tensor(key="../../etc/passwd"),
    "key_missing": tensor(key="1"),
    "count_is_text": tensor(count="4"),
    "count_is_flag": tensor(count=True),
    "module_alone": fragment(("module",)) + b"Q",
    "view": b"(" + STORAGE + fragment("0") + fragment("cpu") + b"K\x04)tQ",
}


@CONTAINERS
@pytest.mark.parametrize("trick", PERSISTENT)
def test_persistent_id_tricks(container, trick):
    body = dictionary(w=PERSISTENT[trick])
    with nothing_runs(), pytest.raises(PresetError):
        read_checkpoint(container(body))


@CONTAINERS
def test_one_storage_with_two_types_or_lengths(container):
    for other in (tensor(kind="torch.DoubleStorage"), tensor(count=2, size=(2,))):
        with pytest.raises(PresetError, match="two types or lengths"):
            read_checkpoint(container(dictionary(w=tensor(), v=other)))


CLAIMS = {
    "count": {"count": 2**40},
    "count_and_size": {"count": 2**40, "size": (2**40,)},
    "size": {"size": (5,)},
    "huge_size": {"size": (2**40,)},
    "overflow": {"size": (2**31, 2**31), "stride": (2**31, 1)},
    "wraps_to_zero": {"size": (2**32, 2**32), "stride": (0, 0)},
    "beyond_64_bit": {"size": (10**4000,)},
    "offset": {"offset": 1},
    "huge_offset": {"offset": 2**61},
    "stride": {"size": (2,), "stride": (4,)},
    "expanded": {"size": (10**12,), "stride": (0,)},
    "overlapping": {"size": (10**6, 10**6), "stride": (0, 0)},
    "negative_size": {"size": (-4,)},
    "two_negative_sizes": {"size": (-2, -2), "stride": (1, 1)},
    "negative_stride": {"offset": 3, "stride": (-1,)},
    "negative_offset": {"offset": -1},
    "negative_count": {"count": -1},
    "fraction": {"size": (4.0,)},
    "flag": {"size": (True,)},
    "list": {"size": [4]},
    "text": {"size": "4", "stride": "1"},
    "stride_missing": {"stride": ()},
    "many_axes": {"size": (1,) * 70, "stride": (1,) * 70},
    "empty_but_huge": {"size": (0, 2**61, 2**61), "stride": (1, 1, 1)},
}


@CONTAINERS
@pytest.mark.parametrize("claim", CLAIMS)
def test_claims_are_checked_before_memory_is_taken(container, claim):
    data = container(dictionary(w=tensor(**CLAIMS[claim])))
    with little_memory(), pytest.raises(PresetError):
        read_checkpoint(data)


def test_many_tensors_over_one_storage_are_bounded():
    wide = tensor(size=(1_000_000,), stride=(0,))
    body = dictionary(**{f"w{index}": wide for index in range(50)})
    with little_memory(40_000_000), pytest.raises(PresetError, match="claims more"):
        read_checkpoint(as_zip(body))


def test_legacy_storages_are_checked():
    body = dictionary(w=tensor())
    bad = {
        "count": as_legacy(body, count=2**60),
        "negative": as_legacy(body, count=-1),
        "unknown key": as_legacy(body, keys=("1",)),
        "twice": as_legacy(body, keys=("0", "0")),
        "short": as_legacy(body, numbers=NUMBERS[:-1]),
        "none": as_legacy(body, keys=()),
        "numbers": as_legacy(body, keys=(0,)),
    }
    for what, data in bad.items():
        with little_memory(), pytest.raises(PresetError):
            pytest.fail(f"{what}: {read_checkpoint(data)}")


@CONTAINERS
def test_long_arguments_are_not_believed(container):
    for opcode in (
        b"X\xff\xff\xff\xff",
        b"\x8d" + b"\xff" * 8,
        b"\x8d" + struct.pack("<q", 2**62),
        b"\x8e" + struct.pack("<q", 2**62),
        b"\x96" + struct.pack("<q", 2**62),
        b"B\xff\xff\xff\x7f",
        b"T\xff\xff\xff\x7f",
        b"T\xff\xff\xff\xff",
        b"\x8b\xff\xff\xff\x7f",
        b"\x8b\xff\xff\xff\xff",
        b"L" + b"9" * 10_000 + b"L\n",
        b"I" + b"9" * 10_000,
    ):
        with little_memory(), pytest.raises(PresetError, match="damaged"):
            read_checkpoint(container(opcode))
    # A frame is a hint; a wrong one has no effect on what is read.
    framed = b"\x95" + struct.pack("<q", 2**62) + dictionary(w=tensor())
    assert read_checkpoint(container(framed))["w"].tobytes() == NUMBERS


def test_zip_bombs():
    zeros = bytes(64_000_000)
    bomb = as_zip(
        dictionary(w=tensor(count=16_000_000, size=(16_000_000,))),
        zipfile.ZIP_DEFLATED,
        **{"data/0": zeros},
    )
    assert len(bomb) < 100_000
    with little_memory(), pytest.raises(PresetError, match="claims more data"):
        read_checkpoint(bomb)
    # The same, with headers that claim 16 bytes for what inflates to 64 MB.
    body = dictionary(w=tensor())
    lying = as_zip(body, zipfile.ZIP_DEFLATED, **{"data/0": zeros})
    claim = struct.pack("<I", len(zeros))
    assert lying.count(claim) == 2
    with little_memory(), pytest.raises(PresetError, match="CRC"):
        read_checkpoint(lying.replace(claim, struct.pack("<I", 16)))


def test_zip_members_that_overlap_or_repeat():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(
            "archive/data.pkl", b"\x80\x02" + dictionary(w=tensor()) + b"."
        )
        archive.writestr("archive/data/0", NUMBERS * 1000)
        archive.filelist.extend([archive.filelist[1]] * 100)
    with little_memory(), pytest.raises(PresetError, match="claims more data"):
        read_checkpoint(file.getvalue())


def test_zip_members_that_lie():
    good = as_zip(dictionary(w=tensor()))
    changed = good.replace(NUMBERS, NUMBERS[::-1])
    with pytest.raises(PresetError, match="damaged.*CRC"):
        read_checkpoint(changed)
    for content in (NUMBERS[:-1], NUMBERS + b"\0", b""):
        with pytest.raises(PresetError, match="bytes, not 16"):
            read_checkpoint(as_zip(dictionary(w=tensor()), **{"data/0": content}))


@CONTAINERS
def test_structures_that_contain_themselves(container):
    itself = b"]q\x01(h\x01" + tensor() + b"e"
    body = dictionary(w=tensor(), x=itself)
    assert list(read_checkpoint(container(body))) == ["w"]
    assert list(read_checkpoint(container(b"}q\x02(" + body[2:-1] + b"u"))) == ["w"]
    loop = b"}q\x01(" + fragment("w") + tensor() + fragment("d") + b"h\x01u"
    with pytest.raises(PresetError, match="nested too deep"):
        read_checkpoint(container(loop))
    wrapped = b"}q\x01(" + fragment("w") + tensor() + fragment("model") + b"h\x01u"
    with pytest.raises(PresetError, match="no state dict"):
        read_checkpoint(container(wrapped))
    with pytest.raises(PresetError, match="no state dict"):
        read_checkpoint(container(itself))


@CONTAINERS
def test_deep_and_exponential_structures(container):
    deep = 20_000
    laughs = b"}q\x00"
    for level in range(1, 60):
        laughs += b"}q" + bytes([level]) + b"(" + fragment("a") + b"h"
        laughs += bytes([level - 1]) + fragment("b") + b"h" + bytes([level - 1]) + b"u"
    key = b")" + b"2\x86" * 60  # hashing it would take 2 to the power of 60 steps
    hostile = {
        "tuples": dictionary(x=b")" + b"\x85" * deep),
        "lists": dictionary(x=b"]" * deep + b"a" * (deep - 1)),
        "marks": b"(" * deep,
        "dictionaries": dictionary(x=dictionary(x=b"}")) + b"0" + laughs,
        "shallow laughs": laughs[: laughs.index(b"}q\x14")],
        "key": b"}" + key + tensor() + b"s",
        "nothing": b"",
        "empty stack": b"R",
        "unknown memo": b"h\x09",
        "unknown opcode": b"\xff",
        "set item of nothing": b"NNNs",
        "odd": b"}(NNNu",
    }
    for what, body in hostile.items():
        with nothing_runs(), pytest.raises(PresetError):
            pytest.fail(f"{what}: {read_checkpoint(container(body))}")


def test_tensors_inside_tensors_are_dropped_without_a_crash():
    start = glob("torch._utils._rebuild_tensor_v2") + b"q\x000N"
    body = start + b"q\x010h\x00(h\x01NNNtR" * 50_000
    with pytest.raises(PresetError):
        read_checkpoint(as_zip(dictionary(w=body)))


def test_work_is_bounded(monkeypatch):
    pairs = (
        b"](" + b"".join(b"](" + fragment(str(n)) + b"Ne" for n in range(1000)) + b"e"
    )
    again = glob("collections.OrderedDict") + b"h\x01\x85R0"
    endless = pairs + b"q\x01" + again * 20_000 + dictionary(w=tensor())
    with pytest.raises(PresetError, match="far longer"):
        read_checkpoint(as_zip(endless))
    body = dictionary(w=tensor())
    for limit in ("MAX_STEPS", "MAX_MEMO"):
        with monkeypatch.context() as patch:
            patch.setattr(reader, limit, 100)
            assert list(read_checkpoint(as_zip(body))) == ["w"]
            many = b"".join(b"Nr" + struct.pack("<I", n) + b"0" for n in range(200))
            with pytest.raises(PresetError, match="far longer"):
                read_checkpoint(as_zip(many + body))


def test_names_are_bounded_and_printable():
    with pytest.raises(PresetError, match="too long"):
        read_checkpoint(as_zip(dictionary(**{"n" * 2000: tensor()})))
    with pytest.raises(PresetError) as caught:
        read_checkpoint(as_zip(dictionary(**{"\x1b[2J\n": b"N"})))
    assert str(caught.value).isprintable()


def small_files():
    torch = pytest.importorskip("torch")
    module = torch.nn.Sequential(torch.nn.Conv1d(2, 3, 5), torch.nn.GRU(3, 2))
    tensors = {**module.state_dict(), "half": torch.randn(3).bfloat16()}
    return [save(tensors, new_format) for new_format in (False, True)]


def test_files_cut_off_anywhere():
    for data in small_files():
        whole = read_checkpoint(data)
        for length in range(0, len(data), 64):
            try:
                with nothing_runs():
                    found = read_checkpoint(data[:length])
            except PresetError:
                continue
            assert {name: array.tobytes() for name, array in found.items()} == {
                name: array.tobytes() for name, array in whole.items()
            }


def test_flipped_bits():
    for data in small_files():
        whole, refused = read_checkpoint(data), 0
        random.seed(10)
        for _ in range(300):
            place = random.randrange(len(data))
            damaged = bytearray(data)
            damaged[place] ^= 1 << random.randrange(8)
            try:
                with nothing_runs():
                    found = read_checkpoint(damaged)
            except PresetError:
                refused += 1
                continue
            assert all(isinstance(array, np.ndarray) for array in found.values())
            if data.startswith(b"PK"):  # numbers and names have checksums there
                assert found.keys() == whole.keys()
                for name, array in whole.items():
                    assert found[name].tobytes() == array.tobytes()
        assert refused > 30


# Other files


def other_formats():
    from safetensors.numpy import save as save_safetensors

    array = {"w": np.ones(3, np.float32)}
    npy, npz, tar = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.save(npy, array["w"])
    np.savez(npz, **array)
    with tarfile.open(fileobj=tar, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("storages"))
    return {
        "safetensors": save_safetensors(array),
        "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(100),
        "HTML": b"\n<!DOCTYPE html><html>404</html>",
        "Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:12\n",
        "JSON": b'{"message": "Not Found"}',
        "text": b"404: Not Found",
        "empty file": b"",
        "gzip": gzip.compress(b"x"),
        "tar archive": tar.getvalue(),
        "NumPy array": npy.getvalue(),
        "zip archive with w.npy": npz.getvalue(),
        "pickle, but not one that torch.save wrote": pickle.dumps(array),
        "unknown data": b"\x00\x01\x02" * 20,
    }


def test_other_formats_are_named(tmp_path):
    for what, data in other_formats().items():
        path = tmp_path / "model.pth"
        path.write_bytes(data)
        with pytest.raises(PresetError, match=f"{what}.*torch.save"):
            read_checkpoint(path)


def test_what_torch_saves_besides_state_dicts():
    torch = pytest.importorskip("torch")
    linear = torch.nn.Linear(2, 2)
    for new_format in (False, True):
        for thing, match in {
            linear: "an object of torch.nn.modules.linear.Linear.*state_dict",
            torch.ones(2): "no state dict.*a tensor",
            (1, 2): "no state dict.*a tuple",
        }.items():
            with pytest.raises(PresetError, match=match):
                read_checkpoint(save(thing, new_format))
        with pytest.raises(PresetError, match="no tensors.*epoch"):
            read_checkpoint(save({"epoch": 1}, new_format))
        sparse = {"w": torch.eye(3).to_sparse()}
        with pytest.raises(PresetError, match="`w` is of a kind.*sparse.*dense"):
            read_checkpoint(save(sparse, new_format))
    with pytest.raises(PresetError, match="cannot be read.*Save"):
        read_checkpoint(save({"w": torch.ones(2).to(torch.float8_e5m2)}, True))


@pytest.mark.filterwarnings("ignore")
def test_torchscript_is_named():
    torch = pytest.importorskip("torch")
    file = io.BytesIO()
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2)), file)
    with pytest.raises(PresetError, match="TorchScript.*state_dict"):
        read_checkpoint(file.getvalue())


def test_what_is_no_file(tmp_path):
    for source in (tmp_path / "none.pth", tmp_path, 7, None, io.StringIO("text"), "\0"):
        with pytest.raises(PresetError, match=r"cannot be opened.*\.ckpt file"):
            read_checkpoint(source)
