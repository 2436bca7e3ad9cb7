"""The pictures of a run as SVG: drawn by us, bounded in size, the same bytes for the same run."""
