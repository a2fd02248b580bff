"""`python -m benchmark.tools.gpu`: what has to be seen on a GPU, step by step, each written down as soon as it ends."""

import argparse
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import torch

from benchmark.decoding.prepare import free_memory
from benchmark.errors import MeasurementError
from benchmark.models import hardware
from benchmark.tools.gpu.clock import REPLAYED, half_depth, replayed
from benchmark.tools.gpu.correctness import COMPILED, KINDS, correctness, two_phases
from benchmark.tools.gpu.environment import environment
from benchmark.tools.gpu.gated import gated
from benchmark.tools.gpu.journal import Figures, Journal, Outcome
from benchmark.tools.gpu.sizes import LARGE, MEANT, REHEARSED, SMALL, Sizes
from benchmark.tools.gpu.speed import Subject, all_signals, made, speed, static_cache
from benchmark.tools.gpu.waits import waits
from benchmark.tools.gpu.whole_path import whole_path

_NO_CUDA = "gpu: there is no CUDA device here; rehearse with --device cpu --tiny"
_OUT = Path("build/gpu")
_LAST_LINES = 12


@dataclass(frozen=True)
class Step:
    """One thing to look at."""

    name: str
    """Its group, and behind a colon what of it."""
    expected_seconds: float
    """At the sizes meant, on a GPU; with less time left it is not begun."""
    run: Callable[[Figures], None]
    """Fills in what it finds as it goes."""


class _Subjects:
    """Models of published shapes; one is in memory at a time."""

    def __init__(self, device: torch.device, sizes: Sizes) -> None:
        self._device = device
        self._sizes = sizes
        self._held: tuple[str, Subject] | None = None
        self._given_up: set[str] = set()

    def on(self, shape: str, look: Callable[..., None], *arguments: int) -> Callable[[Figures], None]:
        """Return a function that looks at a model, which is made when it is first needed."""

        def run(figures: Figures) -> None:
            if self._held is None or self._held[0] != shape:
                if shape in self._given_up:
                    raise MeasurementError(f"{shape} was tried before, and could not be made")
                self.release()
                self._given_up.add(shape)
                self._held = shape, Subject.of(shape, self._device, self._sizes)
                self._given_up.remove(shape)
            look(self._held[1], *arguments, figures)

        return run

    def release(self) -> None:
        """Free the memory of the model."""
        self._held = None
        free_memory()


def steps(device: torch.device, sizes: Sizes) -> tuple[Step, ...]:
    """Return all steps in their order: what must be right first, what may take long last.

    The seconds expected are what an H100 took and some more; those of gated decoding are reckoned from more prompts,
    and those of what is compiled are guessed from one model.
    """
    subjects = _Subjects(device, sizes)
    batch = max(sizes.batches)
    return (
        Step("environment", 5, partial(environment, device)),
        *(Step(f"correctness:{kind}", 16, partial(correctness, kind, device, sizes)) for kind in KINDS),
        *(
            Step(f"whole-path:{dtype}", 60, partial(whole_path, dtype, device, sizes))
            for dtype in ("float32", "bfloat16")
        ),
        Step("speed-small:made", 10, subjects.on(SMALL, made)),
        *(
            Step(f"speed-small:batch-{count}", 75 if count == 1 else 125, subjects.on(SMALL, speed, count))
            for count in sizes.batches
        ),
        Step("speed-small:waits", 35, subjects.on(SMALL, waits, batch)),
        Step("speed-small:signals", 25, subjects.on(SMALL, all_signals, batch)),
        Step("speed-large:made", 10, subjects.on(LARGE, made)),
        *(Step(f"speed-large:batch-{count}", 60, subjects.on(LARGE, speed, count)) for count in sizes.batches),
        *(
            Step(f"gated:{kind}", 35, partial(gated, kind, device, sizes))
            for kind, (_, task, _) in KINDS.items()
            if task != "masked"
        ),
        *(Step(f"replay:{kind}", 10, partial(replayed, kind, device, sizes)) for kind in REPLAYED),
        *(Step(f"clock:batch-{count}", 60, subjects.on(SMALL, half_depth, count)) for count in sizes.batches),
        *(Step(f"static:batch-{count}", 150, subjects.on(SMALL, static_cache, count)) for count in sizes.batches),
        *(Step(f"two-phase:{kind}", 90, partial(two_phases, kind, device, sizes)) for kind in COMPILED),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Take all steps that are asked for; returns 1 if one of them failed."""
    options = _parser().parse_args(arguments)
    if options.device == "cuda" and not torch.cuda.is_available():
        print(_NO_CUDA)
        return 0
    device = hardware.choose_device(options.device)
    # Tiny models have nothing to share out among threads, and what is launched on a GPU is launched by one.
    torch.set_num_threads(1)
    sizes = REHEARSED if options.tiny else MEANT
    chosen = [step for step in steps(device, sizes) if _is_asked_for(step.name, options.only)]
    if not chosen:
        names = ", ".join(step.name for step in steps(device, sizes))
        print(f"gpu: --only: no such step; there are: {names}", file=sys.stderr)
        return 2
    began = {"began": datetime.now(UTC).isoformat(timespec="seconds"), "device": device.type, "tiny": options.tiny}
    journal = Journal(options.out, began)
    for outcome in taken(chosen, 60 * options.minutes, options.tiny):
        journal.record(outcome)
        print(f"{outcome.step}: {outcome.status}, {outcome.seconds:.1f} s {outcome.error}".rstrip(), flush=True)
    print(f"written: {options.out / 'gpu.json'}, {options.out / 'gpu.md'}")
    return int(any(outcome.status == "failed" for outcome in journal.outcomes))


def taken(chosen: Sequence[Step], budget: float, tiny: bool) -> Iterator[Outcome]:
    """Take one step after the other, and yield what came of each; one that fails does not stop the next.

    Args:
        chosen: the steps.
        budget: seconds for all of them together; a step that would not fit is not begun.
        tiny: whether steps take next to no time.
    """
    start = time.perf_counter()
    for step in chosen:
        left = budget - (time.perf_counter() - start)
        if left < (0 if tiny else step.expected_seconds):
            yield Outcome(step.name, "not run", error=f"{max(left, 0):.0f} s were left")
            continue
        outcome, began = Outcome(step.name, "done"), time.perf_counter()
        try:
            step.run(outcome.figures)
        except Exception as error:  # whatever it is, the next step may be right
            outcome.status = "failed"
            outcome.error = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            outcome.trace = "".join(traceback.format_exception(error)).splitlines()[-_LAST_LINES:]
        outcome.seconds = time.perf_counter() - began
        if outcome.status == "failed":
            free_memory()  # the next may need what this one held
        yield outcome


def _is_asked_for(name: str, only: Sequence[str] | None) -> bool:
    return only is None or any(name == asked or name.startswith(f"{asked}:") for asked in only)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmark.tools.gpu",
        description="On a GPU: exits against those on the CPU, a whole case, and speed at published shapes with random "
        "weights. gpu.json and gpu.md are written anew after every step.",
    )
    add = parser.add_argument
    add("--out", type=Path, default=_OUT, metavar="FOLDER", help=f"of gpu.json and gpu.md (default: {_OUT})")
    add("--device", choices=("cuda", "cpu"), default="cuda", help="default: cuda")
    add("--tiny", action="store_true", help="tiny shapes: a rehearsal of every step")
    add("--only", nargs="+", metavar="STEP", help="these steps or groups of steps, such as correctness or static")
    add("--minutes", type=float, default=13, help="for all steps; those that would not fit are not run (default 13)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
