"""Ask a FileSystemCache of cachelib: a file's text in capitals, kept under the text's SHA-256."""

import hashlib
import sys
from pathlib import Path

from cachelib import FileSystemCache

source, folder = sys.argv[1:]
text = Path(source).read_text("utf-8")
cache = FileSystemCache(folder)
key = hashlib.sha256(text.encode()).hexdigest()
answer = cache.get(key)
if answer is None:
    answer = text.upper()
    cache.set(key, answer, timeout=3600)
print(answer, end="")
