"""What is asked, in which order, and how it is dealt to processes.

Settings and schedule are pure; the segment and the storm touch the disk and start processes.
"""

from __future__ import annotations
