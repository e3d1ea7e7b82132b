"""The part that looks inside files, run as a process of its own with limits.

`python -m apps.conversations.attachments.reading <operation> <folder> <options>` reads the file on
its standard input and writes `report.json`, and derived files, into the folder. It knows no
settings, no database and no secrets, and needs neither network nor children: `guard` closes them.
"""
