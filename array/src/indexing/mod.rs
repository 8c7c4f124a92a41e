//! Elements picked by position or by a mask, and assigned to.

pub(crate) mod diagonal;
pub(crate) mod flat;
pub(crate) mod selected;
pub(crate) mod set;
pub(crate) mod take;
pub(crate) mod vindex;
