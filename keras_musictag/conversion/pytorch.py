"""Reader of PyTorch checkpoints that needs no PyTorch and runs nothing from the file.

A checkpoint is a pickle plus raw numbers, and a pickle can name any function for
the usual loader to call. Here the opcodes are read one by one, and the names in
the file are only ever compared with the few that build tensors and dictionaries.
"""

import functools
import io
import math
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np

from keras_musictag.checks import read_file
from keras_musictag.conversion.pickles import (
    MAX_NAME,
    Inert,
    Pickle,
    Storage,
    Tensor,
    describe,
    whole,
)
from keras_musictag.errors import PresetError

MAGIC = 0x1950A86A20F9469CFC6C  # first pickle of every file in the legacy format
PROTOCOL = 1001
WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network")
PREFIXES = ("module.", "model.", "net.", "_orig_mod.")

MAX_DEPTH = 32  # dictionaries inside dictionaries
MAX_AXES = 32
MAX_ITEMS = 100_000  # entries of the state dict
MAX_INFLATED = 2 * 1024**3
MAX_RATIO = 200  # inflated over compressed bytes
MAX_GROWTH = 8  # bytes of all arrays over bytes of the file, plus MIN_ROOM
MIN_ROOM = 16 * 1024**2

DAMAGE = (
    ValueError,
    TypeError,
    LookupError,
    OverflowError,
    EOFError,
    RuntimeError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
AGAIN = "Download it again, or save it anew with torch.save(model.state_dict(), path)."

Fetch = Callable[[str, int], bytes | memoryview]
Order = Literal["<", ">"]


def read_checkpoint(source) -> dict[str, np.ndarray]:
    """Read the tensors of a PyTorch checkpoint, without PyTorch.

    Both formats of `torch.save` are read: zip archives (PyTorch 1.6 and later) and
    the legacy one (before). Objects other than tensors in (nested) dictionaries are
    never built: hyper-parameters and callbacks of a Lightning `.ckpt` are dropped.

    Args:
        source: Path of a `.pth`, `.pt` or `.ckpt` file, its bytes, or a file opened
            in binary mode.

    Returns:
        Arrays by name, in the order of the file. A dictionary found under
        `"state_dict"`, `"model_state_dict"`, `"model"`, `"net"` or `"network"` is
        taken instead of the whole; nested names are joined by dots; a prefix
        `"module."`, `"model."`, `"net."` or `"_orig_mod."` that all names share is
        taken off. bfloat16 becomes float32, all other types stay as they are.

    Raises:
        PresetError: If the file is damaged, of another format, or holds no tensors.

    Example:

    ```python
    from keras_musictag.conversion.pytorch import read_checkpoint
    from keras_musictag.errors import PresetError

    try:
        read_checkpoint(b"<html>404: Not Found</html>")
    except PresetError as error:
        print(error)
    ```
    """
    return read_tensors(*load(source))


def read_tensors(name: str, data: bytes) -> dict[str, np.ndarray]:
    """Read the tensors of a PyTorch checkpoint that is in memory.

    Args:
        name: What it is called in messages.
        data: The bytes of the file.

    Returns, Raises: As `read_checkpoint`.
    """
    try:
        return _read(data)
    except PresetError as error:
        raise PresetError(
            _printable(error.problem),
            received=_printable(f"{name}: {error.received}"),
            advice=error.advice,
        ) from error
    except DAMAGE as error:
        raise PresetError(
            "The checkpoint is damaged or cut off.",
            received=_printable(f"{name}: {type(error).__name__}: {error}"[:300]),
            advice=AGAIN,
        ) from error


def _printable(text: str) -> str:
    # Names from the file may hold what steers a terminal.
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def load(source) -> tuple[str, bytes]:
    """Read all of a file.

    Args:
        source: Path of a file, its bytes, or a file opened in binary mode.

    Returns:
        Its name and its bytes.

    Raises:
        PresetError: If it cannot be opened.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return "bytes", bytes(source)
    try:
        if hasattr(source, "read"):
            name, data = str(getattr(source, "name", "a file")), source.read()
        else:
            path = Path(source)
            name, data = path.name, read_file(path)
        if isinstance(data, bytes):
            return name, data
        problem: object = f"{name}, opened in text mode"
    except (OSError, TypeError, ValueError) as error:
        problem = f"{source!r:.200}: {type(error).__name__}: {error}"
    raise PresetError(
        "The checkpoint cannot be opened.",
        received=problem,
        advice="Give the path of a .pth, .pt or .ckpt file, its bytes, or a file "
        "opened in binary mode.",
    )


def _read(data: bytes) -> dict[str, np.ndarray]:
    if data[:4] == b"PK\x03\x04":
        top, fetch, order = _read_zip(data)
    elif data[:1] == b"\x80":
        top, fetch, order = _read_legacy(data)
    else:
        raise PresetError(
            "The file is not a PyTorch checkpoint.",
            received=f"{_looks_like(data)} ({len(data)} bytes)",
            advice=AGAIN,
        )
    tensors = _collect(_state_dict(top))
    arrays: dict[str, np.ndarray] = {}
    room = MAX_GROWTH * len(data) + MIN_ROOM
    for name, tensor in tensors.items():
        arrays[name] = _array(name, tensor, fetch, order, room)
        room -= arrays[name].nbytes
    return arrays


def _looks_like(data: bytes) -> str:
    """What a file that is no checkpoint seems to be."""
    starts = {
        b"\x89HDF": "an HDF5 file",
        b"\x93NUMPY": "a NumPy array",
        b"\x1f\x8b": "a gzip file",
        b"PK": "an empty zip archive or a part of one",
        b"version https://git-lfs": "a Git LFS pointer, not the file itself",
        b"{": "JSON",
    }
    if not data:
        return "an empty file"
    for start, what in starts.items():
        if data.startswith(start):
            return what
    if data[8:9] == b"{" and int.from_bytes(data[:8], "little") <= len(data):
        return "a safetensors file"
    if data[257:262] == b"ustar":
        return "a tar archive (also the format of PyTorch before 0.1.10)"
    if data[:512].lstrip()[:1] == b"<":
        return "an HTML or XML page"
    text = all(byte >= 32 or byte in b"\t\n\r" for byte in data[:512])
    return f"{'text' if text else 'unknown data'} that starts with {data[:16]!r}"


# The two containers


def _read_legacy(data: bytes) -> tuple[object, Fetch, Order]:
    """Five pickles, then for each storage its length and its numbers."""
    stream = io.BytesIO(data)
    first, second = Pickle().read(stream), None
    if first == MAGIC:
        second = Pickle().read(stream)
    if first != MAGIC or second != PROTOCOL:
        raise PresetError(
            "The file is a pickle, but not one that torch.save wrote.",
            received=f"a pickled {describe(first)}",
            advice=AGAIN,
        )
    Pickle().read(stream)  # sizes of C types: PyTorch itself ignores them
    pickled = Pickle()
    top = pickled.read(stream)
    keys = Pickle().read(stream)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise ValueError("the list of storages is no list of names")
    position, view, buffers = stream.tell(), memoryview(data), {}
    for key in keys:
        count = pickled.storages[key].count
        start = position + 8
        position = start + count * _raw_type(pickled.storages[key].kind).itemsize
        if key in buffers or position > len(data):
            raise ValueError(f"storage {key[:40]!r} claims more than the file has")
        if int.from_bytes(view[start - 8 : start], "little") != count:
            raise ValueError(f"storage {key[:40]!r} has not the length it claims")
        buffers[key] = view[start:position]
    # PyTorch writes this format little-endian on every machine.
    return top, lambda key, size: buffers[key], "<"


def _read_zip(data: bytes) -> tuple[object, Fetch, Order]:
    """A zip archive with one pickle and one member for each storage."""
    archive = zipfile.ZipFile(io.BytesIO(data))
    members = {info.filename: info for info in archive.infolist()}
    _check_sizes(archive.infolist(), len(data))
    pickles = [name for name in members if name.endswith("/data.pkl")]
    folder = pickles[0].removesuffix("/data.pkl") if pickles else ""
    script = any(name.startswith(f"{folder}/code/") for name in members)
    if len(pickles) != 1 or script:
        kind = "TorchScript archive" if script else "zip archive"
        raise PresetError(
            "The file is not a checkpoint with a state dict.",
            received=f"a {kind} with {', '.join(list(members)[:3])[:200]}",
            advice="Save it with torch.save(model.state_dict(), path).",
        )

    @functools.cache  # tensors share storages
    def member(name: str) -> bytes:
        info = members[f"{folder}/{name}"]
        with archive.open(info) as file:
            # An explicit length: read() alone would inflate beyond what is claimed.
            content = file.read(info.file_size)
        if len(content) != info.file_size:
            raise ValueError(f"member {name[:40]!r} is shorter than it claims")
        return content

    def fetch(key: str, size: int) -> bytes:
        name = f"data/{key}"
        claimed = members[f"{folder}/{name}"].file_size
        if claimed != size:
            raise ValueError(f"member {name[:40]!r} has {claimed} bytes, not {size}")
        return member(name)

    known_orders: dict[bytes, Order] = {b"little": "<", b"big": ">"}
    order = b"little"
    if f"{folder}/byteorder" in members:
        order = member("byteorder")
    return Pickle().read(io.BytesIO(member("data.pkl"))), fetch, known_orders[order]


def _check_sizes(members: list[zipfile.ZipInfo], available: int) -> None:
    """Refuse archives whose members claim more than the file can hold."""
    stored = inflated = compressed = 0
    for info in members:
        if info.compress_type == zipfile.ZIP_STORED:
            stored += info.file_size
        elif info.compress_type == zipfile.ZIP_DEFLATED:
            inflated += info.file_size
            compressed += info.compress_size
        else:
            raise ValueError(f"zip compression {info.compress_type} is not PyTorch's")
    limit = min(MAX_INFLATED, MAX_RATIO * compressed)
    if stored + compressed > available or inflated > limit:
        raise PresetError(
            "The archive claims more data than a checkpoint of its size can hold.",
            received=f"{stored + inflated} bytes in a file of {available}",
            advice="Do not trust this file; get it from its authors.",
        )


# From the pickled objects to arrays


def _state_dict(top: object) -> dict:
    """The dictionary with the tensors, out of what surrounds it."""
    for _ in range(MAX_DEPTH):
        if not isinstance(top, dict):
            break
        inner = [top[key] for key in WRAPPERS if isinstance(top.get(key), dict)]
        if not inner:
            return top
        top = inner[0]
    raise PresetError(
        "The checkpoint holds no state dict.",
        received=describe(top),
        advice="Save it with torch.save(model.state_dict(), path).",
    )


def _collect(top: dict) -> dict[str, Tensor]:
    """Tensors of nested dictionaries, under dotted names without shared prefix."""
    tensors: dict[str, Tensor] = {}
    visited = 0

    def visit(branch: dict, prefix: str, depth: int) -> None:
        nonlocal visited
        for key, value in branch.items():
            visited += 1
            if visited > MAX_ITEMS or depth > MAX_DEPTH:
                raise ValueError("the dictionaries are nested too deep or too long")
            if len(prefix) + len(key) > MAX_NAME:
                raise ValueError(f"the name {key[:40]!r}... is too long")
            name = prefix + key
            if isinstance(value, dict):
                visit(value, f"{name}.", depth + 1)
            elif isinstance(value, Tensor):
                if name in tensors:
                    raise ValueError(f"two tensors are named {name[:80]!r}")
                tensors[name] = value
            elif isinstance(value, Inert) and _is_tensor_name(value.name):
                raise PresetError(
                    f"The tensor `{name}` is of a kind that cannot be read.",
                    received=value.name,
                    advice="Save it as a dense float32 tensor.",
                )

    visit(top, "", 1)
    if not tensors:
        raise PresetError(
            "The checkpoint holds no tensors.",
            received=f"a dictionary with {', '.join(list(top)[:5])[:200] or 'nothing'}",
            advice="Save it with torch.save(model.state_dict(), path).",
        )
    while shared := [p for p in PREFIXES if _shared(p, tensors)]:
        tensors = {name.removeprefix(shared[0]): t for name, t in tensors.items()}
    return tensors


def _is_tensor_name(name: str) -> bool:
    return name.startswith("torch.") and "_rebuild_" in name


def _shared(prefix: str, names) -> bool:
    return all(name.startswith(prefix) and name != prefix for name in names)


def _array(
    name: str, tensor: Tensor, fetch: Fetch, order: Order, room: int
) -> np.ndarray:
    _check_tensor(name, tensor, room)
    kind, raw_type = tensor.storage.kind, _raw_type(tensor.storage.kind, order)
    if math.prod(tensor.size) == 0:
        array = np.empty(tensor.size, raw_type)
    else:
        # NumPy checks once more that the strides stay inside the buffer.
        axes = zip(tensor.size, tensor.stride, strict=True)
        array = np.ndarray(
            tensor.size,
            raw_type,
            buffer=fetch(tensor.storage.key, tensor.storage.count * raw_type.itemsize),
            offset=tensor.offset * raw_type.itemsize,
            strides=[s * raw_type.itemsize if n > 1 else 0 for n, s in axes],
        )
    if kind == "bfloat16":  # the upper half of a float32
        bits = array.astype(np.uint32, order="C")
        return np.left_shift(bits, 16, out=bits).view(np.float32)
    result_type = np.dtype(bool) if kind == "bool" else raw_type.newbyteorder("=")
    return array.astype(result_type, order="C", copy=True)


def _check_tensor(name: str, tensor: Tensor, room: int) -> None:
    """Compare what a tensor claims with what is there, before memory is taken."""
    storage, size, stride = tensor.storage, tensor.size, tensor.stride
    if not isinstance(storage, Storage):
        raise ValueError(f"tensor {name[:80]!r} has no storage")
    if not isinstance(size, tuple) or not isinstance(stride, tuple):
        raise ValueError(f"tensor {name[:80]!r} has no shape")
    if len(size) != len(stride) or len(size) > MAX_AXES:
        raise ValueError(f"tensor {name[:80]!r} has {len(size)} axes")
    for number in (tensor.offset, *size, *stride):
        whole(number)
    steps = ((n - 1) * s for n, s in zip(size, stride, strict=True))
    count, last = math.prod(size), tensor.offset + sum(steps)
    width = max(_raw_type(storage.kind).itemsize, 4)  # bfloat16 becomes float32
    if count and (last >= storage.count or count * width > room):
        raise PresetError(
            f"The tensor `{name}` claims more numbers than the file holds.",
            received=f"shape {size}, strides {stride}, offset {tensor.offset}, "
            f"{storage.count} stored",
            advice=AGAIN,
        )


def _raw_type(kind: str, order: Order = "<") -> np.dtype:
    stored = {"bfloat16": "u2", "bool": "u1"}.get(kind, kind)
    return np.dtype(stored).newbyteorder(order)
