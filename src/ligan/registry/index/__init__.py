"""What a registry has: repositories, tags, manifests, blobs and who holds them, as rows."""
