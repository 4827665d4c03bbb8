"""Keys: how one is made, told from a typo, and kept only as a keyed hash."""

import hashlib
import hmac
import os
import secrets
import zlib
from functools import lru_cache
from pathlib import Path

from gateway.secret import Secret

CALLER_PREFIX = "wb_"
MANAGEMENT_PREFIX = "wba_"

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
BODY_DIGITS = 43
"""What 32 random bytes need in base 62."""

CHECKSUM_DIGITS = 8
PEPPER_FILE = "pepper"
PERSON_PREFIX = "per_"


def new_key(prefix: str) -> str:
    """Give a fresh key: prefix, 256 bits of chance in base 62, "_", a checksum of all before it."""
    return key_from(secrets.token_bytes(32), prefix)


def key_from(secret: bytes, prefix: str) -> str:
    """Give the key that carries these 32 bytes: of a secret nobody can guess, or it is none."""
    assert prefix in {CALLER_PREFIX, MANAGEMENT_PREFIX}
    assert len(secret) == 32
    number = int.from_bytes(secret, "big")
    body = ""
    for _ in range(BODY_DIGITS):
        number, digit = divmod(number, 62)
        body += DIGITS[digit]
    text = prefix + body
    return f"{text}_{_checksum(text.encode())}"


def well_formed(key: bytes) -> bool:
    """Say whether `key` could be one of ours; a typo is told here, before anything is hashed or looked up.

    The checksum is no protection, only the cheap answer to noise.
    """
    prefix = 4 if key[:4] == b"wba_" else 3
    if len(key) != prefix + BODY_DIGITS + 1 + CHECKSUM_DIGITS or key[:2] != b"wb":
        return False
    return key[prefix - 1] == key[-9] == 0x5F and b"%08x" % zlib.crc32(key[:-9]) == key[-8:]


def digest_of(pepper: Secret, key: bytes) -> bytes:
    """Give HMAC-SHA256(pepper, key), the only form in which a key is kept.

    A fast hash is right for secrets of 112 bits and more (OWASP ASVS 5.0, 6.5.2, read 2026-11-23).
    """
    inner, outer = _begun(pepper)
    inside, outside = inner.copy(), outer.copy()
    inside.update(key)
    outside.update(inside.digest())
    return outside.digest()


@lru_cache(maxsize=4)
def _begun(pepper: Secret) -> tuple["hashlib._Hash", "hashlib._Hash"]:
    """Give both hashes of an HMAC (RFC 2104, 2) as they stand after the pepper, which every key of a process shares."""
    block = pepper.reveal().encode()
    block = (hashlib.sha256(block).digest() if len(block) > 64 else block).ljust(64, b"\0")
    return hashlib.sha256(bytes(b ^ 0x36 for b in block)), hashlib.sha256(bytes(b ^ 0x5C for b in block))


def pseudonym(pepper: Secret, person: str) -> str:
    """Give the name a person has in the book; the same person has the same one, and none leads back.

    What comes as a pseudonym stays as it is. Case and outer blanks make no other person.
    """
    if is_pseudonym(person):
        return person
    said = person.strip().casefold().encode()
    return PERSON_PREFIX + hmac.digest(pepper.reveal().encode(), b"person:" + said, "sha256").hex()[:32]


def is_pseudonym(person: str) -> bool:
    """Say whether this is already a pseudonym of ours."""
    rest = person[len(PERSON_PREFIX) :]
    return person.startswith(PERSON_PREFIX) and len(rest) == 32 and set(rest) <= set("0123456789abcdef")


def read_pepper(data_dir: Path) -> Secret:
    """Give the pepper of this data directory; it is made at the first start, readable by its owner only.

    Whoever loses it makes every key void; whoever shares a ledger among machines gives them the same file.
    """
    path = data_dir / PEPPER_FILE
    if not path.exists():
        _make_pepper(path)
    text = path.read_text(encoding="ascii").strip()
    if len(text) < 32:
        raise OSError(f"{path} is cut short; put back the file that belongs to this ledger's keys")
    return Secret(text)


def _make_pepper(path: Path) -> None:
    """Write a new pepper in one step, so that of several processes that start at once one wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_hex(32).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return  # Another process was first; its pepper is the one.
    finally:
        draft.unlink()


def _checksum(text: bytes) -> str:
    """Give CRC-32 as eight hex digits."""
    return f"{zlib.crc32(text):08x}"
