"""What lies in a model: similar tracks, and what made a tag fire."""
