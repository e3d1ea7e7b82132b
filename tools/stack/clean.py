"""`make clean`: remove what `make` created here. Standard library only: `.venv` may be broken."""

import shutil
import signal
import sys
from pathlib import Path

from tools.stack.account import STATE
from tools.stack.bootstrap import ROOT, VENV
from tools.stack.console import StackError, run_command, say
from tools.stack.leftovers import is_alive, read_pid, stop_process, works_in


def main() -> int:
    """Name what goes, then remove it; refuse while Karen runs.

    Raises:
        StackError: Karen runs, or a file is not ours to remove.
    """
    # The folder KAREN_VAR may name is somebody's choice outside of the clone: never removed here.
    var = ROOT / "var"
    owner = read_pid(var / "run.lock")
    if (var / "run.json").exists() and owner is not None and is_alive(owner):
        raise StackError(f"Karen is running (process {owner}): stop it there with Ctrl-C first.")
    servers = [(var / "postgres", "postmaster.pid", signal.SIGINT)]
    servers.append((var / "valkey", "valkey.pid", signal.SIGTERM))
    for folder, pid_file, gently in servers:
        pid = read_pid(folder / pid_file)
        if pid is not None and is_alive(pid) and works_in(pid, folder):
            stop_process(pid, gently, grace_s=20.0)
    doomed = [path for path in (var, VENV, ROOT / ".venv.lock") if path.exists()]
    # Only what we put elsewhere ourselves; other links in there are somebody's own.
    homes = {folder.resolve().parent for folder, _pid_file, _gently in servers}
    doomed += sorted(home for home in homes if home.parent == STATE and home.exists())
    for path in doomed:
        say(f"Removing {path}" + (" (database, uploads, secrets, logs)" if path == var else ""))
        _remove(path)
    if not doomed:
        say("Nothing to remove.")
    return 0


def _remove(path: Path) -> None:
    try:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    except PermissionError as error:
        raise StackError(
            f"{error.filename} is not yours to remove: run `sudo make clean`."
        ) from None


if __name__ == "__main__":
    sys.exit(run_command(main))
