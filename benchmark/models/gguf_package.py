"""GGUF files that installed Python packages carry, whole or in pieces. Packages are read as data and never imported."""

import hashlib
import shutil
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from benchmark.atomic_files import atomic_file, locked
from benchmark.errors import CannotRun, InputError
from benchmark.models.gguf_convert import cache_folder


def packaged_file(package: str, file: str, where: str, needed: Sequence[str] = ()) -> tuple[Path, str]:
    """Return the path of a file in an installed distribution, and the version of that.

    Args:
        package: name of the distribution.
        file: path inside it.
        where: address of the YAML field that names it, for the error.
        needed: all packages to install, for the remedy; by default this one.

    Raises:
        CannotRun: it is not installed.
        InputError: it has no such file.
    """
    try:
        distribution = metadata.distribution(package)
    except metadata.PackageNotFoundError:
        remedy = f"python -m pip install --no-deps {' '.join(needed or [package])}"
        raise CannotRun(f"package {package} is not installed", remedy) from None
    path = Path(str(distribution.locate_file(file)))
    if not path.is_file():
        raise InputError(f"{where}: package {package} has no file '{file}'")
    return path, distribution.version


def put_together(pieces: Sequence[Path], where: str) -> Path:
    """Return the file that pieces make one behind the other, in the cache; it is made the first time.

    It is kept by names, sizes and times of the pieces. Two processes that need the same file wait for one another, and
    one that is stopped leaves none.

    Args:
        pieces: in their order.
        where: address of the YAML field that names them, for the error.

    Raises:
        InputError: the cache cannot be written.
    """
    stats = [(path, path.stat()) for path in pieces]
    key = "\n".join(f"{path} {stat.st_size} {stat.st_mtime_ns}" for path, stat in stats)
    whole = cache_folder() / "pieces" / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.gguf"
    size = sum(stat.st_size for _, stat in stats)
    try:
        whole.parent.mkdir(parents=True, exist_ok=True)
        with locked(whole):
            if not whole.is_file() or whole.stat().st_size != size:
                with atomic_file(whole) as draft, draft.open("wb") as out:
                    for path in pieces:
                        with path.open("rb") as piece:
                            shutil.copyfileobj(piece, out)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{where}: {whole.parent}: cannot write the cache: {reason}; set EXITBENCH_CACHE") from None
    return whole
