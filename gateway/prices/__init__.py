"""Prices as dated data: the bundled snapshot, its two sources, the contract overrides, and the one book over them.

What other rooms call (nothing here is fetched; every function is given its files):

    book.py      read_book(overrides: Path | None, snapshot: Path = SNAPSHOT) -> PriceBook    raises BadSettings
                 PriceBook.find(provider: str, model: str, at: datetime) -> Price | None
                 PriceBook.rows() -> Iterator[Price];  PriceBook.version: str
    queries.py   list_prices(book, *, provider: str | None, contains: str | None) -> tuple[Price, ...]
                 show_price(book, provider: str, model: str, at: datetime) -> tuple[Price, ...]    what holds first
                 diff_books(old: PriceBook, new: PriceBook) -> tuple[PriceChange, ...]
                 read_disagreements(path: Path = DISAGREEMENTS) -> tuple[Disagreement, ...]
    rates.py     sku(rate) -> "output@flex>272000";  usd(rate) -> "0.15", dollars for the meter's usual units
    sources.py   Sources(litellm: Path, litellm_version: str, genai: Path, genai_version: str, as_of: date)
    importer.py  import_prices(sources, *, accept: bool) -> Imported    raises BadSettings; writes the data files
"""
