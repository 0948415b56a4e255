"""Where models are read from: presets, folders, files, and what authors host."""
