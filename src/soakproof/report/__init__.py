"""What a person reads: the Markdown report and the gate's table on a terminal."""
