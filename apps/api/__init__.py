"""The HTTP API's assembly: versioned routes, error rendering, OpenAPI pages, monitoring."""
