"""The stages of a soak as tasks of this checkout: ``invoke --list``.

They live in the package, so that any project can mount them; here they only get their place.
"""

from __future__ import annotations

from invoke import Collection

from soakproof.tasks import ns as soak

__all__ = ["ns"]

ns = Collection(soak)
# A stage that is asked for twice runs twice.
ns.configure({"tasks": {"dedupe": False}})
