"""The Docker Engine API, as far as images go, over a local engine."""
