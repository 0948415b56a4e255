"""The beat trackers, one file per architecture; the registry imports them."""
