"""What `chord_songs.py` is made of: composing, playing, sound."""
