"""`python -m tests.bench` is the benchmark's one command."""

from tests.bench.run import main

main()
