"""What every test may rely on. Pieces that must be installed first: `from tests.needs import needs`, told there."""
