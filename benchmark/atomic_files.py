"""Files that several processes may write: each is there whole or not at all, and no change is lost."""

import fcntl
import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_FORGOTTEN_SECONDS = 24 * 3600
"""No draft takes this long; its writer was killed."""
_LONGEST_HOLDER = 300
"""Bytes of a lock that say who holds it."""


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A draft beside `path` that takes its place when the block ends without an exception."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".draft", dir=path.parent)
    os.close(handle)
    draft = Path(name)
    try:
        yield draft
        sync(draft)
        # mkstemp makes files private; results are as readable as anything else the person creates.
        mask = os.umask(0)
        os.umask(mask)
        draft.chmod(0o666 & ~mask)
        draft.replace(path)
    finally:
        with suppress(OSError):  # what went wrong before is what is to be told
            draft.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Bring what was written to a file to the disk, so that a disk that is full says so now."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


@contextmanager
def locked(path: Path, waiting: Callable[[str], None] = lambda holder: None) -> Iterator[None]:
    """Hold the lock of a file: whoever else asks for it waits until the block ends.

    The lock is a hidden file beside `path`, there only while somebody holds it, and says who. The system frees it when
    its holder dies, so what a killed process leaves behind stops nobody. Not to be taken twice by the same process.

    Args:
        path: of the file; it need not be there.
        waiting: told once who holds the lock, such as `process 123 on host`, when somebody does.

    Raises:
        OSError: the folder cannot be written, or there is a link in the place of the lock.
    """
    lock, told = lock_of(path), False
    while True:
        # A link in its place would have the file it names made.
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
        try:
            # Some file systems of clusters know no locks. Their writers go on without one, each file still whole.
            with suppress(OSError):
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    if not told:
                        waiting(os.pread(handle, _LONGEST_HOLDER, 0).decode("utf-8", "replace") or "another process")
                        told = True
                    fcntl.flock(handle, fcntl.LOCK_EX)
            # The one before may have removed the file while we waited; what we hold then is a lock on nothing.
            if _is_open_as(lock, handle):
                with suppress(OSError):  # on a full disk nobody is named
                    os.ftruncate(handle, 0)
                    os.pwrite(handle, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
                try:
                    yield
                finally:
                    with suppress(OSError):  # the folder may have gone in the meantime
                        lock.unlink(missing_ok=True)
                return
        finally:
            os.close(handle)


def lock_of(path: Path) -> Path:
    """The file that is the lock of another one."""
    return path.with_name(f".{path.name}.lock")


def is_lock(path: Path) -> bool:
    """Whether a file is the lock of another one, by its name and its size; a killed process leaves its locks."""
    return path.name.startswith(".") and path.suffix == ".lock" and path.lstat().st_size <= _LONGEST_HOLDER


def _is_open_as(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def remove_forgotten(folder: Path) -> None:
    """Remove what killed writers left below a folder: locks that nobody holds, and drafts a day old or older."""
    for lock in folder.rglob(".*.lock"):
        with suppress(OSError):
            if is_lock(lock):
                _remove_free(lock)
    oldest = time.time() - _FORGOTTEN_SECONDS
    for draft in folder.rglob(".*.draft"):
        # Another process may be tidying up as well, and a draft may be somebody else's.
        with suppress(OSError):
            if draft.stat().st_mtime < oldest:
                draft.unlink()


def _remove_free(lock: Path) -> None:
    """Remove a lock that nobody holds, as whoever holds it does."""
    handle = os.open(lock, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_open_as(lock, handle):
            lock.unlink()
    finally:
        os.close(handle)
