//! By key and by order: what brings equal keys together.

pub(crate) mod by_key;
mod combine;
pub(crate) mod group;
mod join;
mod pairs;
mod sets;
mod sort;
