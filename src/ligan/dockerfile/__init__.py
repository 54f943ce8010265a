"""Dockerfiles, patterns of .dockerignore and what instructions do to the settings of an image. Pure."""
