"""`make shell`, `make operator`: a command over the running stack, or a short-lived one."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from tools.stack.console import run_command, say
from tools.stack.django_commands import prepare, run_manage
from tools.stack.runtime import read_environment, read_run, read_secrets, sole_run, var_folder
from tools.stack.services import embedded_services


def main() -> int:
    """Run `manage.py` with the arguments given."""
    with joined_stack() as environment:
        return run_manage(
            [*sys.argv[1:], *operator_options(sys.argv[1:], environment)], environment
        )


def operator_options(arguments: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """Return the options for `create_operator` that the environment answers."""
    if list(arguments) != ["create_operator"]:
        return []
    answers = {"--email": "OPERATOR_EMAIL", "--password": "OPERATOR_PASSWORD"}
    return [
        f"{option}={environment[name]}" for option, name in answers.items() if environment.get(name)
    ]


@contextmanager
def joined_stack() -> Iterator[dict[str, str]]:
    """Yield the environment of a stack with its database and Redis up.

    `make run` over the same `var/` is joined; otherwise services are started and stopped again.
    """
    environment = read_environment()
    var = var_folder(environment)
    running = read_run(var)
    if running is not None:
        yield environment | running.environment
        return
    with sole_run(var):
        environment |= read_secrets(var, environment)
        say("Karen is not running: starting its database for this command.")
        with embedded_services(
            var,
            database_url=environment.get("DATABASE_URL", ""),
            redis_url=environment.get("REDIS_URL", ""),
        ) as services:
            environment |= services.environment()
            prepare(environment)
            yield environment


if __name__ == "__main__":
    sys.exit(run_command(main))
