"""Opcodes of a pickle turned into plain data: nothing from the file is ever called.

The names in a pickle are only compared with the few that PyTorch needs for tensors
and dictionaries; whatever else it builds becomes an inert placeholder.
"""

import io
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from keras_musictag.errors import PresetError

MAX_STEPS = 2_000_000  # opcodes of one file; a network of 10000 tensors takes 400000
MAX_MEMO = 1_000_000
MAX_MARKS = 1_000
MAX_NAME = 1_000  # characters

STORAGES = {
    "torch.FloatStorage": "f4",
    "torch.DoubleStorage": "f8",
    "torch.HalfStorage": "f2",
    "torch.BFloat16Storage": "bfloat16",
    "torch.LongStorage": "i8",
    "torch.IntStorage": "i4",
    "torch.ShortStorage": "i2",
    "torch.CharStorage": "i1",
    "torch.ByteStorage": "u1",
    "torch.BoolStorage": "bool",
    "torch.ComplexFloatStorage": "c8",
    "torch.ComplexDoubleStorage": "c16",
}
TENSORS = ("torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2")
PARAMETERS = (
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
)
# Nothing is called whatever it is named: these lists only make for a clear error.
HOSTILE_MODULES = (
    "os posix nt subprocess sys shutil socket pty runpy importlib ctypes webbrowser pdb"
)
HOSTILE_BUILTINS = "eval exec compile open __import__ input breakpoint execfile"


@dataclass(frozen=True, slots=True)
class Global:
    """A name from the file; it is compared, never looked up."""

    name: str


@dataclass(frozen=True, slots=True)
class Inert:
    """Stands for an object of any other class; its contents are dropped."""

    name: str


@dataclass(frozen=True, slots=True)
class Storage:
    key: str
    kind: str
    count: int


@dataclass(frozen=True, slots=True)
class Tensor:
    """What the file claims; checked only if the tensor is kept."""

    storage: Any
    offset: Any
    size: Any
    stride: Any


def whole(number: object) -> int:
    if type(number) is not int or not 0 <= number < 2**62:
        raise ValueError("a size, stride or offset is no whole number from 0 up")
    return number


def describe(thing: object) -> str:
    """A short text for errors; never walks into what the file claims to hold."""
    if isinstance(thing, (Global, Inert)):
        return f"an object of {thing.name}"
    return f"a {type(thing).__name__.strip('_').lower()}"


class Pickle:
    """Builds plain data from the opcodes of one pickle, and calls nothing."""

    def __init__(self):
        self.stack: list = []
        self.outer: list[list] = []  # stacks below the marks
        self.memo: dict[int, object] = {}
        self.storages: dict[str, Storage] = {}
        self.steps = 0

    def read(self, stream: io.BytesIO) -> object:
        """Read up to the end of the pickle, and leave the stream there."""
        for opcode, value, _ in pickletools.genops(stream):
            self.spend(1)
            if opcode.name not in _STEPS:
                raise ValueError(f"no checkpoint needs the opcode {opcode.name}")
            _STEPS[opcode.name](self, value)
        return self.stack.pop()

    def spend(self, steps: int) -> None:
        self.steps += steps
        if self.steps > MAX_STEPS or len(self.memo) > MAX_MEMO:
            raise ValueError("the pickle is far longer than a checkpoint's")

    def push(self, value: object) -> None:
        self.stack.append(value)

    def mark(self, _) -> None:
        self.outer.append(self.stack)
        self.stack = []
        if len(self.outer) > MAX_MARKS:
            raise ValueError("the pickle is nested too deep")

    def marked(self) -> list:
        items, self.stack = self.stack, self.outer.pop()
        return items

    def last(self, count: int) -> list:
        items = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        if len(items) != count:
            raise ValueError("the pickle takes more than it has put down")
        return items

    def put(self, index) -> None:
        self.memo[len(self.memo) if index is None else index] = self.stack[-1]

    def append(self, items: list) -> None:
        target = self.stack[-1]
        if isinstance(target, list):
            target.extend(items)
        elif not isinstance(target, Inert):
            raise ValueError(f"{describe(target)} takes no items")

    def set(self, items: list) -> None:
        target = self.stack[-1]
        if isinstance(target, dict):
            target.update(_pairs(zip(items[::2], items[1::2], strict=True)))
        elif not isinstance(target, Inert):
            raise ValueError(f"{describe(target)} takes no items")

    def dictionary(self, _) -> None:
        items = self.marked()
        self.push({})
        self.set(items)

    def name(self, module: object, name: object) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise ValueError("a global has no name")
        full = f"{module[:MAX_NAME]}.{name[:MAX_NAME]}"
        if module.split(".", 1)[0] in HOSTILE_MODULES.split() or (
            module in ("builtins", "__builtin__") and name in HOSTILE_BUILTINS.split()
        ):
            raise PresetError(
                "The checkpoint asks to run a program or to open a file; nothing "
                "was run.",
                received=full,
                advice="Do not load it with any other program either; get the "
                "weights from their authors.",
            )
        self.push(Global(full))

    def call(self, function: object, args: object) -> None:
        self.push(self.result(function, args))

    def result(self, function: object, args: object) -> object:
        """What a call stands for: one of three known forms, or nothing."""
        name = getattr(function, "name", type(function).__name__)
        if not isinstance(function, Global) or not isinstance(args, tuple):
            return Inert(name)
        if name == "collections.OrderedDict":
            if not args:
                return {}
            if not isinstance(args[0], list):  # a list of pairs: from Python 2
                raise ValueError("an OrderedDict is not made of pairs")
            self.spend(len(args[0]))
            return _pairs(args[0])
        if name in TENSORS:
            storage, offset, size, stride = args[:4]
            return Tensor(storage, offset, size, stride)
        return args[0] if name in PARAMETERS else Inert(name)

    def storage(self, pid: object) -> None:
        """A persistent id: how PyTorch writes where the numbers are."""
        if isinstance(pid, tuple) and pid[:1] == ("module",):
            self.push(pid[1])  # class of a whole pickled network
            return
        if not isinstance(pid, tuple) or len(pid) not in (5, 6) or pid[0] != "storage":
            raise ValueError("a persistent id is not that of a storage")
        kind, key, count = pid[1], pid[2], whole(pid[4])
        if not isinstance(kind, Global) or not isinstance(key, str):
            raise ValueError("a storage has no type or no name")
        if kind.name not in STORAGES or pid[5:] not in ((), (None,)):
            raise PresetError(
                "The checkpoint holds numbers of a kind that cannot be read.",
                received=kind.name,
                advice="Save the state dict as float32 with a recent PyTorch.",
            )
        storage = Storage(key, STORAGES[kind.name], count)
        if self.storages.setdefault(key, storage) != storage:
            raise ValueError(f"storage {key[:40]!r} has two types or lengths")
        self.push(storage)


def _pairs(pairs) -> dict:
    # Only text keys: others cannot name a tensor, and hashing them may take forever.
    return {key: value for key, value in pairs if isinstance(key, str)}


_LITERALS = (
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT NONE STRING BINSTRING "
    "SHORT_BINSTRING UNICODE BINUNICODE BINUNICODE8 SHORT_BINUNICODE BINBYTES "
    "BINBYTES8 SHORT_BINBYTES BYTEARRAY8"
)
_STEPS: dict[str, Callable[[Pickle, Any], object]] = {
    **dict.fromkeys(_LITERALS.split(), Pickle.push),
    **dict.fromkeys(("PROTO", "FRAME", "STOP"), lambda p, _: None),
    "NEWTRUE": lambda p, _: p.push(True),
    "NEWFALSE": lambda p, _: p.push(False),
    "MARK": Pickle.mark,
    "POP": lambda p, _: p.stack.pop(),
    "POP_MARK": lambda p, _: p.marked(),
    "DUP": lambda p, _: p.push(p.stack[-1]),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), Pickle.put),
    **dict.fromkeys(
        ("GET", "BINGET", "LONG_BINGET"), lambda p, index: p.push(p.memo[index])
    ),
    "EMPTY_TUPLE": lambda p, _: p.push(()),
    "EMPTY_LIST": lambda p, _: p.push([]),
    "EMPTY_DICT": lambda p, _: p.push({}),
    "EMPTY_SET": lambda p, _: p.push(Inert("set")),
    "TUPLE": lambda p, _: p.push(tuple(p.marked())),
    "TUPLE1": lambda p, _: p.push(tuple(p.last(1))),
    "TUPLE2": lambda p, _: p.push(tuple(p.last(2))),
    "TUPLE3": lambda p, _: p.push(tuple(p.last(3))),
    "LIST": lambda p, _: p.push(p.marked()),
    "DICT": Pickle.dictionary,
    "FROZENSET": lambda p, _: p.call(Inert("frozenset"), p.marked()),
    "APPEND": lambda p, _: p.append(p.last(1)),
    "APPENDS": lambda p, _: p.append(p.marked()),
    "ADDITEMS": lambda p, _: p.append(p.marked()),
    "SETITEM": lambda p, _: p.set(p.last(2)),
    "SETITEMS": lambda p, _: p.set(p.marked()),
    "GLOBAL": lambda p, names: p.name(*names.split(" ", 1)),
    "STACK_GLOBAL": lambda p, _: p.name(*p.last(2)),
    "REDUCE": lambda p, _: p.call(*p.last(2)),
    "NEWOBJ": lambda p, _: p.call(*p.last(2)),
    "NEWOBJ_EX": lambda p, _: p.call(*p.last(3)[:2]),
    "BUILD": lambda p, _: p.last(1),  # attributes such as _metadata are dropped
    "BINPERSID": lambda p, _: p.storage(p.stack.pop()),
}
