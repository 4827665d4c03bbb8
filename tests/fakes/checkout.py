"""A small checkout with the real launcher in it, and an installer beside it that does as a test wants."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

LAUNCHER = Path(__file__).resolve().parents[2] / "weighbridge"
TOOLS = ("cat", "chmod", "cksum", "cp", "date", "grep", "mkdir", "readlink", "rm", "sed", "sh", "sleep", "tail")
UV = """#!/bin/sh
# Speaks uv's command line as far as the launcher does. It waits at a gate and fails when the test says so.
echo "$*" >>"$FAKE_LOG"
if [ -n "${FAKE_GATE-}" ]; then
    : >"$FAKE_GATE.reached"
    cat "$FAKE_GATE" >/dev/null
fi
if [ -n "${FAKE_WORDS-}" ]; then
    echo "$FAKE_WORDS" >&2
    exit 2
fi
case "$*" in
    venv*)
        for folder in "$@"; do :; done
        mkdir -p "$folder/bin" && cp "$3" "$folder/bin/python"
        ;;
    *--editable*)
        printf '#!/bin/sh\\nprintf "<%%s>" "$@"\\n' >"${4%/*}/weighbridge" && chmod +x "${4%/*}/weighbridge"
        ;;
esac
"""
RUN = "import sys\nprint('run.py', sys.argv[1:])\n"
FILES = {
    "pyproject.toml": "",
    "requirements.txt": "one==1\ntwo==2\n",
    "requirements-test.txt": "three==3\n",
    "requirements-local-model.txt": "four==4\n",
    "tests/run.py": RUN,
}


@dataclass
class Checkout:
    """Where the launcher lies, what it finds on PATH and what it was seen to install."""

    root: Path
    programs: Path
    log: Path
    extra: dict[str, str] = field(default_factory=dict)
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def environment(self) -> Mapping[str, str]:
        return {"PATH": str(self.programs), "FAKE_LOG": str(self.log), "HOME": str(self.root.parent)} | self.extra

    def installs(self) -> list[str]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return lines

    def start(self, *arguments: str, launcher: Path | str | None = None, **options: object) -> subprocess.Popen[str]:
        command = [str(launcher or self.root / "weighbridge"), *arguments]
        # A test run in the background ignores interrupts, and so would whatever it starts.
        ways: dict[str, object] = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
        ways |= {
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
            "start_new_session": True,
        } | options
        self.started.append(subprocess.Popen(command, env=self.environment, **ways))
        return self.started[-1]

    def stop(self) -> None:
        """End whatever a failed test left running."""
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()

    def run(self, *arguments: str, launcher: Path | str | None = None, **options: object) -> tuple[int, str, str]:
        process = self.start(*arguments, launcher=launcher, **options)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err


def checkout(folder: Path, *, uv: bool = True, python: Mapping[str, str] | None = None) -> Checkout:
    """Lay out a checkout in `folder`; `python` maps names on PATH to a line of Python run before anything else."""
    root, programs = folder / "a checkout", folder / "programs"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    shutil.copy2(LAUNCHER, root / "weighbridge")
    programs.mkdir()
    for tool in TOOLS:
        (programs / tool).symlink_to(shutil.which(tool) or "")
    if uv:
        program(programs / "uv", UV)
    for name, first in ({"python3": ""} if python is None else python).items():
        interpreter(programs / name, first)
    return Checkout(root, programs, folder / "installs.log")


def interpreter(path: Path, first: str) -> None:
    """Put a Python at `path` that believes what the line `first` says, for instance that it is older."""
    real = os.path.realpath(sys.executable)
    if not first:
        program(path, f'#!/bin/sh\nexec "{real}" "$@"\n')
        return
    code = f"import sys; code = sys.argv.pop(2); {first}; exec(code)"
    program(path, f'#!/bin/sh\nexec "{real}" -c \'{code}\' "$@"\n')


def program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)
