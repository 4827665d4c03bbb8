"""weighbridge ledger: whether the book is whole."""

from typing import Annotated

import typer

from gateway.commands.failed import FAILED
from gateway.commands.opening import Json, book
from gateway.commands.printing import as_json, fields, note, progress, say

app = typer.Typer(help="The ledger: whether it is whole.", no_args_is_help=True)


@app.command("verify")
def verify(
    ctx: typer.Context,
    *,
    anchor: Annotated[
        str | None, typer.Option(metavar="HEAD", help="A head noted earlier: nothing up to it may have changed.")
    ] = None,
    json: Json = False,
) -> None:
    """Read the whole ledger and recompute every hash; exit code 1 if anything was changed or is missing."""
    with book(ctx) as ledger, progress("Reading the ledger", "entries") as tell:
        found = ledger.verify(lambda done: tell(done, None), anchor=anchor)
        conflicts = len(ledger.conflicts())
    if json:
        as_json(
            {
                "entries": found.entries,
                "intact": found.intact,
                "head": found.head,
                "first_bad": found.first_bad,
                "problem": found.problem,
                "conflicts": conflicts,
            }
        )
    else:
        shown: dict[str, str | None] = {
            "Entries": f"{found.entries:,}",
            "Whole": "yes" if found.intact else "NO",
            "Head": found.head,
        }
        if not found.intact:
            where = {"First bad": f"position {found.first_bad}"} if found.first_bad is not None else {}
            shown |= where | {"Problem": found.problem}
        fields(shown)
        if found.intact:
            say("Note the head somewhere else; verify --anchor HEAD later proves that nothing before it was changed.")
        else:
            say("Keep this ledger as it is, as evidence, and hold it against a backup: docs/ledger.md.")
    if conflicts:
        note(f"{conflicts:,} entries came under a known id with another content; they are kept aside for a person.")
    if not found.intact:
        raise typer.Exit(FAILED)
