"""`GET /api/v1/settings`: what is configured, without secrets."""

import re
from typing import Any, Final

from litestar import get
from msgspec import Struct

from rag.api.listing import Listing
from rag.api.parts import AppPart
from rag.api.permit import admins
from rag.settings import is_secret, setting_name
from rag.settings_page import settings_table

_PASSWORD: Final = re.compile(r"://[^@/\s]*@")  # who and how, inside an address


class SettingView(Struct):
    """One setting. A secret shows only whether it is set; `origin` says where the value came from."""

    name: str
    environment: str
    type: str
    value: Any
    default: str
    origin: str
    secret: bool
    help: str


@get("/settings", sync_to_thread=False, opt=admins(), tags=["service"])
def list_settings(app: AppPart) -> Listing[SettingView]:
    """Every setting with its value and where it came from."""
    shown = []
    for name, environment, kind, default, meaning in settings_table():
        attribute = next(f for f in app.settings.__dataclass_fields__ if setting_name(f) == name)
        value = getattr(app.settings, attribute)
        secret = is_secret(attribute)
        if secret:
            value = "(set)" if value else "(empty)"
        elif isinstance(value, str):
            value = _PASSWORD.sub("://***@", value)
        elif not isinstance(value, int | float | bool):
            value = list(value) if isinstance(value, tuple) else str(value)
        origin = app.origin.get(attribute, "default")
        shown.append(SettingView(name, environment, kind, value, default, origin, secret, meaning))
    return Listing(shown, None)
