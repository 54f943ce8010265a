"""The engine: one method a verb."""
