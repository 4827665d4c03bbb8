"""Prices as dated data: the bundled snapshot, its two sources, the contract overrides, and the one book over them.

What other rooms call (nothing here is fetched; every function is given its files):

    book.py       read_book(overrides: Path | None, snapshot: Path = SNAPSHOT) -> PriceBook    raises BadSettings
                  PriceBook.find(provider: str, model: str, at: datetime) -> Price | None
                  PriceBook.rows() -> Iterator[Price];  PriceBook.version: str
    queries.py    list_prices(book, *, provider: str | None, contains: str | None) -> tuple[Price, ...]
                  show_price(book, provider: str, model: str, at: datetime) -> tuple[Price, ...]    newest first
                  diff_books(old: PriceBook, new: PriceBook) -> tuple[PriceChange, ...]
                  read_disagreements(path: Path = DISAGREEMENTS) -> tuple[Disagreement, ...]
    importer.py   import_prices(sources: Sources, *, accept: bool) -> Imported    raises BadSettings, writes the data files

`PriceChange` has provider_name, model, before: Price | None, after: Price | None, percent: int | None (largest
change of one rate, rounded away from zero; None when a row comes or goes). `Disagreement` has provider_name, model,
sku, ours, theirs, oracle, category, explanation: `sku` is "meter", "meter@tier" or "meter@tier>threshold".
"""
