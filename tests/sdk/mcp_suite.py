"""The official MCP client, through Postern, to a server that the organization has added as a provider of its own."""

import asyncio
import contextlib
import time
import unittest

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp_types import ElicitResult
from suite import PLACEHOLDER, UNKNOWN_PLACEHOLDER, address


class Mcp:
    """A client, and what it saw of HTTP."""

    def __init__(self, slug, mode, token):
        self.slug, self.mode, self.token = slug, mode, token
        self.responses = []

    async def heard(self, response):
        self.responses.append(response)

    async def answered(self, _context, _asked):
        return ElicitResult(action="accept", content={"yes": True})

    @contextlib.asynccontextmanager
    async def connected(self):
        async with httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {self.token}"}, timeout=60, event_hooks={"response": [self.heard]}
        ) as http:
            transport = streamable_http_client(f"{address(self.slug)}/mcp", http_client=http)
            async with Client(transport, mode=self.mode, elicitation_callback=self.answered) as client:
                yield client

    def headers(self, name):
        return {response.headers[name] for response in self.responses if name in response.headers}

    def content_types(self):
        return {value.split(";")[0] for value in self.headers("content-type")}


def text(result):
    return result.content[0].text


class McpSdk(unittest.IsolatedAsyncioTestCase):
    async def check_tools(self, mcp):
        async with mcp.connected() as client:
            names = [tool.name for tool in (await client.list_tools()).tools]
            self.assertEqual(names, ["add", "count", "ask", "repeat"])
            self.assertEqual(text(await client.call_tool("add", {"a": 2, "b": 3})), "5")
            long = "Grüße 🙂 " * 20_000
            self.assertEqual(text(await client.call_tool("repeat", {"text": long})), long)
            wrong = await client.call_tool("add", {"a": "x", "b": 3})
            self.assertTrue(wrong.is_error)

    async def test_answers_arrive_as_event_streams(self):
        for mode in ("legacy", "auto"):
            with self.subTest(mode):
                mcp = Mcp("tools", mode, PLACEHOLDER)
                await self.check_tools(mcp)
                # Without a session, an answer that nothing precedes is JSON.
                if mode == "legacy":
                    self.assertIn("text/event-stream", mcp.content_types())

    async def test_answers_arrive_as_json(self):
        for mode in ("legacy", "auto"):
            with self.subTest(mode):
                mcp = Mcp("tools-json", mode, PLACEHOLDER)
                await self.check_tools(mcp)
                self.assertIn("application/json", mcp.content_types())

    async def test_a_session_is_kept(self):
        mcp = Mcp("tools", "legacy", PLACEHOLDER)
        await self.check_tools(mcp)
        self.assertEqual(len(mcp.headers("mcp-session-id")), 1, mcp.headers("mcp-session-id"))

    async def test_progress_arrives_as_it_is_sent(self):
        for mode in ("legacy", "auto"):
            with self.subTest(mode):
                times = []

                async def progressed(_progress, _total, _message):
                    times.append(time.monotonic())

                async with Mcp("tools", mode, PLACEHOLDER).connected() as client:
                    counted = await client.call_tool("count", {"to": 10}, progress_callback=progressed)
                self.assertEqual((text(counted), len(times)), ("counted", 10))
                # A buffer would have given them all at once.
                self.assertGreater(times[-1] - times[0], 0.06 * 9 / 2)

    async def test_the_server_asks_back_within_a_call(self):
        async with Mcp("tools", "legacy", PLACEHOLDER).connected() as client:
            self.assertEqual(text(await client.call_tool("ask", {"question": "Deploy?"})), "accept: True")

    async def test_the_servers_own_401_arrives_under_its_own_name(self):
        # The organization's credential for this provider is not the one that the server takes.
        mcp = Mcp("tools-closed", "legacy", PLACEHOLDER)
        with self.assertRaises((MCPError, ExceptionGroup)):
            async with mcp.connected():
                pass
        refused = mcp.responses[0]
        self.assertEqual(refused.status_code, 401)
        self.assertNotIn("x-postern-error", refused.headers)
        challenge = refused.headers["www-authenticate"]
        self.assertTrue(challenge.startswith("Bearer "), challenge)
        self.assertIn('error="invalid_token"', challenge)
        self.assertIn("/.well-known/oauth-protected-resource/mcp", challenge)

    async def test_posterns_own_refusal_says_whose_it_is(self):
        mcp = Mcp("tools", "legacy", UNKNOWN_PLACEHOLDER)
        with self.assertRaises((MCPError, ExceptionGroup)):
            async with mcp.connected():
                pass
        self.assertEqual(mcp.responses[0].status_code, 401)
        self.assertEqual(mcp.responses[0].headers["x-postern-error"], "unauthorized")


if __name__ == "__main__":
    unittest.main(verbosity=2)
