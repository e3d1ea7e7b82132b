#!/usr/bin/env python
"""Karen's command line."""

import os
import sys


def main() -> None:
    """Run a management command; development settings unless told otherwise."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "karen_site.settings.dev")
    from django.core.management import execute_from_command_line  # after the settings are named

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
