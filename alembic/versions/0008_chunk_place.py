"""Where a chunk stands in its file by line, and whether it was read by OCR.

Revision ID: 0008_chunk_place
Revises: 0007_feedback
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008_chunk_place"
down_revision: str | None = "0007_feedback"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    # Not in batch mode: that would copy the whole table, vectors' references included.
    op.add_column("chunks", sa.Column("line", sa.Integer(), nullable=True))
    op.add_column("chunks", sa.Column("recognised", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    op.drop_column("chunks", "recognised")
    op.drop_column("chunks", "line")
