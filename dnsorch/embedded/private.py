"""Files that only their owner may read."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write(path: Path, text: str) -> None:
    """Put ``text`` into ``path`` with mode 0600, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # mkstemp makes the file with mode 0600, and rename keeps it.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def keep(path: Path, text: str) -> str:
    """Return what ``path`` holds; if there is no such file, make it of ``text``."""
    if not path.exists():
        write(path, text + "\n")
    return path.read_text(encoding="utf-8").strip()
