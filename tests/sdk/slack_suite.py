"""Slack's SDK for Python through Postern: only the base URL and the token differ."""

import json
import unittest
import urllib.parse
import urllib.request

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from suite import BINARY, PLACEHOLDER, UNKNOWN_PLACEHOLDER, address


def client(token=PLACEHOLDER):
    return WebClient(token=token, base_url=f"{address('slack')}/api/", retry_handlers=[])


def posted(call, **fields):
    """The answer to a form that holds its own token, as scripts and older clients send it."""
    body = urllib.parse.urlencode(fields).encode()
    with urllib.request.urlopen(f"{address('slack')}/api/{call}", data=body, timeout=60) as answer:
        return json.load(answer)


class SlackSdk(unittest.TestCase):
    def test_a_plain_call_is_answered(self):
        own = client()
        self.assertEqual(own.auth_test()["user_id"], "U1")
        posted = own.chat_postMessage(channel="C1", text="Grüße & more")
        self.assertEqual(posted["message"]["text"], "Grüße & more")

    def test_a_list_is_read_page_by_page(self):
        channels = [channel["id"] for page in client().conversations_list(limit=2) for channel in page["channels"]]
        self.assertEqual(channels, ["C1", "C2", "C3", "C4", "C5"])

    def test_a_file_goes_up(self):
        # Slack names an address of another host, which takes the file without a token.
        sent = client().files_upload_v2(channel="C1", content=BINARY, filename="all bytes.bin")
        self.assertEqual((sent["file"]["id"], sent["file"]["size"]), ("F1", len(BINARY)))

    def test_the_providers_error_arrives_as_it_was_written(self):
        with self.assertRaises(SlackApiError) as raised:
            client().chat_postMessage(channel="C-missing", text="hello")
        answer = raised.exception.response
        self.assertEqual((answer.status_code, answer.data), (200, {"ok": False, "error": "channel_not_found"}))
        self.assertNotIn("x-postern-error", answer.headers)

    def test_the_providers_rate_limit_arrives_with_its_headers(self):
        with self.assertRaises(SlackApiError) as raised:
            client().chat_postMessage(channel="C-busy", text="hello")
        answer = raised.exception.response
        headers = {name.lower(): value for name, value in answer.headers.items()}
        self.assertEqual((answer.status_code, headers["retry-after"]), (429, "60"))

    def test_the_token_may_be_a_field_of_a_form(self):
        answer = posted("chat.postMessage", token=PLACEHOLDER, channel="C1", text="a+b & c%")
        self.assertTrue(answer["ok"], answer)
        self.assertEqual(answer["message"]["text"], "a+b & c%")

    def test_posterns_own_refusal_is_an_error_with_its_code(self):
        with self.assertRaises(SlackApiError) as raised:
            client(UNKNOWN_PLACEHOLDER).auth_test()
        answer = raised.exception.response
        self.assertEqual((answer.status_code, answer.data["error"]["code"]), (401, "unauthorized"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
