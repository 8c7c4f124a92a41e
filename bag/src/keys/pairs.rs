//! Pairs: their keys and values, changes to values alone, where pairs lie, and looking one up.

use std::hash::Hash;

use arras_core::{Collection, Data, Delayed, Func, Inputs, Key, Name, Token, Tokenizer, Value};
use rustc_hash::FxHashMap;

use crate::bag::{Bag, Constant, Lowered};
use crate::engine::batch::{Batch, cell, lock};
use crate::engine::exchange::{IterCursor, Received, receive};
use crate::engine::groups::bucket_of;
use crate::engine::numbers::add_layer;
use crate::engine::run::{Sink, cursor_value};
use crate::engine::tree;
use crate::error::Error;
use crate::keys::group::ended;
use crate::partition::{Element, Partition};

impl<K, V> Bag<(K, V)>
where
    K: Send + Sync + Clone + 'static,
    V: Send + Sync + Clone + 'static,
{
    /// The keys, of all pairs: as often as they are there. A step of the run, as [`map`](Bag::map) is.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert_eq!(evaluate(&Bag::from_sequence([("a", 1), ("b", 2)], 2).keys())?, ["a", "b"]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn keys(&self) -> Bag<K> {
        self.moved::<fn(K), K>("keys", |(key, _)| key)
    }

    /// The values of the pairs. A step of the run, as [`map`](Bag::map) is.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert_eq!(evaluate(&Bag::from_sequence([("a", 1), ("b", 2)], 2).values())?, [1, 2]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn values(&self) -> Bag<V> {
        self.moved::<fn(V), V>("values", |(_, value)| value)
    }

    /// The pairs with `function` of their values in place of these. A step of the run, as [`map`](Bag::map) is; keys are moved along, not copied.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert_eq!(evaluate(&Bag::from_sequence([("a", 1), ("b", 2)], 2).map_values(|x| x * 10))?, [("a", 10), ("b", 20)]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn map_values<R, F>(&self, function: F) -> Bag<(K, R)>
    where
        R: Send + Sync + 'static,
        F: Fn(&V) -> R + Send + Sync + 'static,
    {
        self.moved::<F, (K, R)>("map_values", move |(key, value)| {
            let value = function(&value);
            (key, value)
        })
    }

    /// A pair for each thing that `function` makes of a value, with the value's key. A step of the run, as [`flat_map`](Bag::flat_map) is.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let pairs = Bag::from_sequence([("a", 2), ("b", 0), ("c", 1)], 2).flat_map_values(|&n| 0..n);
    /// assert_eq!(evaluate(&pairs)?, [("a", 0), ("a", 1), ("c", 0)]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn flat_map_values<R, I, F>(&self, function: F) -> Bag<(K, R)>
    where
        R: Send + Sync + 'static,
        I: IntoIterator<Item = R>,
        F: Fn(&V) -> I + Send + Sync + 'static,
    {
        self.flat_map(move |(key, value)| {
            let key = key.clone();
            function(value).into_iter().map(move |made| (key.clone(), made))
        })
    }
}

impl<T: Send + Sync + Clone + 'static> Bag<T> {
    /// A step that takes elements apart: it has each for itself.
    fn moved<Named: 'static, R: Send + Sync + 'static>(
        &self,
        operation: &'static str,
        function: impl Fn(T) -> R + Send + Sync + 'static,
    ) -> Bag<R> {
        self.step::<Named, (), R>(operation, (), move |(), inputs, rest| {
            {
                let mut batch = lock::<Batch<T>>(inputs.value(0))?;
                let mut out = lock::<Batch<R>>(inputs.value(1))?;
                let out = out.owned();
                out.clear();
                rest.progress.watched_into(batch.len(), out, |out| match &mut *batch {
                    Batch::Owned(items) => out.extend(items.drain(..).map(&function)),
                    shared => out.extend(shared.items().cloned().map(&function)),
                });
            }
            rest.push()
        })
    }
}

impl<K, V> Bag<(K, V)>
where
    K: Element + Hash + Eq + Clone,
    V: Element + Clone,
{
    /// The pairs in `n_partitions` partitions, all of a key in the one that `partition` names; within each in the order they had.
    ///
    /// # Errors
    /// The bag carries [`Error::ZeroPartitions`] if `n_partitions` is 0. [`Error::NoSuchPartition`] at run if `partition` gives a number that is not below `n_partitions`.
    ///
    /// # Examples
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let pairs = Bag::from_sequence([(3, 'a'), (1, 'b'), (4, 'c')], 3).partition_by(2, |key| usize::from(*key > 2));
    /// assert_eq!(evaluate(&pairs)?, [(1, 'b'), (3, 'a'), (4, 'c')]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn partition_by<F>(&self, n_partitions: usize, partition: F) -> Bag<(K, V)>
    where
        F: Fn(&K) -> usize + Send + Sync + 'static,
    {
        self.moved_to::<F>("partition_by", n_partitions, move |(key, _), _| partition(key))
    }

    /// The pairs in `n_partitions` partitions, all of a key in the one that its hash names; within each in the order they had.
    ///
    /// # Errors
    /// The bag carries [`Error::ZeroPartitions`] if `n_partitions` is 0.
    ///
    /// # Examples
    /// ```
    /// use arras_bag::Bag;
    /// let pairs = Bag::from_sequence((0..100).map(|i| (i % 7, i)), 3).partition_by_key(4);
    /// assert_eq!(pairs.n_partitions(), 4);
    /// ```
    pub fn partition_by_key(&self, n_partitions: usize) -> Bag<(K, V)> {
        self.moved_to::<(K, V)>("partition_by_key", n_partitions, |(key, _), n| bucket_of(key, n)).hashed()
    }

    fn moved_to<Named: 'static>(
        &self,
        operation: &'static str,
        n: usize,
        place: impl Fn(&(K, V), usize) -> usize + Send + Sync + 'static,
    ) -> Bag<(K, V)> {
        if n == 0 {
            return Bag::failed(Error::ZeroPartitions { operation });
        }
        let exchanged = self
            .shuffle_into(n)
            .exchange_partitions(&[])
            .map_err(arras_core::Error::from)
            .and_then(|n| self.scattered::<Named, (K, V)>(operation, n, |pair| pair, place));
        let open = Func::erased::<(K, V), _>(|inputs: &Inputs<'_>| {
            let buckets = (0..inputs.len()).map(|i| receive::<(K, V)>(inputs, i)).collect::<Result<Vec<Received<_>>, _>>()?;
            Ok(cursor_value(IterCursor::new(buckets.into_iter().flatten())))
        });
        ended(exchanged, operation, &format!("{} → {operation}({n})", self.stories()), open)
    }

    /// The values of one key, in their order. Reads each partition as one task and keeps nothing but what it looks for; of a bag that an exchange by key made, persisted or not, with
    /// nothing but [`filter`](Bag::filter) and [`map_values`](Bag::map_values) after it, only the one partition that can hold the key.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let pairs = Bag::from_sequence([("a", 1), ("b", 2), ("a", 3)], 2);
    /// assert_eq!(evaluate(&pairs.lookup("a"))?, [1, 3]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn lookup(&self, key: K) -> Delayed<Vec<V>>
    where
        Vec<V>: Data,
    {
        let sink = Sink {
            open: Func::erased::<K, _>(|inputs: &Inputs<'_>| Ok(cell((inputs.get::<Partition<K>>(0)?[0].clone(), Vec::<V>::new())))),
            push: Func::erased::<(K, V), _>(|inputs: &Inputs<'_>| {
                let (wanted, values) = &mut *lock::<(K, Vec<V>)>(inputs.value(1))?;
                let batch = lock::<Batch<(K, V)>>(inputs.value(0))?;
                values.extend(batch.items().filter(|(key, _)| key == wanted).map(|(_, value)| value.clone()));
                Ok(Value::new(true))
            }),
            close: Func::erased::<(K, V), _>(|inputs: &Inputs<'_>| {
                let (_, values) = &mut *lock::<(K, Vec<V>)>(inputs.value(0))?;
                Ok(Partition(std::mem::take(values)).into_value())
            }),
            label: "lookup".to_owned(),
        };
        let partition = bucket_of(&key, self.n_partitions().max(1));
        let mut lowered = match self.lower("lookup-partition", &sink, &[Constant::new("key", Partition(vec![key]).into_value())]) {
            Ok(lowered) => lowered,
            Err(error) => return Delayed::failed(error),
        };
        if self.is_hashed() {
            lowered.places = vec![lowered.places.swap_remove(partition)];
        }
        let append = |inputs: &Inputs<'_>| -> Result<Vec<V>, arras_core::BoxError> {
            let mut values = Vec::new();
            for part in inputs.values() {
                values.extend_from_slice(part.get::<Partition<V>>()?);
            }
            Ok(values)
        };
        let combine = Func::erased::<Partition<V>, _>(move |inputs: &Inputs<'_>| Ok(Partition(append(inputs)?).into_value()));
        let finish = Func::erased::<Vec<V>, _>(move |inputs: &Inputs<'_>| Ok(Value::new(append(inputs)?)));
        let (graph, key) = tree::combine(lowered, "lookup", combine, Some(finish));
        Delayed::from_graph(graph, key)
    }

    /// All pairs as one map in memory; of equal keys the last counts. Its hash has no random seed, so it is iterated in the same order each run.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let map = evaluate(&Bag::from_sequence([("a".to_owned(), 1), ("b".to_owned(), 2), ("a".to_owned(), 3)], 2).collect_as_map())?;
    /// assert_eq!((map["a"], map.len()), (3, 2));
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn collect_as_map(&self) -> Delayed<FxHashMap<K, V>>
    where
        FxHashMap<K, V>: Data,
    {
        let Lowered { mut graph, places } = match self.lower_partitions() {
            Ok(lowered) => lowered,
            Err(error) => return Delayed::failed(error),
        };
        let func = Func::erased::<FxHashMap<K, V>, _>(|inputs: &Inputs<'_>| {
            let mut map = FxHashMap::default();
            for value in inputs.values() {
                map.extend(value.get::<Partition<(K, V)>>()?.iter().cloned());
            }
            Ok(Value::new(map))
        });
        let mut tokenizer = Tokenizer::new();
        tokenizer.token(func.token().unwrap_or_else(Token::unique));
        Collection::keys(self).iter().for_each(|key| {
            tokenizer.text(&key.to_string());
        });
        let name = Name::from_token("collect_as_map", tokenizer.finish());
        add_layer(&mut graph, name.clone(), func, &[places]);
        Delayed::from_graph(graph, Key::from((name, 0)))
    }
}
