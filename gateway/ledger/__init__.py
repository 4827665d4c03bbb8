"""The book: what a row is, and the engines that keep it."""
