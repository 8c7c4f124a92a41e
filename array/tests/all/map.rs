//! Functions of the user's, choices and operands of several types.
