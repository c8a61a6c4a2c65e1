"""The library: documents, text, tokens. Imports neither ray nor the other packages."""

from corpus import kernel_cache

kernel_cache.install()  # numba is not imported yet, and not by this
