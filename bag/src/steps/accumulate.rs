//! Running results: `accumulate` and `scan`.
//!
//! ```text
//!     accumulate   run ─► total 0 ─┐                       scan   run ─► last 0 ─► run ─► last 1 ─► run …      one after another
//!                  run ─► total 1 ─┴─► carries                             │                │
//!                                      │ │ │                     run ─► scan from   run ─► scan from           a second time, side by side
//!                            run ─► accumulate from a carry
//! ```
//! Either way the elements are made twice, and nothing is held in between.

use arras_core::{Data, Func, Graph, Inputs, Name, Tokenizer, Value};

use crate::bag::{Bag, Constant, Lowered, Place};
use crate::engine::batch::{Batch, cell, lock};
use crate::engine::numbers::add_layer;
use crate::engine::run::{Sink, rest};
use crate::partition::{Element, Partition};

impl<T: Element + Clone> Bag<T> {
    /// What [`reduce`](Bag::reduce) would give for the elements up to each: the first element, then `function` of the result so far and the next element.
    ///
    /// `function` must be associative, as a sum is, so that all partitions can be worked on at once; [`scan`](Bag::scan) takes any. The elements are made twice, once for
    /// the partitions' totals: persist a bag that is dear to make.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert_eq!(evaluate(&Bag::from_sequence(1..=5, 2).accumulate(|sum, x| sum + x))?, [1, 3, 6, 10, 15]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn accumulate<F>(&self, function: F) -> Bag<T>
    where
        F: Fn(&T, &T) -> T + Clone + Send + Sync + 'static,
    {
        let (graph, place) = match self.carries(function.clone()) {
            Ok(carries) => carries,
            Err(error) => return Bag::failed(error),
        };
        self.reading_step::<F, u32, T>(
            "accumulate",
            &graph,
            |partitions| (partitions.start, vec![vec![place.clone(); partitions.len()]]),
            move |first, inputs, rest| {
                let carry = || Ok(rest.read(0)?.get::<Partition<Option<T>>>()?[(first + inputs.block()) as usize].clone());
                {
                    let batch = lock::<Batch<T>>(inputs.value(0))?;
                    let mut out = lock::<Batch<T>>(inputs.value(1))?;
                    let out = out.owned();
                    out.clear();
                    rest.progress.with_state(carry, |acc: &mut Option<T>| {
                        rest.progress.watched(batch.len(), |done| {
                            batch.items().for_each(|x| {
                                let next = acc.as_ref().map_or_else(|| x.clone(), |acc| function(acc, x));
                                out.push(next.clone());
                                *acc = Some(next);
                                *done += 1;
                            });
                        });
                    })?;
                }
                rest.push()
            },
        )
    }

    /// What lies before each partition, reduced: one value, a `Partition<Option<T>>`.
    fn carries<F>(&self, function: F) -> Result<(Graph, Place), arras_core::Error>
    where
        F: Fn(&T, &T) -> T + Clone + Send + Sync + 'static,
    {
        let in_partition = function.clone();
        let sink = Sink {
            open: Func::erased::<T, _>(|_| Ok(cell(None::<T>))),
            push: Func::erased::<F, _>(move |inputs: &Inputs<'_>| {
                let batch = lock::<Batch<T>>(inputs.value(0))?;
                let mut acc = lock::<Option<T>>(inputs.value(1))?;
                rest(inputs)?.progress.watched(batch.len(), |done| {
                    batch.items().for_each(|x| {
                        *acc = Some(acc.as_ref().map_or_else(|| x.clone(), |acc| in_partition(acc, x)));
                        *done += 1;
                    });
                });
                Ok(Value::new(true))
            }),
            close: Func::erased::<T, _>(|inputs: &Inputs<'_>| {
                Ok(Partition(lock::<Option<T>>(inputs.value(0))?.take().into_iter().collect()).into_value())
            }),
            label: "accumulate".to_owned(),
        };
        let Lowered { mut graph, places } = self.lower("accumulate-partition", &sink, &[])?;
        let func = Func::erased::<F, _>(move |inputs: &Inputs<'_>| {
            let mut carry: Option<T> = None;
            let mut carries = Vec::with_capacity(inputs.len());
            for value in inputs.values() {
                carries.push(carry.clone());
                if let Some(total) = value.get::<Partition<T>>()?.first() {
                    carry = Some(carry.as_ref().map_or_else(|| total.clone(), |carry| function(carry, total)));
                }
            }
            Ok(Partition(carries).into_value())
        });
        // The places tell the function, too.
        let mut tokenizer = Tokenizer::new();
        places.iter().for_each(|(name, i)| {
            tokenizer.text(name.as_str()).number(u64::from(*i));
        });
        let name = Name::from_token("carries", tokenizer.finish());
        add_layer(&mut graph, name.clone(), func, &[places]);
        Ok((graph, (name, 0)))
    }
}

impl<T: Send + Sync + 'static> Bag<T> {
    /// The running result of any `step`, beginning at `initial`: one for each element, of all elements up to it. dask.bag's `accumulate` with a first value is this, with
    /// `initial` before it.
    ///
    /// The partitions are gone through one after another for what each ends with, and a second time, side by side, for the results: persist a bag that is dear to make.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let balances = Bag::from_sequence([5, -20, 7], 2).scan(10, |balance, change| (balance + change).max(0));
    /// assert_eq!(evaluate(&balances)?, [15, 0, 7]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn scan<A, F>(&self, initial: A, step: F) -> Bag<A>
    where
        A: Data + Clone,
        F: Fn(&A, &T) -> A + Clone + Send + Sync + 'static,
    {
        let initial = Constant::new("initial", Value::new(initial));
        let segments = match self.segments() {
            Ok(segments) => segments,
            Err(error) => return Bag::failed(error),
        };
        let mut graph = Graph::new();
        graph.insert_layer(initial.layer());
        let mut before: Place = (initial.name().clone(), 0);
        let mut carries = Vec::with_capacity(self.n_partitions());
        for segment in segments {
            let in_partition = step.clone();
            let sink = Sink {
                open: Func::erased::<A, _>(|inputs: &Inputs<'_>| Ok(cell(inputs.get::<A>(0)?.clone()))),
                push: Func::erased::<F, _>(move |inputs: &Inputs<'_>| {
                    let batch = lock::<Batch<T>>(inputs.value(0))?;
                    let mut acc = lock::<A>(inputs.value(1))?;
                    rest(inputs)?.progress.watched(batch.len(), |done| {
                        batch.items().for_each(|x| {
                            *acc = in_partition(&acc, x);
                            *done += 1;
                        });
                    });
                    Ok(Value::new(true))
                }),
                close: Func::erased::<A, _>(|inputs: &Inputs<'_>| Ok(Value::new(lock::<A>(inputs.value(0))?.clone()))),
                label: "scan".to_owned(),
            };
            let of_run = segment.name("scan-partition", &sink, &[]);
            let token = Tokenizer::new().text(of_run.as_str()).text(before.0.as_str()).number(u64::from(before.1)).finish();
            let name = Name::from_token("scan-partition", token);
            segment.lower_with(&mut graph, name.clone(), sink, crate::engine::batch::BATCH, 1, |i| {
                carries.push(before.clone());
                vec![std::mem::replace(&mut before, (name.clone(), i))]
            });
        }
        self.reading_step::<F, (), A>(
            "scan",
            &graph,
            |partitions| ((), vec![carries[partitions.start as usize..partitions.end as usize].to_vec()]),
            move |(), inputs, rest| {
                {
                    let batch = lock::<Batch<T>>(inputs.value(0))?;
                    let mut out = lock::<Batch<A>>(inputs.value(1))?;
                    let out = out.owned();
                    out.clear();
                    let carry = || Ok(rest.read(0)?.get::<A>()?.clone());
                    rest.progress.with_state(carry, |acc: &mut A| {
                        rest.progress.watched(batch.len(), |done| {
                            batch.items().for_each(|x| {
                                *acc = step(acc, x);
                                out.push(acc.clone());
                                *done += 1;
                            });
                        });
                    })?;
                }
                rest.push()
            },
        )
    }
}
