"""Deletes predicted, explained and undone."""
