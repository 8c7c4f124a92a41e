//! When and where: the synchronous and the threads scheduler of arras
