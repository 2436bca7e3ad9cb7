"""Tools with a cache, described in ``eval/targets/*.toml`` and reached only through a command line and files."""

from __future__ import annotations
