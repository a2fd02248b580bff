"""The three ways a case can end other than with a number.

Each message is one line that says what happened, where, and what to do next. It speaks in plain words; where the remedy
is a setting, `setting` names it, and the command line and Python add what they call it (`told`).
"""

from collections.abc import Callable


class ExitBenchError(Exception):
    """Base of the errors whose message is meant for the person at the terminal."""

    def __init__(self, message: str, setting: str | None = None) -> None:
        """Make an error of one line.

        Args:
            message: what happened, where, and what to do next.
            setting: the one to change, such as `batch_size`; None if the remedy is not a setting.
        """
        super().__init__(message)
        self.setting = setting


class InputError(ExitBenchError):
    """Something a person wrote is wrong: a YAML field, an option, a damaged file."""


class MeasurementError(ExitBenchError):
    """A case ran and cannot give a number, for example because of NaN logits."""


class CannotRun(ExitBenchError):
    """A case cannot run on this machine; it is skipped, not failed."""

    def __init__(self, reason: str, remedy: str, detail: str = "", setting: str | None = None) -> None:
        """Make one line of why, of what would help, and of a detail that differs between cases of the same reason."""
        super().__init__(f"{reason} ({detail}); {remedy}" if detail else f"{reason}; {remedy}", setting)
        self.reason = reason
        self.remedy = remedy
        self.detail = detail


class NotFetched(CannotRun):
    """Only because the session may not download what it needs."""

    def __init__(self, detail: str) -> None:
        """Tell what is missing, and how large it is."""
        super().__init__("not on this machine", "allow the download to fetch it", detail, "download")


def option(setting: str) -> str:
    """Return what the command line calls a setting, such as `--batch-size`."""
    return f"--{setting.replace('_', '-')}"


def told(error: ExitBenchError, name: Callable[[str], str] = option) -> str:
    """Return the message of an error, with the setting to change as its reader knows it.

    Args:
        error: to tell.
        name: what its reader calls a setting; by default as the command line does.
    """
    return f"{error} ({name(error.setting)})" if error.setting else str(error)
