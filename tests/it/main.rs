//! Tests across real boundaries: the function binaries over the Runtime API, a real Postgres, the real AWS
//! SDK over HTTP, and real sockets for upstreams and chat.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::wildcard_enum_match_arm,
    reason = "only tests use it"
)]
#![expect(clippy::unwrap_used, reason = "the whole crate is tests")]

mod attacks;
mod clients;
mod cold_start;
mod control;
mod database;
mod documents;
mod egress;
mod isolation;
mod proxy;
mod questions;
mod sealed;
mod stand_ins;
mod sweep;
mod tenancy;
mod world;
