//! What `n_jobs` means.

use arras_core::{Error, Result};
use arras_scheduler::cpu_count;

/// The number of calls that run at the same time for an `n_jobs`, as joblib counts: positive numbers as they are, -1 all CPUs that the process may use, -2 all but one, and
/// so on, but never less than one.
///
/// ```
/// use arras_parallel::{cpu_count, effective_n_jobs};
/// assert_eq!(effective_n_jobs(3)?, 3);
/// assert_eq!(effective_n_jobs(-1)?, cpu_count());
/// assert!(effective_n_jobs(0).is_err());
/// # Ok::<(), arras_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Setting`] for 0, which has no meaning.
pub fn effective_n_jobs(n_jobs: i32) -> Result<usize> {
    jobs_of(n_jobs, cpu_count())
}

fn jobs_of(n_jobs: i32, cpus: usize) -> Result<usize> {
    match n_jobs {
        0 => Err(Error::Setting {
            what: "n_jobs",
            value: "0".to_owned(),
            expected: "a positive number of jobs, or -1 for all CPUs, -2 for all but one, and so on",
        }),
        1.. => Ok(n_jobs as usize),
        _ => Ok((cpus + 1).saturating_sub(n_jobs.unsigned_abs() as usize).max(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::jobs_of;

    #[test]
    fn negative_numbers_count_from_all_cpus_down_to_one() {
        let jobs: Vec<usize> = [5, 1, -1, -2, -8, -9, i32::MIN].into_iter().map(|n| jobs_of(n, 8).unwrap()).collect();
        assert_eq!(jobs, [5, 1, 8, 7, 1, 1, 1]);
        assert_eq!(jobs_of(0, 8).unwrap_err().to_string().split(':').next(), Some("n_jobs"));
    }
}
