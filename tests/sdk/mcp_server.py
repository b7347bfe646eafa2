"""A server of the official MCP SDK that takes one bearer token. It prints its addresses, then each request's headers."""

import asyncio
import json
import os
import socket

import uvicorn
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import Context, MCPServer
from pydantic import BaseModel

# The proxy may call each port of this address.
HOST = "127.0.0.2"
TOKEN = os.environ["MCP_TOKEN"]


class Verifier:
    async def verify_token(self, token):
        return AccessToken(token=token, client_id="postern", scopes=[]) if token == TOKEN else None


class Recorded:
    """Prints the headers of each request, as they came."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http":
            headers = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]]
            print(json.dumps({"method": scope["method"], "headers": headers}), flush=True)
        await self.app(scope, receive, send)


class Answer(BaseModel):
    yes: bool


def tools(address):
    auth = AuthSettings(
        issuer_url="https://login.example", resource_server_url=f"{address}/mcp", validate_token_resource=False
    )
    server = MCPServer("sample", token_verifier=Verifier(), auth=auth, log_level="ERROR")

    @server.tool()
    def add(a: int, b: int) -> int:
        return a + b

    @server.tool()
    async def count(to: int, context: Context) -> str:
        for at in range(to):
            await context.report_progress(at + 1, to)
            await asyncio.sleep(0.06)
        return "counted"

    @server.tool()
    async def ask(question: str, context: Context) -> str:
        answer = await context.elicit(question, Answer)
        return f"{answer.action}: {answer.data.yes}"

    @server.tool()
    def repeat(text: str) -> str:
        return text

    return server


async def main():
    addresses, serving = {}, []
    for kind in ("events", "json"):
        listening = socket.create_server((HOST, 0))
        addresses[kind] = f"http://{HOST}:{listening.getsockname()[1]}"
        app = tools(addresses[kind]).streamable_http_app(json_response=kind == "json", host=HOST)
        server = uvicorn.Server(uvicorn.Config(Recorded(app), log_level="error", lifespan="on"))
        serving.append(server.serve(sockets=[listening]))
    print(json.dumps(addresses), flush=True)
    await asyncio.gather(*serving)


asyncio.run(main())
