"""Thousands of malformed requests: each gets a status 4xx with a JSON `error`, and the server keeps running."""

import json

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.conftest import random_glass
from tests.server.servers import PREDICT, columns

GLASS = random_glass(70, 4)
GOOD = columns(GLASS)
EXAMPLES = settings(
    max_examples=700,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

numbers = st.one_of(st.integers(), st.integers(-(2**70), 2**70), st.floats(), st.sampled_from([1e308, -0.0, 1e-320]))
leaves = st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=5), st.just({"b64": "AA=="}))
anything = st.recursive(leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner))


def deep(levels: int) -> list:
    value: list = []
    for _ in range(levels):
        value = [value]
    return value


def _may_be_pbc(value: object) -> bool:
    return isinstance(value, list) and [type(part) for part in value] == [bool] * 3


@st.composite
def one_wrong_input(draw) -> dict:
    """Draw a valid request with one invalid input."""
    name = draw(st.sampled_from(sorted(GOOD)))
    value = json.loads(json.dumps(GOOD[name]))
    kind = draw(st.sampled_from(["replaced", "element", "shorter", "longer", "deeper", "removed", "other name"]))
    if kind == "replaced":
        value = draw(anything.filter(lambda drawn: not _may_be_pbc(drawn)))
    elif kind == "element":
        row = draw(st.integers(0, len(value) - 1))
        wrong = draw(st.sampled_from([None, "1", [], {}, float("nan"), float("inf"), 10**40, -(10**40), 0.5, -1, 1000]))
        if isinstance(value[row], list):
            value[row][draw(st.integers(0, 2))] = None if wrong in (0.5, -1, 1000) else wrong
        else:
            value[row] = wrong
    elif kind == "shorter":
        value = value[:-1]
    elif kind == "longer":
        value = value + value[:1]
    elif kind == "deeper":
        value = deep(draw(st.integers(3, 900)))
    inputs = {key: part for key, part in GOOD.items() if key != name}
    if kind == "other name":
        inputs[name + draw(st.text(min_size=1, max_size=3))] = value
    elif kind != "removed":
        inputs[name] = value
    return {"inputs": inputs}


@st.composite
def wrong_document(draw) -> object:
    """Draw a document that is not a valid request."""
    return draw(
        st.one_of(
            anything,
            st.fixed_dictionaries({"inputs": anything}),
            st.fixed_dictionaries({"instances": anything}),
            st.fixed_dictionaries({"inputs": st.just(GOOD), "signature_name": st.one_of(numbers, st.text(min_size=1))}),
            st.fixed_dictionaries({"signature_name": st.just("batch"), "inputs": anything | st.just(GOOD)}),
            st.fixed_dictionaries(
                {"signature_name": st.just("serialized_graphs"), "inputs": st.lists(st.text(), min_size=1, max_size=3)}
            ),
            st.fixed_dictionaries({"inputs": st.just(GOOD), "instances": st.just([GOOD])}),
        )
    )


def assert_refused(client, body: bytes) -> None:
    status, answer = client.ask("POST", PREDICT, body)
    assert 400 <= status < 500, (status, answer, body[:300])
    assert answer.keys() == {"error"} and answer["error"] and "\n" not in answer["error"]


@EXAMPLES
@given(document=one_wrong_input())
def test_one_wrong_input(client, document):
    assert_refused(client, json.dumps(document).encode())


@EXAMPLES
@given(document=wrong_document())
def test_a_wrong_document(client, document):
    assert_refused(client, json.dumps(document).encode())


@EXAMPLES
@given(cut=st.integers(0, 400), put=st.binary(max_size=6), removed=st.integers(1, 50))
def test_a_damaged_body(client, cut, put, removed):
    body = json.dumps({"inputs": GOOD}).encode()
    # Changed digits alone may give a valid request, so that a brace is inserted; it must not replace itself.
    damaged = body[:cut] + b"}" + put + body[cut + removed :]
    assume(damaged.split() != body.split())
    assert_refused(client, damaged)


@EXAMPLES
@given(body=st.binary(max_size=200))
def test_bytes(client, body):
    assert_refused(client, body)


@settings(EXAMPLES, max_examples=8)
@given(
    name=st.sampled_from(["a.xyz", "a.npz", "a.dump", "a.data"]),
    body=st.one_of(st.binary(max_size=200), st.text(alphabet='0123456789 \nCuZr.ITEM:Lattice="ATOMS', max_size=200)),
)
def test_structure_files(client, name, body):
    body = body if isinstance(body, bytes) else body.encode()
    status, answer = client.ask("POST", f"/structures?name={name}", body)
    assert 400 <= status < 500 and answer.keys() == {"error"}, (status, answer)


def test_the_server_still_runs_and_predicts(served, client):
    """This test runs after the others, with the same server."""
    process, _ = served
    assert process.poll() is None
    status, answer = client.ask("POST", PREDICT, {"inputs": GOOD})
    assert status == 200 and len(answer["outputs"]) == GLASS.n_atoms
