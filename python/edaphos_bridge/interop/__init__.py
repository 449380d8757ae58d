"""Entrances from other languages; nothing here models anything."""
