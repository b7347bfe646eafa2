//! What the store holds of one organization is that organization's alone.

mod isolation;
mod model;
mod ownership;
