//! Every test of frames, as one binary: polars is slow to link.

#[path = "all/oracle.rs"]
mod oracle;

#[path = "all/bytes_read_back.rs"]
mod bytes_read_back;
#[path = "all/damaged_functions_are_errors.rs"]
mod damaged_functions_are_errors;
#[path = "all/errors_name_what_is_wrong.rs"]
mod errors_name_what_is_wrong;
#[path = "all/files_are_partitions.rs"]
mod files_are_partitions;
#[path = "all/frames_travel.rs"]
mod frames_travel;
#[path = "all/groups_equal_those_of_polars.rs"]
mod groups_equal_those_of_polars;
#[path = "all/head_takes_the_first_rows.rs"]
mod head_takes_the_first_rows;
#[path = "all/names_tell_work_apart.rs"]
mod names_tell_work_apart;
#[path = "all/partitions_come_from_anywhere.rs"]
mod partitions_come_from_anywhere;
#[path = "all/rows_stay_in_their_partition.rs"]
mod rows_stay_in_their_partition;
#[path = "all/value_counts_are_sorted.rs"]
mod value_counts_are_sorted;
#[path = "all/what_stays_says_why.rs"]
mod what_stays_says_why;
