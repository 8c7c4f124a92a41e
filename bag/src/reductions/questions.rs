//! Short answers, and runs for their effects: `any`, `all`, `is_empty`, `first`, `for_each`.

use arras_core::{Collection, Data, Delayed, Func, Inputs, Value};

use crate::bag::Bag;
use crate::engine::batch::{Batch, cell, lock};
use crate::engine::run::{Sink, rest};
use crate::error::Error;
use crate::partition::{Element, Partition};

impl<T: Send + Sync + 'static> Bag<T> {
    /// Whether `question` is true of some element; false for an empty bag. A partition is read as far as the first such element.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert!(evaluate(&Bag::from_sequence(0..10, 3).any(|x| *x > 8))?);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn any<F>(&self, question: F) -> Delayed<bool>
    where
        F: Fn(&T) -> bool + Send + Sync + 'static,
    {
        self.found::<F>("any", true, question)
    }

    /// Whether `question` is true of all elements; true for an empty bag. A partition is read as far as the first element of which it is not.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert!(!evaluate(&Bag::from_sequence(0..10, 3).all(|x| *x > 8))?);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn all<F>(&self, question: F) -> Delayed<bool>
    where
        F: Fn(&T) -> bool + Send + Sync + 'static,
    {
        self.found::<F>("all", false, question)
    }

    /// `answer` if some element gives it, else the opposite.
    fn found<Named: 'static>(
        &self,
        operation: &'static str,
        answer: bool,
        question: impl Fn(&T) -> bool + Send + Sync + 'static,
    ) -> Delayed<bool> {
        let sink = Sink {
            open: Func::erased_with::<bool, _, _>(answer, |answer, _| Ok(cell(!answer))),
            push: Func::erased_with::<Named, _, _>(answer, move |answer, inputs: &Inputs<'_>| {
                let batch = lock::<Batch<T>>(inputs.value(0))?;
                let found = rest(inputs)?.progress.watched(batch.len(), |done| {
                    batch.items().any(|x| {
                        let found = question(x) == *answer;
                        *done += 1;
                        found
                    })
                });
                if found {
                    *lock::<bool>(inputs.value(1))? = *answer;
                }
                Ok(Value::new(!found))
            }),
            close: Func::erased::<bool, _>(|inputs: &Inputs<'_>| Ok(Value::new(*lock::<bool>(inputs.value(0))?))),
            label: operation.to_owned(),
        };
        let combine = Func::erased_with::<bool, _, _>(answer, |answer, inputs: &Inputs<'_>| {
            let mut found = false;
            for value in inputs.values() {
                found |= value.get::<bool>()? == answer;
            }
            Ok(Value::new(if found { *answer } else { !answer }))
        });
        self.reduction(operation, sink, &[], combine, None)
    }

    /// Runs `effect` on each element where it is computed: on the worker threads, in the worker processes, on the cluster. Within a partition in order; partitions in any
    /// order, at the same time. What is computed twice has its effects twice: so may a partition whose worker was lost.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// evaluate(&Bag::from_sequence(["a", "b"], 2).for_each(|x| println!("{x}")))?;
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn for_each<F>(&self, effect: F) -> Delayed<()>
    where
        F: Fn(&T) + Send + Sync + 'static,
    {
        let sink = Sink {
            open: Func::erased::<(), _>(|_| Ok(cell(()))),
            push: Func::erased::<F, _>(move |inputs: &Inputs<'_>| {
                let batch = lock::<Batch<T>>(inputs.value(0))?;
                rest(inputs)?.progress.watched(batch.len(), |done| {
                    batch.items().for_each(|x| {
                        effect(x);
                        *done += 1;
                    });
                });
                Ok(Value::new(true))
            }),
            close: Func::erased::<(), _>(|_| Ok(Value::new(()))),
            label: "for_each".to_owned(),
        };
        self.reduction("for_each", sink, &[], Func::erased::<(), _>(|_| Ok(Value::new(()))), None)
    }
}

impl<T: Element + Clone> Bag<T> {
    /// Whether there are no elements. Reads as [`take(1)`](Bag::take) does: partitions one after another, up to the first element.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert!(evaluate(&Bag::range(0..1_000_000, 8).filter(|x| *x < 0).is_empty())?);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn is_empty(&self) -> Delayed<bool> {
        match self.one() {
            Ok(one) => one.map(|one: &Partition<T>| one.0.is_empty()),
            Err(error) => Delayed::failed(error),
        }
    }

    /// The first element. Reads as [`take(1)`](Bag::take) does.
    ///
    /// # Errors
    /// [`Error::Empty`] at run if the bag has no elements.
    ///
    /// # Examples
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert_eq!(evaluate(&Bag::range(0..1_000_000, 8).filter(|x| x % 7 == 6).first())?, 6);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn first(&self) -> Delayed<T>
    where
        T: Data,
    {
        match self.one() {
            Ok(one) => one.try_map(|one: &Partition<T>| one.first().cloned().ok_or(Error::Empty { operation: "first" })),
            Err(error) => Delayed::failed(error),
        }
    }

    /// [`take`](Bag::take) by another name.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert_eq!(evaluate(&Bag::range(0..1_000_000, 8).head(3))?, [0, 1, 2]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn head(&self, n: usize) -> Bag<T> {
        self.take(n)
    }

    /// The first element, if there is one.
    fn one(&self) -> arras_core::Result<Delayed<Partition<T>>> {
        let one = self.take(1);
        let key = one.keys().into_iter().next();
        // A bag that could not be built says so when it is asked for its graph, and any other has a key.
        Ok(Delayed::from_graph(one.graph()?, key.expect("what `take` gives has one partition")))
    }
}
