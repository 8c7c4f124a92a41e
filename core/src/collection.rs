//! Collections: whatever can say what to compute and what to make of the values.

use crate::error::Result;
use crate::graph::Graph;
use crate::key::Key;
use crate::value::Value;

/// A lazy result: a graph, the keys wanted of it, and what to make of their values.
///
/// Three methods are all that a scheduler needs. Tuples, vectors, options and references of collections are collections: computing `(mean, std)`
/// shares what both need.
///
/// ```
/// use arras_core::{Collection, Graph, Key, Result, Value, evaluate, task, value};
///
/// struct Answer;
///
/// impl Collection for Answer {
///     type Output = i64;
///     fn graph(&self) -> Result<Graph> {
///         Ok(Graph::from_iter([("six", value(6i64)), ("answer", task(|six: &i64| six * 7, ("six",)))]))
///     }
///     fn keys(&self) -> Vec<Key> {
///         vec!["answer".into()]
///     }
///     fn finish(&self, mut values: Vec<Value>) -> Result<i64> {
///         values.remove(0).into_inner()
///     }
/// }
///
/// assert_eq!(evaluate(&Answer)?, 42);
/// assert_eq!(evaluate(&(Answer, vec![Answer, Answer], None::<Answer>))?, (42, vec![42, 42], None));
/// # Ok::<(), arras_core::Error>(())
/// ```
pub trait Collection {
    /// What computing gives.
    type Output;

    /// The tasks. Work: the number of blocks or partitions, never their size.
    ///
    /// # Errors
    /// What was wrong when the collection was built, if its operators could not say so then.
    fn graph(&self) -> Result<Graph>;

    /// The keys whose values are wanted. Meaningful once [`graph`](Collection::graph) succeeds.
    fn keys(&self) -> Vec<Key>;

    /// Makes the result of the values, one for each key, in their order.
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if a value is not what the collection's tasks make.
    fn finish(&self, values: Vec<Value>) -> Result<Self::Output>;

    /// The collection's own view of its work, for `explain()`: empty if it has none beyond its graph.
    fn describe(&self) -> String {
        String::new()
    }
}

/// A collection that can stand on values already computed.
pub trait Persist: Collection + Sized {
    /// The same collection, its tasks replaced by their values, one for each key.
    ///
    /// # Errors
    /// As for [`Collection::finish`].
    fn persisted(&self, values: Vec<Value>) -> Result<Self>;
}

impl<C: Collection + ?Sized> Collection for &C {
    type Output = C::Output;
    fn graph(&self) -> Result<Graph> {
        (**self).graph()
    }
    fn keys(&self) -> Vec<Key> {
        (**self).keys()
    }
    fn finish(&self, values: Vec<Value>) -> Result<C::Output> {
        (**self).finish(values)
    }
    fn describe(&self) -> String {
        (**self).describe()
    }
}

impl<C: Collection> Collection for Vec<C> {
    type Output = Vec<C::Output>;
    fn graph(&self) -> Result<Graph> {
        let mut graph = Graph::new();
        for collection in self {
            graph.merge(&collection.graph()?);
        }
        Ok(graph)
    }
    fn keys(&self) -> Vec<Key> {
        self.iter().flat_map(Collection::keys).collect()
    }
    fn finish(&self, values: Vec<Value>) -> Result<Vec<C::Output>> {
        let mut values = values.into_iter();
        self.iter().map(|collection| collection.finish(values.by_ref().take(collection.keys().len()).collect())).collect()
    }
    fn describe(&self) -> String {
        self.iter().map(Collection::describe).collect()
    }
}

impl<C: Collection> Collection for Option<C> {
    type Output = Option<C::Output>;
    fn graph(&self) -> Result<Graph> {
        self.as_ref().map_or_else(|| Ok(Graph::new()), Collection::graph)
    }
    fn keys(&self) -> Vec<Key> {
        self.as_ref().map(Collection::keys).unwrap_or_default()
    }
    fn finish(&self, values: Vec<Value>) -> Result<Option<C::Output>> {
        self.as_ref().map(|collection| collection.finish(values)).transpose()
    }
    fn describe(&self) -> String {
        self.as_ref().map(Collection::describe).unwrap_or_default()
    }
}

impl<C: Persist> Persist for Vec<C> {
    fn persisted(&self, values: Vec<Value>) -> Result<Self> {
        let mut values = values.into_iter();
        self.iter().map(|collection| collection.persisted(values.by_ref().take(collection.keys().len()).collect())).collect()
    }
}

impl<C: Persist> Persist for Option<C> {
    fn persisted(&self, values: Vec<Value>) -> Result<Self> {
        self.as_ref().map(|collection| collection.persisted(values)).transpose()
    }
}

macro_rules! tuple {
    ($($c:ident $i:tt),+) => {
        impl<$($c: Collection),+> Collection for ($($c,)+) {
            type Output = ($($c::Output,)+);
            fn graph(&self) -> Result<Graph> {
                let mut graph = Graph::new();
                $(graph.merge(&self.$i.graph()?);)+
                Ok(graph)
            }
            fn keys(&self) -> Vec<Key> {
                let mut keys = Vec::new();
                $(keys.extend(self.$i.keys());)+
                keys
            }
            fn finish(&self, values: Vec<Value>) -> Result<Self::Output> {
                let mut values = values.into_iter();
                Ok(($(self.$i.finish(values.by_ref().take(self.$i.keys().len()).collect())?,)+))
            }
            fn describe(&self) -> String {
                let mut text = String::new();
                $(text.push_str(&self.$i.describe());)+
                text
            }
        }

        impl<$($c: Persist),+> Persist for ($($c,)+) {
            fn persisted(&self, values: Vec<Value>) -> Result<Self> {
                let mut values = values.into_iter();
                Ok(($(self.$i.persisted(values.by_ref().take(self.$i.keys().len()).collect())?,)+))
            }
        }
    };
}
tuple!(A 0);
tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);
tuple!(A 0, B 1, C 2, D 3, E 4);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
