"""Engines: models that start and run without Keras, by NumPy and ONNX Runtime.

A command that ran with Keras lets the engine of its preset be made in the background;
the next one starts with it. What is here is also what Keras models themselves use where
the backends are slow: recurrent loops, and convolutions over whole tracks.
"""
