"""Lists of one kind off an index: runs of a flow, a parent or a state, task runs in their order."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_INDEXES = {
    "flow_runs_by_flow": ("flow_runs", ["flow", "created"]),
    "flow_runs_by_parent": ("flow_runs", ["parent", "created"]),
    "flow_runs_by_state": ("flow_runs", ["state", "created"]),
    "flow_runs_by_state_name": ("flow_runs", ["state_name", "created"]),
    "task_runs_by_age": ("task_runs", ["flow_run", "created", "id"]),
}


def _bytewise() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Tell of each run which one it is a part of, and make the indexes."""
    op.add_column("flow_runs", sa.Column("parent", _bytewise()))
    parent = "json_extract(body, '$.parent')"
    if op.get_bind().dialect.name == "postgresql":
        # JSON of PostgreSQL takes no NUL, which a text in the body may have.
        parent = 'substring(body from \'"parent":"([0-9a-f-]{36})","pause":\')'
    op.execute(sa.text(f"UPDATE flow_runs SET parent = {parent}"))
    for name, (table, columns) in _INDEXES.items():
        op.create_index(name, table, columns)


def downgrade() -> None:
    """Drop the indexes and the column."""
    for name, (table, _) in _INDEXES.items():
        op.drop_index(name, table)
    op.drop_column("flow_runs", "parent")
