"""What people see when something is refused before a view runs."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import escape_leading_slashes


def csrf_failure(
    request: HttpRequest,
    reason: str = "",  # noqa: ARG001  # Django passes it
) -> HttpResponse:
    """Explain a missing or old security token and offer the page again.

    Args:
        request: The refused request.
        reason: Django's reason, for its log; not shown.
    """
    again = escape_leading_slashes(request.path)
    return render(request, "web/csrf_failure.html", {"again": again}, status=403)
