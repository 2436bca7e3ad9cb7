"""Count any number of lines of history and telemetry: by byte ranges, in bounded memory."""
