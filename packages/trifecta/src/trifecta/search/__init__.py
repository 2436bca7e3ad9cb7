"""Searching a segment's code and prose; loaded by ``trifecta ctx`` only."""
