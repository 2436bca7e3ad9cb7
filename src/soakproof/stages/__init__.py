"""The stages of a soak; they share nothing but the run directory, and none imports another."""
