"""weighbridge journal: whether the local log is whole, and what of it is not in the ledger yet."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gateway.commands.failed import FAILED, Failed
from gateway.commands.opening import Json, settings_to_read
from gateway.commands.printing import Column, as_json, cell, say, table

if TYPE_CHECKING:
    from gateway.journal.verify import JournalVerification

app = typer.Typer(help="The journal: whether it is whole.", no_args_is_help=True)


@app.command("verify")
def verify(ctx: typer.Context, *, json: Json = False) -> None:
    """Read every worker's journal, in use or not, and check each record; exit code 1 if any is missing or damaged."""
    from gateway.journal.verify import verify_journal

    found = {directory: verify_journal(directory) for directory in _directories(ctx)}
    if json:
        as_json([told(directory, one) for directory, one in found.items()])
    else:
        _show(found)
    if not all(one.intact for one in found.values()):
        raise typer.Exit(FAILED)


def told(directory: Path, found: "JournalVerification") -> dict[str, Any]:
    """Give what was found as plain values."""
    names = ("segments", "records", "first_sequence", "last_sequence", "shipped_sequence", "head", "unended",
             "dead_letters", "live", "intact")  # fmt: skip
    return {
        "directory": str(directory),
        **{name: getattr(found, name) for name in names},
        "problems": [asdict(problem) for problem in found.problems],
    }


def _directories(ctx: typer.Context) -> list[Path]:
    journals = settings_to_read(ctx).data_dir / "journal"
    found = sorted(path for path in journals.iterdir() if path.is_dir()) if journals.is_dir() else []
    if not found:
        raise Failed(f"There is no journal at {journals} yet. Start the gateway once: weighbridge up.")
    return found


def _show(found: "dict[Path, JournalVerification]") -> None:
    figures = ("RECORDS", "NOT IN LEDGER", "UNDER WAY", "SET ASIDE")
    headings = [Column("WORKER"), *(Column(name, right=True) for name in figures), Column("IN USE"), Column("WHOLE")]
    rows = [
        (
            directory.name,
            f"{one.records:,}",
            f"{max(0, one.last_sequence - one.shipped_sequence):,}",
            f"{one.unended:,}",
            f"{one.dead_letters:,}",
            "yes" if one.live else "no",
            "yes" if one.intact else "NO",
        )
        for directory, one in found.items()
    ]
    table(headings, rows)
    for directory, one in found.items():
        for problem in one.problems:
            say(f"{directory}, segment {problem.segment}, byte {problem.offset:,}: {cell(problem.text)}")
        if one.dead_letters:
            say(f"{directory}: entries that could not be stored lie in dead-letter.jsonl; a person has to look.")
