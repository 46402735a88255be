"""What to write into an app, a script or a shell to send events to this very project."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from headwater.errors import SettingsError
from headwater.process.address import public_url
from headwater.settings import FILE, load_settings

# Kind -> its template; a second one is for projects without a write key, where there is another way.
SNIPPETS: dict[str, tuple[str, str | None]] = {
    "amplify-v6": ("amplify-v6.txt", "amplify-v6.txt"),
    "amplify-v5": ("amplify-v5.txt", "amplify-v5.txt"),
    "client": ("client.txt", None),
    "boto3": ("boto3.txt", "boto3.txt"),
    "python": ("python.txt", "python.txt"),
    "curl": ("curl.txt", "curl-signed.txt"),
}


def make_snippet(kind: str, project: Path, url: str | None = None) -> str:
    """Return the snippet of one of `SNIPPETS` with the project's ids, for the public listener at *url* (None: as it runs, or is set).

    It holds no secrets: a write key is public, and access keys are read from the environment. `SettingsError` if it needs a write key and
    there is none.
    """
    settings = load_settings(project)
    with_key, without_key = SNIPPETS[kind]
    template = with_key if settings.app.write_key else without_key
    if template is None:
        raise SettingsError(f'{kind} sends with the write key, and app.write_key in {FILE} is empty; write "hw" and 32 hex digits')
    text = files("headwater.process").joinpath("snippets", template).read_text(encoding="utf-8")
    values = {
        "url": (url or public_url(settings, project)).rstrip("/"),
        "app_id": settings.app.id,
        "identity_pool_id": settings.app.identity_pool_id,
        "region": settings.app.region,
        "write_key": settings.app.write_key,
    }
    for name, value in values.items():
        text = text.replace(f"<<{name}>>", value)
    return text
