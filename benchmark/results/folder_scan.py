"""What is in a folder that a stranger filled: files, and what only looks like one. Nothing here opens or follows it."""

import os
import stat
from pathlib import Path


def paths_below(folder: Path) -> list[Path]:
    """Everything below a folder but folders, in the order of the names; a link to a folder is an entry."""
    found = []
    for parent, folders, files in os.walk(folder):
        found += [Path(parent, name) for name in files]
        found += [path for name in folders if (path := Path(parent, name)).is_symlink()]
    return sorted(found)


def irregular(path: Path) -> str | None:
    """Why a path must not be read: a link may lead anywhere, a device may never end. None for a file, or nothing."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return None
    if stat.S_ISLNK(mode):
        return "is a link, and links are not followed; put the file itself in its place"
    return None if stat.S_ISREG(mode) else "is not a regular file; remove it"
