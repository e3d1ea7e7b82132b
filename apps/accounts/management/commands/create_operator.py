"""`manage.py create_operator`: create somebody who runs this site."""

from argparse import ArgumentParser
from getpass import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from typing_extensions import override

from apps.accounts import services
from apps.accounts.errors import SignUpRefused
from apps.core.errors import InvalidInput, KarenError


class Command(BaseCommand):
    """Create one operator."""

    help = "Create an operator, who may use the admin on the platform's own host."

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--email", help="Asked for when missing.")
        parser.add_argument("--password", help="Asked for when missing.")
        parser.add_argument("--name", default="", help="What people call the operator.")

    @override
    def handle(self, *_args: Any, **options: Any) -> None:
        """Create it."""
        try:
            email = options["email"] or input("E-mail: ")
            password = options["password"] or _asked_twice()
        except EOFError:
            raise CommandError(
                "Nobody is here to answer: set OPERATOR_EMAIL and OPERATOR_PASSWORD."
            ) from None
        try:
            services.create_operator(email=email, password=password, name=options["name"])
        except InvalidInput as error:
            reasons = [text for texts in (error.fields or {}).values() for text in texts]
            raise CommandError(" ".join(reasons) or error.message()) from error
        except SignUpRefused as error:
            raise CommandError(
                f"{email} has an account already. Make it an operator in the console: Users, "
                f"{email}, tick staff and superuser; or choose another address."
            ) from error
        except KarenError as error:
            raise CommandError(error.message()) from error
        self.stdout.write(f"{email} is an operator now.")


def _asked_twice() -> str:
    password = getpass("Password: ")
    if password != getpass("Password (again): "):
        raise CommandError("The two passwords differ.")
    return password
