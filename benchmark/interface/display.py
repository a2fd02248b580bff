"""What a person sees while cases run, and the table at the end."""

import textwrap
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress

import pandas as pd
import pytest
from tqdm import tqdm

from benchmark.decoding.buffer import Progress
from benchmark.errors import CannotRun, option
from benchmark.inputs.settings import rule_text
from benchmark.results.row import DECLARED, HEADLINE, Row

_LIVE_SECONDS, _LOGGED_SECONDS = 0.1, 15.0
_SHOWN = {
    "decoding": ("skip_ratio", "speedup_gated", "same_until", "score_full", "score", "score_loss"),
    "clock": (
        *(
            "exit_layer_mean",
            "step_seconds",
            "round_spread",
            "replay_overhead",
            "replay_bound",
            "replay_speedup",
            "realised",
        ),
        *(
            "replay_speedup_alone",
            "deferred_overhead",
            "deferred_speedup_oracle",
            "deferred_speedup",
            "deferred_same_until",
        ),
    ),
}
"""Columns of the studies beside the oracle."""
_HOW = {"decoding": "early exit for real", "clock": "on the clock"}
"""Columns of the decoding study that its table shows."""
_MOST_NAMES, _SHOWN_NAMES = 8, 4


class Display:
    """Progress on the terminal, past pytest's capture; silent where there is no terminal, as in a worker process."""

    def __init__(self, config: pytest.Config) -> None:
        """Write to where pytest itself reports."""
        reporter = config.pluginmanager.getplugin("terminalreporter")
        self._terminal = None if reporter is None else config.get_terminal_writer()
        self._capture = config.pluginmanager.getplugin("capturemanager")
        self._quiet = self._terminal is None or config.get_verbosity() < -1
        self._live = self._terminal is not None and self._terminal.hasmarkup

    def announce(self, text: str) -> None:
        """Print one line about a step that takes long."""
        if not self._quiet:
            self.write(f"\n{text}\n")

    @contextmanager
    def progress(self, title: str, total: int, max_new_tokens: int) -> Iterator[Progress]:
        """Show a bar of prompts done, with tokens per second, for one case of so many prompts."""
        bar = tqdm(
            total=total,
            desc=f"{title}: 0/{total} prompts",
            bar_format="{desc} |{bar:20}| {elapsed}{postfix}",
            file=self,
            disable=self._quiet,
            mininterval=_LIVE_SECONDS if self._live else _LOGGED_SECONDS,
            miniters=0,
        )
        tokens, finished, start = 0, 0, time.perf_counter()

        def advance(new_tokens: int, finished_prompts: int) -> None:
            nonlocal tokens, finished
            tokens, finished = tokens + new_tokens, finished + finished_prompts
            bar.set_description_str(f"{title}: {finished}/{total} prompts", refresh=False)
            bar.set_postfix_str(
                f"{tokens} tokens, {tokens / (time.perf_counter() - start):.1f} tokens/s", refresh=False
            )
            # Prompts of one batch end together, so the bar moves with the tokens.
            bar.update(max(finished, min(tokens / max_new_tokens, total)) - bar.n)

        if not self._quiet:
            self.write("\n")
        with bar:
            yield advance

    def write(self, text: str) -> None:
        """Print as it stands; makes the display the file that tqdm writes to. A log gets lines, not overprints.

        A terminal that takes no more ends no case: pytest comes to it soon enough.
        """
        if self._terminal is not None:
            with self._uncaptured(), suppress(OSError):
                self._terminal.write(text if self._live else text.replace("\r", "\n"), flush=True)

    def flush(self) -> None:
        """Nothing is held back."""

    def _uncaptured(self) -> AbstractContextManager[None]:
        return self._capture.global_and_fixture_disabled() if self._capture else nullcontext()


def results_table(rows: Iterable[Row]) -> str:
    """The rows as a person wants to see them first, by model and setting: the columns of the headline."""
    blocks = []
    by_setting: dict[str, list[Row]] = {}
    for row in rows:
        if row.status == "ok":
            how = _HOW.get(row.suite, f"batches of {row.batch_size}")
            heading = f"{row.model}: {row.num_layers} layers, {row.precision} on {row.device}, {how}"
            by_setting.setdefault(heading, []).append(row)
    for heading, group in by_setting.items():
        table = pd.DataFrame([_line(row) for row in group])
        # What no row has takes no room.
        table = table.loc[:, (table != "").any()]
        blocks.append(f"{heading}\n{table.to_string(index=False)}")
    if any(row.gates_missing and row.signals_asked == "sample" for group in by_setting.values() for row in group):
        blocks.append("what real gates give is told with --signals all")
    if any(row.limited for group in by_setting.values() for row in group):
        blocks.append("* limited: not the prompts of a full run")
    return "\n\n".join(blocks) or "nothing was measured"


def skipped_lines(skipped: Mapping[str, CannotRun], width: int) -> list[str]:
    """Why models or workloads did not run, those with the same reason and remedy together."""
    groups: dict[tuple[str, str], list[str]] = {}
    for name, error in skipped.items():
        remedy = f"{error.remedy} ({option(error.setting)})" if error.setting else error.remedy
        groups.setdefault((error.reason, remedy), []).append(f"{name} ({error.detail})" if error.detail else name)
    lines = []
    for (reason, remedy), names in groups.items():
        lines.append(f"{reason}; {remedy}:")
        if len(names) > _MOST_NAMES:
            names = [*names[:_SHOWN_NAMES], f"and {len(names) - _SHOWN_NAMES} more (-rs lists them)"]
        lines += textwrap.wrap(
            ", ".join(names), width, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False
        )
    return lines


def _line(row: Row) -> dict[str, str]:
    given = " (given)" if row.capture == "given" else ""
    shown = {"workload": f"{row.workload}{'*' if row.limited else ''}{given}"}
    gate = "" if row.gate is None else rule_text(row.gate, row.threshold_asked, row.target_asked)
    if row.suite == "decoding":
        shown |= {"gate": gate, "policy": str(row.policy)}
    elif row.suite == "clock":
        shown |= {"batch": str(row.batch_size_asked), "gate": gate}
    else:
        shown["tokens"] = str(row.tokens)
    columns = _SHOWN.get(row.suite, HEADLINE)
    return shown | {DECLARED[name].title: _cell(row, name) for name in columns}


def _cell(row: Row, name: str) -> str:
    column = DECLARED[name]
    ends = [getattr(row, f"{name}_ci_{end}", None) for end in ("low", "high")] if name == "skip_ratio" else []
    low, high = (_number(end, column.digits) for end in ends) if ends else ("", "")
    text = _number(getattr(row, name), column.digits)
    return f"{text} [{low}, {high}]" if low else text


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
