//! What the store holds of an organization belongs to that organization alone.

mod facts;
mod isolation;
mod model;
mod ownership;
mod rows;
mod schedules;
