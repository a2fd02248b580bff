"""What is said about the machine."""

import mmap
import os

import psutil
import pytest
import torch

from benchmark.errors import InputError
from benchmark.models import hardware

CPU = torch.device("cpu")
WITHOUT = pytest.mark.skipif(torch.accelerator.is_available(), reason="needs a machine without an accelerator")


def test_cpu_is_cpu():
    assert hardware.choose_device("cpu") == CPU


@WITHOUT
def test_auto_is_the_cpu_where_there_is_nothing_else():
    assert hardware.choose_device("auto") == CPU


@WITHOUT
@pytest.mark.parametrize("name", ["cuda", "xpu", "gpu", "cuda:0", "", "a\nb"])
def test_what_is_not_there_says_what_to_do(name):
    with pytest.raises(InputError, match=r"^device [^\n]*: torch sees no accelerator here; use auto or cpu$"):
        hardware.choose_device(name)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_auto_is_cuda_where_it_is():
    device = hardware.choose_device("auto")
    assert device.type == "cuda"
    assert 0 < hardware.free_memory(device) <= torch.cuda.get_device_properties(0).total_memory
    assert hardware.accelerator(device) == torch.cuda.get_device_name(0)
    assert "driver" in (hardware.driver(device) or "")


def test_free_memory_is_part_of_the_memory():
    assert 0 < hardware.free_memory(CPU) <= psutil.virtual_memory().total
    assert hardware.free_memory_everywhere() > 0


def test_the_processor_has_a_name_and_threads():
    name = hardware.accelerator(CPU)
    assert name.endswith(f"({torch.get_num_threads()} threads)")
    assert len(name) > len(f" ({torch.get_num_threads()} threads)")


def test_a_cpu_has_no_driver():
    assert hardware.driver(CPU) is None


def test_peak_memory_sees_an_allocation_that_is_gone_again():
    block = 300 * 1024**2
    hardware.reset_peak_memory(CPU)
    before = hardware.peak_memory(CPU)
    with mmap.mmap(-1, block) as fresh:  # memory that no allocator kept from before
        fresh.write(bytes(block))
    assert hardware.peak_memory(CPU) >= before + 0.9 * block


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="the system cannot reset the peak")
def test_peak_memory_starts_anew():
    block = 300 * 1024**2
    torch.ones(block, dtype=torch.uint8)
    before = hardware.peak_memory(CPU)
    hardware.reset_peak_memory(CPU)
    assert hardware.peak_memory(CPU) <= before - 0.5 * block
