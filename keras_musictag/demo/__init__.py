"""A page in the browser: drop a song, see its tags and its chords over time.

It needs the extra `demo` (Gradio), and asks no other machine for anything.
"""

from keras_musictag.demo.server import launch, running

__all__ = ["launch", "running"]
