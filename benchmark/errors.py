"""The three ways a case can end other than with a number.

Each message is one line that says what happened, where, and what to do next; the pytest plugin prints it as it
stands, without a traceback.
"""


class ExitBenchError(Exception):
    """Base of the errors whose message is meant for the person at the terminal."""


class InputError(ExitBenchError):
    """Something a person wrote is wrong: a YAML field, an option, a damaged file."""


class MeasurementError(ExitBenchError):
    """A case ran and cannot give a number, for example because of NaN logits."""


class CannotRun(ExitBenchError):
    """A case cannot run on this machine; it is skipped, not failed."""

    def __init__(self, reason: str, remedy: str, detail: str = "") -> None:
        """Make one line of why, of what would help, and of a detail that differs between cases of the same reason."""
        super().__init__(f"{reason} ({detail}); {remedy}" if detail else f"{reason}; {remedy}")
        self.reason = reason
        self.remedy = remedy
        self.detail = detail


class NotFetched(CannotRun):
    """Only because the session may not download what it needs."""

    def __init__(self, detail: str) -> None:
        """Tell what is missing, and how large it is."""
        super().__init__("not on this machine", "add --download to fetch it", detail)
