"""Formats only: no I/O, no clock, no environment."""
