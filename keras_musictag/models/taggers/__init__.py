"""The taggers, one file per architecture; the registry imports them."""
