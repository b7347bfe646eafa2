//! A platform's call: verify, scope, claim, and only then anything else.

use crate::app::App;
use crate::reply;
use http::StatusCode;
use lambda_http::aws_lambda_events::apigw::ApiGatewayProxyResponse;
use postern::authority::scope::{ConnectionScope, PersonScope};
use postern::chat::{Acknowledgement, Call, Click, Connected, Verdict};
use postern::interactions::{Settlement, drawn};
use postern::question::{Answered, Malformed, Owed};
use postern::store::{Missed, NewClaim};
use postern::wire::event::Incoming;
use postern::{Code, ConnectionId, Error, InteractionId};
use time::OffsetDateTime;
use tokio::time::Instant;

/// `POST /webhooks/{connection_id}`
pub async fn receive(
    app: &App,
    incoming: &Incoming,
    connection_id: &str,
) -> Result<ApiGatewayProxyResponse, Error> {
    let started = Instant::now();
    let id = ConnectionId::parse(connection_id).map_err(|_| Code::UnknownConnection)?;
    let connection = app
        .interactions
        .store
        .connection_claimed(&id)
        .await?
        .ok_or(Code::UnknownConnection)?;
    let platform = app.interactions.on(&connection).await?;
    let proof = platform.verify(
        incoming,
        &connection,
        OffsetDateTime::now_utc().unix_timestamp(),
    )?;
    let scope = connection.scope(&proof).ok_or(Code::InvalidSignature)?;
    match platform.read(incoming, &connection)? {
        Call::Click(click) => claim(app, &platform, scope, click, started).await,
        Call::Answered(answer) => Ok(reply::json(StatusCode::OK, &answer)),
        Call::Other => Ok(reply::empty(StatusCode::OK)),
    }
}

/// The claim decides; everything after it is told to chat and to the agent within the budget, and what
/// is not done by then is the sweep's.
async fn claim(
    app: &App,
    platform: &Connected<'_>,
    within: ConnectionScope,
    click: Click,
    started: Instant,
) -> Result<ApiGatewayProxyResponse, Error> {
    let scope = within.user(click.user.clone());
    let budget = app.ack_budget.saturating_sub(started.elapsed());
    let new = NewClaim {
        revision: &click.revision,
        choice: click.choice,
        click: &click.key,
        card: click.card.as_ref(),
        ttl: app.interactions.ttl,
        lease: budget,
    };
    let store = &app.interactions.store;
    let until = started + app.ack_budget.mul_f32(0.8);
    let claimed = store.interaction_claim(&scope, &click.interaction, &new);
    let Some((answered, delivery)) = claimed.await? else {
        let missed = store.interaction_missed(&scope, &click.interaction, &new);
        let missed = missed.await?;
        return Ok(told(platform, &scope, &click, &missed, until).await);
    };
    log(&scope, &click.interaction);
    let mut acknowledgement = ended(platform, &scope, &click, &answered);
    let follow_up = platform.follow_up(acknowledgement.follow_up.take(), until);
    let edits_card = acknowledgement.edits_card;
    let settled = settle(app, platform, &scope, &click, &answered, edits_card, until);
    let delivered = async {
        if let Some(delivery) = &delivery {
            app.interactions.deliver(delivery, until).await;
        }
    };
    let all = futures_util::future::join3(follow_up, settled, delivered);
    // The store's statements are within the budget too.
    let end = started + app.ack_budget.mul_f32(0.95);
    if tokio::time::timeout_at(end, all).await.is_err() {
        tracing::warn!(
            event = "settle_failed",
            cause = "ACK_BUDGET_MS is used up; the sweep goes on"
        );
    }
    Ok(answer(acknowledgement))
}

/// What a click is answered that claimed nothing.
async fn told(
    platform: &Connected<'_>,
    scope: &PersonScope,
    click: &Click,
    missed: &Missed,
    until: Instant,
) -> ApiGatewayProxyResponse {
    let verdict = match missed {
        // Its answer may carry the edit, which may have been lost with the first.
        Missed::Again(answered) => return answer(ended(platform, scope, click, answered)),
        Missed::Nothing => Verdict::Ignored,
        Missed::Expired => Verdict::Late("This question has expired; your answer was not counted."),
        Missed::Withdrawn => {
            Verdict::Late("The agent withdrew this question; your answer was not counted.")
        }
        Missed::Replaced => {
            Verdict::Late("This question was changed and asked again; answer the new one.")
        }
    };
    let mut acknowledgement = platform.acknowledge(click, &verdict);
    platform
        .follow_up(acknowledgement.follow_up.take(), until)
        .await;
    answer(acknowledgement)
}

fn ended(
    platform: &Connected<'_>,
    scope: &PersonScope,
    click: &Click,
    answered: &Result<Answered, Malformed>,
) -> Acknowledgement {
    match drawn(scope, &click.interaction, answered) {
        Some((card, ending)) => platform.acknowledge(click, &Verdict::Ended(&card, &ending)),
        None => platform.acknowledge(click, &Verdict::Ignored),
    }
}

/// The receipt, and the card where the answer to the webhook does not carry its edit.
async fn settle(
    app: &App,
    platform: &Connected<'_>,
    scope: &PersonScope,
    click: &Click,
    answered: &Result<Answered, Malformed>,
    edits_card: bool,
    until: Instant,
) {
    let Some(card) = &click.card else {
        return;
    };
    let owed: &[Owed] = if edits_card {
        &[Owed::Receipt]
    } else {
        &[Owed::Receipt, Owed::Card]
    };
    let settlement = Settlement {
        answered,
        card,
        owed,
        done: edits_card.then_some(Owed::Card),
    };
    let settled = app
        .interactions
        .settle(platform, scope, &click.interaction, settlement, until);
    if let Err(error) = settled.await {
        tracing::warn!(event = "settle_failed", cause = %error);
    }
}

fn log(scope: &PersonScope, id: &InteractionId) {
    tracing::info!(
        event = "claimed",
        organization_id = scope.organization().as_str(),
        connection_id = scope.connection().as_str(),
        interaction_id = id.as_str(),
    );
}

fn answer(acknowledgement: Acknowledgement) -> ApiGatewayProxyResponse {
    match acknowledgement.answer {
        Some(answer) => reply::json(StatusCode::OK, &answer),
        None => reply::empty(StatusCode::OK),
    }
}
