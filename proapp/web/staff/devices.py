"""A browser in two words, so that a person recognises the own devices in a list. Never used to decide anything."""

from __future__ import annotations

BROWSERS = (
    ("Edg", "Edge"),
    ("SamsungBrowser", "Samsung Internet"),
    ("OPR", "Opera"),
    ("FxiOS", "Firefox"),
    ("Firefox", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Macintosh", "Mac"),
    ("Linux", "Linux"),
)


def describe(user_agent: str | None) -> str:
    """Names only, such as "Firefox, Windows"; empty when nothing is known. Nothing of the header is copied."""
    header = user_agent or ""
    names = (next((name for sign, name in table if sign in header), "") for table in (BROWSERS, SYSTEMS))
    return ", ".join(name for name in names if name)
