//! Trees of combines: many partial results to one, a few at a time, in a fixed order.
//!
//! ```text
//!     p0 p1 … p7   p8 … p15   p16        the partial results of the partitions
//!      └───┬───┘    └──┬──┘    │
//!         c0          c1      c2         eight at a time, left before right
//!          └──────────┬────────┘
//!                   root
//! ```
//! The shape depends on the number of partitions alone, so the result is the same bits under every scheduler.

use arras_core::{Func, Graph, Key, Name, Token, Tokenizer};

use crate::bag::{Lowered, Place};
use crate::engine::numbers::add_layer;

/// So many partial results are combined by one task.
pub(crate) const SPLIT_EVERY: usize = 8;

/// Combines partial results until one is left, the last time with `finish` if there is one: else a single partial result is the result.
pub(crate) fn combine(lowered: Lowered, operation: &str, func: Func, finish: Option<Func>) -> (Graph, Key) {
    combine_every(SPLIT_EVERY, lowered, operation, func, finish)
}

/// As [`combine`], so many at a time.
pub(crate) fn combine_every(split_every: usize, lowered: Lowered, operation: &str, func: Func, finish: Option<Func>) -> (Graph, Key) {
    let Lowered { mut graph, mut places } = lowered;
    let token = |level: u64, func: &Func, places: &[Place]| {
        let mut tokenizer = Tokenizer::new();
        tokenizer.number(level).token(func.token().unwrap_or_else(Token::unique));
        let mut last: Option<&Name> = None;
        for (name, _) in places {
            if last != Some(name) {
                tokenizer.text(name.as_str());
                last = Some(name);
            }
        }
        tokenizer.number(places.len() as u64).number(split_every as u64).finish()
    };
    let partial = format!("{operation}-combine");
    let mut level = 0;
    loop {
        let is_last = places.len() <= split_every;
        if places.len() == 1 && finish.is_none() {
            let (name, i) = places.remove(0);
            return (graph, Key::from((name, i)));
        }
        let func = finish.as_ref().filter(|_| is_last).unwrap_or(&func).clone();
        let n = places.len().div_ceil(split_every) as u32;
        let name = Name::from_token(if is_last { operation } else { &partial }, token(level, &func, &places));
        add_layer(&mut graph, name.clone(), func, &places.chunks(split_every).collect::<Vec<_>>());
        places = (0..n).map(|i| (name.clone(), i)).collect();
        if is_last {
            return (graph, Key::from((name, 0)));
        }
        level += 1;
    }
}
