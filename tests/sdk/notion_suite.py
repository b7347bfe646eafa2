"""notion-client through Postern: only the base URL and the token differ."""

import asyncio
import io
import unittest

import notion_client
from notion_client.helpers import collect_paginated_api
from suite import BINARY, PLACEHOLDER, UNKNOWN_PLACEHOLDER, address

PEOPLE = ["ann", "ben", "cat", "dan", "eve"]


def options(token=PLACEHOLDER):
    return {"base_url": address("notion"), "auth": token, "retry": False}


class NotionClient(unittest.TestCase):
    def client(self, token=PLACEHOLDER):
        own = notion_client.Client(**options(token))
        self.addCleanup(own.close)
        return own

    def test_a_plain_call_is_answered(self):
        self.assertEqual(self.client().users.me()["name"], "bot")

    def test_the_async_client_is_answered_too(self):
        async def me():
            async with notion_client.AsyncClient(**options()) as own:
                return await own.users.me()

        self.assertEqual(asyncio.run(me())["name"], "bot")

    def test_a_list_is_read_page_by_page(self):
        own = self.client()
        users = collect_paginated_api(own.users.list)
        self.assertEqual([user["name"] for user in users], PEOPLE)
        rows = collect_paginated_api(own.data_sources.query, data_source_id="source")
        self.assertEqual([row["id"] for row in rows], PEOPLE)

    def test_a_page_is_created(self):
        page = self.client().pages.create(parent={"data_source_id": "source"}, properties={})
        self.assertEqual(page["id"], "new")

    def test_a_file_goes_up(self):
        own = self.client()
        upload = own.file_uploads.create(mode="single_part", filename="all bytes.bin")
        sent = own.file_uploads.send(upload["id"], file=("all bytes.bin", io.BytesIO(BINARY), "text/plain"))
        self.assertEqual((sent["status"], sent["content_length"]), ("uploaded", len(BINARY)))

    def test_the_providers_errors_arrive_as_they_were_written(self):
        own = self.client()
        with self.assertRaises(notion_client.APIResponseError) as raised:
            own.pages.retrieve("missing")
        error = raised.exception
        self.assertEqual((error.status, error.code), (404, notion_client.APIErrorCode.ObjectNotFound))
        with self.assertRaises(notion_client.APIResponseError) as raised:
            own.pages.create()
        self.assertEqual(raised.exception.code, notion_client.APIErrorCode.ValidationError)
        self.assertIn("body.parent should be defined", str(raised.exception))

    def test_the_providers_rate_limit_arrives_with_its_headers(self):
        with self.assertRaises(notion_client.APIResponseError) as raised:
            self.client().pages.retrieve("busy")
        error = raised.exception
        self.assertEqual((error.status, error.code), (429, notion_client.APIErrorCode.RateLimited))
        self.assertEqual(error.headers["retry-after"], "60")
        self.assertNotIn("x-postern-error", error.headers)

    def test_posterns_own_refusal_is_an_error_with_its_code(self):
        with self.assertRaises(notion_client.errors.HTTPResponseError) as raised:
            self.client(UNKNOWN_PLACEHOLDER).users.me()
        error = raised.exception
        self.assertEqual((error.status, error.headers["x-postern-error"]), (401, "unauthorized"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
