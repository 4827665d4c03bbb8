"""The management API, off the hot path."""
