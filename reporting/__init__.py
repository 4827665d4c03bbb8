"""Reports: folds over the book, in a process of their own."""
