"""`make chaos`: the long fire; prints a report. The status is 1 when anything was lost."""

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path

import django

EVERYTHING = (
    "kill worker", "kill web", "kill valkey", "kill postgres", "reset", "stop worker",
    "stop web", "stop valkey", "stop postgres", "term web", "term worker", "kill relay",
    "disconnect", "kill web", "kill postgres", "kill valkey", "reset",
)  # fmt: skip


def main() -> int:
    """Burn; return the exit status."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--conversations", type=int, default=200)
    parser.add_argument("--people", type=int, default=10, help="in each of two workspaces")
    parser.add_argument("--model", default="stub/ttft=300,itl=250,len=50")
    parser.add_argument("--faults", default=",".join(EVERYTHING))
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.chaos.settings")
    django.setup()
    from tests.chaos.fire import Plan, burn
    from tests.chaos.stack import running_target

    plan = Plan(
        model=options.model,
        conversations=options.conversations,
        faults=[name.strip() for name in options.faults.split(",") if name.strip()],
    )
    with (
        tempfile.TemporaryDirectory(prefix="karen-chaos-") as folder,
        running_target(Path(folder), people=options.people) as target,
    ):
        report = asyncio.run(burn(target, plan))
        if not report.clean:
            for log in sorted((target.var / "log").glob("*.log")):
                kept = Path("var/chaos") / log.name
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_bytes(log.read_bytes())
    print(report.text())  # noqa: T201  # the report is what it is for
    return 0 if report.clean else 1


if __name__ == "__main__":
    sys.exit(main())
