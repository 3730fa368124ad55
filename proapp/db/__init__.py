"""The only room that knows tables."""
