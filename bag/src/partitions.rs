//! Whole partitions: `map_partitions`, `concat`, and the ways to and from [`Delayed`].

use arras_core::{Collection, Delayed, Func, Graph, Inputs, Key, Name, Task, Tokenizer, Value};

use crate::bag::{Bag, Base, Lowered, Segment};
use crate::engine::batch::{Batch, lock};
use crate::engine::run::{Cursor, cursor_value};
use crate::error::Error;
use crate::partition::{Element, Partition};

impl<T: Element + Clone> Bag<T> {
    /// All that `function` makes of each partition, which it sees whole.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let sums = Bag::from_sequence([1, 2, 3, 4], 2).map_partitions(|items: &[i32]| [items.iter().sum::<i32>()]);
    /// assert_eq!(evaluate(&sums)?, [3, 7]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn map_partitions<R, I, F>(&self, function: F) -> Bag<R>
    where
        R: Send + Sync + 'static,
        I: IntoIterator<Item = R>,
        F: Fn(&[T]) -> I + Send + Sync + 'static,
    {
        let lowered = match self.lower_partitions() {
            Ok(lowered) => lowered,
            Err(error) => return Bag::failed(error),
        };
        let open = Func::erased::<F, _>(move |inputs: &Inputs<'_>| {
            let items: Vec<R> = function(inputs.get::<Partition<T>>(0)?).into_iter().collect();
            Ok(cursor_value(VecCursor { items: items.into_iter() }))
        });
        let label = format!("{} → map_partitions({})", self.stories(), open.short_name());
        let mut segments = Vec::new();
        let mut start = 0;
        for before in self.segments().unwrap_or_default() {
            let name = lowered.places[start].0.clone();
            start += before.base.n_partitions() as usize;
            let base = Base::of_layer(lowered.graph.clone(), name, before.base.n_partitions(), label.clone());
            segments.push(Segment::of_open::<R>(base, open.clone()));
        }
        Bag::new(segments)
    }

    /// The same elements in at most `n_partitions` partitions: neighbours are put together, as evenly as their number allows. Nothing moves to
    /// another partition than its neighbours do, so a bag that has no more partitions than that stays as it is.
    ///
    /// # Errors
    /// The bag carries [`Error::ZeroPartitions`] if `n_partitions` is 0.
    ///
    /// # Examples
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let few = Bag::from_sequence(0..10, 5).coalesce(2);
    /// assert_eq!((few.n_partitions(), evaluate(&few)?.len()), (2, 10));
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn coalesce(&self, n_partitions: usize) -> Bag<T> {
        if n_partitions == 0 {
            return Bag::failed(Error::ZeroPartitions { operation: "coalesce" });
        }
        if self.n_partitions() <= n_partitions {
            return self.clone();
        }
        let Lowered { graph, places } = match self.lower_partitions() {
            Ok(lowered) => lowered,
            Err(error) => return Bag::failed(error),
        };
        let mut tokenizer = Tokenizer::new();
        self.keys().iter().for_each(|key| {
            tokenizer.text(&key.to_string());
        });
        tokenizer.number(n_partitions as u64);
        let bound = |i: usize| i * places.len() / n_partitions;
        let lists = (0..n_partitions).map(|i| places[bound(i)..bound(i + 1)].to_vec()).collect();
        let story = format!("{} → coalesce({n_partitions})", self.stories());
        Bag::new(vec![Segment::of_partitions::<T>(Base::of_lists(graph, "coalesce", tokenizer, lists, story))])
    }

    /// The partitions as single values, which share the bag's tasks.
    ///
    /// # Errors
    /// What was wrong when the bag was built.
    ///
    /// # Examples
    /// ```
    /// use arras_bag::{Bag, Partition};
    /// use arras_core::evaluate;
    /// let lengths: Vec<_> = Bag::from_sequence(0..5, 2).to_delayed()?.iter().map(|part| part.map(|items: &Partition<i32>| items.len())).collect();
    /// assert_eq!(evaluate(&lengths)?, [3, 2]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn to_delayed(&self) -> arras_core::Result<Vec<Delayed<Partition<T>>>> {
        let graph = self.graph()?;
        Ok(self.keys().into_iter().map(|key| Delayed::from_graph(graph.clone(), key)).collect())
    }
}

impl<T: Element> Bag<T> {
    /// A bag of partitions that are computed elsewhere, one each.
    ///
    /// # Errors
    /// The bag carries [`Error::ZeroPartitions`] if there are none, or what was wrong with a part.
    ///
    /// # Examples
    /// ```
    /// use arras_bag::{Bag, Partition};
    /// use arras_core::{delayed, evaluate};
    /// let parts = (1..=2).map(|n| delayed(|n: i32| Partition(vec![n; n as usize]), (n,)));
    /// assert_eq!(evaluate(&Bag::from_delayed(parts))?, [1, 2, 2]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn from_delayed(parts: impl IntoIterator<Item = Delayed<Partition<T>>>) -> Bag<T>
    where
        T: Clone,
    {
        let mut graph = Graph::new();
        let mut keys: Vec<Key> = Vec::new();
        let mut tokenizer = Tokenizer::new();
        for part in parts {
            match part.graph() {
                Ok(of_part) => graph.merge(&of_part),
                Err(error) => return Bag::failed(error),
            }
            tokenizer.text(&part.key().to_string());
            keys.push(part.key());
        }
        if keys.is_empty() {
            return Bag::failed(Error::ZeroPartitions { operation: "from_delayed" });
        }
        let name = Name::from_token("from_delayed", tokenizer.finish());
        let n_partitions = keys.len() as u32;
        graph.extend(keys.into_iter().enumerate().map(|(i, key)| (Key::from((&name, i as u32)), Task::Alias(key))));
        Bag::new(vec![Segment::of_partitions::<T>(Base::of_layer(graph, name, n_partitions, "from_delayed".to_owned()))])
    }
}

impl<T> Bag<T> {
    /// The elements of all bags, one bag after another: their partitions side by side, nothing moved.
    ///
    /// # Errors
    /// The bag carries [`Error::ZeroPartitions`] if there are no bags, or what was wrong with the first that could not be built.
    ///
    /// # Examples
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let both = Bag::concat([Bag::from_sequence([1, 2], 2), Bag::from_sequence([3], 1)]).map(|x| x * 10);
    /// assert_eq!((both.n_partitions(), evaluate(&both)?), (3, vec![10, 20, 30]));
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn concat(bags: impl IntoIterator<Item = Bag<T>>) -> Bag<T> {
        let mut segments = Vec::new();
        for bag in bags {
            match bag.segments() {
                Ok(own) => segments.extend_from_slice(own),
                Err(error) => return Bag::failed(error),
            }
        }
        if segments.is_empty() {
            return Bag::failed(Error::ZeroPartitions { operation: "concat" });
        }
        Bag::new(segments)
    }
}

/// Hands out what a function made.
struct VecCursor<R> {
    items: std::vec::IntoIter<R>,
}

impl<R: Send + Sync + 'static> Cursor for VecCursor<R> {
    fn fill(&mut self, slot: &Value, limit: usize) -> Result<bool, arras_core::BoxError> {
        let mut slot = lock::<Batch<R>>(slot)?;
        let out = slot.owned();
        out.clear();
        out.extend(self.items.by_ref().take(limit));
        Ok(!out.is_empty())
    }
}
