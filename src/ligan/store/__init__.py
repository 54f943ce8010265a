"""The sole owner of the bytes on disk and of the local database."""
