"""`docs/zoo.md`: its tables and pictures are made from published rows and losses, and people write the rest."""

import json
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from math import isnan
from pathlib import Path

import pandas as pd

from benchmark.atomic_files import atomic_file
from benchmark.errors import InputError
from benchmark.report.findings.claims import findings
from benchmark.report.findings.text import as_text
from benchmark.report.pictures.svg import svg
from benchmark.report.tables import markdown_table
from examples.zoo.entries import Zoo, read_zoo
from examples.zoo.measuring import WORKLOADS
from examples.zoo.pictures import charts
from examples.zoo.seeds import BEYOND, MEASURES, REFERENCE, differences, final_models, variant_and_seed, verdicts

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]
PUBLISHED = _HERE / "published"
"""What the published rows are of: model file, workloads, losses and the list of texts."""
RESULTS = _ROOT / "results" / "zoo"
PAGE = _ROOT / "docs" / "zoo.md"
_FILES = (
    *("models.yaml", "losses.json", "text/corpus.json"),
    *(f"text/{name}{ending}" for name in WORKLOADS for ending in (".yaml", ".jsonl")),
)
_COLUMNS = {
    "seeds": ("seeds", 0),
    "held_out_loss": ("loss", 3),
    "share": ("of a unigram's", 2),
    "skip_ratio": ("oracle skips", 3),
    "skip_ratio_chance": ("chance skips", 3),
    "eas": ("EAS", 3),
    "gate_skip_ratio_99": ("best gate skips", 3),
    "gate_speed_99": ("its speedup", 2),
    "speedup_speculation": ("self-speculation", 2),
    "decoded_skip_ratio": ("early-exit decoding skips", 3),
    "decoded_same_until": ("text unchanged", 3),
}
"""Of the table of variants, each with its title and digits."""


def main() -> int:
    """Write the page anew; returns 0, or 1 with a line that says what is wrong."""
    try:
        write_page(read_zoo(_HERE / "zoo.yaml"), PUBLISHED, RESULTS, PAGE)
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def publish(home: Path) -> int:
    """Put beside the code what the rows are of, without weights, and write the page; returns as `main` does.

    Args:
        home: folder of the models.
    """
    PUBLISHED.mkdir(exist_ok=True)
    for name in _FILES:
        shutil.copyfile(home / name, PUBLISHED / Path(name).name)
    return main()


def write_page(zoo: Zoo, published: Path, results: Path, page: Path) -> None:
    """Write the pictures, in the folder of the page's name, and the tables into the page.

    Args:
        zoo: what was trained.
        published: folder of what the rows are of.
        results: folder of the rows.
        page: the Markdown file; a table stands between `<!-- NAME -->` and `<!-- end of NAME -->`.

    Raises:
        InputError: there are no rows, losses and rows are not those of the list, or a table has no place in the page.
    """
    losses, models = losses_of(zoo, published / "losses.json"), final_models(results)
    _refuse_other_models(zoo, losses, models)
    dense = next(model.entry for model in zoo.models if model.entry.name == REFERENCE)
    alike = [m.entry.name for m in zoo.models if (m.entry.layers, m.entry.width) == (dense.layers, dense.width)]
    text = page.read_text(encoding="utf-8")
    for name, block in blocks(losses, models, results):
        beginning, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        if text.count(beginning) != 1 or text.count(end) != 1:
            raise InputError(f"{page}: no place for the table '{name}'; put {beginning.strip()} and {end} there")
        before, rest = text.split(beginning)
        text = f"{before}{beginning}{block}\n{end}{rest.split(end)[1]}"
    folder = page.with_suffix("")
    folder.mkdir(exist_ok=True)
    for chart in charts(losses, models, results, alike):
        with atomic_file(folder / f"{chart.name.removeprefix('zoo-')}.svg") as draft:
            draft.write_text(svg(chart), encoding="utf-8")
    with atomic_file(page) as draft:
        draft.write_text(text, encoding="utf-8")


def _refuse_other_models(zoo: Zoo, losses: pd.DataFrame, models: pd.DataFrame) -> None:
    """Refuse a page of some of the models only, or of models that the list no longer has."""
    listed = {f"{model.name}@checkpoint-{model.entry.steps}" for model in zoo.models}
    last = losses.groupby("model")["step"].max()
    of_losses = {f"{model}@checkpoint-{step}" for model, step in last.items()}
    for what, there in (("losses", of_losses), ("rows", {*models.index})):
        if different := sorted(listed ^ there):
            which = "are missing" if different[0] in listed else "are there, and it is not listed"
            raise InputError(f"{what} of {different[0]} {which}; measure and publish: make zoo ARGS=--publish")
    if REFERENCE not in {model.entry.name for model in zoo.models}:
        raise InputError(f"the list has no '{REFERENCE}', which the others are compared with; add it")


def losses_of(zoo: Zoo, file: Path) -> pd.DataFrame:
    """Return a line a checkpoint: `model`, `variant`, `tuned`, `step`, and its losses in nats per token.

    Raises:
        InputError: there is no such file.
    """
    if not file.is_file():
        raise InputError(f"{file}: no such file; publish a zoo first: make zoo ARGS=--publish")
    tuned = {model.name for model in zoo.models if model.base is not None}
    checkpoints_of = json.loads(file.read_text(encoding="utf-8"))
    return pd.DataFrame(
        [
            {"model": model, "variant": variant_and_seed(model)[0], "tuned": model in tuned, **checkpoint}
            for model, checkpoints in checkpoints_of.items()
            for checkpoint in checkpoints
        ]
    )


def blocks(losses: pd.DataFrame, models: pd.DataFrame, results: Path) -> Iterator[tuple[str, str]]:
    """Yield the tables of the page, each with its name.

    Args:
        losses: of `losses_of`.
        models: of `final_models`.
        results: folder of the rows.
    """
    yield "variants", _variants(losses, models)
    yield "differences", _differences(differences(models))
    yield "losses", "\n\n".join(_losses(some) for _, some in losses.groupby("tuned"))
    text = as_text(replace(findings(results), folder="results/zoo"))
    yield "findings", f"```text\n{re.sub(r' +$', '', text, flags=re.MULTILINE)}\n```"


def _variants(losses: pd.DataFrame, models: pd.DataFrame) -> str:
    last = losses[losses["step"].eq(losses.groupby("model")["step"].transform("max"))]
    last = last.assign(share=last["held_out_loss"] / last["unigram_loss"])
    of_variant = models.drop(columns=["seed", "tuned"]).groupby("variant")
    seeds = of_variant.size()
    # A mean is of all seeds or is not told.
    means = of_variant.mean().where(of_variant.count().eq(seeds, axis=0)).assign(seeds=seeds)
    means = means.join(last.groupby("variant")[["held_out_loss", "share"]].mean())
    digits = [digits for _, digits in _COLUMNS.values()]
    lines = [
        (
            f"`{variant}`",
            *("" if isnan(mean) else f"{mean:.{places}f}" for mean, places in zip(some, digits, strict=True)),
        )
        for variant, *some in means[[*_COLUMNS]].itertuples(name=None)
    ]
    return markdown_table(("variant", *(title for title, _ in _COLUMNS.values())), lines, {0})


def _differences(of_seeds: pd.DataFrame) -> str:
    several = of_seeds.dropna(subset=["low"])
    told = [
        f"{difference:+.3f} [{low:+.3f}, {high:+.3f}]".replace("-", "−")
        for difference, low, high in several[["difference", "low", "high"]].to_numpy()
    ]
    beyond = [verdict == BEYOND for verdict in verdicts(several)]
    cells = [f"**{text}**" if bold else text for text, bold in zip(told, beyond, strict=True)]
    of_case = dict(zip(zip(several["variant"], several["measure"], strict=True), cells, strict=True))
    variants = sorted({*several["variant"]})
    table = markdown_table(
        ("minus the dense model's", *(f"`{name}`" for name in variants)),
        [(title, *(of_case.get((name, measure), "") for name in variants)) for measure, title in MEASURES.items()],
        {0},
    )
    return f"{table}\n\nOf these {len(several)} intervals {sum(beyond)} exclude zero, in bold."


def _losses(losses: pd.DataFrame) -> str:
    steps = losses.pivot(index="model", columns="step", values="held_out_loss")
    steps = steps[sorted(steps.columns)]
    lines = [(f"`{name}`", *(f"{loss:.3f}" for loss in some)) for name, *some in steps.itertuples(name=None)]
    unigram = losses["unigram_loss"].iloc[0]
    table = markdown_table(("model", *(f"step {step:,}" for step in steps.columns)), lines, {0})
    return f"{table}\n\nA unigram loses {unigram:.3f}."


if __name__ == "__main__":
    sys.exit(main())
