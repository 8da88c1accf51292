"""Serializers as users of Prefect write them; each is a text for ``result_serializer``."""

from upshot.flows.results.formats import Serializer


def JSONSerializer(*, jsonlib: str = "") -> Serializer:
    """Return ``json``; which library writes it makes no difference."""
    del jsonlib
    return "json"


def PickleSerializer(*, picklelib: str = "cloudpickle") -> Serializer:
    """Return ``pickle``; ValueError for another library than cloudpickle."""
    if picklelib != "cloudpickle":
        raise ValueError(f"picklelib: {picklelib!r} is not cloudpickle")
    return "pickle"


def CompressedJSONSerializer() -> Serializer:
    """Return ``compressed/json``."""
    return "compressed/json"


def CompressedPickleSerializer() -> Serializer:
    """Return ``compressed/pickle``."""
    return "compressed/pickle"


def CompressedSerializer(
    serializer: Serializer = "json", *, compressionlib: str = ""
) -> Serializer:
    """Return the serializer with ``compressed/`` before it; zlib is what compresses."""
    del compressionlib
    return "compressed/pickle" if serializer.endswith("pickle") else "compressed/json"
