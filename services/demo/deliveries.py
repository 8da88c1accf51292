"""Recorded deliveries of GitHub's webhooks, signed and sent as GitHub does it."""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

_RECORDED: Final = Path(__file__).parent / "data" / "deliveries.ndjson"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery.

    Attributes:
        event: what GitHub calls its kind: push, issues, …
        payload: its body as data.
        id: what GitHub would send again with a redelivery.
    """

    event: str
    payload: dict[str, Any] = field(repr=False)
    id: str

    @property
    def title(self) -> str:
        """What it is about, in two words."""
        action = self.payload.get("action")
        return f"{self.event}/{action}" if action else self.event

    @property
    def body(self) -> bytes:
        return json.dumps(self.payload, separators=(",", ":")).encode()

    @property
    def conclusions(self) -> list[str]:
        """How the steps of a job ended, as far as they did; nothing for any other delivery."""
        job = self.payload.get("workflow_job") or {}
        return [step["conclusion"] for step in job.get("steps", []) if step.get("conclusion")]

    def headers(self, secret: str) -> dict[str, str]:
        """Return the headers that GitHub sends along, the signature among them."""
        signature = hmac.new(secret.encode(), self.body, hashlib.sha256).hexdigest()
        return {
            "Content-Type": "application/json",
            "User-Agent": "GitHub-Hookshot/upshot-demo",
            "X-GitHub-Event": self.event,
            "X-GitHub-Delivery": self.id,
            "X-Hub-Signature-256": f"sha256={signature}",
        }

    def anew(self) -> Delivery:
        """Return a delivery of the same content with an id of its own."""
        return replace(self, id=str(uuid.uuid4()))


def recorded() -> list[Delivery]:
    """Return the recorded deliveries, each with a new id."""
    lines = _RECORDED.read_text(encoding="utf-8").splitlines()
    return [Delivery(**json.loads(line), id=str(uuid.uuid4())) for line in lines]
