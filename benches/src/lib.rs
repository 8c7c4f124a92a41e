//! Benches of arras, and the command that runs them side by side with their peers.
//!
//! ```text
//!     bin/compare ── compare ── rows_*          one function a row: ours, its peer, what to say about both
//!                       ├── python, peer        the peers of benches/peers, in an environment of their own
//!                       └── report              the table, and target/compare.json
//!     benches/*.rs ── graphs                    micro benches of single passes (divan)
//! ```

pub mod compare;
pub mod graphs;
pub mod memory;
pub mod phases;
