"""The pages: a process of its own that reads the ledger and nothing else.

`python -m reporting.web --config weighbridge.toml [--link]` listens on `pages_port`. With --link its standard output
has an address that signs its first visitor in, once, within ten minutes. GET /livez answers 200 when it is up.
"""
