//! The joblib front end of arras: Parallel and delayed
