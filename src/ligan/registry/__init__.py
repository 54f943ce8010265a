"""A registry: the OCI distribution specification over the folder of a `registry:2` and an index."""
