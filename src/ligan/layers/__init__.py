"""A layer as a tar file: reading, checking, writing and decompressing it."""
