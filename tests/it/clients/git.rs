//! Git itself, over smart HTTP, with a repository behind git's own server.

pub mod hub;

use hub::{History, Hub};
use postern_stack::Seen;

/// More than git sends in one piece (`http.postBuffer`), and less than Lambda takes.
const LARGE: usize = 3_500_000;

fn to<'a>(seen: &'a [Seen], service: &str) -> Vec<&'a Seen> {
    let ending = format!("/{service}");
    let ours = |request: &&Seen| request.path_and_query.ends_with(&ending);
    seen.iter().filter(ours).collect()
}

#[tokio::test]
async fn git_clones_fetches_and_pushes_with_the_placeholder_in_its_url() {
    let hub = Hub::new().await;
    hub.import("owner/repo.git", History::new("main", 3)).await;
    let url = hub.url_with(&format!("x:{}@", hub.placeholder));
    hub.ok(&["clone", &url, "clone"]).await;
    assert_eq!(
        hub.head("clone", "HEAD").await,
        hub.head("owner/repo.git", "main").await
    );
    // Git names many commits that the server lacks, so it compresses what it asks.
    hub.import("clone", History::new("mine", 100)).await;
    hub.import("owner/repo.git", History::new("main", 1).after("main"))
        .await;
    hub.ok(&["-C", "clone", "fetch"]).await;
    let fetched = hub.head("clone", "origin/main").await;
    assert_eq!(fetched, hub.head("owner/repo.git", "main").await);
    let seen = hub.sample.seen();
    let asked = to(&seen, "git-upload-pack");
    let compressed = asked.iter().any(|request| {
        request
            .headers
            .get("content-encoding")
            .is_some_and(|how| how == "gzip")
    });
    assert!(compressed, "no request was compressed: {asked:?}");
    let modern = asked.iter().all(|request| {
        request
            .headers
            .get("git-protocol")
            .is_some_and(|version| version == "version=2")
    });
    assert!(modern, "the protocol's version did not arrive: {asked:?}");
    hub.assert_only_the_real_key_was_seen();
}

#[tokio::test]
async fn git_pushes_more_than_it_sends_in_one_piece() {
    let hub = Hub::new().await;
    hub.import("owner/repo.git", History::new("main", 1)).await;
    let url = hub.url_with(&format!("x:{}@", hub.placeholder));
    hub.ok(&["clone", &url, "clone"]).await;
    hub.import(
        "clone",
        History::new("main", 1).after("main").with_noise(LARGE),
    )
    .await;
    let traced = hub.traced(&["-C", "clone", "push", "origin", "main"]).await;
    assert!(
        traced
            .to_lowercase()
            .contains("send header: transfer-encoding: chunked"),
        "{traced}"
    );
    assert_eq!(
        hub.head("owner/repo.git", "main").await,
        hub.head("clone", "main").await
    );
    let seen = hub.sample.seen();
    let longest = to(&seen, "git-receive-pack")
        .iter()
        .map(|request| request.body.len())
        .max();
    assert!(longest > Some(LARGE), "{longest:?}");
    // What was pushed comes back as it was. The address may stay the provider's own where git replaces it.
    let proxy = url.strip_suffix("owner/repo.git").unwrap();
    let instead = format!("url.{proxy}.insteadOf=https://github.com/");
    let own = "https://github.com/owner/repo.git";
    hub.ok(&["-c", &instead, "clone", own, "again"]).await;
    hub.ok(&["-C", "again", "fsck", "--full"]).await;
    assert_eq!(
        hub.head("again", "HEAD").await,
        hub.head("clone", "main").await
    );
    hub.assert_only_the_real_key_was_seen();
}

#[tokio::test]
async fn git_waits_for_the_challenge_and_asks_a_credential_helper() {
    let hub = Hub::new().await;
    hub.import("owner/repo.git", History::new("main", 1)).await;
    let helper = format!(
        "!f() {{ echo username=x; echo password={}; }}; f",
        hub.placeholder
    );
    let url = hub.url_with("");
    let helper = format!("credential.helper={helper}");
    let traced = hub
        .traced(&["-c", &helper, "clone", &url, "clone"])
        .await
        .to_lowercase();
    let challenged = traced
        .find("www-authenticate: basic")
        .expect("git was not challenged");
    let answered = traced
        .find("authorization: basic")
        .expect("git sent no credential");
    assert!(challenged < answered, "{traced}");
    assert_eq!(
        hub.head("clone", "HEAD").await,
        hub.head("owner/repo.git", "main").await
    );
    hub.assert_only_the_real_key_was_seen();
}

#[tokio::test]
async fn git_sends_its_credential_unasked_where_it_is_configured_so() {
    let hub = Hub::new().await;
    hub.import("owner/repo.git", History::new("main", 1)).await;
    // As pipelines configure it, with the scheme in small letters, and as a bearer.
    let login = hub::base64(&format!("x-access-token:{}", hub.placeholder));
    let headers = [
        ("basic", format!("AUTHORIZATION: basic {login}")),
        (
            "bearer",
            format!("Authorization: Bearer {}", hub.placeholder),
        ),
    ];
    for (folder, header) in headers {
        let header = format!("http.extraHeader={header}");
        hub.ok(&["-c", &header, "clone", &hub.url_with(""), folder])
            .await;
        let cloned = hub.head(folder, "HEAD").await;
        assert_eq!(cloned, hub.head("owner/repo.git", "main").await);
    }
    // Behind a gateway that hides the challenge. Before version 2.46 git does not know this, and waits for it.
    let url = hub.url_with(&format!("x:{}@", hub.placeholder));
    let proactive = "http.proactiveAuth=basic";
    hub.ok(&["-c", proactive, "clone", &url, "proactive"]).await;
    hub.assert_only_the_real_key_was_seen();
}

#[tokio::test]
async fn git_says_itself_what_is_wrong() {
    let hub = Hub::new().await;
    let stranger = format!("x:postern_secret_{}@", uuid::Uuid::new_v4());
    let said = hub
        .refused(&["clone", &hub.url_with(&stranger), "clone"])
        .await;
    assert!(said.contains("Authentication failed for"), "{said}");
    assert_eq!(
        hub.sample.seen().len(),
        0,
        "the stranger reached the provider"
    );
    // Without a placeholder git asks for one, and here it may not.
    let said = hub.refused(&["clone", &hub.url_with(""), "clone"]).await;
    assert!(said.contains("could not read Username"), "{said}");
    assert_eq!(hub.sample.seen().len(), 0, "nobody reached the provider");
    let url = hub.url_with(&format!("x:{}@", hub.placeholder));
    let missing = url.replace("repo.git", "missing.git");
    let said = hub.refused(&["clone", &missing, "clone"]).await;
    assert!(said.contains("not found"), "{said}");
    hub.assert_only_the_real_key_was_seen();
}
