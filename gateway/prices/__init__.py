"""Dated prices as data, with their sources."""
