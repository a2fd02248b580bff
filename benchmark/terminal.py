"""What a person sees while cases run, and the table at the end."""

import textwrap
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext

import pandas as pd
import pytest
from tqdm import tqdm

from benchmark.capture import Progress
from benchmark.case import Case
from benchmark.errors import CannotRun
from benchmark.row import Row

_LIVE_SECONDS, _LOGGED_SECONDS = 0.1, 15.0


class Display:
    """Progress on the terminal, past pytest's capture."""

    def __init__(self, config: pytest.Config) -> None:
        """Write to where pytest itself reports."""
        self._terminal = config.get_terminal_writer()
        self._capture = config.pluginmanager.getplugin("capturemanager")
        self._quiet = config.get_verbosity() < -1

    def announce(self, text: str) -> None:
        """One line about a step that takes long."""
        if not self._quiet:
            self.write(f"\n{text}\n")

    @contextmanager
    def progress(self, case: Case) -> Iterator[Progress]:
        """A bar of prompts done, with tokens per second, for one case."""
        live = self._terminal.hasmarkup
        bar = tqdm(
            total=len(case.workload.prompts()),
            desc=f"{case.model.spec.name} × {case.workload.spec.name}",
            bar_format="{desc}: {n_fmt}/{total_fmt} prompts |{bar:20}| {elapsed}{postfix}",
            file=self,
            disable=self._quiet,
            mininterval=_LIVE_SECONDS if live else _LOGGED_SECONDS,
            miniters=0,
        )
        tokens, start = 0, time.perf_counter()

        def advance(new_tokens: int, finished_prompts: int) -> None:
            nonlocal tokens
            tokens += new_tokens
            rate = tokens / (time.perf_counter() - start)
            bar.set_postfix_str(f"{tokens} tokens, {rate:.1f} tokens/s", refresh=False)
            bar.update(finished_prompts)

        if not self._quiet:
            self.write("\n")
        with bar:
            yield advance

    def write(self, text: str) -> None:
        """Print as it stands; makes the display the file that tqdm writes to."""
        with self._uncaptured():
            self._terminal.write(text, flush=True)

    def flush(self) -> None:
        """Nothing is held back."""

    def _uncaptured(self) -> AbstractContextManager[None]:
        return self._capture.global_and_fixture_disabled() if self._capture else nullcontext()


def results_table(rows: Iterable[Row]) -> str:
    """The rows as a person wants to see them first: exits, skip ratio with its interval, EAS, bound, speed."""
    lines = [
        {
            "model": row.model,
            "workload": row.workload + (" (limited)" if row.limited else ""),
            "tokens": row.tokens,
            "layers": row.num_layers,
            "exit": _number(row.exit_layer_mean, 2),
            "settled": _number(row.exit_layer_settled_mean, 2),
            "skip ratio": _interval(row),
            "chance": _number(row.skip_ratio_chance, 3),
            "EAS": _number(row.eas, 3),
            "bound": f"{_number(row.speedup_bound_layers, 2)}x",
            "+head": f"{_number(row.speedup_bound_head, 2)}x" if row.speedup_bound_head else "",
            "+cache": f"{_number(row.speedup_bound_kv, 2)}x" if row.speedup_bound_kv else "",
            "tokens/s": _rate(row),
        }
        for row in rows
        if row.status == "ok"
    ]
    return pd.DataFrame(lines).to_string(index=False) if lines else "no case has been measured"


def skipped_lines(skipped: Mapping[str, CannotRun], width: int) -> list[str]:
    """Why models or workloads did not run, those with the same reason and remedy together."""
    groups: dict[tuple[str, str], list[str]] = {}
    for name, error in skipped.items():
        groups.setdefault((error.reason, error.remedy), []).append(f"{name} ({error.detail})" if error.detail else name)
    lines = []
    for (reason, remedy), names in groups.items():
        lines.append(f"{reason}; {remedy}:")
        lines += textwrap.wrap(
            ", ".join(names), width, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False
        )
    return lines


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _interval(row: Row) -> str:
    text = _number(row.skip_ratio, 3)
    if row.skip_ratio_ci_low is None:
        return text
    return f"{text} [{_number(row.skip_ratio_ci_low, 3)}, {_number(row.skip_ratio_ci_high, 3)}]"


def _rate(row: Row) -> str:
    seconds = (row.generate_seconds or 0) + (row.oracle_seconds or 0)
    return f"{row.tokens / seconds:.1f}" if row.tokens and seconds else ""
