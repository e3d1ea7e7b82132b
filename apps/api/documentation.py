"""The OpenAPI document and the two pages that show it, offline and under the strict CSP.

The document is the same in every workspace and holds nothing of it, so no sign-in is asked for.
"""

from typing import Any

from csp.decorators import csp_update
from django.conf import settings
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import (
    SpectacularAPIView,
    SpectacularRedocView,
    SpectacularSwaggerSplitView,
)
from rest_framework.permissions import AllowAny

_OPEN: dict[str, Any] = {"authentication_classes": [], "permission_classes": [AllowAny]}


@extend_schema(exclude=True)
class _SchemaView(SpectacularAPIView):
    """The document itself."""

    urlconf = settings.TENANT_URLCONF


schema = _SchemaView.as_view(**_OPEN)

swagger = SpectacularSwaggerSplitView.as_view(
    **_OPEN, url_name="api_schema", template_name="api/swagger.html"
)

# ReDoc is a bundle of React components that write their styles into the page at run time; its
# search, which would need a worker made from a blob, is off.
redoc = csp_update({"style-src": ["'unsafe-inline'"]})(
    SpectacularRedocView.as_view(**_OPEN, url_name="api_schema", template_name="api/redoc.html")
)
