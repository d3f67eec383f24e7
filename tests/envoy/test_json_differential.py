"""What the gateway's reading of JSON takes, a strict parser takes, and reads the same."""

import json
import random

import orjson
from dataplane_kit.doubles import deny
from dataplane_kit.gateway import Gateway

SEEDS = [
    b'{"model":"a","messages":[{"role":"user","content":"h\\u00e9 \\ud83d\\ude00 \\\\ \\" x"}]}',
    '{"model":"b","n":1,"x":[1,-2.5e3,{"y":null}],"stream":true,"z":"äöü€"}'.encode(),
    b' { "a" : { "b" : [ [ ] , { } , "" , 0 ] } , "model" : "c" , "max_tokens" : 12 } ',
]
BYTES = b'{}[]",:\\ \t\n\r\0tfn019.eE+-ux\x80\xc3\xa9\xff\xef\xbb\xbf'


def mutant(rng: random.Random) -> bytes:
    """A good body with one to three bytes changed, dropped, doubled or added."""
    body = bytearray(rng.choice(SEEDS))
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(body))
        match rng.randrange(4):
            case 0:
                body[at] = rng.choice(BYTES)
            case 1:
                del body[at]
            case 2:
                body.insert(at, rng.choice(BYTES))
            case _:
                body[at:at] = body[at : at + rng.randint(1, 6)]
    return bytes(body)


def test_it_takes_nothing_that_a_strict_parser_refuses(gateway: Gateway) -> None:
    """1,500 damaged bodies: each admitted one is JSON to orjson, with the same members."""
    rng = random.Random(20260801)
    gateway.agent.on_admit = lambda _: deny(418, "asked")
    taken = refused_though_valid = 0

    for _ in range(1500):
        body = mutant(rng)
        gateway.agent.asked.clear()
        answer = gateway.chat(body)
        if answer.status_code != 418:
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_json")
            refused_though_valid += is_plain_object(body)
            continue
        taken += 1
        strict = orjson.loads(body)
        asked = json.loads(gateway.agent.asked[0].body)
        for name in ("model", "n", "stream", "max_tokens"):
            assert asked.get(name) == strict.get(name), body

    assert taken > 100
    assert refused_though_valid == 0


def is_plain_object(body: bytes) -> bool:
    """True for an object that no parser could read in two ways."""
    try:
        members = json.loads(body, object_pairs_hook=lambda pairs: pairs)
        orjson.loads(body)
    except ValueError:
        return False
    if not body.lstrip().startswith(b"{"):
        return False
    names = [name for name, _ in members]
    exact = {"model", "n", "stream", "max_tokens", "messages"}
    folded = [name.lower() for name in names]
    return len(set(folded)) == len(names) and not any(
        low in exact and low != name for low, name in zip(folded, names, strict=True)
    )
