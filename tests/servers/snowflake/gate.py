"""An ASGI application: checks logins, then leaves SQL to fakesnow, which checks nothing.

Run by the interpreter of the server's own virtual environment: `python -m tests.servers.snowflake.gate PORT`, with
GATE_ACCOUNT and GATE_ADMIN_TOKEN in the environment. Paths of its own:

    GET   /gate/health         200 once it listens
    PATCH /gate/users/NAME     fields of `users.User`; needs the admin token
    POST  /api/v2/statements   the SQL API, synchronous, one partition
"""

import asyncio
import gzip
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import uvicorn  # type: ignore[import-not-found]  # it lies in the server's own environment
from fakesnow.server import app as sql_server  # type: ignore[import-not-found]  # as above
from fakesnow.server import shared_fs

from tests.servers.snowflake.user_statements import Table, is_about_users, run_user_statement
from tests.servers.snowflake.users import Directory, SnowflakeError, User

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_NO_USER = SnowflakeError("390104", "User must login again to access the service.")


class Gate:
    """The application, with the users and the sessions of one account."""

    def __init__(self, *, account: str, admin_token: str) -> None:
        self._directory = Directory(account=account)
        self._admin_token = admin_token
        self._sessions: dict[str, User] = {}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on to fakesnow."""
        if scope["type"] != "http":
            return
        body = await _body(receive)
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        content = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
        path = scope["path"]
        if path == "/gate/health":
            await _answer(send, 200, {})
        elif path.startswith("/gate/users/"):
            await self._change_user(path.rsplit("/", 1)[1], headers, content, send)
        elif path == "/api/v2/statements":
            await self._sql_api(headers, content, send)
        elif path == "/session/v1/login-request":
            await self._log_in(scope, body, content, send)
        elif path == "/queries/v1/query-request":
            await self._query(scope, headers, body, content, send)
        else:
            await sql_server(scope, _replay(body), send)

    async def _change_user(self, name: str, headers: dict[str, str], content: bytes, send: Send) -> None:
        if headers.get("authorization") != f"Bearer {self._admin_token}":
            await _answer(send, 403, {})
            return
        self._directory.update(name, json.loads(content))
        await _answer(send, 200, {})

    async def _log_in(self, scope: Message, body: bytes, content: bytes, send: Send) -> None:
        try:
            user = self._directory.log_in(json.loads(content)["data"])
        except SnowflakeError as refused:
            await _answer(send, 200, _failure(refused))
            return
        answered: list[bytes] = []

        async def remember(message: Message) -> None:
            answered.append(message.get("body", b""))
            await send(message)

        await sql_server(scope, _replay(body), remember)
        self._sessions[json.loads(b"".join(answered))["data"]["token"]] = user

    async def _query(self, scope: Message, headers: dict[str, str], body: bytes, content: bytes, send: Send) -> None:
        statement = json.loads(content)["sqlText"]
        if not is_about_users(statement):
            await sql_server(scope, _replay(body), send)
            return
        try:
            user = self._sessions.get(headers.get("authorization", "").removeprefix('Snowflake Token="')[:-1])
            if user is None:
                raise _NO_USER
            columns, rows = run_user_statement(self._directory, user, statement)
        except SnowflakeError as refused:
            await _answer(send, 200, _failure(refused))
            return
        data = {
            "parameters": [],
            "rowtype": [_column(name) for name in columns],
            "rowset": rows,
            "total": len(rows),
            "returned": len(rows),
            "queryId": str(uuid4()),
            "queryResultFormat": "json",
        }
        await _answer(send, 200, {"data": data, "code": None, "message": None, "success": True})

    async def _sql_api(self, headers: dict[str, str], content: bytes, send: Send) -> None:
        request = json.loads(content)
        try:
            token = headers.get("authorization", "").removeprefix("Bearer ")
            kind = headers.get("x-snowflake-authorization-token-type") or self._directory.kind_of(token)
            user = self._directory.by_token(kind.upper(), token)
        except SnowflakeError as refused:
            await _answer(send, 401, {"code": refused.code, "message": refused.text})
            return
        handle = str(uuid4())
        try:
            columns, rows = await asyncio.to_thread(self._run, user, request)
        except SnowflakeError as refused:
            failure = {"code": refused.code, "message": refused.text, "sqlState": refused.sql_state}
            await _answer(send, 422, {**failure, "statementHandle": handle})
            return
        metadata = {
            "numRows": len(rows),
            "format": "jsonv2",
            "partitionInfo": [{"rowCount": len(rows), "uncompressedSize": len(json.dumps(rows))}],
            "rowType": [_column(name) for name in columns],
        }
        result = {
            "resultSetMetaData": metadata,
            "data": rows,
            "code": "090001",
            "sqlState": "00000",
            "message": "Statement executed successfully.",
            "statementHandle": handle,
            "statementStatusUrl": f"/api/v2/statements/{handle}?requestId={uuid4()}",
            "createdOn": int(time.time() * 1000),
        }
        await _answer(send, 200, result)

    def _run(self, user: User, request: Message) -> Table:
        if is_about_users(request["statement"]):
            return run_user_statement(self._directory, user, request["statement"])
        connection = shared_fs.connect(request.get("database"), request.get("schema"))
        cursor = connection.cursor()
        try:
            cursor.execute(request["statement"])
        except Exception as error:
            if not hasattr(error, "errno"):
                raise
            number, text = f"{error.errno:06d}", str(getattr(error, "msg", ""))
            raise SnowflakeError(number, text, sql_state=str(getattr(error, "sqlstate", ""))) from error
        rows = cursor.fetchall()
        names = [column.name for column in cursor.description]
        return names, [[None if value is None else str(value) for value in row] for row in rows]


def _column(name: str) -> Message:
    """A column; the gate reports every type as text, as the SQL API writes every value as a string."""
    size = {"length": 16777216, "byteLength": 16777216, "precision": None, "scale": None}
    return {"name": name, "type": "text", "nullable": True, **size}


def _failure(refused: SnowflakeError) -> Message:
    data = {"errorCode": refused.code, "sqlState": refused.sql_state}
    return {"data": data, "code": refused.code, "message": refused.text, "success": False, "headers": None}


async def _body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body


def _replay(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _answer(send: Send, status: int, content: Message) -> None:
    body = json.dumps(content).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    gate = Gate(account=os.environ["GATE_ACCOUNT"], admin_token=os.environ["GATE_ADMIN_TOKEN"])
    uvicorn.run(gate, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
