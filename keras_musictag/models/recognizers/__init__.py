"""The chord recognisers, one file per architecture; the registry imports them."""
