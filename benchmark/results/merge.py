"""Results of several machines in one folder: nothing is lost, and nothing is overwritten without being named."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from benchmark.atomic_files import atomic_file, lock_of, locked
from benchmark.errors import InputError
from benchmark.messages import cut
from benchmark.results.folder_scan import irregular, paths_below
from benchmark.results.store import Store, misplaced, sha256, writing
from benchmark.results.versions import RowFile, Standing, examine, series


class Outcome(StrEnum):
    """What became of a row."""

    COPIED = "copied"
    SAME = "already there"
    REPLACED = "replaced an older one"
    LEFT_OUT = "left out for a better one"
    CONFLICT = "in conflict"
    REFUSED = "refused"

    @property
    def settled(self) -> bool:
        """Whether nobody needs to look at it."""
        return self not in (Outcome.CONFLICT, Outcome.REFUSED)

    @property
    def taken(self) -> bool:
        """Whether the row has been written."""
        return self in (Outcome.COPIED, Outcome.REPLACED)


@dataclass(frozen=True)
class Merged:
    """A row of one of the folders, and what became of it."""

    path: Path
    outcome: Outcome
    text: str = ""
    """Where a row lost against another, or was refused: which, and why."""
    limited: bool = False
    """Whether the row is of a limited run."""


def merge(into: Path, sources: Sequence[Path]) -> Iterator[Merged]:
    """Copy the rows of folders, with their tokens, into one; rewrites its table in the end.

    Where both have a row of the same name, the newer schema wins, then the newer release of ExitBench, then a case that
    went well over one that failed, then a row with more experiments of the same tokens. Two measurements that differ
    otherwise are a conflict, and so is a row of a newer version than this one, which it cannot read: the row that is
    there stays. Links are neither read nor written through.

    Args:
        into: a results folder; made if it is missing and there is something to put into it.
        sources: results folders.

    Raises:
        InputError: a source is not a folder, has no rows, or is a part of `into` or the other way round; `into` cannot
            be written, or is missing and there are no sources.
    """
    if not sources and not into.is_dir():
        raise InputError(f"{into}: no such folder; name a folder of results, or the folders to copy from as well")
    rows = []
    for source in sources:
        if not source.is_dir():
            raise InputError(f"{source}: no such folder; name a folder of results, such as results/local")
        here, there = source.resolve(), into.resolve()
        if here == there or here in there.parents or there in here.parents:
            raise InputError(f"{source}: is a part of {into}, or the other way round; name folders apart")
        files = [path for path in paths_below(source) if path.suffix == ".json"]
        found = [one for path in files if (one := _examine(path)) is not None]
        if all(one.standing == Standing.FOREIGN for one in found):
            raise InputError(f"{source}: holds no rows")
        rows += [one for one in found if one.standing != Standing.FOREIGN]
    store = Store(into)
    store.check_writable("INTO")
    for row in rows:
        with writing(into):
            merged = _take(store, row)
        yield replace(merged, limited=bool(row.record and row.record.get("limited")))
    store.write_table()


def _examine(path: Path) -> RowFile | None:
    """Tell what a JSON file is, without following it anywhere; None if it is not there any more."""
    problem = irregular(path)
    return examine(path) if problem is None else RowFile(path, Standing.DAMAGED, reason=problem)


def _take(store: Store, found: RowFile) -> Merged:
    record = found.record
    if record is None:
        return Merged(found.path, Outcome.REFUSED, found.reason)
    if (problem := misplaced(found.path, record) or _tokens_missing(found.path, record)) is not None:
        return Merged(found.path, Outcome.REFUSED, problem)
    target = store.path(*(record[column] for column in ("model", "workload", "suite", "configuration")))
    if (problem := _leads_away(store.folder, target)) is not None:
        return Merged(found.path, Outcome.REFUSED, problem)
    target.parent.mkdir(parents=True, exist_ok=True)
    with locked(target):
        there = examine(target)
        if there is None or there.record == record:
            whole = there is not None and _tokens_missing(target, record) is None
            if not whole:
                _copy(found.path, target, record)
            return Merged(found.path, Outcome.SAME if whole else Outcome.COPIED)
        if there.record is None:
            _copy(found.path, target, record)
            return Merged(found.path, Outcome.REPLACED, f"took the place of {target}, which {there.reason}")
        if there.standing == Standing.CURRENT and found.standing == Standing.FUTURE:
            reason = f"is of a newer version than this one, and {target} is of this one and stays"
            return Merged(found.path, Outcome.CONFLICT, f"{reason}; update ExitBench and merge again")
        better, why = _better(record, there.record)
        if better is record:
            _copy(found.path, target, record)
            return Merged(found.path, Outcome.REPLACED, f"took the place of {target}: {why}")
        if better is there.record:
            return Merged(found.path, Outcome.LEFT_OUT, f"lost against {target}: {why}")
    return Merged(
        found.path,
        Outcome.CONFLICT,
        f"is another measurement than {target}, which stays; to have this one, delete that one and merge again",
    )


def _better(new: dict[str, Any], old: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """The row that wins, and why; None if that is not for a program to say."""
    ranks = (
        ("of a newer schema", new["schema_version"], old["schema_version"]),
        ("of a newer release of ExitBench", _release(new), _release(old)),
        ("the other one failed", new["status"] == "ok", old["status"] == "ok"),
    )
    for why, one, other in ranks:
        if one != other:
            return (new, why) if one > other else (old, why)
    if new["status"] != "ok":
        return old, "both failed"
    if _holds_all_of(new, old):
        return new, "it has more experiments of the same tokens"
    if _holds_all_of(old, new):
        return old, "it has more experiments of the same tokens"
    return None, ""


def _release(record: dict[str, Any]) -> tuple[int, int]:
    return series(str(record.get("harness_version")))


def _holds_all_of(more: dict[str, Any], less: dict[str, Any]) -> bool:
    """Whether the one has more experiments of the same tokens, and every number of the other."""
    return (
        more.get("token_records_sha256") == less.get("token_records_sha256")
        and set(more.get("experiments") or ()) > set(less.get("experiments") or ())
        and all(value is None or more.get(column) == value for column, value in less.items() if column != "experiments")
    )


def _leads_away(into: Path, target: Path) -> str | None:
    """Why a row cannot be written where it belongs: something there is a link, or no file; None if it can."""
    if target.parent.resolve() != into.resolve() / target.parent.relative_to(into):
        return f"{target.parent} is a link, or lies behind one; put the folder itself in its place"
    for path in (target, target.with_suffix(".parquet"), lock_of(target)):
        if (problem := irregular(path)) is not None:
            return f"{path} {problem}"
    return None


def _tokens_missing(path: Path, record: dict[str, Any]) -> str | None:
    """Why the tokens of a row cannot be taken with it; None if they can, or if it is of a case that failed."""
    tokens, expected = path.with_suffix(".parquet"), record.get("token_records_sha256")
    if record["status"] != "ok":
        return None
    if (problem := irregular(tokens)) is not None:
        return f"its tokens, {cut(tokens.name)}: {problem}"
    try:
        found = sha256(tokens)
    except OSError as error:
        return f"its tokens, {cut(tokens.name)}, cannot be read: {error.strerror}"
    return None if found == expected else f"{cut(tokens.name)} holds other tokens than it was computed from"


def _copy(source: Path, target: Path, record: dict[str, Any]) -> None:
    """Copy a row and its tokens as they are, in the order in which `Store.write` writes them."""
    with atomic_file(target) as draft:
        shutil.copyfile(source, draft)
        if record["status"] == "ok":
            with atomic_file(target.with_suffix(".parquet")) as tokens:
                shutil.copyfile(source.with_suffix(".parquet"), tokens)
