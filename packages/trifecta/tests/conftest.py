import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))  # whatever folder pytest is run from

from trifecta_process import Trifecta

SAMPLE = '''\
"""A module."""
import os


def plain(a, b=1, *rest, key: int = 2, **more) -> int:
    """Say something.

    More of it.
    """
    def nested():
        pass
    return nested


@decorated(1)
class Shape(Base, metaclass=Meta):
    async def _draw(self, /, x):
        """   """

    if os.name:
        @property
        def __len__(self): return 1
'''


@pytest.fixture
def trifecta(tmp_path: Path) -> Trifecta:
    """Give a segment with one module, ``sample``."""
    root = tmp_path / "segment"
    root.mkdir()
    subject = Trifecta(root)
    subject.write("sample.py", SAMPLE)
    return subject
