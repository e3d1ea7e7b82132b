"""How static files get names that change with their content."""

from collections.abc import Callable
from re import Match
from typing import Any

from django.contrib.staticfiles.storage import ManifestStaticFilesStorage
from typing_extensions import override

_OWN_MODULES = "web/"


class ModuleStaticFilesStorage(ManifestStaticFilesStorage):
    """Django's storage that also rewrites the imports between our own ES modules.

    Without it a module would load its neighbours under their plain names, and a browser's cache
    could mix the modules of two releases. Scripts of other packages stay as they are: what looks
    like an import there may be a type in a comment.
    """

    support_js_module_import_aggregation = True

    @override
    def url_converter(self, name: str, *args: Any, **kwargs: Any) -> Callable[[Match[str]], str]:
        if name.endswith(".js") and not name.startswith(_OWN_MODULES):
            return lambda found: found.group()
        converter: Callable[[Match[str]], str] = super().url_converter(name, *args, **kwargs)
        return converter
