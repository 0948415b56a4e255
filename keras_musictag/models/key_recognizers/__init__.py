"""The key recognisers, one file per architecture; the registry imports them."""
