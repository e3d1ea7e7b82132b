"""The house's own linters: what ruff, mypy and import-linter cannot say.

`python -m tools.lint` runs them all; `rules`, `sql` or `templates` runs one. The contract type of
`contracts.py` belongs to `lint-imports`.
A finding that is right for a reason is silenced where it stands:

    # lint: allow <rule>: <reason>          (templates: {# lint: allow <rule>: <reason> #})
"""
