//! The proxy: who may spend which credential, what is forwarded, and what an operator sees of it.

mod access;
mod forwarding;
mod handover;
mod own_providers;
mod redaction;
mod refusals;
mod rewriting;
mod shapes;
mod telemetry;
mod tiers;
mod tls;
