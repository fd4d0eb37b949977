"""Request and response bodies as in TensorFlow Serving's documentation; everything else is refused."""

import base64
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_symgnn.server.protocol import (
    RequestError,
    Tensor,
    error_response,
    metadata_response,
    parse_predict,
    predict_response,
    status_response,
)

F32, I32, BOOL, TEXT = (np.dtype(name) for name in ("float32", "int32", "bool", "object"))
SIGNATURES = {
    "serving_default": {"x": Tensor(F32, (None, 3)), "on": Tensor(BOOL, (3,)), "z": Tensor(I32, (None,))},
    "documented": {"tag": Tensor(TEXT, (None,)), "signal": Tensor(F32, (None, 5)), "sensor": Tensor(F32, (None, 2, 2))},
    "one": {"x": Tensor(F32, (None,))},
    "text": {"examples": Tensor(TEXT, (None,))},
}
GOOD = {"x": [[0, 1.5, 2], [3, 4, 5]], "on": [True, False, True], "z": [29, 40]}


def parse(document) -> object:
    return parse_predict(json.dumps(document).encode(), SIGNATURES)


def refused(document) -> str:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    with pytest.raises(RequestError) as caught:
        parse_predict(body, SIGNATURES)
    assert caught.value.status == 400
    return caught.value.message


def test_columns_are_converted_to_the_types_of_the_signature():
    request = parse({"inputs": GOOD})
    assert request.signature == "serving_default" and not request.by_row
    assert {name: array.dtype for name, array in request.inputs.items()} == {"x": F32, "on": BOOL, "z": I32}
    for name, expected in GOOD.items():
        np.testing.assert_array_equal(request.inputs[name], expected)


def test_rows_and_columns_give_the_same_arrays():
    """The example of TensorFlow Serving's documentation has two instances of three named inputs."""
    rows = [
        {"tag": "foo", "signal": [1, 2, 3, 4, 5], "sensor": [[1, 2], [3, 4]]},
        {"tag": "bar", "signal": [3, 4, 1, 2, 5], "sensor": [[4, 5], [6, 8]]},
    ]
    columns = {
        "tag": ["foo", "bar"],
        "signal": [[1, 2, 3, 4, 5], [3, 4, 1, 2, 5]],
        "sensor": [[[1, 2], [3, 4]], [[4, 5], [6, 8]]],
    }
    by_row = parse({"signature_name": "documented", "instances": rows})
    by_column = parse({"signature_name": "documented", "inputs": columns})
    assert by_row.by_row and not by_column.by_row
    for name in columns:
        np.testing.assert_array_equal(by_row.inputs[name], by_column.inputs[name])
    assert by_row.inputs["tag"].tolist() == [b"foo", b"bar"]


def test_a_single_input_needs_no_name():
    for document in ({"inputs": [1, 2]}, {"instances": [1, 2]}, {"instances": [{"x": 1}, {"x": 2}]}):
        np.testing.assert_array_equal(parse(document | {"signature_name": "one"}).inputs["x"], [1, 2])


@given(st.lists(st.binary(), min_size=1))
def test_bytes_are_encoded_as_base64(values):
    rows = [{"b64": base64.b64encode(value).decode()} for value in values]
    for key in ("inputs", "instances"):
        assert parse({"signature_name": "text", key: rows}).inputs["examples"].tolist() == values


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_keep_all_their_bits(values):
    array = np.array(values, np.float32)
    request = parse({"signature_name": "one", "inputs": values})
    assert request.inputs["x"].tobytes() == array.tobytes()
    returned = json.loads(predict_response({"y": array}, by_row=False))["outputs"]
    assert np.array(returned, np.float32).tobytes() == array.tobytes()


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (b"", "JSON Parse error"),
        (b"\xff\xfe", "JSON Parse error"),
        (b"[" * 100_000, "depth"),
        (b'{"inputs": {"x": [[NaN, 0, 0]], "on": [true, true, true], "z": [29]}}', "JSON Parse error"),
        (b'{"inputs": {"x": [[1e999, 0, 0]], "on": [true, true, true], "z": [29]}}', "infinity"),
        ([], "not a JSON object"),
        ({}, "'inputs' and 'instances'"),
        ({"inputs": GOOD, "instances": [GOOD]}, "one of the keys"),
        ({"inputs": GOOD, "input": 3}, "unknown key 'input'"),
        ({"inputs": GOOD, "signature_name": 7}, "signature_name is not text"),
        ({"inputs": GOOD, "signature_name": "absent"}, "'absent' not found in signature def"),
        ({"inputs": [1, 2]}, "plain value"),
        ({"inputs": GOOD | {"w": 1}}, "unknown input 'w'"),
        ({"inputs": {"x": [], "on": [True] * 3}}, "missing input 'z'"),
        ({"inputs": GOOD | {"x": 3}}, "x: a value where a list should be"),
        ({"inputs": GOOD | {"x": [[0, 0, 0], [0, 0]]}}, "x: lists of unequal length"),
        ({"inputs": GOOD | {"x": [[0, 0]]}}, "x: shape [1, 2], expected shape [?, 3] of numbers"),
        ({"inputs": GOOD | {"x": []}}, "x: shape [0, 0]"),
        ({"inputs": GOOD | {"x": [[0, 0, True]]}}, "x: values of another type"),
        ({"inputs": GOOD | {"x": [[0, 0, None]]}}, "x: values of another type"),
        ({"inputs": GOOD | {"x": [[0, 0, 1e39]]}}, "x: a number beyond float32"),
        ({"inputs": GOOD | {"z": [29, 40.0]}}, "z: values of another type, expected shape [?] of whole numbers"),
        ({"inputs": GOOD | {"z": [29, 2**31]}}, "z: a number beyond int32"),
        ({"inputs": GOOD | {"z": [29, 10**30]}}, "z: values of another type"),
        ({"inputs": GOOD | {"on": [1, 1, 1]}}, "on: values of another type"),
        ({"instances": [GOOD]}, "x: lists nested too deep"),
        ({"instances": []}, "at least one instance"),
        ({"instances": {}}, "not a list"),
        ({"instances": [{"tag": "a"}], "signature_name": "documented"}, "missing input 'sensor' in instances[0]"),
        ({"instances": [{}, 3], "signature_name": "documented"}, "instances[0]"),
        ({"inputs": [{"b64": "%"}], "signature_name": "text"}, "base64"),
        ({"inputs": [{"b65": "aa"}], "signature_name": "text"}, "not {"),
    ],
)
def test_invalid_requests_are_refused(document, words):
    assert words in refused(document)


def test_responses_have_the_documented_format():
    y, n = np.array([3.5, 4.0], np.float32), np.array([1, 2], np.int32)
    assert json.loads(predict_response({"y": y}, by_row=False)) == {"outputs": [3.5, 4.0]}
    assert json.loads(predict_response({"y": y, "n": n}, by_row=False)) == {"outputs": {"y": [3.5, 4.0], "n": [1, 2]}}
    assert json.loads(predict_response({"y": y}, by_row=True)) == {"predictions": [3.5, 4.0]}
    rows = [{"y": 3.5, "n": 1}, {"y": 4.0, "n": 2}]
    assert json.loads(predict_response({"y": y, "n": n}, by_row=True)) == {"predictions": rows}
    assert json.loads(error_response('a "b"')) == {"error": 'a "b"'}
    status = {"version": "3", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    assert json.loads(status_response(3)) == {"model_version_status": [status]}
    assert json.loads(metadata_response("m", 3, {"a": {}})) == {
        "model_spec": {"name": "m", "signature_name": "", "version": "3"},
        "metadata": {"signature_def": {"signature_def": {"a": {}}}},
    }


def test_outputs_of_different_length_have_no_row_format():
    outputs = {"energy_barrier": np.zeros(5, np.float32), "n_atoms": np.array([2, 3], np.int32)}
    with pytest.raises(RequestError, match="inconsistent batch size"):
        predict_response(outputs, by_row=True)
