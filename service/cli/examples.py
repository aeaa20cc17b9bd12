"""How each command is called, as its help shows it; a test calls them all."""

from collections.abc import Mapping
from typing import Final

EXAMPLES: Final[Mapping[str, tuple[str, ...]]] = {
    "demo": ("laurel demo", "laurel demo --keep --port-base 21000"),
    "up": ("laurel up", "laurel up --replicas 2 --api", "laurel up --home /srv/laurel --port-base 21000"),
    "request": (
        "laurel request --watch",
        "laurel request --model-version 2 --reason 'new sales' --watch",
        "laurel request --request-id nightly-2026-11-29 --json",
    ),
    "cancel": ("laurel cancel 85a27d19 --reason 'wrong data'", "laurel cancel 85a27d19 --json"),
    "retry": ("laurel retry 85a27d19", "laurel retry 85a27d19 --reason 'the disk has room again'"),
    "watch": ("laurel watch", "laurel watch --from-start --no-follow", "laurel watch --json"),
    "runs": (
        "laurel runs",
        "laurel runs --state failed --state rejected --limit 50",
        "laurel runs nightly-2026-11-29 --json",
    ),
    "show": ("laurel show 85a27d19", "laurel show 85a27d19 --json"),
    "champion": (
        "laurel champion",
        "laurel champion --json",
        "laurel champion --at '2026-11-17 12:00'",
    ),
    "history": ("laurel history", "laurel history --since 2026-11-01 --limit 50", "laurel history --json"),
    "explain": ("laurel explain 12", "laurel explain v7", "laurel explain 85a27d19 --json"),
    "compare": ("laurel compare 11 12", "laurel compare v7 85a27d19 --json"),
    "status": ("laurel status", "laurel status --watch"),
    "workers": ("laurel workers", "laurel workers --json"),
    "doctor": ("laurel doctor", "laurel doctor --json"),
    "worker": ("laurel worker", "WORKER__ID=worker-1 laurel worker"),
    "reload-listener": ("laurel reload-listener",),
    "inference": ("laurel inference", "INFERENCE__PORT=8000 laurel inference"),
    "api": ("laurel api", "API__PORT=8080 laurel api --json"),
    "notifier": ("laurel notifier --test", "laurel notifier"),
    "rollback": (
        "laurel rollback --reason 'predictions far too high' --dry-run",
        "laurel rollback --reason 'predictions far too high'",
        "laurel rollback --to 3 --reason 'as agreed with pricing' --by 'Ada Lovelace' --json",
    ),
    "hold": (
        "laurel hold --reason 'audit until noon' --until 2026-11-29T12:00",
        "laurel hold --reason 'prices look wrong' --by 'Ada Lovelace' --json",
    ),
    "release": ("laurel release", "laurel release --reason 'the audit is done' --json"),
    "quarantine list": ("laurel quarantine list", "laurel quarantine list --all --json"),
    "quarantine lift": ("laurel quarantine lift 12 --reason 'it was the gateway, not the model'",),
    "promote": (
        "laurel promote 85a27d19 --reason 'the new region needs it'",
        "laurel promote 7 --reason 'as agreed with pricing' --by 'Ada Lovelace' --json",
    ),
    "adopt": ("laurel adopt --dry-run", "laurel adopt"),
    "repair": ("laurel repair --dry-run", "laurel repair"),
    "ledger status": ("laurel ledger status", "laurel ledger status --json"),
    "ledger accept": ("laurel ledger accept --reason 'restored the backup of 2026-11-28'",),
    "requests reread": (
        "laurel requests reread --since 2026-11-29T02:00Z --dry-run",
        "laurel requests reread --since 0/1150",
    ),
    "config show": ("laurel config show", "laurel config show --json"),
    "config check": (
        "laurel config check",
        "laurel config check ./config --json",
        "laurel config check ./config --master data/processed/master.parquet",
    ),
    "topics ensure": ("laurel topics ensure",),
    "db upgrade": ("laurel db upgrade",),
    "prune": ("laurel prune --dry-run", "laurel prune --json"),
    "db grant": ("laurel db grant laurel_worker",),
    "dead-letters list": ("laurel dead-letters list", "laurel dead-letters list --json"),
    "dead-letters show": ("laurel dead-letters show 0/17",),
    "dead-letters requeue": ("laurel dead-letters requeue 0/17",),
    "completion": (
        "laurel completion bash > ~/.local/share/bash-completion/completions/laurel",
        'eval "$(laurel completion zsh)"',
        "laurel completion fish > ~/.config/fish/completions/laurel.fish",
    ),
    "version": ("laurel version", "laurel version --json"),
}


def examples_of(path: str) -> str:
    """The end of a command's help; the first sign keeps its lines as they are."""
    examples = EXAMPLES.get(path, ())
    return "\n".join(["\b", "Examples:", *(f"  {example}" for example in examples)]) if examples else ""
