"""`make run`: services, preparation, processes; until Ctrl-C."""

import json
import os
import sys
import time

from tools.stack.bootstrap import ROOT
from tools.stack.console import run_command, say
from tools.stack.django_commands import prepare
from tools.stack.greeting import reachable_host
from tools.stack.parentage import end_with_make
from tools.stack.runtime import (
    RunRecord,
    read_environment,
    read_secrets,
    require_free_port,
    sole_run,
    var_folder,
)
from tools.stack.services import embedded_services
from tools.stack.supervise import Supervisor, read_procfile


def main() -> int:
    """Run Karen on this machine; return 0 after a wished-for stop."""
    end_with_make()
    started = time.monotonic()
    environment = read_environment()
    var = var_folder(environment)
    with sole_run(var):
        port = require_free_port(environment)
        environment |= read_secrets(var, environment)
        if os.geteuid() == 0:
            # Celery says this four times; whoever is root on a trial machine knows it.
            environment["PYTHONWARNINGS"] = "ignore:You're running the worker with superuser"
        say("Starting Karen …")
        with embedded_services(
            var,
            database_url=environment.get("DATABASE_URL", ""),
            redis_url=environment.get("REDIS_URL", ""),
        ) as services:
            environment |= services.environment()
            record = RunRecord(pid=os.getpid(), port=port, environment=karen_variables(environment))
            record.write(var)
            report = prepare(environment)

            def remember(processes: dict[str, int]) -> None:
                record.processes = processes
                record.write(var)

            supervisor = Supervisor(directory=ROOT, log_folder=var / "log", on_change=remember)
            for name, command in read_procfile(ROOT / "Procfile").items():
                supervisor.add(name, command, environment)
            greeting = environment | {
                "KAREN_PREPARED": json.dumps(report),
                "KAREN_STARTED_AT": str(started),
                "BIND": reachable_host(environment["BIND"]),
            }
            greeter = [sys.executable, "-m", "tools.stack.greeting"]
            supervisor.add("karen", greeter, greeting, restart=False)
            for server in services.servers:
                supervisor.guard(server)
            supervisor.run()
    say("Karen has stopped.")
    return 0


def karen_variables(environment: dict[str, str]) -> dict[str, str]:
    """Return the variables another command needs to join this run."""
    names = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "PLATFORM_KEY", "PORT", "BIND", "KAREN_VAR")
    return {name: environment[name] for name in names}


if __name__ == "__main__":
    sys.exit(run_command(main))
