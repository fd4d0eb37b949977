"""TensorFlow Serving's REST predict API in JSON: conversion of request bodies to arrays and of arrays to responses.

The format is that of https://www.tensorflow.org/tfx/serving/api_rest. This implementation is stricter in two ways: it
refuses NaN and infinities, which are not JSON, and unknown keys.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from itertools import chain
from typing import Any

import numpy as np
import orjson

SIGNATURE = "signature_name"
DEFAULT_SIGNATURE = "serving_default"
ROW, COLUMN = "instances", "inputs"
PREDICTIONS, OUTPUTS = "predictions", "outputs"

# JSON types of the elements of an array, by the kind of its dtype.
_LEAVES = {"f": {int, float}, "i": {int}, "u": {int}, "b": {bool}, "O": {str, dict}}
_KINDS = {"f": "numbers", "i": "whole numbers", "u": "whole numbers", "b": "true or false", "O": "text or b64 objects"}


class RequestError(Exception):
    """A request that fails, with an HTTP status and a message of one line."""

    def __init__(self, status: HTTPStatus, message: str):
        self.status, self.message = status, message
        super().__init__(message)


@dataclass(frozen=True)
class Tensor:
    """An input of a signature.

    Attributes:
        dtype: NumPy type; object for text.
        shape: length of each axis; None for any length.
    """

    dtype: np.dtype
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        return f"shape [{', '.join('?' if n is None else str(n) for n in self.shape)}] of {_KINDS[self.dtype.kind]}"


# The inputs of a signature, by name.
Signature = Mapping[str, Tensor]


@dataclass(frozen=True)
class PredictRequest:
    """A parsed request.

    Attributes:
        signature: name of the signature.
        inputs: arrays by input name.
        by_row: whether the request has the row format, which the response has then, too.
    """

    signature: str
    inputs: dict[str, np.ndarray]
    by_row: bool


def parse_predict(body: bytes, signatures: Mapping[str, Signature]) -> PredictRequest:
    """Parse the JSON body of a predict request in column format (`inputs`) or row format (`instances`).

    Args:
        body: the body of the request.
        signatures: the model's signatures by name.

    Raises:
        RequestError: status 400, the body is not a valid request for one of the signatures.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"JSON Parse error: {error}") from error
    if not isinstance(document, dict):
        raise bad_request("the body is not a JSON object")
    unknown = document.keys() - {SIGNATURE, ROW, COLUMN}
    if unknown:
        raise bad_request(f"unknown key {_shortened(min(unknown))}, expected {COLUMN} or {ROW}, and {SIGNATURE}")
    if (ROW in document) == (COLUMN in document):
        raise bad_request(f"expected one of the keys {COLUMN!r} and {ROW!r}")
    name = document.get(SIGNATURE, DEFAULT_SIGNATURE)
    if not isinstance(name, str):
        raise bad_request(f"{SIGNATURE} is not text")
    if name not in signatures:
        expected = ", ".join(sorted(signatures))
        raise bad_request(
            f"Serving signature name: {_shortened(name)} not found in signature def, expected one of {expected}"
        )
    by_row = ROW in document
    values = _rows(document[ROW], signatures[name]) if by_row else _columns(document[COLUMN], signatures[name])
    inputs = {key: _array(key, values[key], tensor, by_row) for key, tensor in signatures[name].items()}
    return PredictRequest(name, inputs, by_row)


def predict_response(outputs: Mapping[str, np.ndarray], *, by_row: bool) -> bytes:
    """Return the body of a response. Numbers have the fewest digits that give the same f32 again.

    Args:
        outputs: arrays by output name.
        by_row: whether to use the row format.

    Raises:
        RequestError: status 400, the row format is requested and the outputs differ in length.
    """
    if not by_row:
        return _dumps({OUTPUTS: next(iter(outputs.values())) if len(outputs) == 1 else dict(outputs)})
    if len({len(array) if array.ndim else None for array in outputs.values()} | {None}) != 2:
        sizes = ", ".join(f"{name} {list(array.shape)}" for name, array in outputs.items())
        raise bad_request(f"Tensors of inconsistent batch size: {sizes}; use the column format, {COLUMN!r}")
    if len(outputs) == 1:
        return _dumps({PREDICTIONS: next(iter(outputs.values()))})
    rows = zip(*(array.tolist() for array in outputs.values()), strict=True)
    return _dumps({PREDICTIONS: [dict(zip(outputs, row, strict=True)) for row in rows]})


def status_response(version: int) -> bytes:
    """Return the body that states which version is served."""
    status = {"error_code": "OK", "error_message": ""}
    return _dumps({"model_version_status": [{"version": str(version), "state": "AVAILABLE", "status": status}]})


def metadata_response(name: str, version: int, signature_def: Mapping[str, Any]) -> bytes:
    """Return the body that describes a model's signatures, given as the JSON forms of its SignatureDefs."""
    return _dumps(
        {
            "model_spec": {"name": name, "signature_name": "", "version": str(version)},
            "metadata": {"signature_def": {"signature_def": dict(signature_def)}},
        }
    )


def error_response(message: str) -> bytes:
    """Return the body of an error response."""
    return _dumps({"error": message})


def bad_request(message: str) -> RequestError:
    """Return an error with status 400."""
    return RequestError(HTTPStatus.BAD_REQUEST, message)


def _columns(columns: Any, signature: Signature) -> Mapping[str, Any]:
    if not isinstance(columns, dict) or _is_base64(columns):
        if len(signature) > 1:
            raise bad_request(f"{COLUMN} is a plain value, expected an object with the keys {', '.join(signature)}")
        columns = {next(iter(signature)): columns}
    _check_keys(columns, signature, COLUMN)
    return columns


def _rows(rows: Any, signature: Signature) -> Mapping[str, Any]:
    """Return the values of each input as a list over rows, which adds a leading axis."""
    if not isinstance(rows, list) or not rows:
        raise bad_request(f"{ROW} is not a list of at least one instance")
    if len(signature) == 1 and not (isinstance(rows[0], dict) and not _is_base64(rows[0])):
        return {next(iter(signature)): rows}
    for index, row in enumerate(rows):
        if not isinstance(row, dict):
            raise bad_request(f"{ROW}[{index}] is not an object with the keys {', '.join(signature)}")
        _check_keys(row, signature, f"{ROW}[{index}]")
    return {name: [row[name] for row in rows] for name in signature}


def _check_keys(inputs: Mapping[str, Any], signature: Signature, where: str) -> None:
    if inputs.keys() != signature.keys():
        wrong = sorted(inputs.keys() ^ signature.keys())[0]
        what = "missing" if wrong in signature else "unknown"
        raise bad_request(f"{what} input {_shortened(wrong)} in {where}, expected {', '.join(signature)}")


def _array(name: str, value: Any, tensor: Tensor, by_row: bool) -> np.ndarray:
    """Convert nested lists to the array of an input."""
    shape, level = [], [value]
    for _ in tensor.shape:
        if any(type(part) is not list for part in level):
            raise bad_request(f"{name}: a value where a list should be, expected {tensor}")
        lengths = {len(part) for part in level}
        if len(lengths) > 1:
            raise bad_request(f"{name}: lists of unequal length, expected {tensor}")
        shape.append(lengths.pop() if lengths else 0)
        level = list(chain.from_iterable(level))
    kinds = set(map(type, level))
    if list in kinds:
        hint = f"; instances add an axis that this signature does not have: use {COLUMN!r}" if by_row else ""
        raise bad_request(f"{name}: lists nested too deep, expected {tensor}{hint}")
    if not kinds <= _LEAVES[tensor.dtype.kind]:
        raise bad_request(f"{name}: values of another type, expected {tensor}")
    if any(wanted not in (None, length) for wanted, length in zip(tensor.shape, shape, strict=True)):
        raise bad_request(f"{name}: shape {shape}, expected {tensor}")
    return _convert(name, level, tensor.dtype).reshape(shape)


def _convert(name: str, leaves: Sequence[Any], dtype: np.dtype) -> np.ndarray:
    if dtype.kind == "O":
        return np.array([_text(name, leaf) for leaf in leaves] + [None], object)[:-1]
    try:
        with np.errstate(over="ignore"):
            array = np.array(leaves, np.float64).astype(dtype) if dtype.kind == "f" else np.array(leaves, dtype)
    except OverflowError as error:
        raise bad_request(f"{name}: a number beyond {dtype}") from error
    if not np.isfinite(array).all():
        raise bad_request(f"{name}: a number beyond {dtype}")
    return array


def _text(name: str, leaf: str | dict) -> bytes:
    if isinstance(leaf, str):
        return leaf.encode()
    if not _is_base64(leaf):
        raise bad_request(f'{name}: an object that is not {{"b64": text}}')
    try:
        return base64.b64decode(leaf["b64"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise bad_request(f"{name}: Unable to base64 decode") from error


def _is_base64(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"b64"} and isinstance(value["b64"], str)


def _shortened(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")


def _dumps(document: Any) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
