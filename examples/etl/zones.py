"""Makes a table of the world's time zones: extracted, parsed in a map, checked, loaded, reported.

The source is ``zone1970.tab`` of the IANA time zone database, which is in the public domain.
"""

from __future__ import annotations

import csv
import re
import sys
import tempfile
from collections import Counter
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import TypedDict

from upshot import (
    Asset,
    AssetCheckResult,
    AssetProperties,
    add_asset_metadata,
    asset_check,
    create_markdown_artifact,
    create_table_artifact,
    flow,
    get_run_logger,
    materialize,
    task,
)

HERE = Path(__file__).parent
SOURCE = Asset("zones/source", AssetProperties(name="zone1970.tab", owners=["IANA"]))
TABLE = Asset("zones/table", AssetProperties(name="Time zones", description="One row a zone."))
PER_AREA = Asset("zones/per-area")


class Portion(TypedDict):
    """What the source has of one area: Africa, America, …"""

    area: str
    lines: list[str]


class Zone(TypedDict):
    """A row of the table."""

    name: str
    area: str
    countries: str
    latitude: float
    longitude: float


@materialize(SOURCE, version="1")
def extract(path: str) -> list[str]:
    text = Path(path).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    digest = sha256(text.encode()).hexdigest()[:12]
    add_asset_metadata(SOURCE, {"lines": len(lines), "path": path}, data_version=digest)
    return lines


@task
def portions(lines: list[str]) -> list[Portion]:
    by_area = groupby(sorted(lines, key=_area_of), key=_area_of)
    return [Portion(area=area, lines=list(found)) for area, found in by_area]


@task(task_run_name="parse-{portion[area]}", retries=1)
def parse(portion: Portion) -> list[Zone]:
    return [_zone(line) for line in portion["lines"]]


@materialize(TABLE, asset_deps=[SOURCE], version="1")
def load(parts: list[list[Zone]], target: str) -> list[Zone]:
    """Write a draft: what the checks below refuse never takes the place of a table that is good."""
    rows = sorted((zone for part in parts for zone in part), key=lambda zone: zone["name"])
    path = _table_in(target).with_suffix(".draft")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, Zone.__annotations__)
        writer.writeheader()
        writer.writerows(rows)
    TABLE.add_metadata({"rows": len(rows), "path": str(_table_in(target))})
    return rows


@asset_check(asset=load, blocking=True)
def zones_are_on_earth(rows: list[Zone]) -> AssetCheckResult:
    wrong = [
        row["name"] for row in rows if abs(row["latitude"]) > 90 or abs(row["longitude"]) > 180
    ]
    return AssetCheckResult(not wrong, description=", ".join(wrong[:5]))


@asset_check(asset=load, blocking=True)
def each_zone_is_there_once(rows: list[Zone]) -> AssetCheckResult:
    names = Counter(row["name"] for row in rows)
    twice = [name for name, count in names.items() if count > 1]
    return AssetCheckResult(bool(rows) and not twice, description=", ".join(twice) or "no rows")


@asset_check(asset=load)
def no_area_lost_zones(rows: list[Zone]) -> AssetCheckResult:
    """Warn when there are fewer zones than there have been for years."""
    enough = len(rows) >= 300
    return AssetCheckResult(enough, severity="warn", metadata={"rows": len(rows)})


@task
def publish(target: str) -> None:
    """Let the draft, which has passed, be the table."""
    if (draft := _table_in(target).with_suffix(".draft")).exists():  # else it was done already
        draft.replace(_table_in(target))


@materialize(PER_AREA, version="1")
def report(rows: list[Zone]) -> dict[str, int]:
    counts = dict(Counter(row["area"] for row in rows).most_common())
    table = [{"area": area, "zones": count} for area, count in counts.items()]
    create_table_artifact(table, key="zones-per-area", description="Time zones by area.")
    north = max(rows, key=lambda row: row["latitude"])
    create_markdown_artifact(
        f"**{len(rows)} zones**; the northernmost is {north['name']}.", key="zones-summary"
    )
    return counts


@flow(log_prints=True)
def zones(source: str = str(HERE / "zone1970.tab"), target: str = "") -> dict[str, int]:
    """Make the table in the folder ``target``, by default one of the system's for such files."""
    folder = target or str(Path(tempfile.gettempdir()) / "upshot-zones")
    parts = parse.map(portions(extract(source)))
    rows = load(parts.result(), folder)
    publish(folder)
    counts = report(rows)
    get_run_logger().info("%d areas are in %s", len(counts), folder)
    print("most zones:", next(iter(counts)))
    return counts


def _table_in(folder: str) -> Path:
    return Path(folder) / "zones.csv"


def _area_of(line: str) -> str:
    return line.split("\t")[2].partition("/")[0]


def _zone(line: str) -> Zone:
    countries, place, name = line.split("\t")[:3]
    found = re.fullmatch(r"([+-]\d+)([+-]\d+)", place)
    if found is None:
        raise ValueError(f"{name}: {place!r} is no place")
    return Zone(
        name=name,
        area=name.partition("/")[0],
        countries=countries,
        latitude=_degrees(found[1], 2),
        longitude=_degrees(found[2], 3),
    )


def _degrees(text: str, digits: int) -> float:
    """Return degrees of ISO 6709: a sign, then degrees, minutes and maybe seconds."""
    whole, rest = text[1 : digits + 1], text[digits + 1 :].ljust(4, "0")
    size = int(whole) + int(rest[:2]) / 60 + int(rest[2:]) / 3600
    return round(-size if text[0] == "-" else size, 4)


if __name__ == "__main__":
    zones(*sys.argv[1:])
