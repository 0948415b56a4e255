"""The filters of constant-Q transforms, in NumPy: the layers and engines share them."""
