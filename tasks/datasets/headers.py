"""The sizes that image and WAV files claim, read from their headers without decoding anything."""

from __future__ import annotations

import struct


def image_size(content: bytes) -> tuple[int, int] | None:
    """Width and height in pixels that a PNG, BMP or JPEG file claims; None where no such claim is found.

    Sources: PNG specification 11.2.2 (IHDR); BITMAPINFOHEADER and BITMAPCOREHEADER; ITU-T T.81 B.2.2 (SOF).
    """
    if content.startswith(b"\x89PNG\r\n\x1a\n") and len(content) >= 24:
        return struct.unpack_from(">II", content, 16)
    if content.startswith(b"BM") and len(content) >= 26:
        old = struct.unpack_from("<I", content, 14)[0] == 12
        width, height = struct.unpack_from("<HH" if old else "<ii", content, 18)
        return abs(width), abs(height)  # a negative height means that rows run from the top
    if content.startswith(b"\xff\xd8"):
        return _jpeg_size(content)
    return None


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    place = 2
    while place + 9 <= len(content):
        if content[place] != 0xFF:
            return None
        marker = content[place + 1]
        if marker == 0xFF or marker == 0x01 or 0xD0 <= marker <= 0xD8:  # fill, or a marker without length
            place += 1 if marker == 0xFF else 2
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", content, place + 5)
            return width, height
        else:
            place += 2 + max(struct.unpack_from(">H", content, place + 2)[0], 2)
    return None


def missing_sound(content: bytes) -> int:
    """How many bytes of sound a RIFF (WAV) file claims but does not hold. 0 if it holds all or the length is unknown: a
    program that writes to a pipe does not know the length and writes 0 or the largest number."""
    if content[:4] not in (b"RIFF", b"RIFX"):
        return 0
    order = "<" if content.startswith(b"RIFF") else ">"
    place = 12
    while place + 8 <= len(content):
        size = struct.unpack_from(f"{order}I", content, place + 4)[0]
        if content[place : place + 4] == b"data":
            return 0 if size >= 0x7FFFFFFF else max(size - (len(content) - place - 8), 0)
        place += 8 + size + size % 2
    return 0
