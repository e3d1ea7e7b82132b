"""Search over everything a person may see in conversations; start reading at `service.py`."""
