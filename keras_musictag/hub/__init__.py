"""Files from elsewhere: a cache, downloads that go on where they broke off, checks.

Nothing here is public: `from_pretrained` and `push_to_hub` of models use it.
"""
