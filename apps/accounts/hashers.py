"""How passwords are hashed: argon2id with OWASP's parameters for servers."""

from django.contrib.auth.hashers import Argon2PasswordHasher


class ServerArgon2Hasher(Argon2PasswordHasher):
    """Argon2id with 19 MiB, two passes and one lane (OWASP Password Storage Cheat Sheet).

    Django's default takes 100 MiB and eight lanes for each login: a few dozen at once would take a
    small server's memory, and a sign-up spent most of its time there. Hashes of either kind are
    verified, and renewed at the next login.
    """

    time_cost = 2
    memory_cost = 19 * 1024  # KiB
    parallelism = 1
