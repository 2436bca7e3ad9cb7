"""Where the measurements take place: an environment like a user's, and code to ask about."""

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import urllib.parse
import venv
from dataclasses import dataclass
from pathlib import Path

from speed.process import ENVIRONMENT, MeasurementError

LEFT_OUT = shutil.ignore_patterns("site-packages", "__pycache__")
SOURCE_BYTES = 30_000


@dataclass(frozen=True, slots=True)
class Scene:
    """A folder that is thrown away, with an environment in it that holds the wheel alone."""

    folder: Path
    python: str
    trifecta: str

    def segment(self, name: str) -> Path:
        """Make an empty folder for sources."""
        path = self.folder / name
        path.mkdir()
        return path


def build(folder: Path) -> Scene:
    """Install the wheel that this environment has into a bare one, with pip, compiled.

    An environment made by virtualenv or filled with other packages starts dearer (``.pth`` files),
    which would make every ratio to its bare interpreter look better.
    """
    place = folder / "environment"
    venv.create(place, symlinks=True)
    python = str(place / "bin" / "python")
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index"]
    command = [*install, "--no-deps", "--compile", str(installed_wheel())]
    subprocess.run(command, check=True, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    return Scene(folder, python, str(place / "bin" / "trifecta"))


def installed_wheel() -> Path:
    """Give the wheel file that trifecta was installed from here (PEP 610)."""
    text = importlib.metadata.distribution("trifecta").read_text("direct_url.json") or "{}"
    path = Path(urllib.parse.unquote(urllib.parse.urlsplit(json.loads(text).get("url", "")).path))
    if path.suffix != ".whl" or not path.is_file():
        raise MeasurementError("expected trifecta installed from a wheel file; use `nox -s bench`")
    return path


def library() -> Path:
    """Give the folder of the interpreter's standard library."""
    return Path(sysconfig.get_paths()["stdlib"])


def copy_library(into: Path) -> tuple[int, int]:
    """Copy the Python files of the whole standard library; give their number and bytes."""
    files = size = 0
    for folder, folders, names in os.walk(library()):
        folders[:] = sorted({*folders} - {"site-packages", "__pycache__"})
        for name in names:
            source = Path(folder, name)
            if name.endswith(".py") and source.is_file():
                target = into / source.relative_to(library())
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
                files += 1
                size += source.stat().st_size
    return files, size


def typical_module() -> Path:
    """Give the module of the standard library whose size is nearest to 30 kB."""
    return min(
        library().glob("[a-z]*.py"), key=lambda path: abs(path.stat().st_size - SOURCE_BYTES)
    )
