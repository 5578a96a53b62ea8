"""Lines that a process may print without failing the test that started it."""

import json
from collections.abc import Callable

Accepts = Callable[[str], bool]
ERRORS = {"error", "critical"}
LEVELS = ("level", "level_name")
"""Our own level, and that of the library whose record the line stands for."""
ANSWER_CUT = ('"answer_cut": true', '"logger": "uvicorn.error", "level_name": "ERROR", "error": null')
"""What a service prints, itself and by its server, about a document that breaks off on its way to the reader."""


def json_below_error(line: str) -> bool:
    """JSON objects that tell of no error."""
    try:
        members = json.loads(line)
    except ValueError:
        return False
    return isinstance(members, dict) and not ERRORS & {str(members.get(name)).lower() for name in LEVELS}


def nothing(_line: str) -> bool:
    """No line at all."""
    return False


def anything(_line: str) -> bool:
    """Every line; the exit status alone tells how a program of others fared."""
    return True


def slow_steps(line: str) -> bool:
    """What asyncio's debug mode says of slow steps: the machine may be busy."""
    return line.startswith("Executing <")
