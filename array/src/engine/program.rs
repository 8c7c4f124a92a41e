//! Programs: a region of elementwise operations as steps over registers.
//!
//! ```text
//!     less(add(square(x), square(y)), 1.0)
//!
//!     r0 = square input 0          a register holds one tile, about a thousand elements, and stays in
//!     r1 = square input 1          the first cache; no step writes a whole block
//!     r0 = add r0' r1
//!     b0 = less r0 1.0
//! ```
//! A region is all the elementwise nodes of one shape and chunking that a node reaches through such nodes. What it reads from elsewhere is an input; what two of its nodes share
//! is computed once.

use std::collections::HashMap;
use std::sync::Arc;

use arras_core::Name;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::array::Operand;
use crate::creation::iota::Iota;
use crate::elementwise::map::Function;
use crate::elementwise::operations::Operation;
use crate::engine::dtype::{DType, Scalar};
use crate::engine::expr::{Draws, Expr, Kind};

/// Steps over registers, run for each tile of a block.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Program {
    pub(crate) steps: Vec<Step>,
    pub(crate) result: Source,
    /// Which elements of the result count, for a fold over some of them: `bool`.
    pub(crate) mask: Option<Source>,
    pub(crate) dtype: DType,
    /// The types of the inputs.
    pub(crate) inputs: Vec<DType>,
    /// How many registers of each type, in the order in which types were first needed.
    pub(crate) registers: Vec<(DType, u32)>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) action: Action,
    pub(crate) operands: SmallVec<[Source; 2]>,
    /// The types of the operands.
    pub(crate) dtypes: SmallVec<[DType; 2]>,
    pub(crate) result: DType,
    /// What happens to the operands of arithmetic on their way in.
    pub(crate) ways: [Way; 2],
    pub(crate) target: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Action {
    Apply(Operation),
    Draw(Draws),
    Count(Iota),
    /// Nothing: another step does it. Gone once registers are allocated.
    Absorbed,
}

/// What happens to an operand on its way into a step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum Way {
    Plain,
    Squared,
    Linear(Linear),
}

/// `(x * first + plus) * then`, each rounded: what up to three steps with scalars come to. Of a step that is not there the scalar is one that leaves all floats as they are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Linear {
    pub(crate) first: f64,
    pub(crate) plus: f64,
    pub(crate) then: f64,
    /// How far it is filled, from the last: 1 where there is `then`, 2 `plus`, 3 `first`.
    filled: u8,
}

/// Where a step takes an operand from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum Source {
    Register(u32),
    Input(u32),
    Scalar(Scalar),
}

impl Linear {
    /// No step.
    const NOTHING: Linear = Linear { first: 1.0, plus: -0.0, then: 1.0, filled: 0 };

    /// This, of what comes out of a step with one scalar; and the step's other operand. `None` if that is no such step, or one too many.
    fn behind(self, step: &Step) -> Option<(Source, Linear)> {
        let Action::Apply(operation) = &step.action else { return None };
        let (of, scalar) = match (operation, &*step.operands) {
            // Sums and products are the same either way round, differences and quotients are not.
            (Operation::Add | Operation::Multiply, [Source::Scalar(scalar), of]) => (*of, scalar),
            (Operation::Add | Operation::Multiply | Operation::Subtract, [of, Source::Scalar(scalar)]) => (*of, scalar),
            _ => return None,
        };
        let scalar = match *scalar {
            Scalar::F32(x) => f64::from(x),
            Scalar::F64(x) => x,
            _ => return None,
        };
        // The sign of what is not a number may tell a difference from a sum.
        if matches!(of, Source::Scalar(_)) || scalar.is_nan() {
            return None;
        }
        let linear = match (operation, self.filled) {
            (Operation::Multiply, 0) => Linear { then: scalar, filled: 1, ..self },
            (Operation::Multiply, 1 | 2) => Linear { first: scalar, filled: 3, ..self },
            (Operation::Add, 0 | 1) => Linear { plus: scalar, filled: 2, ..self },
            (Operation::Subtract, 0 | 1) => Linear { plus: -scalar, filled: 2, ..self },
            _ => return None,
        };
        Some((of, linear))
    }
}

impl Way {
    /// The operations that it stands for.
    pub(crate) fn names(self) -> impl Iterator<Item = &'static str> {
        let (squares, linear) = match self {
            Way::Plain => (false, Linear::NOTHING),
            Way::Squared => (true, Linear::NOTHING),
            Way::Linear(linear) => (false, linear),
        };
        let adds = linear.plus.to_bits() != Linear::NOTHING.plus.to_bits();
        [(squares, "square"), (linear.first != 1.0, "multiply"), (adds, "add"), (linear.then != 1.0, "multiply")]
            .into_iter()
            .filter_map(|(is_there, name)| is_there.then_some(name))
    }
}

/// Where a program's result is, and its mask, if it has one.
type Results = SmallVec<[Source; 2]>;

/// Whether a node can be a step of a program for blocks of its chunks.
fn is_step(expr: &Expr) -> bool {
    matches!(expr.kind, Kind::Elementwise { .. } | Kind::Draws(_) | Kind::Iota(_) | Kind::Full(_))
}

/// How much of an expression a program takes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fusion {
    /// The whole region around the root.
    Region,
    /// The root, which reads its operands as inputs.
    Root,
    /// Nothing: the root is an input.
    None,
}

/// The program that computes `root`, with a mask of the same chunks, of type `bool`, if there is one; and the nodes that it reads: all that are no operations, and of the others
/// those for which `is_stored` holds.
pub(crate) fn compile(
    root: &Arc<Expr>,
    mask: Option<&Arc<Expr>>,
    fusion: Fusion,
    is_stored: impl Fn(&Expr) -> bool,
) -> (Program, Vec<Arc<Expr>>) {
    let mut compiler = Compiler { values: HashMap::new(), inputs: Vec::new(), steps: Vec::new() };
    // A node, and whether its operands are done.
    let mut stack: Vec<(Arc<Expr>, bool)> = mask.into_iter().chain([root]).map(|expr| (Arc::clone(expr), false)).collect();
    while let Some((expr, operands_done)) = stack.pop() {
        if compiler.values.contains_key(&expr.name) {
            continue;
        }
        let inside = match fusion {
            Fusion::Region => expr.chunks == root.chunks || matches!(expr.kind, Kind::Full(_)),
            Fusion::Root => Arc::ptr_eq(&expr, root),
            Fusion::None => false,
        };
        if !inside || !is_step(&expr) || (!Arc::ptr_eq(&expr, root) && is_stored(&expr)) {
            compiler.input(expr);
            continue;
        }
        if let (Kind::Elementwise { .. }, false) = (&expr.kind, operands_done) {
            stack.push((Arc::clone(&expr), true));
            // The first operand is done first.
            stack.extend(expr.inputs().into_iter().rev().map(|input| (Arc::clone(input), false)));
            continue;
        }
        compiler.step(&expr);
    }
    let results: Results = [root].into_iter().chain(mask).map(|expr| compiler.values[&expr.name]).collect();
    let Compiler { inputs, steps, .. } = compiler;
    let (steps, results, registers) = allocate(absorb(steps, &results), results);
    let (result, mask) = (results[0], results.get(1).copied());
    let program = Program { steps, result, mask, dtype: root.dtype, inputs: inputs.iter().map(|input| input.dtype).collect(), registers };
    (program, inputs)
}

struct Compiler {
    /// Where each node's elements are; registers are numbered by step.
    values: HashMap<Name, Source>,
    inputs: Vec<Arc<Expr>>,
    steps: Vec<Step>,
}

impl Compiler {
    fn input(&mut self, expr: Arc<Expr>) {
        self.values.insert(expr.name.clone(), Source::Input(self.inputs.len() as u32));
        self.inputs.push(expr);
    }

    fn step(&mut self, expr: &Arc<Expr>) {
        let source = match &expr.kind {
            Kind::Full(scalar) => Source::Scalar(*scalar),
            Kind::Draws(draws) => self.push(Action::Draw(draws.clone()), SmallVec::new(), SmallVec::new(), expr.dtype),
            Kind::Iota(iota) => self.push(Action::Count(iota.clone()), SmallVec::new(), SmallVec::new(), expr.dtype),
            Kind::Elementwise { operation, operands } => {
                let source = |operand: &Operand| match operand {
                    Operand::Expr(expr) => self.values[&expr.name],
                    Operand::Scalar(scalar) => Source::Scalar(*scalar),
                };
                let (sources, dtypes) = (operands.iter().map(source).collect(), operands.iter().map(Operand::dtype).collect());
                self.push(Action::Apply(operation.clone()), sources, dtypes, expr.dtype)
            }
            _ => unreachable!("only steps are compiled"),
        };
        self.values.insert(expr.name.clone(), source);
    }

    fn push(&mut self, action: Action, operands: SmallVec<[Source; 2]>, dtypes: SmallVec<[DType; 2]>, result: DType) -> Source {
        let target = self.steps.len() as u32;
        self.steps.push(Step { action, operands, dtypes, result, ways: [Way::Plain; 2], target });
        Source::Register(target)
    }
}

impl Program {
    /// The last step, if it compares and what it finds is the result: a reduction can count without storing it.
    pub(crate) fn last_comparison(&self) -> Option<&Step> {
        let last = self.steps.last()?;
        let compares = matches!(&last.action, Action::Apply(operation) if operation.is_comparison());
        (compares && self.mask.is_none() && self.result == Source::Register(last.target)).then_some(last)
    }
}

impl Step {
    /// What it takes an element, in quarters of a nanosecond, measured: a draw about 1 ns, a cheap step in the cache a quarter.
    pub(crate) fn quarters(&self) -> u64 {
        match &self.action {
            Action::Draw(_) => 4,
            Action::Apply(operation) => operation.quarters() + self.ways.iter().filter(|way| **way != Way::Plain).count() as u64,
            Action::Count(_) => 1,
            Action::Absorbed => 0,
        }
    }

    /// The function of the user's that it calls, if it does.
    pub(crate) fn function(&self) -> Option<&Function> {
        match &self.action {
            Action::Apply(Operation::Call(function)) => Some(function),
            _ => None,
        }
    }
}

/// Lets arithmetic of floats prepare its operands itself, where what they come from is used once: a pass over the tile less for each step that is gone.
fn absorb(mut steps: Vec<Step>, results: &[Source]) -> Vec<Step> {
    let mut uses = vec![0; steps.len()];
    let registers = steps.iter().flat_map(|step| &step.operands).chain(results).filter_map(|source| match source {
        Source::Register(r) => Some(*r as usize),
        _ => None,
    });
    registers.for_each(|r| uses[r] += 1);
    // Those that are nearest to the result first: they take in what lies behind them.
    for i in (0..steps.len()).rev() {
        let Action::Apply(operation) = &steps[i].action else { continue };
        let sums = matches!(operation, Operation::Add | Operation::Subtract);
        if !(sums || matches!(operation, Operation::Multiply | Operation::Divide)) || !matches!(steps[i].result, DType::F32 | DType::F64) {
            continue;
        }
        for at in 0..2 {
            let Source::Register(r) = steps[i].operands[at] else { continue };
            let (before, after) = steps.split_at_mut(i);
            let other = after[0].ways[1 - at];
            let square = &mut before[r as usize];
            if sums
                && uses[r as usize] == 1
                && matches!(square.action, Action::Apply(Operation::Square))
                && !matches!(other, Way::Linear(_))
            {
                (after[0].operands[at], after[0].ways[at]) = (square.operands[0], Way::Squared);
                square.action = Action::Absorbed;
                continue;
            }
            let mut linear = Linear::NOTHING;
            while let Source::Register(r) = after[0].operands[at]
                && uses[r as usize] == 1
                && !matches!(other, Way::Squared)
                && let Some((of, longer)) = linear.behind(&before[r as usize])
            {
                (after[0].operands[at], linear) = (of, longer);
                after[0].ways[at] = Way::Linear(linear);
                before[r as usize].action = Action::Absorbed;
            }
        }
    }
    steps
}

/// Gives each step a register that nobody needs any more. A step never writes into a register that it reads.
fn allocate(mut steps: Vec<Step>, mut results: Results) -> (Vec<Step>, Results, Vec<(DType, u32)>) {
    let mut last_use = vec![0; steps.len()];
    for (i, step) in steps.iter().enumerate().filter(|(_, step)| !matches!(step.action, Action::Absorbed)) {
        for operand in &step.operands {
            if let Source::Register(r) = operand {
                last_use[*r as usize] = i;
            }
        }
    }
    for result in &results {
        if let Source::Register(r) = result {
            last_use[*r as usize] = usize::MAX;
        }
    }
    let mut places = vec![0u32; steps.len()];
    let mut registers: Vec<(DType, u32)> = Vec::new();
    let mut free: Vec<(DType, u32)> = Vec::new();
    for i in 0..steps.len() {
        if matches!(steps[i].action, Action::Absorbed) {
            continue;
        }
        let dtype = steps[i].result;
        places[i] = match free.iter().rposition(|(d, _)| *d == dtype) {
            Some(at) => free.swap_remove(at).1,
            None => {
                let at = registers.iter().position(|(d, _)| *d == dtype).unwrap_or_else(|| {
                    registers.push((dtype, 0));
                    registers.len() - 1
                });
                registers[at].1 += 1;
                registers[at].1 - 1
            }
        };
        let mut freed: SmallVec<[u32; 2]> = SmallVec::new();
        for operand in &steps[i].operands {
            if let Source::Register(r) = operand
                && last_use[*r as usize] == i
                && !freed.contains(r)
            {
                freed.push(*r);
            }
        }
        for r in freed {
            free.push((steps[r as usize].result, places[r as usize]));
        }
        for operand in &mut steps[i].operands {
            if let Source::Register(r) = operand {
                *r = places[*r as usize];
            }
        }
        steps[i].target = places[i];
    }
    for result in &mut results {
        if let Source::Register(r) = result {
            *r = places[*r as usize];
        }
    }
    steps.retain(|step| !matches!(step.action, Action::Absorbed));
    (steps, results, registers)
}
