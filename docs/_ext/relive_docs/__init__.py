"""The part of the documentation that is made from the code. Not shipped: Sphinx loads it when the pages are built.

Only `extension` and `sources` know Sphinx. Everything else is functions that return Markdown, so that tests can call
them: `machine` (table, states, pictures), `settings` (policies, counts), `endings` (close codes, errors), `commands`
(the command line), `proofs` (promises and tests), `api` (docstrings); `reading` takes our files apart, `links` and
`sources` lead links that leave `docs` to pages of ours.
"""
