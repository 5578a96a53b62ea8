"""Answers that are none: every body and every way of sending it that no JSON reader and no HTTP client should take."""

import gzip
import json
import zlib
from collections.abc import Mapping
from types import MappingProxyType

from tests.support.raw_server import Behaviour, answer, fin, rst, saying

SECRET = "swordfish"
"""Is in all of them that have room for it, and must never come out."""
_S = SECRET.encode()
_MIB = 1024 * 1024
_OBJECT = json.dumps({"secret": SECRET}).encode()
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
_CHUNKED = _HEAD + b"transfer-encoding: chunked\r\n\r\n"

BODIES: Mapping[str, bytes] = MappingProxyType(
    {
        "nothing": b"",
        "blanks": b" \r\n\t ",
        "null": b"null",
        "string": b'"' + _S + b'"',
        "number": b"7",
        "minus nothing": b"-",
        "huge number": b"9" * 5000,
        "huge exponent": b"1e999999",
        "hexadecimal": b"0x10",
        "leading zero": b"007",
        "NaN": b"NaN",
        "Infinity": b"-Infinity",
        "NaN inside": b'{"data": NaN, "portal": NaN, "return": NaN, "id": NaN}',
        "huge integer inside": b'{"return": ' + b"9" * 4000 + b', "id": ' + b"9" * 4000 + b"}",
        "infinite float inside": b'{"return": 1e999, "id": 1e999, "portal": 1e999, "data": 1e999}',
        "other object": _OBJECT,
        "list of nonsense": b'[null, 1, "' + _S + b'", []]',
        "nulls": b'{"data": null, "portal": null, "return": null, "id": null, "access_token": null, "parcels": null}',
        "wrong types": b'{"data": [], "portal": "swordfish", "return": {}, "id": [1], "access_token": 7, "parcels": 1}',
        "booleans": b'{"data": true, "portal": true, "return": true, "id": true, "download_url": true}',
        "error envelope": b'{"error": {"code": "a_code", "message": "swordfish"}}',
        "twice": b'{"a": 1, "a": "swordfish"}',
        "cut": _OBJECT[:-2],
        "two documents": _OBJECT + _OBJECT,
        "trailing comma": b'{"secret": "swordfish",}',
        "comment": b'{} // "swordfish"',
        "single quotes": b"{'secret': 'swordfish'}",
        "JSONP": b"swordfish({})",
        "HTML": b"<!doctype html><script>swordfish</script>",
        "XML": b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY s SYSTEM "file:///etc/passwd">]><x>&s;</x>',
        "BOM": b"\xef\xbb\xbf" + _OBJECT,
        "UTF-16": _OBJECT.decode().encode("utf-16"),
        "UTF-32": _OBJECT.decode().encode("utf-32"),
        "UTF-7": b"+AHsAIgBhACIAOgAxAH0-",
        "Latin-1": b'{"secret": "swordf\xeech"}',
        "overlong": b'{"secret": "\xc0\xafswordfish"}',
        "half a surrogate pair": b'{"secret": "swordfish\\ud800"}',
        "half a pair in a name": b'{"\\udfff": "swordfish"}',
        "raw surrogate": b'{"secret": "\xed\xa0\x80"}',
        "control characters": b'{"secret": "sword\x00\x1bfish"}',
        "NULs": bytes(1000),
        "deep lists": b"[" * 20_000,
        "deep lists, closed": b"[" * 20_000 + b"]" * 20_000,
        "deep objects": b'{"swordfish":' * 20_000,
        "more than a mebibyte": b'{"secret": "' + _S + b"x" * _MIB + b'"}',
        "a mebibyte of blanks": b" " * (_MIB + 1),
        "many members": b"{" + b",".join(b'"m%d":0' % n for n in range(10_000)) + b"}",
        "gzip": gzip.compress(_OBJECT),
        "zlib": zlib.compress(_OBJECT),
        "PNG": b"\x89PNG\r\n\x1a\n" + _S,
    }
)
WIRES: Mapping[str, Behaviour] = MappingProxyType(
    {
        "FIN": fin(),
        "RST": rst,
        "half a status": fin(b"HTTP/1.1 2"),
        "half a header": fin(_HEAD + b"x-secret: swordf"),
        "no HTTP": fin(b"220 swordfish ESMTP\r\n\r\n"),
        "HTTP/0.9": fin(_OBJECT),
        "HTTP/2": fin(b"HTTP/2 200 OK\r\ncontent-length: 0\r\n\r\n"),
        "HTTP/3 preface": fin(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        "TLS alert": fin(b"\x15\x03\x03\x00\x02\x02\x46"),
        "status of two digits": fin(b"HTTP/1.1 20 OK\r\n\r\n"),
        "status of letters": fin(b"HTTP/1.1 abc swordfish\r\n\r\n"),
        "status 000": fin(b"HTTP/1.1 000 swordfish\r\ncontent-length: 0\r\n\r\n"),
        "status 600": fin(b"HTTP/1.1 600 swordfish\r\ncontent-length: 0\r\n\r\n"),
        "status 999": fin(b"HTTP/1.1 999 swordfish\r\ncontent-length: 0\r\n\r\n"),
        "204": fin(b"HTTP/1.1 204 No Content\r\n\r\n"),
        "206": fin(b"HTTP/1.1 206 -\r\ncontent-length: 3\r\ncontent-range: bytes 0-2/9\r\n\r\nswo"),
        "304": fin(b"HTTP/1.1 304 -\r\netag: swordfish\r\n\r\n"),
        "101": fin(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: swordfish\r\nconnection: upgrade\r\n\r\n" + _S),
        "only interim answers": fin(b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
        "early hints, then nothing": fin(b"HTTP/1.1 103 -\r\nlink: </swordfish>; rel=preload\r\n\r\n"),
        "header without colon": fin(_HEAD + b"swordfish\r\n\r\n"),
        "header with NUL": fin(_HEAD + b"x-secret: sword\x00fish\r\ncontent-length: 0\r\n\r\n"),
        "header with a bare CR": fin(_HEAD + b"x-secret: a\rset-cookie: swordfish\r\ncontent-length: 0\r\n\r\n"),
        "header with a bare LF": fin(_HEAD + b"x-secret: a\nset-cookie: swordfish\r\ncontent-length: 0\r\n\r\n"),
        "header of Latin-1": fin(_HEAD + b"x-secret: sword\xeech\r\ncontent-length: 0\r\n\r\n"),
        "folded header": fin(_HEAD + b"x-secret: sword\r\n fish\r\ncontent-length: 0\r\n\r\n"),
        "endless header": fin(_HEAD + b"x-secret: " + _S * 20_000),
        "thousands of headers": fin(_HEAD + b"x-secret: swordfish\r\n" * 6_000 + b"content-length: 0\r\n\r\n"),
        "length too long": fin(_HEAD + b"content-length: 999\r\n\r\n" + _OBJECT),
        "length too short": saying(_HEAD + b"content-length: 4\r\n\r\n" + _OBJECT),
        "length below zero": fin(_HEAD + b"content-length: -1\r\n\r\n" + _OBJECT),
        "length with a sign": fin(_HEAD + b"content-length: +21\r\n\r\n" + _OBJECT),
        "length of thousands of digits": fin(_HEAD + b"content-length: " + b"9" * 5000 + b"\r\n\r\n" + _OBJECT),
        "length in other digits": fin(_HEAD + "content-length: \u0662\r\n\r\n".encode() + _OBJECT),
        "two lengths": fin(_HEAD + b"content-length: 2\r\ncontent-length: 22\r\n\r\n" + _OBJECT),
        "length and chunks": fin(_HEAD + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n" + _OBJECT),
        "until the end": fin(_HEAD + b"\r\n" + _OBJECT),
        "chunk of no number": fin(_CHUNKED + b"swordfish\r\n" + _OBJECT),
        "chunk below zero": fin(_CHUNKED + b"-1\r\n" + _OBJECT),
        "chunk of a terabyte": fin(_CHUNKED + b"ffffffffff\r\n" + _OBJECT),
        "chunk of thousands of digits": fin(_CHUNKED + b"f" * 5000 + b"\r\n" + _OBJECT),
        "chunk that lies": fin(_CHUNKED + b"2\r\n" + _OBJECT + b"\r\n0\r\n\r\n"),
        "chunks without end": fin(_CHUNKED + b"1\r\n{\r\n"),
        "unknown transfer encoding": fin(_HEAD + b"transfer-encoding: swordfish\r\n\r\n" + _OBJECT),
        "gzip as transfer encoding": fin(_HEAD + b"transfer-encoding: gzip, chunked\r\n\r\n" + gzip.compress(_OBJECT)),
        "gzip, encoded": answer(200, gzip.compress(_OBJECT), headers="content-encoding: gzip\r\n"),
        "said to be gzip": answer(200, _OBJECT, headers="content-encoding: gzip\r\n"),
        "unknown encoding": answer(200, _OBJECT, headers="content-encoding: swordfish\r\n"),
        "odd charset": answer(200, _OBJECT, headers="content-type: application/json; charset=swordfish\r\n"),
        "odd dates": answer(200, _OBJECT, headers="retry-after: swordfish\r\ndate: swordfish\r\n"),
        "busy until swordfish": answer(429, _OBJECT, headers="retry-after: swordfish\r\ndate: 7\r\n"),
        "busy for ever": answer(429, _OBJECT, headers=f"retry-after: {'9' * 5000}\r\n"),
        "odd code": answer(400, b'{"error": {"code": {"a": []}, "message": "swordfish"}}'),
        "broken refusal": answer(400, b"[" * 20_000),
        "refusal of a mebibyte": answer(422, b'"' + _S * 200_000 + b'"'),
        "wide refusal": answer(400, '{"error": {"code": "swordfish\ud800"}}'.encode("utf-8", "surrogatepass")),
    }
)
_ANSWERED = {name: answer(200, said) for name, said in BODIES.items()}
MALFORMED: Mapping[str, Behaviour] = MappingProxyType(_ANSWERED | {**WIRES})
