"""From tracks to scores: what users hand over, batches of chunks, taggrams.

NumPy only: Keras models and exported ones share it.
"""
