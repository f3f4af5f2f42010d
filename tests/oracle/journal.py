"""Reads the segments of a journal as `docs/formats.md` describes them."""

import struct
from pathlib import Path


def table():
    rows = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        rows.append(value)
    return rows


TABLE = table()
QUOTE, STATUS, GAP = 1, 3, 4
assert struct.calcsize("<QQqqqqQIBBBB") == 64


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value = TABLE[(value ^ byte) & 0xFF] ^ value >> 8
    return value ^ 0xFFFFFFFF


def quotes_of_segment(data):
    """Yields (run, number, receive time) of each quote in whole blocks."""
    if len(data) < 64 or data[:8] != b"SPRDWSEG" or crc32c(data[:60]) != struct.unpack_from("<I", data, 60)[0]:
        return
    run = data[24:56].rstrip(b"\0").decode()
    at = 64
    while at + 64 <= len(data) and data[at:at + 8] == b"SPRDWBLK":
        count, number = struct.unpack_from("<IQ", data, at + 12)
        of_records, of_header = struct.unpack_from("<II", data, at + 56)
        records = data[at + 64:at + 64 + 64 * count]
        if crc32c(data[at:at + 60]) != of_header or len(records) < 64 * count or crc32c(records) != of_records:
            return
        for record in struct.iter_unpack("<QQqqqqQIBBBB", records):
            kind, flags = record[10], record[11]
            if kind == QUOTE:
                yield run, number, record[0]
            if kind in (QUOTE, STATUS):
                number += 1
            elif kind == GAP and flags not in (2, 3):
                number += record[1]
        at += 64 + 64 * count


def quotes(lake):
    """All quotes in the journal of a lake in which nothing is written any more."""
    found = []
    for path in sorted(Path(lake, "journal").glob("*.seg*")):
        found.extend(quotes_of_segment(path.read_bytes()))
    return found
