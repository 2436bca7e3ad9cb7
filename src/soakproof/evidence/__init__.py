"""What a stranger needs to check a run: revision, environment, and the record of the work."""
