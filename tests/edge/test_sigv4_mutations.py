"""Thousands of changed requests of every client: what alters anything signed is refused, what does not is accepted."""

from __future__ import annotations

import hashlib
import hmac
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

import pytest

from headwater.clock import ManualClock
from headwater.control.identities import Pool
from headwater.control.masterkey import KeyRing
from headwater.edge.auth.sigv4 import Verifier
from headwater.edge.auth.temporary_credentials import LentCredentials
from headwater.edge.http.request import Header, Request, joined_headers
from headwater.edge.principal import Principal
from headwater.errors import Unauthenticated
from headwater.identity import Grant, Lent, Roles, Seal

STAMP, DATE, NOW_MS = "20261123T030622Z", "20261123", 1_795_403_182_000
REGION, POOL_ID = "us-west-2", "us-west-2:6a1f0c52-8d3e-4b7a-9c41-2f5e8b7d9a10"
RECEIVED = b"collector.example:8700"
PINPOINT, KINESIS = b"pinpoint.us-west-2.amazonaws.com", b"kinesis.us-west-2.amazonaws.com"
APP = "9f2c4b7a1e6d4c0f8a53b1d2e7c6f504"
BODY = b'{"BatchItem":{"5a424b25-c640-48d2-bd5b-528bce957c4f":{"Endpoint":{},"Events":{"f29c0b5c":{"EventType":"SignUpEvent"}}}}}'
SDK_HEADERS = {"amz-sdk-invocation-id": "0b7c9f4e-3f6d-4b7a-9c41-2f5e8b7d9a10", "amz-sdk-request": "attempt=1; max=3"}
AMPLIFY = {"x-amz-user-agent": "aws-amplify/6.22.1 analytics/1 framework/0"}
AMPLIFY_5 = {"x-amz-user-agent": "aws-amplify/5.3.41 framework/0"}
SDK_JS = {"x-amz-user-agent": "aws-sdk-js/3.1132.0"}
OTHER_UNSIGNED = [(b"accept", b"*/*"), (b"origin", b"https://app.example"), (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64)")]


@dataclass(frozen=True)
class Shape:
    """What one client signs, as it was captured: header names and values, the host it signed, and whether that is the one received."""

    name: str
    method: str
    path: str
    headers: dict[str, str]
    service: str = "mobiletargeting"
    query: str = ""
    body: bytes = BODY
    signed_host: bytes = RECEIVED
    hashes_body: bool = False
    counts_length: bool = False
    unsigned_token: bool = False
    beacon: bool = False
    extra: list[Header] = field(default_factory=lambda: list(OTHER_UNSIGNED))


JSON = {"content-type": "application/json"}
EVENTS, ENDPOINT = f"/v1/apps/{APP}/events", f"/v1/apps/{APP}/endpoints/boto%3A1%2F%C3%A9%20x"
KINESIS_JSON = {"content-type": "application/x-amz-json-1.1", "x-amz-target": "Kinesis_20131202.PutRecords"}
SHAPES = [
    Shape("Amplify v6", "POST", EVENTS, JSON | SDK_HEADERS | AMPLIFY, signed_host=PINPOINT),
    Shape("Amplify v6 endpoint", "PUT", f"/v1/apps/{APP}/endpoints/a!'()*b", JSON | SDK_HEADERS | AMPLIFY, signed_host=PINPOINT),
    Shape("Amplify v5", "POST", EVENTS, JSON | AMPLIFY_5, signed_host=PINPOINT),
    Shape("Amplify v5 beacon", "POST", f"{EVENTS}/legacy", {}, signed_host=PINPOINT, beacon=True),
    Shape(
        "Amplify v6 Kinesis", "POST", "/", KINESIS_JSON | SDK_HEADERS | AMPLIFY, service="kinesis", signed_host=KINESIS,
        hashes_body=True, counts_length=True,
    ),
    Shape("SDK for JavaScript", "POST", EVENTS, JSON | SDK_HEADERS | SDK_JS, hashes_body=True, counts_length=True),
    Shape("boto3 pinpoint", "PUT", ENDPOINT, JSON),
    Shape("boto3 pinpoint GET", "GET", "/v1/apps", {}, query="page-size=10&token=a%2Fb%20c", body=b""),
    Shape("boto3 kinesis", "POST", "/", KINESIS_JSON, service="kinesis"),
]  # fmt: skip


@dataclass
class Sent:
    """A request on the wire; a mutation changes one of these."""

    method: str
    path: bytes
    query: bytes
    headers: list[Header]
    body: bytes

    def header(self, name: bytes) -> bytes:
        return dict(self.headers)[name]

    def put(self, name: bytes, value: bytes) -> None:
        self.headers = [(known, value if known == name else given) for known, given in self.headers]


class Clients:
    """Signs as the clients do, by the published rules alone, with credentials that were really lent; and the verifier they send to."""

    def __init__(self, folder: Path) -> None:
        clock = ManualClock(NOW_MS)
        seal = Seal(KeyRing(folder / "keys.json", clock), clock)
        pool = Pool(POOL_ID, "p", True, roles={"unauthenticated": "arn:aws:iam::000000000000:role/guest"}, declared=True)
        self.lent, self.other = (seal.lend(Grant(f"us-west-2:{who}", POOL_ID, False, APP), 3_600) for who in "ab")
        credentials = LentCredentials(_NoKeys(), seal, Roles(_OnePool(pool), APP, {}), clock, account_id="000000000000")
        self.verifier = Verifier(credentials, region=REGION, clock=clock)

    def send(self, shape: Shape, lent: Lent | None = None) -> Sent:
        lent = lent or self.lent
        return self._beacon(shape, lent) if shape.beacon else self._signed(shape, lent)

    def _signed(self, shape: Shape, lent: Lent) -> Sent:
        values = {"host": shape.signed_host.decode(), "x-amz-date": STAMP, "x-amz-security-token": lent.session_token, **shape.headers}
        if shape.hashes_body:
            values["x-amz-content-sha256"] = hashlib.sha256(shape.body).hexdigest()
        if shape.counts_length:
            values["content-length"] = str(len(shape.body))
        names = sorted(values)
        signature = _signature(shape, lent, canonical(shape.query), {name: values[name] for name in names}, shape.service)
        credential = f"{lent.access_key_id}/{DATE}/{REGION}/{shape.service}/aws4_request"
        authorization = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={';'.join(names)}, Signature={signature}"
        values["host"] = RECEIVED.decode()
        headers = [(name.encode(), value.encode()) for name, value in {**values, "authorization": authorization}.items()]
        return Sent(shape.method, shape.path.encode(), shape.query.encode(), [*headers, *shape.extra], shape.body)

    def _beacon(self, shape: Shape, lent: Lent) -> Sent:
        parts = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{lent.access_key_id}/{DATE}/{REGION}/{shape.service}/aws4_request",
            "X-Amz-Date": STAMP,
            "X-Amz-SignedHeaders": "host",
            "X-Amz-Security-Token": lent.session_token,
        }
        query = "&".join(f"{name}={quote(value, safe='-_.~')}" for name, value in parts.items())
        signature = _signature(shape, lent, canonical(query), {"host": shape.signed_host.decode()}, shape.service)
        headers = [(b"host", RECEIVED), (b"content-type", b"text/plain;charset=UTF-8"), *shape.extra]
        return Sent(shape.method, shape.path.encode(), f"{query}&X-Amz-Signature={signature}".encode(), headers, shape.body)

    def accepts(self, sent: Sent, shape: Shape) -> bool:
        headers, repeated = joined_headers(sent.headers)
        request = Request(sent.method, sent.path, sent.query, headers, sent.body, "r", (), repeated)
        try:
            principal = self.verifier.verify(request, shape.service, beacon=shape.beacon)
        except Unauthenticated:
            return False
        assert principal.identity_id == "us-west-2:a"
        return True


class _NoKeys:
    def find(self, access_key_id: str, session_token: str | None) -> Principal | None:
        return None


class _OnePool:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def pools(self) -> list[Pool]:
        return [self._pool]

    def find_pool(self, pool_id: str) -> Pool | None:
        return self._pool if pool_id == self._pool.pool_id else None

    def put_pool(self, pool: Pool) -> None:
        raise NotImplementedError

    def delete_pool(self, pool_id: str) -> Pool:
        raise NotImplementedError


def canonical(query: str) -> str:
    return "&".join(sorted(query.split("&"))) if query else ""


def _signature(shape: Shape, lent: Lent, query: str, headers: dict[str, str], service: str) -> str:
    # Amplify leaves !'()* as they are when it encodes the path again.
    path = quote(shape.path, safe="/-_.~!'()*" if "Amplify" in shape.name else "/-_.~")
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    text = f"{shape.method}\n{path}\n{query}\n{lines}\n{';'.join(headers)}\n{hashlib.sha256(shape.body).hexdigest()}"
    scope = f"{DATE}/{REGION}/{service}/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{STAMP}\n{scope}\n{hashlib.sha256(text.encode()).hexdigest()}"
    key = f"AWS4{lent.secret_access_key}".encode()
    for part in (*scope.split("/"), to_sign):
        key = hmac.new(key, part.encode(), "sha256").digest()
    return key.hex()


def _other_letter(draw: random.Random, letter: int) -> int:
    """Return a letter or digit that is another one in whatever case."""
    return draw.choice([other for other in b"abcdefghjkmnpqrstuvwxyz23456789" if other not in (letter, letter | 0x20)])


def _changed(draw: random.Random, text: bytes, start: int = 0, stop: int | None = None) -> bytes:
    """Return *text* with one letter or digit between start and stop changed, left out or put in."""
    places = [i for i in range(start, len(text) if stop is None else stop) if chr(text[i]).isalnum()]
    at = draw.choice(places)
    other = bytes([_other_letter(draw, text[at])])
    return draw.choice([text[:at] + other + text[at + 1 :], text[:at] + text[at + 1 :], text[:at] + other + text[at:]])


Mutation = Callable[[random.Random, Sent, Shape, "Clients"], None]


def change_body(draw: random.Random, sent: Sent, shape: Shape, clients: Clients) -> None:
    at = draw.randrange(len(sent.body) + 1)
    flipped = bytes([sent.body[at % len(sent.body)] ^ 1 << draw.randrange(8)]) if sent.body else b"x"
    cut, added = sent.body[:at] + sent.body[at + 1 :], sent.body[:at] + b" " + sent.body[at:]
    sent.body = draw.choice([sent.body[: at % max(1, len(sent.body))] + flipped + sent.body[at % max(1, len(sent.body)) + 1 :], added])
    if draw.random() < 0.3 and cut != shape.body:
        sent.body = cut


def change_method(draw: random.Random, sent: Sent, shape: Shape, clients: Clients) -> None:
    sent.method = draw.choice([m for m in ("GET", "POST", "PUT", "DELETE", "PATCH", "post") if m != sent.method])


def change_path(draw: random.Random, sent: Sent, shape: Shape, clients: Clients) -> None:
    path = sent.path
    changes = [path + b"x", path + b"/x", b"/x" + path, path + b"%20"]
    if any(chr(letter).isalnum() for letter in path):
        changes += [_changed(draw, path)] * 6
    if b"%2F" in path:
        changes += [path.replace(b"%2F", b"/"), path.replace(b"%2F", b"%2f"), path.replace(b"%3A", b":")]
    sent.path = draw.choice(changes)


def change_query(draw: random.Random, sent: Sent, shape: Shape, clients: Clients) -> None:
    changes = [sent.query + b"&x=1" if sent.query else b"x=1", b"x&" + sent.query]
    if sent.query and not shape.beacon:
        changes += [b"", sent.query + b"&" + sent.query.split(b"&")[0], sent.query.replace(b"=", b"=%00", 1)]
    if sent.query:
        stop = sent.query.index(b"&X-Amz-Signature=") if shape.beacon else len(sent.query)
        names = [i for i in range(stop) if sent.query[i : i + 1] == b"="]
        at = draw.choice(names)
        changes += [sent.query[: at + 1] + b"x" + sent.query[at + 1 :]] * 3
    sent.query = draw.choice(changes)


def change_header(draw: random.Random, sent: Sent, shape: Shape, clients: Clients) -> None:
    names = [name.encode() for name in _signed_names(sent, shape) if name != "host" or shape.signed_host == RECEIVED]
    name = draw.choice(names)
    value = sent.header(name)
    if name == b"x-amz-date":
        sent.put(name, STAMP[:-2].encode() + draw.choice([b"1Z", b"3Z", b"9Z"]))
    else:
        sent.put(name, _changed(draw, value))


def drop_header(draw: random.Random, sent: Sent, shape: Shape, clients: Clients) -> None:
    name = draw.choice(_signed_names(sent, shape)).encode()
    sent.headers = [header for header in sent.headers if header[0] != name]


def repeat_header(draw: random.Random, sent: Sent, shape: Shape, clients: Clients) -> None:
    name = draw.choice([*_signed_names(sent, shape), "authorization"]).encode()
    given = dict(sent.headers).get(name, b"AWS4-HMAC-SHA256 x")
    sent.headers.insert(draw.randrange(len(sent.headers) + 1), (name, draw.choice([given, _changed(draw, given)])))


def add_unsigned_amz_header(draw: random.Random, sent: Sent, shape: Shape, clients: Clients) -> None:
    name = draw.choice([b"x-amz-acl", b"x-amz-meta-a", b"x-amz-target-x", b"x-amz-content-md5"])
    sent.headers.insert(draw.randrange(len(sent.headers) + 1), (name, b"1"))


def change_authorization(draw: random.Random, sent: Sent, shape: Shape, clients: Clients) -> None:
    if shape.beacon:
        start = sent.query.index(draw.choice([b"X-Amz-Credential=", b"X-Amz-Date=", b"X-Amz-SignedHeaders=", b"X-Amz-Signature="]))
        start = sent.query.index(b"=", start) + 1
        stop = sent.query.find(b"&", start)
        sent.query = _changed(draw, sent.query, start, None if stop < 0 else stop)
        return
    value = sent.header(b"authorization")
    start = value.index(draw.choice([b"AWS4", b"Credential=", b"SignedHeaders=", b"Signature="]))
    start = value.index(b"=", start) + 1 if start else 0
    stop = value.find(b"," if start else b" ", start)
    sent.put(b"authorization", _changed(draw, value, start, None if stop < 0 else stop))


def change_scope(draw: random.Random, sent: Sent, shape: Shape, clients: Clients) -> None:
    part, other = draw.choice([(DATE, "20261122"), (REGION, "us-east-1"), (shape.service, "sts"), ("aws4_request", "aws5_request")])
    if shape.beacon:
        sent.query = sent.query.replace(f"%2F{part}".encode(), f"%2F{other}".encode(), 1)
    else:
        sent.put(b"authorization", sent.header(b"authorization").replace(f"/{part}".encode(), f"/{other}".encode(), 1))


def change_signed_names(draw: random.Random, sent: Sent, shape: Shape, clients: Clients) -> None:
    names = _signed_names(sent, shape)
    left_out = draw.choice(names)
    fewer = [name for name in names if name != left_out]
    more = sorted([*names, draw.choice(["accept", "origin", "user-agent"])])
    text = ";".join(draw.choice([fewer, more, names[::-1] if len(names) > 1 else [*names, *names], [name.upper() for name in names]]))
    if shape.beacon:
        sent.query = sent.query.replace(b"SignedHeaders=host", b"SignedHeaders=" + quote(text, safe="-_.~").encode())
    else:
        sent.put(b"authorization", sent.header(b"authorization").replace(";".join(names).encode(), text.encode()))


def swap_credentials(draw: random.Random, sent: Sent, shape: Shape, clients: Clients) -> None:
    """The token, the key id, or both, of somebody else; the signature stays."""
    mine, theirs = clients.lent, clients.other
    swaps = draw.choice([["token"], ["key"], ["token", "key"]])
    token = [(mine.session_token, theirs.session_token)] if "token" in swaps else []
    key = [(mine.access_key_id, theirs.access_key_id)] if "key" in swaps else []
    for old, new in token + key:
        sent.query = sent.query.replace(quote(old, safe="-_.~").encode(), quote(new, safe="-_.~").encode())
        sent.headers = [(name, value.replace(old.encode(), new.encode())) for name, value in sent.headers]


def take_part_of_another(draw: random.Random, sent: Sent, shape: Shape, clients: Clients) -> None:
    """A signature that is good, of another request of the same caller."""
    other = clients.send(replace(shape, body=shape.body + b" "))
    if shape.beacon:
        sent.query = sent.query[: sent.query.index(b"&X-Amz-Signature=")] + other.query[other.query.index(b"&X-Amz-Signature=") :]
    else:
        sent.put(b"authorization", other.header(b"authorization"))


def _signed_names(sent: Sent, shape: Shape) -> list[str]:
    if shape.beacon:
        return ["host"]
    front = dict(sent.headers)[b"authorization"].decode()
    return front.partition("SignedHeaders=")[2].partition(",")[0].split(";")


MUTATIONS: list[Mutation] = [
    change_body, change_method, change_path, change_query, change_header, drop_header, repeat_header, add_unsigned_amz_header,
    change_authorization, change_scope, change_signed_names, swap_credentials, take_part_of_another,
]  # fmt: skip
NOT_FOR_BEACON = (change_header,)  # it signs only the host, and that of AWS


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Clients:
    return Clients(tmp_path_factory.mktemp("clients"))


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_no_request_in_which_anything_signed_was_altered_is_accepted(clients: Clients, shape: Shape) -> None:
    draw = random.Random(f"altered {shape.name}")
    honest = clients.send(shape)
    mutations = [mutate for mutate in MUTATIONS if not (shape.beacon and mutate in NOT_FOR_BEACON)]
    tried = 0

    while tried < 700:
        mutate = mutations[tried % len(mutations)]
        sent = replace(honest, headers=list(honest.headers))
        mutate(draw, sent, shape, clients)
        assert sent != honest, mutate.__name__
        assert not clients.accepts(sent, shape), (mutate.__name__, sent)
        tried += 1

    assert clients.accepts(honest, shape)
    assert tried * len(SHAPES) >= 5_000


def add_headers(draw: random.Random, sent: Sent, shape: Shape, clients: Clients) -> None:
    name = draw.choice([b"accept-language", b"referer", b"x-forwarded-for", b"x-request-id", b"cache-control"])
    sent.headers.append((name, bytes(draw.choices(b"abc /,;=", k=20))))


def shuffle_headers(draw: random.Random, sent: Sent, shape: Shape, clients: Clients) -> None:
    draw.shuffle(sent.headers)


def pad_values(draw: random.Random, sent: Sent, shape: Shape, clients: Clients) -> None:
    sent.headers = [(name, b" " * draw.randrange(3) + value + b" " * draw.randrange(3)) for name, value in sent.headers]


def widen_spaces(draw: random.Random, sent: Sent, shape: Shape, clients: Clients) -> None:
    sent.headers = [(name, value.replace(b" ", b" " * draw.randint(1, 4))) for name, value in sent.headers if name != b"authorization"] + [
        header for header in sent.headers if header[0] == b"authorization"
    ]


def space_authorization(draw: random.Random, sent: Sent, shape: Shape, clients: Clients) -> None:
    if not shape.beacon:
        algorithm, _, parts = sent.header(b"authorization").strip().partition(b" ")
        drawn = parts.split(b", ")
        draw.shuffle(drawn)
        sent.put(b"authorization", algorithm + b" " + draw.choice([b",", b", ", b" ,  ", b",\t"]).join(drawn))


def change_unsigned_values(draw: random.Random, sent: Sent, shape: Shape, clients: Clients) -> None:
    sent.put(draw.choice([b"accept", b"origin", b"user-agent"]), b"something else")


def change_received_host(draw: random.Random, sent: Sent, shape: Shape, clients: Clients) -> None:
    if shape.signed_host != RECEIVED:  # a redirected app signed the host it meant to call
        sent.put(b"host", draw.choice([b"localhost:8700", b"events.example", shape.signed_host]))


def reorder_query(draw: random.Random, sent: Sent, shape: Shape, clients: Clients) -> None:
    parts = sent.query.split(b"&")
    draw.shuffle(parts)
    sent.query = b"&".join(parts)


HARMLESS: list[Mutation] = [
    add_headers, shuffle_headers, pad_values, widen_spaces, space_authorization, change_unsigned_values, change_received_host,
    reorder_query,
]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_every_honest_request_is_accepted_whatever_was_done_to_what_is_not_signed(clients: Clients, shape: Shape) -> None:
    draw = random.Random(f"honest {shape.name}")
    honest = clients.send(shape)

    for _ in range(200):
        sent = replace(honest, headers=list(honest.headers))
        for change in draw.sample(HARMLESS, draw.randint(1, len(HARMLESS))):
            change(draw, sent, shape, clients)
        assert clients.accepts(sent, shape), sent
