"""Assets, where users of Prefect import them from."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from upshot.flows import (
        Asset as Asset,
        AssetCheck as AssetCheck,
        AssetCheckResult as AssetCheckResult,
        AssetProperties as AssetProperties,
        add_asset_metadata as add_asset_metadata,
        asset as asset,
        asset_check as asset_check,
        materialize as materialize,
    )
else:
    from upshot.flows import __getattr__ as __getattr__
