"""Best-matching units."""
