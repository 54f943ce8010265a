"""Containers on image layers: made, run, watched, and removed."""
