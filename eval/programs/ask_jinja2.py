"""Render a template of a folder, its bytecode kept by Jinja2's FileSystemBytecodeCache."""

import sys
from pathlib import Path

import jinja2

segment, folder, name = sys.argv[1:]
Path(folder).mkdir(parents=True, exist_ok=True)
environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(segment),
    bytecode_cache=jinja2.FileSystemBytecodeCache(folder),
    autoescape=True,
)
print(environment.get_template(name).render(who="you"))
