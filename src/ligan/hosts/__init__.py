"""Other engines that speak the Docker Engine API: real Docker, podman, `ligan serve`."""
