//! What crosses a boundary: the real function binaries over the Runtime API, a real Postgres, the
//! real AWS SDK over HTTP, real sockets for upstreams and chat.

#![expect(clippy::unwrap_used, reason = "the whole crate is tests")]

mod approvals;
mod at_once;
mod attacks;
mod callbacks;
mod chat_libraries;
mod chats;
mod cold_start;
mod control;
mod crashes;
mod database;
mod documents;
mod egress_ask;
mod egress_judge;
mod egress_rules;
mod egress_store;
mod egress_tunnel;
mod former_cards;
mod handover;
mod in_time;
mod isolation;
mod model;
mod ownership;
mod platforms;
mod posts;
mod proxy;
mod proxy_forwarding;
mod proxy_telemetry;
mod proxy_tiers;
mod proxy_tls;
mod redaction;
mod sdk;
mod stand_ins;
mod support;
mod sweep;
mod webhooks;
