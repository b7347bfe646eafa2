"""PyGithub through Postern: only the base URL and the token differ."""

import unittest

import github
from suite import BINARY, PLACEHOLDER, UNKNOWN_PLACEHOLDER, address


def client(token=PLACEHOLDER, **options):
    # Without pauses and repetitions of its own.
    usual = {"retry": None, "seconds_between_requests": None, "seconds_between_writes": None}
    return github.Github(base_url=address("github"), auth=github.Auth.Token(token), **{**usual, **options})


def repository(**options):
    # A lazy object makes its address itself.
    return client(lazy=True, **options).get_repo("octo/sample")


class PyGithub(unittest.TestCase):
    def test_a_plain_call_is_answered(self):
        own = client()
        self.assertEqual(own.get_user().login, "octocat")
        self.assertEqual(own.rate_limiting, (4999, 5000))

    def test_a_list_is_read_page_by_page(self):
        issues = repository(per_page=2).get_issues()
        self.assertEqual([issue.number for issue in issues], [1, 2, 3, 4, 5])
        self.assertEqual(issues.totalCount, 5)
        self.assertEqual(next(iter(issues.reversed)).number, 5)

    def test_a_redirect_within_the_provider_is_followed(self):
        self.assertEqual(client().get_repo("octo/former").full_name, "octo/sample")

    def test_an_address_in_a_body_is_the_providers_own_and_is_not_called(self):
        fetched = client().get_repo("octo/sample")
        with self.assertRaises(AssertionError):
            fetched.get_issues().totalCount

    def test_an_issue_is_created(self):
        own = repository()
        self.assertEqual(own.create_issue("Through Postern").number, 6)
        self.assertEqual(own.get_issue(6).create_comment("A comment").body, "A comment")

    def test_a_file_goes_up_and_comes_down_byte_for_byte(self):
        own = repository()
        made = own.create_file("data/all bytes.bin", "A file", BINARY, branch="main")
        self.assertEqual((made["content"].size, made["commit"].sha), (len(BINARY), "c0ffee"))
        self.assertEqual(own.get_contents("data/all bytes.bin").decoded_content, BINARY)

    def test_graphql_is_answered(self):
        _, answer = client().requester.graphql_query("query { viewer { login } }", {})
        self.assertEqual(answer["data"]["viewer"]["login"], "octocat")

    def test_the_providers_errors_arrive_as_they_were_written(self):
        with self.assertRaises(github.UnknownObjectException) as raised:
            client().get_repo("octo/missing")
        self.assertEqual((raised.exception.status, raised.exception.data["message"]), (404, "Not Found"))
        with self.assertRaises(github.GithubException) as raised:
            repository().create_issue("")
        self.assertEqual((raised.exception.status, raised.exception.data["errors"][0]["field"]), (422, "title"))
        self.assertNotIn("x-postern-error", raised.exception.headers)

    def test_the_providers_rate_limits_arrive_with_their_headers(self):
        with self.assertRaises(github.RateLimitExceededException) as raised:
            client().get_repo("octo/busy")
        self.assertEqual((raised.exception.status, raised.exception.headers["x-ratelimit-remaining"]), (403, "0"))
        with self.assertRaises(github.GithubException) as raised:
            client().get_repo("octo/abused")
        self.assertEqual((raised.exception.status, raised.exception.headers["retry-after"]), (429, "60"))

    def test_posterns_own_refusal_is_an_error_with_its_code(self):
        with self.assertRaises(github.GithubException) as raised:
            client(UNKNOWN_PLACEHOLDER).get_user().login
        self.assertEqual((raised.exception.status, raised.exception.data["error"]["code"]), (401, "unauthorized"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
