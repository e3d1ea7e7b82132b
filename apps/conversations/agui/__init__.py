"""AG-UI, the protocol of CopilotKit's front ends: runs in, events out (docs/ag-ui.md).

An edge like the others: what it asks goes through the hub, what it tells are a turn's events.
"""
