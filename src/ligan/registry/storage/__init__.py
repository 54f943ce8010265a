"""Where a registry's bytes and links are: the layout of `registry:2`."""
