"""The test settings with ten database connections for a whole web process."""

from karen_site.settings.test import *  # noqa: F403  # composing settings is what star imports are for
from karen_site.settings.test import DATABASES

DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 2, "max_size": 10, "timeout": 10}
