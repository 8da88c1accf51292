"""CEL expressions: read, bounded, compiled and evaluated."""
