//! The clients of services beside models.

use super::suite::Suite;
use crate::world::REAL_KEY;

#[tokio::test]
async fn pygithub_works_unmodified() {
    Suite::new("pygithub_suite.py")
        .calling("github")
        .run()
        .await;
}

#[tokio::test]
async fn octokit_works_unmodified() {
    Suite::new("octokit_suite.mjs")
        .calling("github")
        .run()
        .await;
}

#[tokio::test]
async fn python_gitlab_works_unmodified_with_an_access_token() {
    Suite::new("gitlab_suite.py").calling("gitlab").run().await;
}

#[tokio::test]
async fn python_gitlab_works_unmodified_with_an_oauth_token() {
    let suite = Suite::new("gitlab_suite.py");
    suite.calling_with("gitlab", "oauth", REAL_KEY).run().await;
}

#[tokio::test]
async fn notion_client_works_unmodified() {
    Suite::new("notion_suite.py").calling("notion").run().await;
}

#[tokio::test]
async fn the_stripe_sdk_works_unmodified() {
    let suite = Suite::new("stripe_suite.py").calling("stripe");
    suite.calling_own("stripe-files", "stripe").run().await;
}

#[tokio::test]
async fn the_slack_sdk_for_python_works_unmodified() {
    Suite::new("slack_suite.py").calling("slack").run().await;
}

#[tokio::test]
async fn the_slack_sdk_for_node_works_unmodified() {
    Suite::new("slack_suite.mjs").calling("slack").run().await;
}
