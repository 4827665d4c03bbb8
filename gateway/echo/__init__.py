"""The built-in provider that needs no key: speaks the three dialects, says back what it was told, counts tokens.

A process of its own on a loopback port: `python -m gateway.echo --port N`. With port 0 it takes any free one, and
the first line of its standard output is that port, in digits. `gateway.echo.serve.serve(port)` does the same inside
a process.
"""
