"""Pretrained music taggers and audio layers for Keras 3.

```python
import keras_musictag as kmt

model = kmt.MusicnnTagger.from_pretrained()
model.tag(kmt.audio.demo_path(), top_k=3)
```
"""

import lazy_loader as _lazy

# Names and their modules stand in __init__.pyi; nothing heavy loads before use.
__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)

__version__ = "0.1.0"
