//! Chains: several calls as one function, made by [`fuse`](crate::optimise::fuse).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::error::{BoxError, Result};
use crate::func::{Body, Func, Inputs};
use crate::portable::FuncWire;
use crate::value::Value;

/// Where an argument of a step comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Argument {
    /// An input of the chain.
    Input(u32),
    /// The result of an earlier step.
    Step(u32),
}

/// One call of a chain.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) func: Func,
    pub(crate) block: u32,
    pub(crate) arguments: SmallVec<[Argument; 4]>,
}

/// Several calls, each using inputs of the chain and results of the calls before it, each result once. The last result is the chain's.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) steps: Vec<Step>,
}

/// A step of a chain failed.
#[derive(Debug, thiserror::Error)]
#[error("{func}: {source}")]
struct StepError {
    func: String,
    source: BoxError,
}

/// Steps that a chain's name spells out.
const MAX_NAMED: usize = 8;

type StepWire = (FuncWire, u32, Vec<Argument>);

impl Body for Chain {
    type Identity = Chain;

    /// `load → square → sum`; of a long chain, its ends.
    fn name(&self) -> Cow<'static, str> {
        let names = |steps: &[Step]| steps.iter().map(|step| step.func.short_name()).collect::<Vec<_>>().join(" → ");
        let n = self.steps.len();
        if n <= MAX_NAMED {
            return Cow::Owned(names(&self.steps));
        }
        let (first, last) = (&self.steps[..MAX_NAMED / 2], &self.steps[n - MAX_NAMED / 2..]);
        Cow::Owned(format!("{} → … {} steps … → {}", names(first), n - first.len() - last.len(), names(last)))
    }

    fn call(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let mut results: SmallVec<[Option<Value>; 8]> = SmallVec::new();
        for step in &self.steps {
            let arguments: SmallVec<[&Value; 8]> = step
                .arguments
                .iter()
                .map(|argument| match *argument {
                    Argument::Input(i) => inputs.value(i as usize),
                    Argument::Step(i) => results[i as usize].as_ref().expect("a result is used once, by a later step"),
                })
                .collect();
            let result = step.func.call(&Inputs::new(&arguments, step.block));
            drop(arguments);
            // Values die as young as they would as tasks.
            for argument in &step.arguments {
                if let Argument::Step(i) = *argument {
                    results[i as usize] = None;
                }
            }
            results.push(Some(result.map_err(|source| StepError { func: step.func.name().into_owned(), source })?));
        }
        Ok(results.pop().flatten().expect("a chain has steps"))
    }

    fn why_local(&self) -> Option<String> {
        self.steps.iter().find_map(|step| step.func.portability().err().map(|why| format!("{}: {why}", step.func.name())))
    }

    fn abandoned(&self) {
        self.steps.iter().for_each(|step| step.func.abandoned());
    }

    fn runs_user_code(&self) -> bool {
        self.steps.iter().any(|step| step.func.runs_user_code())
    }

    fn encode(&self) -> Result<Vec<u8>, BoxError> {
        let steps = self
            .steps
            .iter()
            .map(|step| Ok((step.func.to_wire()?, step.block, step.arguments.to_vec())))
            .collect::<Result<Vec<StepWire>, BoxError>>()?;
        Ok(rmp_serde::to_vec(&steps)?)
    }

    fn decode(bytes: &[u8]) -> Result<Self, BoxError> {
        let steps: Vec<StepWire> = rmp_serde::from_slice(bytes)?;
        if steps.is_empty() {
            return Err("a chain without steps".into());
        }
        let mut used = vec![false; steps.len()];
        for (number, (_, _, arguments)) in steps.iter().enumerate() {
            for argument in arguments {
                if let Argument::Step(i) = *argument
                    && (i as usize >= number || std::mem::replace(&mut used[i as usize], true))
                {
                    return Err(format!("step {number} of a chain uses the result of step {i}, which is not there").into());
                }
            }
        }
        let steps = steps
            .into_iter()
            .map(|(wire, block, arguments)| Ok(Step { func: Func::from_wire(&wire)?, block, arguments: arguments.into() }))
            .collect::<Result<_, BoxError>>()?;
        Ok(Chain { steps })
    }
}

impl Func {
    pub(crate) fn chain(steps: Vec<Step>) -> Func {
        Func::from_body(Chain { steps })
    }

    /// The number of calls that the function makes: more than one for a chain of fused tasks.
    pub fn n_steps(&self) -> usize {
        self.environment::<Chain>().map_or(1, |chain| chain.steps.len())
    }
}
