"""Compressed bodies made plain, within a bound: a bomb of zeros is never inflated."""

import zlib

from causal.errors import MalformedTelemetry, TooLarge

__all__ = ["gunzip"]

_GZIP = 16 + zlib.MAX_WBITS


def gunzip(body: bytes, limit: int) -> bytes:
    """Decompress gzip, of one member or several.

    TooLarge as soon as more than ``limit`` bytes would come out; MalformedTelemetry if it is not gzip, or
    not all of it.
    """
    out = bytearray()
    while body:
        stream = zlib.decompressobj(_GZIP)
        try:
            out += stream.decompress(body, limit + 1 - len(out))
        except zlib.error as error:
            raise MalformedTelemetry(f"not gzip: {error}", where="body") from error
        if len(out) > limit:
            raise TooLarge(f"the body inflates to more than {limit} bytes")
        if not stream.eof:
            raise MalformedTelemetry("gzip that breaks off", where="body")
        body = stream.unused_data
    return bytes(out)
