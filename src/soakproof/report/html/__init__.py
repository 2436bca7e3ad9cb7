"""The report as one HTML file: self-contained, no network, light and dark, printable."""
