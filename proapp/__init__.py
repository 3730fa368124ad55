"""proapp."""
