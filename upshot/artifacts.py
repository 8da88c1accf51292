"""Artifacts, where users of Prefect import them from."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from upshot.flows import (
        acreate_image_artifact as acreate_image_artifact,
        acreate_link_artifact as acreate_link_artifact,
        acreate_markdown_artifact as acreate_markdown_artifact,
        acreate_progress_artifact as acreate_progress_artifact,
        acreate_table_artifact as acreate_table_artifact,
        aupdate_progress_artifact as aupdate_progress_artifact,
        create_image_artifact as create_image_artifact,
        create_link_artifact as create_link_artifact,
        create_markdown_artifact as create_markdown_artifact,
        create_progress_artifact as create_progress_artifact,
        create_table_artifact as create_table_artifact,
        update_progress_artifact as update_progress_artifact,
    )
else:
    from upshot.flows import __getattr__ as __getattr__
