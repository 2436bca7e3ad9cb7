"""A second, independent reading of an evidence bundle.

It shares no code with what made the bundle (a contract of import-linter says so): it hashes, walks
the chain, counts and judges again from the raw lines, and compares. Standard library only, and
securesystemslib for the signature.
"""

from __future__ import annotations
