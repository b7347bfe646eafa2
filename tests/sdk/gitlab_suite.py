"""python-gitlab through Postern: only the address and the token differ."""

import base64
import json
import unittest
import warnings

import gitlab
from suite import BINARY, PLACEHOLDER, UNKNOWN_PLACEHOLDER, address


class Suite:
    """What holds wherever the client sends its token; the credential's kind alone says where it arrives."""

    # The argument that takes the token.
    kind: str

    def client(self, token=PLACEHOLDER, **options):
        return gitlab.Gitlab(address("gitlab"), **{self.kind: token}, **options)

    def setUp(self):
        # python-gitlab warns where an answer names an address that is not its own.
        warnings.simplefilter("error", UserWarning)

    def test_a_plain_call_is_answered(self):
        own = self.client()
        self.assertEqual(own.projects.get(7).path_with_namespace, "octo/sample")
        self.assertEqual(own.projects.get("octo/sample").id, 7)

    def test_a_list_is_read_page_by_page(self):
        issues = self.client(per_page=2).projects.get(7, lazy=True).issues
        self.assertEqual([issue.iid for issue in issues.list(iterator=True)], [1, 2, 3, 4, 5])
        self.assertEqual([issue.iid for issue in issues.list(get_all=True)], [1, 2, 3, 4, 5])

    def test_a_redirect_within_the_provider_is_followed(self):
        self.assertEqual(self.client().projects.get("octo/former").id, 7)

    def test_an_issue_is_created(self):
        self.assertEqual(self.client().projects.get(7, lazy=True).issues.create({"title": "Through Postern"}).iid, 6)

    def test_a_file_is_uploaded_as_multipart(self):
        sent = self.client().projects.get(7, lazy=True).upload("all bytes.bin", filedata=BINARY)
        self.assertEqual((sent["alt"], sent["url"]), (str(len(BINARY)), "/uploads/1/file"))

    def test_a_file_goes_up_and_comes_down_byte_for_byte(self):
        files = self.client().projects.get(7, lazy=True).files
        content = base64.b64encode(BINARY).decode()
        files.create(
            {
                "file_path": "data/all bytes.bin",
                "branch": "main",
                "content": content,
                "encoding": "base64",
                "commit_message": "A file",
            }
        )
        self.assertEqual(files.get("data/all bytes.bin", ref="main").decode(), BINARY)

    def test_the_providers_errors_arrive_as_they_were_written(self):
        own = self.client()
        with self.assertRaises(gitlab.GitlabGetError) as raised:
            own.projects.get("octo/missing")
        error = raised.exception
        self.assertEqual((error.response_code, error.error_message), (404, "404 Project Not Found"))
        with self.assertRaises(gitlab.GitlabCreateError) as raised:
            own.projects.get(7, lazy=True).issues.create({"title": ""})
        error = raised.exception
        self.assertEqual((error.response_code, error.error_message), (400, {"title": ["can't be blank"]}))

    def test_the_providers_rate_limit_arrives(self):
        with self.assertRaises(gitlab.GitlabGetError) as raised:
            self.client().projects.get("octo/busy", obey_rate_limit=False)
        self.assertEqual(raised.exception.response_code, 429)

    def test_posterns_own_refusal_is_an_authentication_error(self):
        with self.assertRaises(gitlab.GitlabAuthenticationError) as raised:
            self.client(UNKNOWN_PLACEHOLDER).projects.get(7)
        self.assertEqual(raised.exception.response_code, 401)
        self.assertIn(b'"unauthorized"', raised.exception.response_body)


class PrivateToken(Suite, unittest.TestCase):
    kind = "private_token"


class OauthToken(Suite, unittest.TestCase):
    kind = "oauth_token"


class JobToken(unittest.TestCase):
    def test_a_place_that_the_provider_does_not_have_is_named_in_the_refusal(self):
        with self.assertRaises(gitlab.GitlabGetError) as raised:
            gitlab.Gitlab(address("gitlab"), job_token=PLACEHOLDER).projects.get(7)
        said = json.loads(raised.exception.response_body)["error"]
        self.assertEqual(said["code"], "placeholder_misplaced")
        for place in ("job-token", "private-token", "authorization"):
            self.assertIn(place, said["message"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
