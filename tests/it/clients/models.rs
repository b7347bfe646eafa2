//! The clients of models.

use super::suite::Suite;

#[tokio::test]
async fn the_openai_sdk_for_python_works_unmodified() {
    Suite::new("openai_suite.py").calling("openai").run().await;
}

#[tokio::test]
async fn the_anthropic_sdk_for_python_works_unmodified() {
    let suite = Suite::new("anthropic_suite.py");
    suite.calling("anthropic").run().await;
}

#[tokio::test]
async fn the_openai_sdk_for_node_works_unmodified() {
    Suite::new("openai_suite.mjs").calling("openai").run().await;
}
