//! Runs: a source, steps and a sink, streamed through in batches as one task a partition.
//!
//! ```text
//!     cursor ──fill──► slot ──step──► slot ──step──► slot ──sink──► state ──close──► the task's value
//!        ▲               a batch of T    a batch of R                │
//!        └────────────── another batch, unless the sink has enough ──┘
//! ```
//! Inside a step is a monomorphic loop over a batch; between steps is one erased call. Each part is a [`Func`] of slots, so a run of closures that capture
//! nothing is portable and has a token that equal runs share.
//!
//! A step pushes what it made to the rest of the run, as often as it likes: one that makes a million elements of one pushes them a batch at a time.
//!
//! Each step and the sink have a [`Rest`]: what comes after them, what they read besides elements, and how far they are, so that a panic can be told with the
//! element that it was about.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use arras_core::{BoxError, Func, Inputs, Kernel, Opaque, Panic, Token, Tokenizer, Value};
use serde::{Deserialize, Serialize};

use crate::engine::batch::{BATCH, lock};
use crate::engine::progress::Progress;
use crate::error::Error;

/// Where a run's elements come from.
pub(crate) trait Cursor: Send {
    /// Puts the next elements, at most `limit` if they can be counted, into the slot. False if there are none left.
    fn fill(&mut self, slot: &Value, limit: usize) -> Result<bool, BoxError>;
}

/// A cursor as a value, for the function that opens a source.
pub(crate) fn cursor_value(cursor: impl Cursor + 'static) -> Value {
    Value::new(Opaque(Mutex::new(Box::new(cursor) as Box<dyn Cursor>)))
}

/// Opens the sources of a run, and makes the slot that they fill.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Origin {
    /// (the partition's own inputs) → a cursor.
    #[serde(with = "wire")]
    pub(crate) open: Func,
    /// () → a slot.
    #[serde(with = "wire")]
    pub(crate) slot: Func,
}

/// One step of a run.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Step {
    /// (slot, slot, rest) → whether more is wanted.
    #[serde(with = "wire")]
    pub(crate) push: Func,
    /// () → the slot that the step fills.
    #[serde(with = "wire")]
    pub(crate) slot: Func,
    pub(crate) label: String,
}

/// The end of a run.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Sink {
    /// (the sink's inputs) → state.
    #[serde(with = "wire")]
    pub(crate) open: Func,
    /// (slot, state, rest, which has nothing after it) → whether more is wanted. Before anything is read it is called with an empty slot.
    #[serde(with = "wire")]
    pub(crate) push: Func,
    /// (state) → the task's value.
    #[serde(with = "wire")]
    pub(crate) close: Func,
    pub(crate) label: String,
}

/// A source, steps and a sink: the kernel of a run's tasks, whose first inputs are the sink's, the next the source's, the last what steps read besides.
#[derive(Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) origin: Origin,
    pub(crate) steps: Vec<Step>,
    pub(crate) sink: Sink,
    /// So many inputs are the sink's.
    pub(crate) n_shared: usize,
    /// The size of the first batch; each is twice as large as the one before, up to [`BATCH`].
    pub(crate) first_batch: usize,
    /// The steps that read the last inputs, one input each.
    pub(crate) readers: Vec<u32>,
}

/// What a step knows of its run besides the elements, and whom it pushes to.
pub(crate) struct Rest {
    /// Nothing after a sink.
    next: Option<Next>,
    /// What the step reads besides elements.
    reads: Vec<Value>,
    /// No and yes, made once a run.
    answers: [Value; 2],
    /// How far the step is.
    pub(crate) progress: Progress,
}

/// What comes after a step, and the slots between them.
#[derive(Clone)]
struct Next {
    push: Func,
    /// The slot that the step before fills.
    input: Value,
    /// The slot, or the sink's state, that is filled from it.
    output: Value,
    rest: Value,
    block: u32,
}

impl Next {
    fn push(&self) -> Result<bool, BoxError> {
        let progress = &self.rest.get::<Opaque<Rest>>()?.0.progress;
        progress.enter();
        let wants_more = self.push.call(&Inputs::new(&[&self.input, &self.output, &self.rest], self.block))?;
        progress.leave();
        Ok(*wants_more.get()?)
    }
}

impl Rest {
    /// Sends what is in the slot on its way. False if no more is wanted. The slot must not be locked.
    pub(crate) fn push(&self) -> Result<bool, BoxError> {
        self.next.as_ref().ok_or("nothing comes after a sink")?.push()
    }

    /// Whether the step or the sink wants more, as a value.
    pub(crate) fn answer(&self, wants_more: bool) -> Value {
        self.answers[usize::from(wants_more)].clone()
    }

    /// A value that the step reads besides elements, of those that [`Bag::with_steps`](crate::Bag::with_steps) gave it.
    pub(crate) fn read(&self, i: usize) -> Result<&Value, BoxError> {
        Ok(self.reads.get(i).ok_or("a step has all values that it reads")?)
    }
}

/// The rest of the run, of a step's or a sink's inputs.
pub(crate) fn rest<'a>(inputs: &Inputs<'a>) -> Result<&'a Rest, BoxError> {
    Ok(&inputs.get::<Opaque<Rest>>(2)?.0)
}

impl Run {
    fn funcs(&self) -> impl Iterator<Item = &Func> {
        let steps = self.steps.iter().flat_map(|step| [&step.push, &step.slot]);
        [&self.origin.open, &self.origin.slot, &self.sink.open, &self.sink.push, &self.sink.close].into_iter().chain(steps)
    }
}

impl Kernel for Run {
    fn portability(&self) -> Result<(), String> {
        self.funcs().try_for_each(|func| func.portability().map_err(|why| format!("{}: {why}", func.name())))
    }

    fn name(&self) -> Cow<'static, str> {
        let labels: Vec<&str> = self.steps.iter().map(|step| step.label.as_str()).chain([self.sink.label.as_str()]).collect();
        Cow::Owned(labels.join(" → "))
    }

    /// Its steps are the user's functions, and a source may read any number of lines.
    fn runs_user_code(&self) -> bool {
        true
    }

    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let mut stages = Vec::with_capacity(self.steps.len() + 1);
        catch_unwind(AssertUnwindSafe(|| self.stream(inputs, &mut stages))).unwrap_or_else(|payload| {
            let panic = Panic::caught(payload);
            // The last that was entered and not left; the sink is first.
            let labels = [&self.sink.label].into_iter().chain(self.steps.iter().rev().map(|step| &step.label));
            let broken = labels.zip(&stages).find_map(|(label, stage): (_, &Value)| {
                let progress = &stage.get::<Opaque<Rest>>().ok()?.0.progress;
                progress.is_entered().then(|| (label.clone(), progress.broken_at()))
            });
            let (step, element) = broken.unwrap_or_else(|| (self.origin.open.short_name(), None));
            Err(Error::Panicked { step, partition: inputs.block(), element, panic }.into())
        })
    }
}

impl Run {
    /// Streams the partition through all steps. Leaves the sink's and the steps' rests in `stages`, last first, for whoever wants to know where it stopped.
    fn stream(&self, inputs: &Inputs<'_>, stages: &mut Vec<Value>) -> Result<Value, BoxError> {
        let block = inputs.block();
        let nothing = Inputs::new(&[], block);
        if inputs.len() < self.n_shared + self.readers.len() {
            return Err("a run has all inputs of its sink, its source and its steps".into());
        }
        let (shared, own) = inputs.split_at(self.n_shared);
        let (own, read) = own.split_at(own.len() - self.readers.len());
        let read = read.values();
        let state = self.sink.open.call(&shared)?;

        let mut slots = vec![self.origin.slot.call(&nothing)?];
        for step in &self.steps {
            slots.push(step.slot.call(&nothing)?);
        }
        let answers = [false, true].map(Value::new);
        let mut stage = |next: Option<Next>, reads: Vec<Value>| {
            let rest = Value::new(Opaque(Rest { next, reads, answers: answers.clone(), progress: Progress::default() }));
            stages.push(rest.clone());
            rest
        };
        let input = slots.pop().expect("the source has a slot");
        let mut next = Next { push: self.sink.push.clone(), input, output: state.clone(), rest: stage(None, Vec::new()), block };
        // A sink that has enough already, or wants nothing, spares opening the source.
        let mut wants_more = next.push()?;
        for (i, step) in self.steps.iter().enumerate().rev() {
            let reads = self.readers.iter().zip(read).filter(|(reader, _)| **reader as usize == i).map(|(_, value)| (*value).clone());
            let (input, output) = (slots.pop().expect("each step has a slot before it"), next.input.clone());
            next = Next { push: step.push.clone(), input, output, rest: stage(Some(next), reads.collect()), block };
        }

        if wants_more {
            let cursor = self.origin.open.call(&own)?;
            let mut cursor = lock::<Box<dyn Cursor>>(&cursor)?;
            let mut limit = self.first_batch.clamp(1, BATCH);
            while wants_more && cursor.fill(&next.input, limit)? {
                wants_more = next.push()?;
                limit = (2 * limit).min(BATCH);
            }
        }
        stages[0].get::<Opaque<Rest>>()?.0.progress.enter();
        self.sink.close.call(&Inputs::new(&[&state], block))
    }
}

/// The token of work that goes on from `token` with `func`: a new one for a function whose captures nobody can see.
pub(crate) fn token_after(token: Token, operation: &str, func: &Func) -> Token {
    match func.token() {
        Some(of_func) => Tokenizer::new().token(token).text(operation).token(of_func).finish(),
        None => Token::unique(),
    }
}

mod wire {
    use arras_core::Func;
    use arras_core::portable::FuncWire;
    use serde::de::Error as _;
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(func: &Func, serializer: S) -> Result<S::Ok, S::Error> {
        func.to_wire().map_err(S::Error::custom)?.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Func, D::Error> {
        Func::from_wire(&FuncWire::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
