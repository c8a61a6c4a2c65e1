"""The library: documents, text, tokens. Imports neither ray nor the other packages."""
