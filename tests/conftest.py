"""What holds for every test: servers that tests start do not begin to convert models when they are left alone.

`postgres_url` gives any test an empty database of a real PostgreSQL server.
"""

import os

from tests.postgres import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]

os.environ.setdefault("FOOTNOTE_MODEL_OPTIMIZE", "off")
