"""The example and the page docs/api.md do what they say, each in a process of its own, on the embedded model."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark.models.gguf.convert import cache_folder
from benchmark.trace.record import Trace

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)

# Block by block in one namespace, as a reader would; what they print comes out as JSON.
_RUN = """
import contextlib, io, json, os, sys
os.chdir(sys.argv[1])
printed, names = [], {}
for block in json.loads(sys.argv[2]):
    with contextlib.redirect_stdout(io.StringIO()) as sink:
        exec(block, names)
    printed.append(sink.getvalue())
print(json.dumps(printed))
"""


@pytest.fixture(scope="module")
def run(start: Callable[..., subprocess.Popen[str]]) -> Callable[..., str]:
    """What Python prints; the embedded model is converted at most once on a machine."""

    def finish(*arguments: str | Path) -> str:
        process = start(*arguments, cache=cache_folder())
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output
        return output

    return finish


@pytest.fixture(scope="module")
def printed(run, make_tiny, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What each block of the page prints, run where `my-model` is a model and the published rows are."""
    folder = tmp_path_factory.mktemp("reader")
    make_tiny(folder / "my-model")
    (folder / "results").symlink_to(ROOT / "results")
    return json.loads(run("-c", _RUN, folder, json.dumps(BLOCKS)).splitlines()[-1])


def shape(text: str) -> str:
    """The text without what depends on the machine: digits, and how wide columns are."""
    return re.sub(r"[\d.]+", "0", re.sub(r"\s+", " ", text)).strip()


def test_the_page_prints_what_it_shows(printed):
    (shown,) = re.findall(r"^```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert shape(printed[0]) == shape(shown)


def test_every_block_of_the_page_runs(printed):
    assert len(printed) == PAGE.count("```python")
    (both,) = (said for block, said in zip(BLOCKS, printed, strict=True) if "wrap(mine" in block)
    assert "SmolLM2-135M-Instruct" in both
    assert re.search(r"^1 +mine +3 ", both, re.MULTILINE)


def test_the_page_names_every_array_of_a_trace():
    table = PAGE.partition("| array of")[2].partition("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", table)) == set(Trace.__dataclass_fields__)


@pytest.fixture(scope="module")
def drawn(run) -> str:
    """What the example prints of two prompts."""
    return run("examples/exit_layers.py", "One, two, three,", "Once upon a time")


def test_the_example_draws_the_tokens_of_the_prompts_it_is_given(drawn):
    assert "'One, two, three,'" in drawn
    assert "'Once upon a time'" in drawn
    bars = re.findall(r"^ +'.+' +(\d+) +(\d+)  (█+)(░*) *\|$", drawn, re.MULTILINE)
    assert 16 < len(bars) <= 32
    for first, last, full, light in bars:
        assert (len(full), len(full + light)) == (int(first), int(last))


def test_the_example_sums_them_up(drawn):
    assert "SmolLM2-135M-Instruct: 30 layers" in drawn
    bounds = [float(number) for number in re.findall(r"(?:alone|head|cache) +([\d.]+)$", drawn, re.MULTILINE)]
    assert bounds == sorted(bounds, reverse=True)
    assert len(bounds) == 3
    assert bounds[-1] >= 1
