"""What holds for every test: servers that tests start do not begin to convert models when they are left alone."""

import os

os.environ.setdefault("FOOTNOTE_MODEL_OPTIMIZE", "off")
