"""Files in conversations: stored once by content, scanned, read, and handed to models.

Enter through `services` (upload, attach, delete) and `selectors` (views, `for_prompt`). Everything
that parses a file's inside runs in a process of its own: `reading`.
"""
