"""The one team, user and key that the sandbox knows."""

from __future__ import annotations

IDS = {"user_id": "00000000-0000-4000-8000-000000000001", "team_id": "00000000-0000-4000-8000-000000000002"}
KEY_ID = "00000000-0000-4000-8000-000000000003"
