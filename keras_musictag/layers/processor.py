"""Which device the backend computes on."""

import keras


def on_processor() -> bool:
    """Return whether the backend has nothing but the processor to compute on."""
    if keras.backend.backend() == "torch":
        import torch

        return not (torch.cuda.is_available() or torch.backends.mps.is_available())
    return all(name.startswith("cpu") for name in keras.distribution.list_devices())
