"""Which system account runs the embedded servers, and what it can reach.

PostgreSQL refuses to run as root. When we are root, the servers run as an account of their own; an
ordinary user runs them as themselves and nothing here applies.
"""

import hashlib
import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.stack.console import StackError, say, warn

_NAME = "karen-db"
_FALLBACK = "nobody"
# Where root keeps what the account must reach while the clone is below a closed folder (/root).
STATE = Path("/var/lib/karen")


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the system; the ids are None where we simply stay who we are."""

    uid: int | None
    gid: int | None

    @property
    def is_other(self) -> bool:
        """Say whether this is somebody else than us."""
        return self.uid is not None

    def process_arguments(self) -> dict[str, Any]:
        """Return what `subprocess` needs to become this account."""
        if self.uid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def can_enter(self, directory: Path) -> bool:
        """Say whether this account can reach `directory`; the kernel decides, with its ACLs."""
        if self.uid is None:
            return True
        test = ["/usr/bin/test", "-x", str(directory)]
        try:
            done = subprocess.run(test, check=False, cwd="/", **self.process_arguments())
        except PermissionError:
            raise StackError(
                "As root in this container the database's account cannot be used: start as an"
                " ordinary user, or set DATABASE_URL and REDIS_URL to servers of your own."
            ) from None
        return done.returncode == 0

    def take(self, directory: Path) -> None:
        """Own `directory` and everything in it, closed to others."""
        directory.chmod(0o700)
        if self.uid is None or self.gid is None or directory.stat().st_uid == self.uid:
            return
        for path in (directory, *directory.rglob("*")):
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def server_account() -> Account:
    """Return the account for the embedded servers, creating it when we are root."""
    if os.geteuid() != 0:
        return Account(None, None)
    try:
        entry = pwd.getpwnam(_NAME)
    except KeyError:
        entry = _create_account()
    return Account(entry.pw_uid, entry.pw_gid)


def _create_account() -> pwd.struct_passwd:
    useradd = shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    command = [useradd or "", "--system", "--no-create-home", "--user-group"]
    command += ["--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", _NAME]
    if useradd and subprocess.run(command, check=False, capture_output=True).returncode == 0:
        say(f"PostgreSQL refuses to run as root: created the system account {_NAME} for it.")
        return pwd.getpwnam(_NAME)
    warn(f"the account {_NAME} could not be created; the embedded servers run as {_FALLBACK}.")
    return pwd.getpwnam(_FALLBACK)


def data_folder(directory: Path, account: Account) -> Path:
    """Return where a server's data really lives, existing and owned by `account`.

    That is `directory` itself, or a place outside of it that `account` can reach, in which case
    `directory` becomes a link to it.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    home = directory
    if directory.is_symlink() and directory.exists():
        home = directory.resolve()
    elif not account.can_enter(directory.parent):
        home = _move_out(directory)
    home.mkdir(parents=True, exist_ok=True)
    account.take(home)
    return home


def _move_out(directory: Path) -> Path:
    digest = hashlib.sha256(bytes(directory.parent.absolute())).hexdigest()[:12]
    home = STATE / digest / directory.name
    home.parent.mkdir(parents=True, exist_ok=True)
    STATE.chmod(0o755)
    if directory.is_symlink():
        directory.unlink()
    elif directory.exists():
        shutil.move(directory, home)
    directory.symlink_to(home)
    say(f"The database's account cannot enter {directory.parent}: its data lives in {home}.")
    return home


def program_folder(package: Path, version: str, account: Account) -> Path:
    """Return `package` (programs in our `.venv`), or a copy of it that `account` can run."""
    if account.can_enter(package) and account.can_enter(package.parent):
        return package
    copy = STATE / f"{package.name}-{version}" / package.name
    if not copy.exists():
        STATE.mkdir(parents=True, exist_ok=True)
        STATE.chmod(0o755)
        fresh = Path(tempfile.mkdtemp(dir=STATE))
        for part in (package, package.with_name(f"{package.name}.libs")):
            if part.exists():
                shutil.copytree(part, fresh / part.name)
        for path in (fresh, *fresh.rglob("*")):
            path.chmod(0o755)
        if not copy.parent.exists():
            fresh.rename(copy.parent)  # complete or not there at all
        say(
            f"The database's account cannot enter {package.parent}:"
            f" its programs are copied to {copy}."
        )
    return copy


def socket_folder(preferred: Path, account: Account) -> Path:
    """Return a private folder for a server's socket whose path is short enough.

    The path of a Unix socket ends after 107 bytes, so deep folders need another place.
    """
    folder = preferred
    if len(bytes(preferred)) > 80 or not account.can_enter(preferred.parent):
        digest = hashlib.sha256(bytes(preferred.absolute())).hexdigest()[:12]
        folder = Path(tempfile.gettempdir()) / f"karen-{os.geteuid()}-{digest}"
    folder.mkdir(mode=0o700, exist_ok=True)
    owner = folder.lstat().st_uid
    if folder.is_symlink() or owner not in {os.geteuid(), account.uid}:
        raise StackError(
            f"{folder} belongs to somebody else: remove it, or set TMPDIR to a folder of yours."
        )
    account.take(folder)
    return folder
