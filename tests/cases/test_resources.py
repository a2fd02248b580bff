"""Models and workloads of a session: nothing is done before it is needed, and nothing twice."""

import gc
import shutil
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from benchmark.cases.resources import Model, Once, Workload
from benchmark.errors import CannotRun, InputError, MeasurementError
from benchmark.inputs.catalog import load_workloads
from benchmark.inputs.model_entry import load_models
from benchmark.models.hub import Hub
from benchmark.models.locate import Machine

CPU = Machine(torch.device("cpu"), None, trust_remote_code=False)
HUB = Hub(download=False)


class Counter:
    """Counts its calls; returns their number, or raises."""

    def __init__(self, error: Exception | None = None) -> None:
        self.calls = 0
        self.error = error

    def __call__(self) -> int:
        self.calls += 1
        if self.error is not None:
            raise self.error
        return self.calls


class TestOnce:
    """A value computed at the first call."""

    def test_nothing_is_computed_before(self):
        counter = Counter()
        Once(counter)
        assert counter.calls == 0

    def test_it_is_computed_once(self):
        once = Once(Counter())
        assert [once(), once()] == [1, 1]

    def test_what_was_forgotten_is_computed_anew(self):
        once = Once(Counter())
        once()
        once.forget()
        assert once() == 2

    @pytest.mark.parametrize("error", [InputError("no such file"), CannotRun("too large", "buy another")])
    def test_an_error_for_a_person_is_remembered(self, error):
        counter = Counter(error)
        once = Once(counter)
        for _ in range(2):
            with pytest.raises(type(error), match=str(error)):
                once()
        once.forget()
        assert counter.calls == 1
        assert once.error is error

    def test_any_other_error_is_not(self):
        counter = Counter(RuntimeError("a bug"))
        once = Once(counter)
        for _ in range(2):
            with pytest.raises(RuntimeError, match="a bug"):
                once()
        assert counter.calls == 2
        assert once.error is None

    def test_before_the_first_call_there_is_no_error(self):
        assert Once(Counter(InputError("no"))).error is None

    def test_what_failed_does_not_stay_in_memory(self):
        kept = []

        def fail():
            weights = torch.zeros(3)
            kept.append(weakref.ref(weights))
            try:
                raise RuntimeError("from the model")
            except RuntimeError as error:
                raise MeasurementError("no") from error

        with pytest.raises(MeasurementError):
            Once(fail)()
        gc.collect()
        assert kept[0]() is None


@pytest.fixture
def make_model(tiny_folder: Path, tmp_path: Path) -> Callable[[list[str]], Model]:
    """The tiny model as an entry; what it announces goes to the list."""

    def make(announced: list[str]) -> Model:
        if not (tmp_path / "tiny").exists():
            shutil.copytree(tiny_folder, tmp_path / "tiny")
        (tmp_path / "models.yaml").write_text("models: [{path: tiny, name: Tiny}]")
        (spec,) = load_models(tmp_path / "models.yaml")
        return Model(spec, HUB, CPU, announced.append)

    return make


class TestModel:
    """An entry of the model file."""

    def test_it_says_before_it_loads_and_loads_once(self, make_model):
        announced: list[str] = []
        model = make_model(announced)
        assert announced == []
        assert model.loaded() is model.loaded()
        assert announced == ["Tiny: loading from path:tiny"]

    def test_it_is_located_without_being_loaded(self, make_model):
        announced: list[str] = []
        assert make_model(announced).source().label == "path:tiny"
        assert announced == []

    def test_released_it_leaves_memory_and_can_be_loaded_again(self, make_model):
        model = make_model([])
        weights = weakref.ref(model.loaded().model)
        model.release()
        assert weights() is None
        assert model.loaded().anatomy.num_layers == 3

    def test_a_model_that_was_never_loaded_can_be_released(self, make_model):
        make_model([]).release()

    def test_one_that_cannot_be_loaded_says_so_once(self, make_model, tmp_path):
        announced: list[str] = []
        model = make_model(announced)
        (tmp_path / "tiny" / "model.safetensors").write_bytes(b"damaged")
        for _ in range(2):
            with pytest.raises(InputError, match="cannot be loaded"):
                model.loaded()
            model.release()
        assert len(announced) == 1


class TestWorkload:
    """Prompts of a session."""

    @pytest.fixture
    def spec(self):
        (math,) = (spec for spec in load_workloads() if spec.name == "math")
        return math

    def test_all_prompts_of_a_full_run(self, spec):
        workload = Workload(spec, HUB, limit=None)
        assert len(workload.prompts()) == spec.prompts
        assert not workload.limited

    def test_the_first_prompts(self, spec):
        workload = Workload(spec, HUB, limit=2)
        assert workload.prompts() == Workload(spec, HUB, None).prompts()[:2]
        assert workload.limited

    def test_a_limit_that_takes_them_all_is_none(self, spec):
        assert not Workload(spec, HUB, limit=spec.prompts).limited
