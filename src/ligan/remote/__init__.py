"""A client of every registry: endpoints, credentials, transport, repositories."""
