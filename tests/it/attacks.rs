//! What an attacker tried, each attack as it would come from outside, through the built functions.

mod callbacks;
mod clicks;
mod edges;
mod judge;
mod names;
mod revocation;
mod secrets;
mod shut_out;
