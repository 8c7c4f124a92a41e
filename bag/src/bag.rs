//! `Bag<T>`: the handle, and how it becomes a graph.
//!
//! ```text
//!     Bag ─┬─ segment: base "from_sequence-9f2c…" (4 partitions), steps [map, filter]
//!          └─ segment: base "read_text-07aa…" (2 partitions), steps [lines, map, filter]        more than one after `concat`
//!     graph()  ──►  one layer a segment: base i ──run(steps, sink)──► value i
//! ```

use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

use arras_core::{Collection, Func, Graph, GridBuilder, Inputs, Key, Layer, Name, Persist, Token, Tokenizer, Value};

use crate::engine::batch::{BATCH, Batch, cell, lock, slot};
use crate::engine::numbers::Numbers;
use crate::engine::run::{Origin, Run, Sink, Step, token_after};
use crate::error::Error;
use crate::partition::{Element, Partition};
use crate::sequence;

/// A lazy sequence of values in partitions, computed a partition a task.
///
/// Building one does no work proportional to its elements. Cloning it copies a pointer. Computing it gives all elements, in order, as a `Vec<T>`.
/// Methods that cannot work (a bag of no partitions) give a bag that carries the [`Error`], which computing it returns before anything runs.
///
/// ```
/// use arras_bag::Bag;
/// use arras_core::evaluate;
/// let squares = Bag::from_sequence(0..10i64, 3).map(|x: &i64| x * x).filter(|x: &i64| x % 2 == 0);
/// assert_eq!(squares.n_partitions(), 3);
/// assert_eq!(evaluate(&squares)?, [0, 4, 16, 36, 64]);
/// # Ok::<(), arras_core::Error>(())
/// ```
pub struct Bag<T> {
    state: Arc<Result<Vec<Segment>, arras_core::Error>>,
    /// How many partitions the next exchange makes, if somebody said.
    shuffle_partitions: Option<u32>,
    marker: PhantomData<fn() -> T>,
}

impl<T> Clone for Bag<T> {
    fn clone(&self) -> Bag<T> {
        Bag { state: Arc::clone(&self.state), shuffle_partitions: self.shuffle_partitions, marker: PhantomData }
    }
}

/// A value of a graph: a layer, and the position in it.
pub(crate) type Place = (Name, u32);

/// What runs start from: partitions in memory, files to read, or what other tasks make.
#[derive(Clone)]
pub(crate) struct Base {
    pub(crate) graph: Graph,
    pub(crate) sources: Sources,
    /// What `explain()` says of it.
    pub(crate) story: String,
}

/// The values that the runs of each partition open.
#[derive(Clone)]
pub(crate) enum Sources {
    /// Partition `i` opens value `i` of a layer.
    Layer { name: Name, n_partitions: u32 },
    /// Partition `i` opens the values of list `i`. The token says what they are.
    Lists { operation: &'static str, token: Token, lists: Arc<[Vec<Place>]> },
}

/// Partitions that go through the same run.
#[derive(Clone)]
pub(crate) struct Segment {
    pub(crate) base: Base,
    pub(crate) origin: Origin,
    pub(crate) steps: Vec<Step>,
    /// What steps read besides the elements.
    pub(crate) reads: Vec<Read>,
    pub(crate) token: Token,
    /// Whether the base's values are partitions, so that there is nothing to run until there are steps.
    pub(crate) ready: bool,
    /// Whether its elements are pairs, and each is in the partition that the hash of its key names.
    pub(crate) hashed: bool,
}

/// A value that a step reads besides the elements: where it is, for each partition.
#[derive(Clone)]
pub(crate) struct Read {
    step: u32,
    places: Arc<[Place]>,
}

/// A step, and what it reads: values of a graph, each a place for each partition.
pub(crate) struct ReadingStep {
    pub(crate) step: Step,
    pub(crate) graph: Graph,
    pub(crate) reads: Vec<Vec<Place>>,
}

/// The values that a bag's tasks make: a graph, and where they are in it, in order.
pub(crate) struct Lowered {
    pub(crate) graph: Graph,
    pub(crate) places: Vec<Place>,
}

/// A value that all partitions of a reduction share, such as the first value of a fold.
pub(crate) struct Constant {
    name: Name,
    value: Value,
}

impl Constant {
    pub(crate) fn new(operation: &str, value: Value) -> Constant {
        let token = value.token().unwrap_or_else(Token::unique);
        Constant { name: Name::from_token(operation, token), value }
    }

    pub(crate) fn name(&self) -> &Name {
        &self.name
    }

    pub(crate) fn layer(&self) -> Layer {
        Layer::values(self.name.clone(), &[1], vec![self.value.clone()])
    }

    fn place(&self) -> Place {
        (self.name.clone(), 0)
    }
}

/// Steps push to each other, so a run's length is the depth of its calls. More than so many are refused.
const MOST_STEPS: usize = 256;

impl Base {
    /// A layer of values, one a partition.
    pub(crate) fn of_values(name: Name, values: Vec<Value>, story: String) -> Base {
        let n_partitions = values.len() as u32;
        let mut graph = Graph::new();
        graph.insert_layer(Layer::values(name.clone(), &[n_partitions], values));
        Base::of_layer(graph, name, n_partitions, story)
    }

    /// What the tasks of a layer make, one value a partition.
    pub(crate) fn of_layer(graph: Graph, name: Name, n_partitions: u32, story: String) -> Base {
        Base { graph, sources: Sources::Layer { name, n_partitions }, story }
    }

    /// Several values a partition, or none. What they are must follow from `tokenizer`.
    pub(crate) fn of_lists(graph: Graph, operation: &'static str, tokenizer: Tokenizer, lists: Vec<Vec<Place>>, story: String) -> Base {
        Base { graph, sources: Sources::Lists { operation, token: tokenizer.finish(), lists: lists.into() }, story }
    }

    /// The one value of a task.
    pub(crate) fn of_task(graph: Graph, key: &Key, story: String) -> Base {
        Base::of_layer(graph, key.name().clone(), 1, story)
    }

    pub(crate) fn n_partitions(&self) -> u32 {
        match &self.sources {
            Sources::Layer { n_partitions, .. } => *n_partitions,
            Sources::Lists { lists, .. } => lists.len() as u32,
        }
    }

    /// The values that the runs of a partition open, in order.
    fn places(&self, partition: u32) -> impl Iterator<Item = (&Name, u32)> {
        let (layer, list): (_, &[Place]) = match &self.sources {
            Sources::Layer { name, .. } => (Some((name, partition)), &[]),
            Sources::Lists { lists, .. } => (None, &lists[partition as usize]),
        };
        layer.into_iter().chain(list.iter().map(|(name, i)| (name, *i)))
    }

    fn token(&self) -> Token {
        match &self.sources {
            Sources::Layer { name, .. } => Tokenizer::new().text(name.as_str()).finish(),
            Sources::Lists { token, .. } => *token,
        }
    }

    fn operation(&self) -> &str {
        match &self.sources {
            Sources::Layer { name, .. } => name.operation(),
            Sources::Lists { operation, .. } => operation,
        }
    }
}

impl Segment {
    /// Partitions of `T` that are there, or that tasks make: one a partition, or several, one after another.
    pub(crate) fn of_partitions<T: Send + Sync + 'static>(base: Base) -> Segment {
        Segment { ready: matches!(base.sources, Sources::Layer { .. }), ..Segment::of_open::<T>(base, sequence::open::<T>()) }
    }

    /// What `open` makes of the base's values: a cursor over elements `T`.
    pub(crate) fn of_open<T: Send + Sync + 'static>(base: Base, open: Func) -> Segment {
        let token = token_after(base.token(), base.operation(), &open);
        let origin = Origin { open, slot: slot::<T>() };
        Segment { base, origin, steps: Vec::new(), reads: Vec::new(), token, ready: false, hashed: false }
    }

    /// The name of the layer of runs that end in `sink`.
    pub(crate) fn name(&self, operation: &str, sink: &Sink, shared: &[Constant]) -> Name {
        let mut tokenizer = Tokenizer::new();
        tokenizer.token(token_after(self.token, operation, &sink.push));
        for constant in shared {
            tokenizer.text(constant.name.as_str());
        }
        Name::from_token(operation, tokenizer.finish())
    }

    /// The segment with one more step.
    fn with_step(&self, operation: &str, ReadingStep { step, graph, reads }: ReadingStep) -> Segment {
        let mut segment = self.clone();
        segment.token = token_after(segment.token, operation, &step.push);
        segment.ready = false;
        // Keys stay where they are.
        segment.hashed &= matches!(operation, "filter" | "filter_with" | "inspect" | "map_values" | "remove");
        if !reads.is_empty() {
            segment.base.graph.merge(&graph);
            let mut tokenizer = Tokenizer::new();
            tokenizer.token(segment.token);
            for places in reads {
                debug_assert_eq!(places.len(), segment.base.n_partitions() as usize);
                places.iter().for_each(|(name, i)| {
                    tokenizer.text(name.as_str()).number(u64::from(*i));
                });
                segment.reads.push(Read { step: segment.steps.len() as u32, places: places.into() });
            }
            segment.token = tokenizer.finish();
        }
        segment.steps.push(step);
        segment
    }

    fn operation(&self) -> &str {
        self.steps.last().map_or_else(|| self.base.operation(), |step| step.label.split('(').next().unwrap_or("bag"))
    }

    /// The runs as one layer over the base, one task a partition, which all read the constants.
    fn lower(&self, graph: &mut Graph, name: Name, sink: Sink, shared: &[Constant]) {
        for constant in shared {
            graph.insert_layer(constant.layer());
        }
        let places: Vec<Place> = shared.iter().map(Constant::place).collect();
        self.lower_with(graph, name, sink, BATCH, places.len(), |_| places.clone());
    }

    /// The runs as one layer over the base, one task a partition. The sink of each opens `n_shared` values of its own.
    pub(crate) fn lower_with(
        &self,
        graph: &mut Graph,
        name: Name,
        sink: Sink,
        first_batch: usize,
        n_shared: usize,
        mut shared: impl FnMut(u32) -> Vec<Place>,
    ) {
        graph.merge(&self.base.graph);
        let n = self.base.n_partitions();
        let mut builder = GridBuilder::new(name, &[n]);
        let mut numbers = Numbers::default();
        let readers = self.reads.iter().map(|read| read.step).collect();
        let run = Run { origin: self.origin.clone(), steps: self.steps.clone(), sink, n_shared, first_batch, readers };
        let func = builder.func(Func::kernel(run));
        let mut inputs = Vec::new();
        for i in 0..n {
            let shared = shared(i);
            debug_assert_eq!(shared.len(), n_shared);
            inputs.clear();
            let reads = self.reads.iter().map(|read| &read.places[i as usize]);
            let places = shared.iter().map(|(name, i)| (name, *i)).chain(self.base.places(i)).chain(reads.map(|(name, i)| (name, *i)));
            inputs.extend(places.map(|(name, i)| (numbers.of(&mut builder, name), i)));
            builder.call(func, inputs.iter().copied());
        }
        graph.insert_layer(builder.build());
    }

    fn describe(&self) -> String {
        let mut text = self.base.story.clone();
        for step in &self.steps {
            text.push_str(" → ");
            text.push_str(&step.label);
        }
        text
    }
}

impl<T> Bag<T> {
    pub(crate) fn new(segments: Vec<Segment>) -> Bag<T> {
        Bag { state: Arc::new(Ok(segments)), shuffle_partitions: None, marker: PhantomData }
    }

    /// A bag that carries what was wrong when it was built.
    pub(crate) fn failed(error: impl Into<arras_core::Error>) -> Bag<T> {
        Bag { state: Arc::new(Err(error.into())), shuffle_partitions: None, marker: PhantomData }
    }

    pub(crate) fn segments(&self) -> Result<&[Segment], arras_core::Error> {
        match &*self.state {
            Ok(segments) => Ok(segments),
            Err(error) => Err(error.clone()),
        }
    }

    pub(crate) fn shuffle_partitions(&self) -> Option<usize> {
        self.shuffle_partitions.map(|n| n as usize)
    }

    /// The same bag, of which the next exchange (by key or by order) makes `n_partitions` partitions, where without it makes as many as it finds, or fewer
    /// where these are so many (above a thousand) that there would be more than 2²⁰ buckets. Says nothing to other methods, and
    /// is forgotten after the next.
    ///
    /// # Errors
    /// The bag carries [`Error::ZeroPartitions`] if `n_partitions` is 0.
    ///
    /// # Examples
    /// ```
    /// use arras_bag::Bag;
    /// let sums = Bag::from_sequence((0..100).map(|i| (i % 10, i)), 20).shuffle_into(3).reduce_by_key(|a, b| a + b);
    /// assert_eq!(sums.n_partitions(), 3);
    /// ```
    #[must_use]
    pub fn shuffle_into(&self, n_partitions: usize) -> Bag<T> {
        if n_partitions == 0 {
            return Bag::failed(Error::ZeroPartitions { operation: "shuffle_into" });
        }
        Bag { shuffle_partitions: Some(u32::try_from(n_partitions).unwrap_or(u32::MAX)), ..self.clone() }
    }

    /// A bag whose runs go on with one more step.
    pub(crate) fn with_step<R>(&self, operation: &str, step: &Step) -> Bag<R> {
        self.with_steps(operation, |_| Ok(ReadingStep { step: step.clone(), graph: Graph::new(), reads: Vec::new() }))
    }

    /// A bag whose runs go on with one more step, of which each segment has its own: `make` is told which partitions of the bag
    /// the segment's are.
    pub(crate) fn with_steps<R>(
        &self,
        operation: &str,
        mut make: impl FnMut(Range<u32>) -> Result<ReadingStep, arras_core::Error>,
    ) -> Bag<R> {
        let segments = match self.segments() {
            Ok(segments) => segments,
            Err(error) => return Bag::failed(error),
        };
        if segments.iter().any(|segment| segment.steps.len() == MOST_STEPS) {
            return Bag::failed(Error::TooManySteps { limit: MOST_STEPS });
        }
        let mut longer = Vec::with_capacity(segments.len());
        let mut first = 0;
        for segment in segments {
            let partitions = first..first + segment.base.n_partitions();
            first = partitions.end;
            match make(partitions) {
                Ok(step) => longer.push(segment.with_step(operation, step)),
                Err(error) => return Bag::failed(error),
            }
        }
        Bag::new(longer)
    }

    /// The tasks that run all partitions into `sink`.
    pub(crate) fn lower(&self, operation: &str, sink: &Sink, shared: &[Constant]) -> Result<Lowered, arras_core::Error> {
        let mut lowered = Lowered { graph: Graph::new(), places: Vec::with_capacity(self.n_partitions()) };
        for segment in self.segments()? {
            let name = segment.name(operation, sink, shared);
            segment.lower(&mut lowered.graph, name.clone(), sink.clone(), shared);
            lowered.places.extend((0..segment.base.n_partitions()).map(|i| (name.clone(), i)));
        }
        Ok(lowered)
    }

    /// Whether each element, a pair, is in the partition that the hash of its key names.
    pub(crate) fn is_hashed(&self) -> bool {
        self.segments().is_ok_and(|segments| matches!(segments, [segment] if segment.hashed))
    }

    /// The number of partitions; 0 if the bag could not be built.
    pub fn n_partitions(&self) -> usize {
        self.segments().map_or(0, |segments| segments.iter().map(|segment| segment.base.n_partitions() as usize).sum())
    }

    /// Where the bag's elements come from and go through, in one line.
    pub(crate) fn stories(&self) -> String {
        let stories = |segments: &[Segment]| segments.iter().map(Segment::describe).collect::<Vec<_>>().join(" + ");
        self.segments().map_or_else(|error| format!("failed: {error}"), stories)
    }

    /// What `explain()` says: one line a segment, each one task a partition.
    fn story(&self) -> String {
        use std::fmt::Write as _;
        let mut text = String::new();
        match self.segments() {
            Err(error) => {
                let _ = writeln!(text, "bag that could not be built: {error}");
            }
            Ok(segments) => {
                let n = self.n_partitions();
                let _ = writeln!(text, "bag of {n} partition{}", if n == 1 { "" } else { "s" });
                for segment in segments {
                    let tasks = if segment.ready { 0 } else { segment.base.n_partitions() };
                    let _ = writeln!(text, "  {}   [{tasks} task{}]", segment.describe(), if tasks == 1 { "" } else { "s" });
                }
            }
        }
        text
    }
}

impl<T: Element + Clone> Bag<T> {
    /// The name of each segment's partitions.
    fn names(segments: &[Segment]) -> impl Iterator<Item = Name> {
        let sink = collect_sink::<T>();
        segments.iter().map(move |segment| match &segment.base.sources {
            Sources::Layer { name, .. } if segment.ready => name.clone(),
            _ => segment.name(segment.operation(), &sink, &[]),
        })
    }

    /// The name of the bag's partitions, the first part of their keys; of the first, if it was put together of several.
    pub fn name(&self) -> Option<Name> {
        Self::names(self.segments().ok()?).next()
    }

    /// The tasks that make all partitions as [`Partition<T>`].
    pub(crate) fn lower_partitions(&self) -> Result<Lowered, arras_core::Error> {
        let segments = self.segments()?;
        let mut lowered = Lowered { graph: Graph::new(), places: Vec::with_capacity(self.n_partitions()) };
        for (segment, name) in segments.iter().zip(Self::names(segments)) {
            if segment.ready {
                lowered.graph.merge(&segment.base.graph);
            } else {
                segment.lower(&mut lowered.graph, name.clone(), collect_sink::<T>(), &[]);
            }
            lowered.places.extend((0..segment.base.n_partitions()).map(|i| (name.clone(), i)));
        }
        Ok(lowered)
    }
}

/// Gathers what arrives as a partition.
pub(crate) fn collect_sink<T: Element + Clone>() -> Sink {
    Sink {
        open: Func::erased::<Partition<T>, _>(|_| Ok(cell(Vec::<T>::new()))),
        push: Func::erased::<Partition<T>, _>(|inputs: &Inputs<'_>| {
            lock::<Batch<T>>(inputs.value(0))?.move_onto(&mut *lock::<Vec<T>>(inputs.value(1))?);
            Ok(Value::new(true))
        }),
        close: Func::erased::<Partition<T>, _>(|inputs: &Inputs<'_>| {
            let items = std::mem::take(&mut *lock::<Vec<T>>(inputs.value(0))?);
            Ok(Partition(items).into_value())
        }),
        label: "collect".to_owned(),
    }
}

impl<T: Element + Clone> Collection for Bag<T> {
    type Output = Vec<T>;

    fn graph(&self) -> arras_core::Result<Graph> {
        Ok(self.lower_partitions()?.graph)
    }

    fn keys(&self) -> Vec<Key> {
        let Ok(segments) = self.segments() else { return Vec::new() };
        let names = Self::names(segments);
        segments
            .iter()
            .zip(names)
            .flat_map(|(segment, name)| (0..segment.base.n_partitions()).map(move |i| Key::from((&name, i))))
            .collect()
    }

    fn finish(&self, values: Vec<Value>) -> arras_core::Result<Vec<T>> {
        let mut values = values.into_iter();
        let Some(first) = values.next() else { return Ok(Vec::new()) };
        let rest = values.collect::<Vec<_>>();
        let mut items = first.into_inner::<Partition<T>>()?.0;
        let mut length = 0;
        for value in &rest {
            length += value.get::<Partition<T>>()?.len();
        }
        items.reserve(length);
        for value in rest {
            items.append(&mut value.into_inner::<Partition<T>>()?.0);
        }
        Ok(items)
    }

    fn describe(&self) -> String {
        self.story()
    }
}

impl<T: Element + Clone> Persist for Bag<T> {
    fn persisted(&self, values: Vec<Value>) -> arras_core::Result<Self> {
        let mut values = values.into_iter();
        let segments = self.segments()?;
        let mut persisted = Vec::with_capacity(segments.len());
        for (segment, name) in segments.iter().zip(Self::names(segments)) {
            let own: Vec<Value> = values.by_ref().take(segment.base.n_partitions() as usize).collect();
            for value in &own {
                value.check::<Partition<T>>()?;
            }
            let story = format!("{} (in memory)", segment.describe());
            persisted.push(Segment { hashed: segment.hashed, ..Segment::of_partitions::<T>(Base::of_values(name, own, story)) });
        }
        Ok(Bag::new(persisted))
    }
}

impl<T> fmt::Display for Bag<T> {
    /// Its type, partitions and steps, never its elements.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let element = std::any::type_name::<T>();
        let n = self.n_partitions();
        write!(f, "Bag<{element}>({n} partition{}: {})", if n == 1 { "" } else { "s" }, self.stories())
    }
}

impl<T> fmt::Debug for Bag<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
