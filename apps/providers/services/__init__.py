"""What changes the gateway's tables, one module per subject."""
