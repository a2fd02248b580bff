"""Running a command of `exitbench` inside the test."""

from benchmark.interface.cli import main


def run(*arguments: object) -> int:
    """The exit code; what `exitbench` prints goes where the test can see it."""
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as end:
        assert isinstance(end.code, int)
        return end.code
