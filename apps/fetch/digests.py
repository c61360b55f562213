"""Which URLs there have been, by digest: a million of them in some thirty megabytes."""

from __future__ import annotations

from hashlib import blake2b

DIGEST_BYTES = 16
_BUCKETS = 65_536


def digest_of(text: str) -> bytes:
    """What stands for a text: two texts with the same one are not met (2⁶⁴ tries, on average).

    Args:
        text: Any; bytes that were not UTF-8 are surrogate escapes.
    """
    return blake2b(text.encode("utf-8", "surrogateescape"), digest_size=DIGEST_BYTES).digest()


class Digests:
    """A number for each text, kept without the text.

    A dict of as many digests takes three times the memory, and stops everything for as long as
    it takes to be laid out anew each time it has doubled. Here the first two bytes of a digest
    choose one of 65,536 runs of bytes, which is searched: 16 entries in it for a million texts.
    """

    def __init__(self) -> None:
        self._buckets: list[bytearray | None] = [None] * _BUCKETS
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __contains__(self, text: str) -> bool:
        return self.get(text) is not None

    def get(self, text: str) -> int | None:
        """The text's number, None where it has none.

        Args:
            text: The text.
        """
        digest = digest_of(text)
        bucket = self._buckets[digest[0] << 8 | digest[1]]
        at = -1 if bucket is None else bucket.find(digest)
        if bucket is None or at < 0:
            return None
        at += DIGEST_BYTES
        return int.from_bytes(bucket[at : at + 8], "little")

    def put(self, text: str, number: int = 0) -> bool:
        """Give a text its number, in place of the one it had.

        Args:
            text: The text.
            number: From 0 to 2⁶⁴ - 1.

        Returns:
            Whether it had none before.
        """
        digest = digest_of(text)
        index = digest[0] << 8 | digest[1]
        bucket = self._buckets[index]
        if bucket is None:
            bucket = self._buckets[index] = bytearray()
        at = bucket.find(digest)
        if at < 0:
            bucket += digest
            bucket += number.to_bytes(8, "little")
            self._size += 1
            return True
        at += DIGEST_BYTES
        bucket[at : at + 8] = number.to_bytes(8, "little")
        return False
