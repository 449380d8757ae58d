"""What stops a row that does not reach its target; printed below the table, by the row's key."""

from __future__ import annotations

NOTES: dict[str, str] = {}
