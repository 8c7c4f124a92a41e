//! Datasets: values that stay on the cluster under a name, for other clients of the same executable.

use std::collections::BTreeMap;
use std::sync::Arc;

use arras_core::{Key, Persist, Result, Value};

use super::cell::Held;
use super::client::Client;
use super::error::DaskError;
use super::future::Future;
use super::message::{Reply, Request};
use super::parts::own;
use super::remote::{DaskValue, sizes};
use super::run::{Results, run};
use crate::compute::prepare;
use crate::scheduler::RunOptions;

impl Client {
    /// Computes a collection, leaves its values on the cluster, and gives them a name. They stay when this client goes, until
    /// [`unpublish`](Client::unpublish).
    ///
    /// ```no_run
    /// # use arras_core::delayed;
    /// # use arras_scheduler::{Compute, dask::Client};
    /// # let client = Client::connect("tcp://scheduler:8786")?;
    /// let table = || delayed(|| vec![1.0, 2.0], ());
    /// client.publish("table", &table())?;
    /// // In another process of the same executable, which describes the collection in the same way:
    /// let there = client.dataset("table", &table())?;
    /// assert_eq!(there.map(|xs: &Vec<f64>| xs.len()).compute_with(&client)?, 2);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`compute`](crate::Compute::compute); [`DaskError::Dataset`] if there is one of that name.
    pub fn publish<C: Persist>(&self, name: &str, collection: &C) -> Result<()> {
        let values = run(&self.connection, &prepare(collection)?, &RunOptions::default(), &self.options.to_wire(), Results::Remote)?;
        let mut held = Vec::with_capacity(values.len());
        for (value, key) in values.iter().zip(collection.keys()) {
            match own(&self.connection, value) {
                Some(own) => held.push(own),
                // A value that was here, or in another engine.
                None => held.push(self.scatter_value::<()>(value, Some(key), false)?.held),
            }
        }
        self.publish_held(name, &held, &collection.keys())
    }

    /// Gives values a name, by their futures.
    ///
    /// # Errors
    /// [`DaskError::Dataset`] if there is a dataset of that name.
    pub fn publish_futures<T>(&self, name: &str, futures: &[Future<T>]) -> Result<()> {
        let held: Vec<_> = futures.iter().map(|future| Arc::clone(&future.held)).collect();
        let keys: Vec<_> = futures.iter().map(|future| future.key().clone()).collect();
        self.publish_held(name, &held, &keys)
    }

    fn publish_held(&self, name: &str, held: &[Arc<Held>], keys: &[Key]) -> Result<()> {
        let about = BTreeMap::from([
            ("executable".to_owned(), self.connection.executable.clone()),
            ("keys".to_owned(), keys.iter().map(Key::to_string).collect::<Vec<_>>().join("\n")),
        ]);
        let futures = held.iter().map(|held| held.number).collect();
        let request = Request::Publish { name: name.to_owned(), futures, about, replace: false };
        Ok(self.connection.order(&request, name)?)
    }

    /// Takes a name back. The cluster forgets the values unless somebody holds them.
    ///
    /// # Errors
    /// A [`DaskError`].
    pub fn unpublish(&self, name: &str) -> Result<()> {
        Ok(self.connection.order(&Request::Unpublish { name: name.to_owned() }, name)?)
    }

    /// The names of all datasets, those of other programs too.
    ///
    /// # Errors
    /// A [`DaskError`].
    pub fn datasets(&self) -> Result<Vec<String>> {
        let mut names = self.connection.ask(&Request::Datasets, "datasets", |reply| match reply {
            Reply::Datasets { names } => Some(names),
            _ => None,
        })?;
        names.sort();
        Ok(names)
    }

    /// The collection that was [published](Client::publish) under a name, standing on the values on the cluster. `like` describes it: the
    /// same collection as the one published, built anew; nothing of it is computed.
    ///
    /// # Errors
    /// [`DaskError::Dataset`] if there is none of that name, if another executable published it, or if it is another collection.
    pub fn dataset<C: Persist>(&self, name: &str, like: &C) -> Result<C> {
        let (held, published) = self.dataset_held(name)?;
        // A collection's keys are meaningful once its graph is made.
        like.graph()?;
        let keys = like.keys().iter().map(Key::to_string).collect::<Vec<_>>().join("\n");
        if published != keys {
            let why = "what was published is another collection than the one described".to_owned();
            return Err(DaskError::Dataset { name: name.to_owned(), why }.into());
        }
        let nbytes = sizes(&self.connection, &held.iter().collect::<Vec<_>>());
        let values = held.into_iter().zip(nbytes).map(|(held, nbytes)| Value::remote(Arc::new(DaskValue::new(held, nbytes))));
        like.persisted(values.collect())
    }

    /// The futures that were published under a name. Whether the values are of type `T` shows when they are asked for.
    ///
    /// # Errors
    /// [`DaskError::Dataset`] if there is none of that name, or if another executable published it.
    pub fn dataset_futures<T>(&self, name: &str) -> Result<Vec<Future<T>>> {
        let (held, keys) = self.dataset_held(name)?;
        Ok(held.into_iter().zip(keys.lines()).map(|(held, key)| Future::new(held, Key::from(key.trim_matches('"')))).collect())
    }

    /// The values, and the keys that they were published under, a line each.
    fn dataset_held(&self, name: &str) -> Result<(Vec<Arc<Held>>, String)> {
        const MOST: u64 = 1 << 32;
        // How many there are is known with the reply, and their numbers before it.
        let first = self.connection.bridge.numbers_for(MOST);
        let request = Request::Dataset { name: name.to_owned(), first };
        let (futures, mut about) = self.connection.ask(&request, name, |reply| match reply {
            Reply::Dataset { futures, about } => Some((futures, about)),
            _ => None,
        })?;
        let held: Vec<_> = futures.into_iter().zip(first..).map(|(key, number)| Held::new(&self.connection, number, key, None)).collect();
        // From now on somebody hears what happens to them.
        let futures = held.iter().map(|held| held.number).collect();
        self.connection.order(&Request::Watch { futures }, name)?;
        if about.get("executable") != Some(&self.connection.executable) {
            let why = "another executable published it, and only that one can read it".to_owned();
            return Err(DaskError::Dataset { name: name.to_owned(), why }.into());
        }
        Ok((held, about.remove("keys").unwrap_or_default()))
    }
}
