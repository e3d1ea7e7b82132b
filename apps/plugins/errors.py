"""How a tool says that it failed. The model reads these; no person sees them as errors."""


class ToolProblem(Exception):
    """Base of what a tool raises; `text` is for the model."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class ToolRetry(ToolProblem):
    """The model called it in a wrong way and can mend the call: `text` says how."""


class ToolFailed(ToolProblem):
    """It cannot be done, however it is called: `text` says why."""


class ToolTaken(ValueError):
    """Two tools want one name; a programming error, seen at start."""

    def __init__(self, name: str) -> None:
        super().__init__(f"a tool named {name!r} is registered already")
