//! Steps on single elements: `map`, `filter`, `flat_map`, `flatten` and the like. They run as part of the task that consumes them, a batch at a time.
//!
//! A closure that captures stays in this process. Its `_with` form spells the captures out: `map_with(env, f)` gives `&env` to `f` before the element, so the bag
//! travels to other processes, and equal captures give equal names.

use std::ops::{Index, Range};

use arras_core::{BoxError, Func, Graph, Inputs, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bag::{Bag, Place, ReadingStep};
use crate::engine::batch::{BATCH, Batch, Items, lock, slot};
use crate::engine::run::{Rest, Step, rest};
use crate::partition::{Element, Partition};

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
        self.mapped::<F, _, _>("map", (), move |(), x| function(x))
    }

    /// [`map`](Bag::map) with captures that travel: `function` of `&environment` and each element.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let factor = 10;
    /// assert_eq!(evaluate(&Bag::from_sequence([1, 2, 3], 2).map_with(factor, |factor, x| x * factor))?, [10, 20, 30]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn map_with<E, R, F>(&self, environment: E, function: F) -> Bag<R>
    where
        E: Environment,
        R: Send + Sync + 'static,
        F: Fn(&E, &T) -> R + Send + Sync + 'static,
    {
        self.mapped::<F, _, _>("map_with", environment, function)
    }

    /// Adds a step that makes one element of one. `Named` is the user's function.
    pub(crate) fn mapped<Named, E, R>(
        &self,
        operation: &str,
        environment: E,
        function: impl Fn(&E, &T) -> R + Send + Sync + 'static,
    ) -> Bag<R>
    where
        Named: 'static,
        E: Environment,
        R: Send + Sync + 'static,
    {
        self.step::<Named, E, R>(operation, environment, move |environment, inputs, rest| {
            let batch = lock::<Batch<T>>(inputs.value(0))?;
            {
                let mut out = lock::<Batch<R>>(inputs.value(1))?;
                let out = out.owned();
                out.clear();
                rest.progress.watched_into(batch.len(), out, |out| match batch.items() {
                    Items::All(items) => out.extend(items.map(|x| function(environment, x))),
                    Items::Kept(items, kept) => out.extend(kept.map(|i| function(environment, &items[*i as usize]))),
                });
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
        self.filtered::<F, _>("filter", (), move |(), x| keep(x))
    }

    /// [`filter`](Bag::filter) with captures that travel: `keep` gets `&environment` before the element.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert_eq!(evaluate(&Bag::from_sequence(0..6, 2).filter_with(4, |least, x| x >= least))?, [4, 5]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn filter_with<E, F>(&self, environment: E, keep: F) -> Bag<T>
    where
        E: Environment,
        F: Fn(&E, &T) -> bool + Send + Sync + 'static,
    {
        self.filtered::<F, _>("filter_with", environment, keep)
    }

    /// The elements for which `discard` is false.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert_eq!(evaluate(&Bag::from_sequence(0..6, 2).remove(|x| x % 2 == 0))?, [1, 3, 5]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn remove<F>(&self, discard: F) -> Bag<T>
    where
        F: Fn(&T) -> bool + Send + Sync + 'static,
    {
        self.filtered::<F, _>("remove", (), move |(), x| !discard(x))
    }

    /// Adds a step that keeps some elements.
    fn filtered<Named: 'static, E: Environment>(
        &self,
        operation: &str,
        environment: E,
        keep: impl Fn(&E, &T) -> bool + Send + Sync + 'static,
    ) -> Bag<T> {
        self.step::<Named, E, T>(operation, environment, move |environment, inputs, rest| {
            {
                let mut batch = lock::<Batch<T>>(inputs.value(0))?;
                rest.progress.watched(batch.len(), |done| {
                    batch.retain(|x| {
                        let keep = keep(environment, x);
                        *done += 1;
                        keep
                    });
                });
                std::mem::swap(&mut *batch, &mut *lock::<Batch<T>>(inputs.value(1))?);
            }
            rest.push()
        })
    }

    /// The elements unchanged, each shown to `look` as it goes by: for logs and counters. What stops reading, such as [`take`](Bag::take), is seen in what is shown.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let shown = Bag::from_sequence([1, 2, 3], 2).inspect(|x| eprintln!("{x}"));
    /// assert_eq!(evaluate(&shown)?, [1, 2, 3]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn inspect<F>(&self, look: F) -> Bag<T>
    where
        F: Fn(&T) + Send + Sync + 'static,
    {
        self.step::<F, (), T>("inspect", (), move |(), inputs, rest| {
            {
                let mut batch = lock::<Batch<T>>(inputs.value(0))?;
                rest.progress.watched(batch.len(), |done| {
                    batch.items().for_each(|x| {
                        look(x);
                        *done += 1;
                    });
                });
                std::mem::swap(&mut *batch, &mut *lock::<Batch<T>>(inputs.value(1))?);
            }
            rest.push()
        })
    }

    /// Each element behind its key, which `key` makes: what the methods by key go on from.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert_eq!(evaluate(&Bag::from_sequence(["a", "bcd"], 2).key_by(|text| text.len()))?, [(1, "a"), (3, "bcd")]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn key_by<K, F>(&self, key: F) -> Bag<(K, T)>
    where
        T: Clone,
        K: Send + Sync + 'static,
        F: Fn(&T) -> K + Send + Sync + 'static,
    {
        self.mapped::<F, _, _>("key_by", (), move |(), x| (key(x), x.clone()))
    }

    /// What each element holds at `index`: an item of a vector, the value of a key of a map or of a JSON object. Fields of structs and tuples are `map`'s: `.map(|x| x.0)`.
    ///
    /// An element that has no such item panics or not as its `[]` does, which is reported with the element's number; `serde_json`'s values give `Null`.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert_eq!(evaluate(&Bag::from_sequence([vec![1, 2], vec![3, 4]], 2).pluck(1usize))?, [2, 4]);
    /// let records = Bag::from_sequence([serde_json::json!({"name": "Ada"}), serde_json::json!({})], 2);
    /// assert_eq!(evaluate(&records.pluck("name"))?, [serde_json::json!("Ada"), serde_json::json!(null)]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn pluck<I>(&self, index: I) -> Bag<T::Output>
    where
        I: Element + Clone,
        T: Index<I>,
        T::Output: Clone + Send + Sync + 'static,
    {
        // A partition reads back an index that borrows its text, too.
        self.mapped::<fn(I), _, _>("pluck", Partition(vec![index]), |index, x| x[index[0].clone()].clone())
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
        self.expanded::<F, _, _, _>("flat_map", (), move |(), _, x| Ok(function(x)))
    }

    /// [`flat_map`](Bag::flat_map) with captures that travel: `function` gets `&environment` before the element.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert_eq!(evaluate(&Bag::from_sequence([1, 2], 2).flat_map_with(2, |&times, &x| vec![x; times]))?, [1, 1, 2, 2]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn flat_map_with<E, R, I, F>(&self, environment: E, function: F) -> Bag<R>
    where
        E: Environment,
        R: Send + Sync + 'static,
        I: IntoIterator<Item = R>,
        F: Fn(&E, &T) -> I + Send + Sync + 'static,
    {
        self.expanded::<F, _, _, _>("flat_map_with", environment, move |environment, _, x| Ok(function(environment, x)))
    }

    /// Adds a step that makes any number of elements of one.
    pub(crate) fn expanded<Named, E, R, I>(
        &self,
        operation: &str,
        environment: E,
        function: impl Fn(&E, &Rest, &T) -> Result<I, BoxError> + Send + Sync + 'static,
    ) -> Bag<R>
    where
        Named: 'static,
        E: Environment,
        R: Send + Sync + 'static,
        I: IntoIterator<Item = R>,
    {
        self.step::<Named, E, R>(operation, environment, move |environment, inputs, rest| {
            let batch = lock::<Batch<T>>(inputs.value(0))?;
            expand(inputs.value(1), rest, batch.len(), batch.items().map(|x| function(environment, rest, x)))
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
        self.step::<fn(T), (), T::Item>("flatten", (), |(), inputs, rest| {
            let mut batch = lock::<Batch<T>>(inputs.value(0))?;
            let n = batch.len();
            match &mut *batch {
                Batch::Owned(items) => expand(inputs.value(1), rest, n, items.drain(..).map(Ok)),
                shared => expand(inputs.value(1), rest, n, shared.items().cloned().map(Ok)),
            }
        })
    }

    /// Adds a step: a function of its environment, of the slot before it and the slot after it, and of the rest of the run, to which it pushes. `Named` is the user's
    /// function.
    pub(crate) fn step<Named, E, Out>(
        &self,
        operation: &str,
        environment: E,
        push: impl Fn(&E, &Inputs<'_>, &Rest) -> Result<bool, BoxError> + Send + Sync + 'static,
    ) -> Bag<Out>
    where
        Named: 'static,
        E: Environment,
        Out: Send + Sync + 'static,
    {
        self.with_step(operation, &step::<Named, E, Out>(operation, environment, push))
    }

    /// As [`step`](Bag::step), for one that reads values besides the elements, or has to know where its partitions lie in the bag: `reads` is told, and gives
    /// the environment and, for each of these values, where it is for each of these partitions.
    pub(crate) fn reading_step<Named, E, Out>(
        &self,
        operation: &str,
        graph: &Graph,
        mut reads: impl FnMut(Range<u32>) -> (E, Vec<Vec<Place>>),
        push: impl Fn(&E, &Inputs<'_>, &Rest) -> Result<bool, BoxError> + Clone + Send + Sync + 'static,
    ) -> Bag<Out>
    where
        Named: 'static,
        E: Environment,
        Out: Send + Sync + 'static,
    {
        self.with_steps(operation, |partitions| {
            let (environment, reads) = reads(partitions);
            Ok(ReadingStep { step: step::<Named, E, Out>(operation, environment, push.clone()), graph: graph.clone(), reads })
        })
    }
}

/// What a closure of a `_with` method reads besides its element: any value that serde can write and read, so that it travels.
pub trait Environment: Serialize + DeserializeOwned + Send + Sync + 'static {}

impl<E: Serialize + DeserializeOwned + Send + Sync + 'static> Environment for E {}

fn step<Named, E, Out>(
    operation: &str,
    environment: E,
    push: impl Fn(&E, &Inputs<'_>, &Rest) -> Result<bool, BoxError> + Send + Sync + 'static,
) -> Step
where
    Named: 'static,
    E: Environment,
    Out: Send + Sync + 'static,
{
    let push = Func::erased_with::<Named, E, _>(environment, move |environment: &E, inputs: &Inputs<'_>| {
        let rest = rest(inputs)?;
        Ok(rest.answer(push(environment, inputs, rest)?))
    });
    let label = label(operation, &push);
    Step { push, slot: slot::<Out>(), label }
}

/// The operation, with the name of the user's function if there is one: a pointer's type stands for none.
pub(crate) fn label(operation: &str, func: &Func) -> String {
    if func.name().starts_with("fn(") { operation.to_owned() } else { format!("{operation}({})", func.short_name()) }
}

/// Sends all items of the groups that a batch of `n` elements gives to the rest of the run, in batches.
pub(crate) fn expand<R: Send + Sync + 'static, I: IntoIterator<Item = R>>(
    slot: &Value,
    rest: &Rest,
    n: usize,
    groups: impl Iterator<Item = Result<I, BoxError>>,
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
    let unsent = rest.progress.watched(n, |done| {
        for group in groups {
            let mut group = group?.into_iter();
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
                        None => return Ok(None),
                    }
                }
            }
            *done += 1;
            if out.len() >= BATCH {
                match send(out)? {
                    Some(empty) => out = empty,
                    None => return Ok(None),
                }
            }
        }
        Ok::<_, BoxError>(Some(out))
    })?;
    let Some(out) = unsent else { return Ok(false) };
    // Empty or not, the batch goes back into the slot: its memory serves the next call.
    let is_empty = out.is_empty();
    *lock::<Batch<R>>(slot)? = Batch::Owned(out);
    Ok(is_empty || rest.push()?)
}
