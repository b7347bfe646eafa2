//! Egress policies: rules, the judge and people decide which requests leave.

mod ask;
mod judge;
mod rules;
mod store;
mod tunnel;
