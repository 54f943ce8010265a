"""Making images of Dockerfiles: the classic builder and the modern one."""
