//! Behaviour of the compare command's parts and of the benches' graphs, one topic a module.

mod all {
    mod climate_agrees_with_xarray;
    mod graphs_are_what_they_say;
    mod owners_read_what_is_written;
    mod peers_answer_or_fail_clearly;
    mod python_environment_is_made_once;
    mod reports;
    mod rows_take_turns;
}
