"""Stripe's SDK through Postern, and HTTP Basic as curl sends it: only the address and the key differ."""

import base64
import io
import json
import unittest
import urllib.error
import urllib.request

import stripe
from suite import BINARY, PLACEHOLDER, UNKNOWN_PLACEHOLDER, address


def client(key=PLACEHOLDER):
    # Files have a host of their own, so they are a provider of their own.
    addresses = {"api": address("stripe"), "files": address("stripe-files")}
    return stripe.StripeClient(key, base_addresses=addresses, max_network_retries=0)


def with_basic(user, password=""):
    """The balance, asked for as `curl -u user:password` does."""
    login = base64.b64encode(f"{user}:{password}".encode()).decode()
    request = urllib.request.Request(
        f"{address('stripe')}/v1/balance", headers={"Authorization": f"Basic {login}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


class StripeSdk(unittest.TestCase):
    def test_a_plain_call_is_answered(self):
        self.assertEqual(client().v1.balance.retrieve().object, "balance")

    def test_a_list_is_read_page_by_page(self):
        customers = client().v1.customers.list().auto_paging_iter()
        self.assertEqual([customer.id for customer in customers], ["cus_1", "cus_2", "cus_3", "cus_4", "cus_5"])

    def test_a_form_arrives_with_its_idempotency_key(self):
        made = client().v1.customers.create({"email": "a+b@example.com"}, {"idempotency_key": "once"})
        self.assertEqual((made.email, made.metadata["idempotency"]), ("a+b@example.com", "once"))

    def test_a_file_goes_up(self):
        content = io.BytesIO(BINARY)
        content.name = "all bytes.bin"
        sent = client().v1.files.create({"purpose": "dispute_evidence", "file": content})
        self.assertEqual(sent.size, len(BINARY))

    def test_the_providers_errors_arrive_as_they_were_written(self):
        own = client()
        with self.assertRaises(stripe.InvalidRequestError) as raised:
            own.v1.customers.retrieve("cus_missing")
        error = raised.exception
        self.assertEqual((error.http_status, error.code, error.param), (404, "resource_missing", "id"))
        self.assertEqual(error.request_id, "req_sample")
        self.assertNotIn("x-postern-error", error.headers)
        with self.assertRaises(stripe.CardError) as raised:
            own.v1.payment_intents.create({"amount": 100, "currency": "eur"})
        self.assertEqual((raised.exception.http_status, raised.exception.code), (402, "card_declined"))

    def test_the_providers_rate_limit_arrives_with_its_headers(self):
        with self.assertRaises(stripe.RateLimitError) as raised:
            client().v1.customers.retrieve("cus_busy")
        self.assertEqual(raised.exception.headers["stripe-rate-limited-reason"], "global-rate")

    def test_the_key_may_be_the_user_name_of_basic(self):
        status, balance = with_basic(PLACEHOLDER)
        self.assertEqual((status, balance["object"]), (200, "balance"))

    def test_posterns_own_refusal_is_an_authentication_error(self):
        with self.assertRaises(stripe.AuthenticationError) as raised:
            client(UNKNOWN_PLACEHOLDER).v1.balance.retrieve()
        self.assertEqual(raised.exception.json_body["error"]["code"], "unauthorized")
        status, body = with_basic(UNKNOWN_PLACEHOLDER)
        self.assertEqual((status, body["error"]["code"]), (401, "unauthorized"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
