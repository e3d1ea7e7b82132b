"""Nothing happens on import (style P9): no network, no database, no Redis, no process, no thread.

Every module of the product is imported in a process of its own, in which Python's audit hook
refuses to open anything. libpq connects in C, where the hook does not look, so psycopg's own
entrance is closed as well.
"""

import json
import os
import subprocess
import sys

from tools.lint.source import PRODUCT, REPOSITORY

PROBE = """
import importlib, json, os, pkgutil, sys, threading

FORBIDDEN = {"socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto",
             "subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "sqlite3.connect"}
armed = False
tried = []

def refuse(event, arguments):
    if armed and event in FORBIDDEN:
        tried.append(event)
        raise PermissionError(f"{event} while importing")

sys.addaudithook(refuse)

import psycopg

def refuse_database(*arguments, **options):
    tried.append("psycopg.connect")
    raise PermissionError("psycopg.connect while importing")

psycopg.connect = psycopg.Connection.connect = refuse_database
psycopg.AsyncConnection.connect = refuse_database

import django

# What third-party packages do on import is theirs; the product's modules answer for themselves.
failures = {}
names = json.loads(sys.argv[1])
armed = True
django.setup()
modules = list(names)
for name in names:
    package = importlib.import_module(name)
    walk = pkgutil.walk_packages(package.__path__, f"{name}.", onerror=lambda _: None)
    modules += [module.name for module in walk]
threads = set(threading.enumerate())
for module in modules:
    if module.startswith("karen_site.settings."):
        continue  # one of them is in force; production refuses to load without its secrets
    tried.clear()
    try:
        importlib.import_module(module)
    except BaseException as error:
        failures[module] = f"{type(error).__name__}: {error}"
    if tried:
        failures[module] = ", ".join(tried)
    if started := set(threading.enumerate()) - threads:
        failures[module] = f"started {[thread.name for thread in started]}"
        threads |= started
armed = False
json.dump({"modules": modules, "failures": failures}, sys.stdout)
"""


def test_every_module_can_be_imported_without_network_database_or_threads() -> None:
    process = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:apps", "-c", PROBE, json.dumps(PRODUCT)],
        cwd=REPOSITORY,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "karen_site.settings.test"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    outcome = json.loads(process.stdout)
    assert outcome["failures"] == {}
    assert {"apps.core.scope", "apps.jobs.task", "karen_site.asgi"} <= set(outcome["modules"])
