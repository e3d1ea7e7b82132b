"""How static files get names that change with their content."""

from django.contrib.staticfiles.storage import ManifestStaticFilesStorage


class ModuleStaticFilesStorage(ManifestStaticFilesStorage):
    """Django's storage that also rewrites the imports between ES modules.

    Without it a module would load its neighbours under their plain names, and a browser's cache
    could mix the modules of two releases.
    """

    support_js_module_import_aggregation = True
