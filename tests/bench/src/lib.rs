//! Benchmarks only: `cargo bench -p postern-bench`.
