//! Egress policies: rules, the judge and people decide which requests leave.

mod ask;
mod judge;
mod observed;
mod rules;
mod store;
mod tunnel;
mod verdicts;
