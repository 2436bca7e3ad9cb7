"""Tools with a cache, described in ``eval/targets/*.toml``; reached by command line and files."""

from __future__ import annotations
