"""The chat pipeline: the only place where a turn is orchestrated.

hub → instructions → context → orchestrator → stream → aftermath.
"""
