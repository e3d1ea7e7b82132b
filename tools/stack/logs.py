"""Log files below `var/log`."""

from pathlib import Path


def fresh_log(path: Path) -> Path:
    """Return `path` for a new log; the one of the run before stays beside it as `.1`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        path.replace(path.with_name(f"{path.name}.1"))
    return path
