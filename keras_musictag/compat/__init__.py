"""Functions of other packages, with their signatures, computed by ours."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach(
    __name__, submodules=["crema", "lv_chordia", "musicnn"]
)
