"""From a workload to its prompts."""

import itertools
import string
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from benchmark.errors import InputError
from benchmark.inputs.data.lm_eval_tasks import read_task
from benchmark.inputs.data.records import DataFiles, records_of
from benchmark.inputs.data.texts import continuation
from benchmark.inputs.prompt import Continuation, Prompt
from benchmark.inputs.workload_entry import WorkloadEntry


def read_prompts(entry: WorkloadEntry, count: int, files: DataFiles) -> list[Prompt]:
    """Return the first `count` prompts of a workload, in file order; fewer when it has fewer.

    Raises:
        CannotRun: the data are not on this machine and cannot or may not be fetched.
        InputError: the data are unreadable, a field is missing, or a prompt or a reference answer is empty.
    """
    if entry.source.lm_eval is not None:
        return list(read_task(entry, count, files.download).prompts)
    prompts = []
    for number, record in enumerate(itertools.islice(records_of(entry, files), count), start=1):
        if not isinstance(record, Mapping):
            raise InputError(f"{entry.where('source')}: record {number} is not an object with fields")
        prompts.append(
            Prompt(
                id=f"{entry.name}/{number - 1}",
                messages=_prompt(entry, record, number),
                targets=_targets(entry, record, number),
                stop=tuple(entry.stop),
                given=_given(entry, record, number),
            )
        )
    if not prompts:
        raise InputError(f"{entry.where('source')}: there are no prompts in it")
    return prompts


def _given(entry: WorkloadEntry, record: Mapping[str, Any], number: int) -> Continuation | None:
    """Return the text that a record has behind its prompt; None if its workload has none."""
    if entry.continuation is None:
        return None
    where = entry.where("continuation")
    with _naming(where, record, number):
        value = record[entry.continuation]
    try:
        return continuation(*((None, value) if isinstance(value, list) else (value, None)))
    except ValueError as error:
        raise InputError(f"{where}: record {number}: {error}") from None


def _prompt(entry: WorkloadEntry, record: Mapping[str, Any], number: int) -> str:
    if entry.field is None and entry.template is None:
        return ""
    field = "field" if entry.field is not None else "template"
    with _naming(entry.where(field), record, number):
        text = record[entry.field] if entry.field is not None else _Template().vformat(entry.template or "", (), record)
    if not isinstance(text, str):
        raise InputError(f"{entry.where(field)}: record {number} is not a text, but {type(text).__name__}")
    if not text.strip():
        raise InputError(f"{entry.where(field)}: record {number} gives an empty prompt")
    return text


def _targets(entry: WorkloadEntry, record: Mapping[str, Any], number: int) -> tuple[str, ...]:
    """Return the reference answers of a record; none if the workload has none."""
    if entry.target is None:
        return ()
    where = entry.where("target")
    with _naming(where, record, number):
        value = _Template().value(entry.target, record) if "{" in entry.target else record[entry.target]
    references = value if isinstance(value, list | tuple) else [value]
    if others := [each for each in references if not isinstance(each, str | int | float) or isinstance(each, bool)]:
        kind = type(others[0]).__name__
        raise InputError(f"{where}: record {number}: a reference answer is a text or a number, not {kind}")
    texts = tuple(map(str, references))
    if not texts or not all(text.strip() for text in texts):
        raise InputError(f"{where}: record {number} has an empty reference answer; give it one, or leave it out")
    return texts


@contextmanager
def _naming(where: str, record: Mapping[str, Any], number: int) -> Iterator[None]:
    """Inside the block, what a record does not have is named with its place."""
    try:
        yield
    except LookupError as error:
        raise InputError(f"{where}: record {number} has no {error}; its fields: {', '.join(record)}") from None
    except ValueError as error:
        raise InputError(f"{where}: not usable as a template: {error}") from None


class _Template(string.Formatter):
    """`str.format` that can index (`{translation[de]}`) but not reach into objects or pad to any width."""

    def value(self, template: str, record: Mapping[str, Any]) -> Any:
        """Return what a template gives: of one field and nothing else, what it holds; of all others, a text."""
        (literal, name, *how), *more = self.parse(template)
        if not literal and name and how == ["", None] and not more:
            return self._looked_up(name, (), record)[0]
        return self.vformat(template, (), record)

    def _looked_up(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if "." in field_name or field_name[:1].isdigit() or not field_name:
            raise LookupError(f"field '{field_name}' that a template may name")
        try:
            return super().get_field(field_name, args, kwargs)
        except (LookupError, TypeError):
            raise KeyError(field_name) from None

    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        value, first = self._looked_up(field_name, args, kwargs)
        if not isinstance(value, str | int | float):
            raise LookupError(f"text in '{field_name}'")
        if isinstance(value, str) and not value.strip():
            raise LookupError(f"text in '{field_name}', it is empty")
        return value, first

    def format_field(self, value: Any, format_spec: str) -> str:
        if format_spec:
            raise LookupError(f"use for the format '{format_spec}'")
        return str(value)
