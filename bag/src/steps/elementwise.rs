//! Steps on single elements: `map`, `filter`, `flat_map`, `flatten`. They run as part of the task that consumes them, a batch at a time.

use arras_core::{BoxError, Func, Inputs, Value};

use crate::bag::Bag;
use crate::engine::batch::{BATCH, Batch, lock, slot};
use crate::engine::run::{Rest, Step, rest};

impl<T: Send + Sync + 'static> Bag<T> {
    /// `function` of each element.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert_eq!(evaluate(&Bag::from_sequence([1, 2, 3], 2).map(|x| x * 10))?, [10, 20, 30]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn map<R, F>(&self, function: F) -> Bag<R>
    where
        R: Send + Sync + 'static,
        F: Fn(&T) -> R + Send + Sync + 'static,
    {
        self.step::<F, R>("map", move |inputs, rest| {
            let batch = lock::<Batch<T>>(inputs.value(0))?;
            {
                let mut out = lock::<Batch<R>>(inputs.value(1))?;
                let out = out.owned();
                out.clear();
                match &*batch {
                    Batch::Owned(items) => out.extend(items.iter().map(&function)),
                    shared => out.extend(shared.items().map(&function)),
                }
            }
            rest.push()
        })
    }

    /// The elements for which `keep` is true. They are kept, not copied.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert_eq!(evaluate(&Bag::from_sequence(0..6, 2).filter(|x| x % 2 == 0))?, [0, 2, 4]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn filter<F>(&self, keep: F) -> Bag<T>
    where
        F: Fn(&T) -> bool + Send + Sync + 'static,
    {
        self.step::<F, T>("filter", move |inputs, rest| {
            {
                let mut batch = lock::<Batch<T>>(inputs.value(0))?;
                batch.retain(&keep);
                std::mem::swap(&mut *batch, &mut *lock::<Batch<T>>(inputs.value(1))?);
            }
            rest.push()
        })
    }

    /// All that `function` makes of each element, one after another: a vector, an option, or any iterator. An endless one is fine where something
    /// after it stops asking, as [`take`](Bag::take) does.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let words = Bag::from_sequence(["a b", "", "c"], 2).flat_map(|line: &&str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    /// assert_eq!(evaluate(&words)?, ["a", "b", "c"]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn flat_map<R, I, F>(&self, function: F) -> Bag<R>
    where
        R: Send + Sync + 'static,
        I: IntoIterator<Item = R>,
        F: Fn(&T) -> I + Send + Sync + 'static,
    {
        self.step::<F, R>("flat_map", move |inputs, rest| {
            let batch = lock::<Batch<T>>(inputs.value(0))?;
            expand(inputs.value(1), rest, batch.items().map(&function))
        })
    }

    /// The elements of the elements.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert_eq!(evaluate(&Bag::from_sequence([vec![1, 2], vec![], vec![3]], 2).flatten())?, [1, 2, 3]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn flatten(&self) -> Bag<T::Item>
    where
        T: IntoIterator + Clone,
        T::Item: Send + Sync + 'static,
    {
        self.step::<fn(T), T::Item>("flatten", |inputs, rest| match &mut *lock::<Batch<T>>(inputs.value(0))? {
            Batch::Owned(items) => expand(inputs.value(1), rest, items.drain(..)),
            shared => expand(inputs.value(1), rest, shared.items().cloned()),
        })
    }

    /// Adds a step: a function of the slot before it, the slot after it, and the rest of the run, to which it pushes. `Named` is the user's function.
    fn step<Named, Out>(
        &self,
        operation: &str,
        push: impl Fn(&Inputs<'_>, &Rest) -> Result<bool, BoxError> + Send + Sync + 'static,
    ) -> Bag<Out>
    where
        Named: 'static,
        Out: Send + Sync + 'static,
    {
        let push = Func::erased::<Named, _>(move |inputs: &Inputs<'_>| Ok(Value::new(push(inputs, rest(inputs)?)?)));
        let name = push.short_name();
        let label = if name == "fn" { operation.to_owned() } else { format!("{operation}({name})") };
        self.with_step(operation, &Step { push, slot: slot::<Out>(), label })
    }
}

/// Sends all items of all groups to the rest of the run, in batches.
fn expand<R: Send + Sync + 'static, I: IntoIterator<Item = R>>(
    slot: &Value,
    rest: &Rest,
    groups: impl Iterator<Item = I>,
) -> Result<bool, BoxError> {
    let mut out = std::mem::take(lock::<Batch<R>>(slot)?.owned());
    out.clear();
    // The slot is only locked to put a batch in and to get its memory back: the steps after this one lock it themselves.
    let send = |out: Vec<R>| -> Result<Option<Vec<R>>, BoxError> {
        *lock::<Batch<R>>(slot)? = Batch::Owned(out);
        let wants_more = rest.push()?;
        let mut out = std::mem::take(lock::<Batch<R>>(slot)?.owned());
        out.clear();
        Ok(wants_more.then_some(out))
    };
    for group in groups {
        let mut group = group.into_iter();
        if group.size_hint().1.is_some_and(|most| most <= BATCH) {
            out.extend(group);
        } else {
            loop {
                let before = out.len();
                out.extend(group.by_ref().take(BATCH.saturating_sub(before)));
                if out.len() < BATCH {
                    break;
                }
                match send(out)? {
                    Some(empty) => out = empty,
                    None => return Ok(false),
                }
            }
        }
        if out.len() >= BATCH {
            match send(out)? {
                Some(empty) => out = empty,
                None => return Ok(false),
            }
        }
    }
    // Empty or not, the batch goes back into the slot: its memory serves the next call.
    let is_empty = out.is_empty();
    *lock::<Batch<R>>(slot)? = Batch::Owned(out);
    Ok(is_empty || rest.push()?)
}
