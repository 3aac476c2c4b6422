"""The catalogue of published systems: which there are, which of them are programs here, and what was verified of each.

`index.toml` has every system, `entries/` what is said of those that are worked out, `recorded.json` which checks passed in the last run of
`make systems`. The state of a system is computed from these, never written down.
"""
