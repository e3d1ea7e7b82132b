"""One module per wire format or engine; the only importers of vendor SDKs."""
