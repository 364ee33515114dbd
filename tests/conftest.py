"""What holds for every test: no example is timed, and servers do not begin to convert models when they are left alone.

`postgres_url` gives any test an empty database of a real PostgreSQL server.
"""

import os

from hypothesis import settings

from tests.postgres import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]

settings.register_profile("footnote", deadline=None)  # a busy machine is no defect
settings.load_profile("footnote")
os.environ.setdefault("FOOTNOTE_MODEL_OPTIMIZE", "off")
