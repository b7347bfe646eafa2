//! The clients of models.

use super::suite::Suite;
use crate::world::REAL_KEY;

/// A key of AWS, with a session.
const AWS_KEY: &str = r#"{"access_key_id": "ASIAREALKEYOFORGA", "secret_access_key": "real/secret+key", "session_token": "real-session"}"#;

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

#[tokio::test]
async fn the_clients_of_groq_together_mistral_and_cohere_work_unmodified() {
    let suite = Suite::new("models_suite.py")
        .calling("groq")
        .calling("together");
    suite.calling("mistral").calling("cohere").run().await;
}

#[tokio::test]
async fn the_anthropic_sdk_for_node_works_unmodified() {
    let suite = Suite::new("anthropic_suite.mjs");
    suite.calling("anthropic").run().await;
}

#[tokio::test]
async fn googles_client_for_gemini_works_unmodified() {
    Suite::new("gemini_suite.py").calling("gemini").run().await;
}

#[tokio::test]
async fn amazons_client_for_bedrock_works_unmodified() {
    let suite = Suite::new("bedrock_suite.py");
    suite
        .calling_with("bedrock-eu-central-1", "api_key", AWS_KEY)
        .run()
        .await;
}

/// The client signs, and Postern sends an API key of Bedrock's instead.
#[tokio::test]
async fn amazons_client_for_bedrock_works_with_an_api_key() {
    let suite = Suite::new("bedrock_suite.py");
    suite
        .calling_with("bedrock-eu-central-1", "oauth", REAL_KEY)
        .run()
        .await;
}

#[tokio::test]
async fn the_openai_sdk_for_python_reaches_an_azure_of_the_organizations_own() {
    let suite = Suite::new("azure_suite.py");
    suite.calling_own("our-azure", "azure-openai").run().await;
}

#[tokio::test]
async fn the_openai_sdk_for_node_reaches_an_azure_of_the_organizations_own() {
    let suite = Suite::new("azure_suite.mjs");
    suite.calling_own("our-azure", "azure-openai").run().await;
}

#[tokio::test]
async fn litellm_works_unmodified() {
    let suite = Suite::new("litellm_suite.py")
        .calling("openai")
        .calling("anthropic")
        .calling("gemini")
        .calling_own("our-azure", "azure-openai")
        .calling_with("bedrock-eu-central-1", "api_key", AWS_KEY);
    suite.run().await;
}
