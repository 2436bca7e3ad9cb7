"""A program that stands between a soak and any tool, and plants one defect.

``python -I -S wrapper/__main__.py DEFECT STATE -- COMMAND …`` runs the command; some calls get the
defect. Standard library only, and little of it: it starts before each of a thousand calls.
"""

from __future__ import annotations
