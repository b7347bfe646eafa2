//! Logs: one JSON object a line on standard output.

use tracing_subscriber::{
    filter::LevelFilter, filter::Targets, layer::SubscriberExt, util::SubscriberInitExt,
};

/// Starts logging at `level`. Dependencies stay at WARN, since their DEBUG lines may hold headers.
pub fn init(level: LevelFilter) {
    let ours = Targets::new()
        .with_default(LevelFilter::WARN.min(level))
        .with_target("postern", level);
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false);
    // A second call, from tests in one process, keeps the first subscriber.
    let _ = tracing_subscriber::registry()
        .with(ours)
        .with(lines)
        .try_init();
}
