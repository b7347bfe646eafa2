//! `test_connection`: posts a message on a connection and deletes it, and says in words what is wrong.

use crate::command::TestConnection;
use postern::authority::Connection;
use postern::chat::{Chat, Check, Found, Problem, Step};
use postern::question::Place;
use postern::secret::{Freshness, SecretNames};
use postern::{Code, Error, Secrets, Store};
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use std::time::Duration;
use tokio::time::Instant;

/// Bound on a test, whatever the platform does.
const LONGEST: Duration = Duration::from_secs(20);

/// What a test of a connection needs.
pub(crate) struct ConnectionTest<'a> {
    pub store: &'a Store,
    pub secrets: &'a Secrets,
    pub names: &'a SecretNames,
    pub chat: &'a Chat,
}

impl ConnectionTest<'_> {
    /// `test_connection`. A test that finds something wrong is an answer too.
    ///
    /// # Errors
    /// `unknown_connection`, `database_unavailable`.
    pub(crate) async fn run(&self, test: TestConnection) -> Result<Value, Error> {
        let until = Instant::now() + LONGEST;
        let (organization, id) = (&test.organization_id, &test.connection_id);
        let connection = self.store.connection_get(organization, id).await?;
        let connection = connection.ok_or(Code::UnknownConnection)?;
        let steps = match self.secret(&connection).await {
            Ok(secret) => {
                let conversation = test.conversation_id;
                let place = Place {
                    conversation: conversation.unwrap_or_else(|| test.channel_id.clone().into()),
                    channel: test.channel_id,
                    team: None,
                };
                let checked = self.chat.check(&connection, &secret, &place, until);
                Box::pin(checked).await
            }
            Err(error) => vec![unread(error)?],
        };
        let problem = steps.last().and_then(Step::problem);
        tracing::info!(
            event = "connection_tested",
            organization_id = organization.as_str(),
            connection_id = id.as_str(),
            problem = problem.map(|(problem, _)| problem.as_str())
        );
        Ok(answer(&steps))
    }

    /// The connection's secret as it is now, so that one that was corrected a moment ago is tested.
    async fn secret(&self, connection: &Connection) -> Result<SecretString, Error> {
        let permit = connection.permit(self.names)?;
        let permit = self.store.located(permit).await?;
        self.secrets.read(&permit, Freshness::Fresh).await
    }
}

/// The step of a secret that cannot be read. No such error holds a value, for none was read.
///
/// # Errors
/// The error itself, if it is not about the secret.
fn unread(error: Error) -> Result<Step, Error> {
    if !matches!(
        error.code,
        Code::SecretUnavailable | Code::SecretRefOutsideOrganization
    ) {
        return Err(error);
    }
    let cause = error.cause();
    let cause = cause.as_deref().unwrap_or(error.message());
    let sentence = format!(
        "the connection's secret cannot be read; check that it exists under the connection's secret_ref: {cause}"
    );
    Ok(Step::wrong(
        Check::Secret,
        Problem::SecretUnavailable,
        sentence,
    ))
}

/// The command's answer.
fn answer(steps: &[Step]) -> Value {
    let checks: Vec<Value> = steps.iter().map(shown).collect();
    match steps.last().and_then(Step::problem) {
        None => json!({"ok": true, "checks": checks}),
        Some((problem, sentence)) => {
            json!({"ok": false, "problem": problem.as_str(), "message": sentence, "checks": checks})
        }
    }
}

fn shown(step: &Step) -> Value {
    let mut shown = Map::new();
    shown.insert("check".into(), step.check.as_str().into());
    shown.insert("ok".into(), step.problem().is_none().into());
    match &step.found {
        Found::Good => {}
        Found::Hint(sentence) | Found::Wrong(_, sentence) => {
            shown.insert("message".into(), sentence.as_str().into());
        }
    }
    shown.into()
}
