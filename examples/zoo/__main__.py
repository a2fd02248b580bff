"""`make zoo`: train the models of a YAML file and measure them. What was done before is not done again."""

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np

from benchmark.atomic_files import atomic_file
from benchmark.errors import InputError
from benchmark.interface.values import positive
from examples.zoo.architectures import count, new_model, sized_config
from examples.zoo.corpus import Document, provenance, standard_library
from examples.zoo.entries import Model, Zoo, read_zoo
from examples.zoo.excerpts import instructions, write_workloads
from examples.zoo.measuring import measure, why_not_measured, write_losses
from examples.zoo.page import publish
from examples.zoo.tokens import stream, train_tokenizer
from examples.zoo.training import begin_worker, seconds_a_step, train_or_tell

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Train and measure; returns 0 when every model was, 1 otherwise."""
    parser = _options()
    options = parser.parse_args(arguments)
    own = ("smoke", "zoo", "folder", "results_dir", "time", "train_only")
    if options.publish and (given := [name for name in own if getattr(options, name)]):
        parser.error(f"--publish is for the shipped list as a whole; leave out --{given[0].replace('_', '-')}")
    name = "zoo-smoke" if options.smoke else "zoo"
    home = (options.folder or _ROOT / "build" / name).resolve()
    results = (options.results_dir or _ROOT / "results" / name).resolve()
    try:
        zoo = read_zoo(options.zoo or _HERE / ("smoke.yaml" if options.smoke else "zoo.yaml"))
        for model in zoo.models:
            sized_config(model.entry, zoo.text.vocabulary)
        prepare(zoo, home / "text")
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    if options.time:
        print_estimate(zoo, home / "text")
        return 0
    try:
        problems = train_all(zoo.models, home, options.workers)
    except KeyboardInterrupt:
        print("stopped; the same command goes on where it was", file=sys.stderr)
        return 130
    learned = []
    for model in zoo.models:
        if model.name in problems:
            continue
        why = why_not_measured(model, home)
        if why is None:
            learned.append(model)
        else:
            problems[model.name] = why
    write_losses(zoo.models, home)
    code = 0
    if learned and not options.train_only:
        code = measure(learned, home, zoo.workloads, results, options.workers)
    for problem in problems.values():
        print(problem, file=sys.stderr)
    if problems or code or not options.publish:
        return 1 if problems or code else 0
    return publish(home)


def prepare(zoo: Zoo, folder: Path) -> None:
    """Write the workloads, and the text and its tokens unless they are there: the list of files is written last.

    Raises:
        InputError: there is too little text.
    """
    documents = standard_library(zoo.text.files)
    parts = {part: [one for one in documents if one.part == part] for part in ("train", "held-out")}
    folder.mkdir(parents=True, exist_ok=True)
    write_workloads(parts["held-out"], zoo.workloads, folder)
    said = json.dumps({**provenance(documents), "text": zoo.text.model_dump()}, indent=1)
    corpus = folder / "corpus.json"
    if corpus.exists() and corpus.read_text(encoding="utf-8") == said:
        return
    corpus.unlink(missing_ok=True)
    tokenizer = train_tokenizer(parts["train"], zoo.text.vocabulary)
    tokenizer.save_pretrained(folder)
    for part, some in parts.items():
        with atomic_file(folder / f"{part}.npy") as draft, draft.open("wb") as file:
            np.save(file, stream(tokenizer, (document.text for document in some)))
        _write_instructions(folder / f"{part}-instructions.jsonl", some)
    with atomic_file(corpus) as draft:
        draft.write_text(said, encoding="utf-8")


def _write_instructions(path: Path, documents: Iterable[Document]) -> None:
    records = (json.dumps({"instruction": asked, "answer": answer}) for asked, answer in instructions(documents))
    with atomic_file(path) as draft:
        draft.write_text("".join(f"{record}\n" for record in records), encoding="utf-8")


def train_all(models: Sequence[Model], home: Path, workers: int) -> dict[str, str]:
    """Train every model, some at a time, and return what went wrong: a line by the name of the model that is left.

    Args:
        models: tuned ones are trained when their base models have been.
        home: folder of the models.
        workers: how many at a time, each on one thread.
    """
    problems: dict[str, str] = {}
    started, done = time.monotonic(), 0
    for some in ([m for m in models if m.base is None], [m for m in models if m.base is not None]):
        # A pool each, because one that lost a process takes no more work.
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=begin_worker) as pool:
            running = {pool.submit(train_or_tell, model, home / "text", home): model for model in some}
            for future in as_completed(running):
                model, done = running[future], done + 1
                try:
                    problem = future.result()
                except BrokenProcessPool:
                    problem = f"{model.name}: is left: a process was killed; the same command goes on where it was"
                if problem is not None:
                    problems[model.name] = problem
                    print(problem, file=sys.stderr, flush=True)
                minutes = (time.monotonic() - started) / 60
                left = minutes / done * (len(models) - done)
                print(f"{done} of {len(models)} models after {minutes:.0f} min, about {left:.0f} min left", flush=True)
    return problems


def print_estimate(zoo: Zoo, text: Path) -> None:
    """Print what the training of each entry takes, by some of its steps, and of all together."""
    seeds = Counter(model.entry.name for model in zoo.models)
    print(f"{'entry':<12}{'parameters':>12}{'counted':>12}{'models':>8}{'s a step':>10}{'CPU min':>9}")
    total = 0.0
    for model in {model.entry.name: model for model in zoo.models}.values():
        entry, models = model.entry, seeds[model.entry.name]
        network = new_model(entry, model.seed, zoo.text.vocabulary)
        sizes = f"{count(network):>12,}{count(network, entry.counted):>12,}"
        each = seconds_a_step(model, text)
        minutes = each * entry.steps * models / 60
        total += minutes
        print(f"{entry.name:<12}{sizes}{models:>8}{each:>10.2f}{minutes:>9.0f}", flush=True)
    print(f"{total / 60:.1f} h of one core")


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make zoo ARGS=…", description=__doc__, allow_abbrev=False)
    parser.add_argument("--smoke", action="store_true", help="two very small models, in two minutes")
    parser.add_argument("--zoo", type=Path, metavar="FILE", help="another list of models than the shipped one")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="where models go (default: build/zoo)")
    parser.add_argument("--results-dir", type=Path, metavar="DIR", help="where rows go (default: results/zoo)")
    parser.add_argument(
        "--time", action="store_true", help="only tell what training takes, by some steps of each model"
    )
    parser.add_argument("--train-only", action="store_true", help="train and do not measure")
    parser.add_argument(
        "--publish", action="store_true", help="then write docs/zoo.md, and what the rows are of into examples/zoo"
    )
    cores = os.cpu_count() or 1
    parser.add_argument(
        "--workers", type=positive, default=cores, metavar="N", help="models at a time (default: cores)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
