"""Texts that another engine has written behind the prompts of a workload, from a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmark.errors import InputError
from benchmark.inputs.data.records import records_in
from benchmark.inputs.prompt import Continuation, Prompt
from benchmark.inputs.workload_entry import WorkloadEntry
from benchmark.messages import cut, printable
from benchmark.trace.record import Trace


@dataclass(frozen=True)
class TextRecord:
    """A text of another engine, and the prompt that it stands behind."""

    number: int
    """Of the record in its file, counted from 1."""
    of: str | int
    """Which prompt: its text or id, or its number in the workload, counted from 0."""
    by: str
    """Which of these: `prompt`, `id` or `index`."""
    given: Continuation


def read_texts(path: Path) -> tuple[TextRecord, ...]:
    """Read texts of another engine: JSONL or Parquet, or the tokens beside a row.

    A record has the `prompt`, its `id` or its `index` in the workload, and the `text` behind it, its `token_ids`, or
    both.

    Raises:
        InputError: the file cannot be read, or a record has other fields; names those it has.
    """
    where = printable(path)
    if not path.is_file():
        raise InputError(f"{where}: no such file; name the JSONL or Parquet file that the texts are in", "texts")
    if path.suffix == ".parquet" and _is_trace(path):
        trace = Trace.read_parquet(path)
        texts = [(int(number), trace.prompt == number) for number in np.unique(trace.prompt)]
        return tuple(
            TextRecord(count, number, "index", continuation("".join(trace.text[mine]), trace.token[mine].tolist()))
            for count, (number, mine) in enumerate(texts, start=1)
        )
    return tuple(_text_record(record, number, where) for number, record in enumerate(records_in(path, where), start=1))


def refuse_texts(workload: WorkloadEntry) -> None:
    """Let workloads pass whose prompts another engine can have continued.

    Raises:
        InputError: the workload brings its own texts, or has tokens masked in them.
    """
    if workload.kind in ("text", "masked"):
        raise InputError(
            f"texts: {workload.name} is of the kind '{workload.kind}', behind whose prompts nothing is written; choose "
            "a workload of prompts"
        )


def with_texts(prompts: Sequence[Prompt], texts: Sequence[TextRecord], count: int, where: str) -> tuple[Prompt, ...]:
    """Return the first `count` prompts, each with the text that was given behind it.

    Args:
        prompts: all of a workload.
        texts: those behind them, in any order.
        count: how many prompts are taken.
        where: the file of the texts.

    Raises:
        InputError: a text is of no prompt of the workload, two are of one, or a prompt has none.
    """
    places: dict[tuple[str, str | int], list[int]] = {}
    for number, prompt in enumerate(prompts):
        for key in (("index", number), ("id", prompt.id), ("prompt", prompt.text)):
            places.setdefault(key, []).append(number)
    found: dict[int, TextRecord] = {}
    for text in texts:
        record, numbers = f"{where}: record {text.number}", places.get((text.by, text.of), [])
        if len(numbers) != 1:
            what = f"{len(numbers)} prompts of the workload are" if numbers else "no prompt of the workload is"
            raise InputError(f"{record}: {what} {cut(text.of)}; say which with 'index', counted from 0, or with 'id'")
        if (earlier := found.setdefault(numbers[0], text)) is not text:
            raise InputError(f"{record} is behind the same prompt as record {earlier.number}; keep one of them")
    taken = prompts[:count]
    if missing := [prompt.id for number, prompt in enumerate(taken) if number not in found]:
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise InputError(
            f"{where}: has no text behind prompt {missing[0]}{others}; give one for each, or take fewer prompts",
            "limit",
        )
    return tuple(prompt.model_copy(update={"given": found[number].given}) for number, prompt in enumerate(taken))


def _text_record(record: Any, number: int, where: str) -> TextRecord:
    where = f"{where}: record {number}"
    if not isinstance(record, Mapping):
        raise InputError(f"{where} is not an object with fields")
    fields = {str(name): value for name, value in record.items() if value is not None}
    names = ", ".join(map(printable, fields)) or "none"
    by = next((name for name in ("index", "id", "prompt") if name in fields), None)
    if by is None:
        raise InputError(
            f"{where} has no 'prompt', 'id' or 'index' that says which prompt it is of; its fields: {names}"
        )
    if "text" not in fields and "token_ids" not in fields:
        raise InputError(f"{where} has no 'text' and no 'token_ids'; its fields: {names}")
    if not isinstance(fields[by], int if by == "index" else str) or isinstance(fields[by], bool):
        raise InputError(
            f"{where}: '{by}' must be a {'whole number' if by == 'index' else 'text'}, not {cut(fields[by])}"
        )
    try:
        given = continuation(fields.get("text"), fields.get("token_ids"))
    except ValueError as error:
        raise InputError(f"{where}: {error}") from None
    return TextRecord(number, fields[by], by, given)


def continuation(text: Any, token_ids: Any) -> Continuation:
    """Return a text that is given as letters, as token ids, or as both.

    Raises:
        ValueError: it is neither, or empty.
    """
    if text is not None and not isinstance(text, str):
        raise ValueError(f"the text must be a text, not {cut(text)}")
    if token_ids is not None and not (
        isinstance(token_ids, list | tuple) and all(type(token) is int and 0 <= token < 2**31 for token in token_ids)
    ):
        raise ValueError(f"the token ids must be a list of whole numbers, not {cut(token_ids)}")
    # Where both are given, an engine may have dropped the tokens that end a text from its letters, and left none.
    if not (token_ids if token_ids is not None else text):
        raise ValueError("the text is empty, so there is nothing to look at; leave it out")
    return Continuation(text=text or None, token_ids=None if token_ids is None else tuple(token_ids))


def _is_trace(path: Path) -> bool:
    """Whether a Parquet file holds the tokens of a row."""
    try:
        with path.open("rb") as stream:
            return {"matches", "target"} <= {*pq.read_schema(stream).names}
    except (OSError, pa.ArrowException, ArithmeticError, LookupError, TypeError, ValueError):
        return False
