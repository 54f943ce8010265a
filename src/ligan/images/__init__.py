"""Images, their names and layers: what exists, how a delete is decided, how archives read and write."""
