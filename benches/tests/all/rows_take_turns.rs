use std::cell::RefCell;
use std::rc::Rc;

use arras_benches::compare::{Contest, Error, Rival, Row, Setting};

fn setting(rounds: usize) -> Setting {
    Setting { threads: 1, quick: true, rounds, python: None }
}

/// A row whose sides take these times, and who ran when.
fn row(ours: [f64; 3], peer: [Option<f64>; 3]) -> (Row, Rc<RefCell<String>>) {
    let turns: Rc<RefCell<String>> = Rc::default();
    let told = Rc::clone(&turns);
    let row = Row::new("a/b", Rival::Native("peer"), move |_| {
        let (ours_turns, peer_turns) = (Rc::clone(&told), Rc::clone(&told));
        let (mut ours, mut peer) = (ours.into_iter(), peer.into_iter());
        Ok(Some(Contest {
            ours: Box::new(move || {
                ours_turns.borrow_mut().push('o');
                Ok(ours.next().unwrap())
            }),
            peer: Some(Box::new(move || {
                peer_turns.borrow_mut().push('p');
                peer.next().unwrap().ok_or(Error::PeerFailed { message: "tired".to_owned() })
            })),
            detail: Box::new(|ours_s, peer_s| Ok(format!("{ours_s} {peer_s:?}"))),
        }))
    });
    (row, turns)
}

#[test]
fn ours_and_the_peer_alternate_and_the_best_of_each_counts() {
    let (row, turns) = row([3.0, 1.0, 2.0], [Some(12.0), Some(5.0), Some(8.0)]);
    let outcome = row.run(&setting(3)).unwrap().unwrap();
    assert_eq!(*turns.borrow(), "opopop");
    assert_eq!((outcome.ours_s, outcome.peer_s, outcome.ratio()), (1.0, Some(5.0), Some(5.0)));
    assert_eq!(outcome.detail, "1 Some(5.0)");
}

#[test]
fn rounds_that_disagree_are_told() {
    let (row, _) = row([1.0, 1.0, 1.0], [Some(0.4), Some(0.4), Some(2.0)]);
    let outcome = row.run(&setting(3)).unwrap().unwrap();
    assert_eq!(outcome.detail, "UNSTEADY, rounds gave 0.40x to 2.00x; 1 Some(0.4)");
}

#[test]
fn a_peer_that_fails_is_told_and_not_asked_again() {
    let (row, turns) = row([3.0, 1.0, 2.0], [Some(5.0), None, Some(4.0)]);
    let outcome = row.run(&setting(3)).unwrap().unwrap();
    assert_eq!(*turns.borrow(), "opopo");
    assert_eq!((outcome.ours_s, outcome.peer_s, outcome.peer_failed), (1.0, None, true));
    assert_eq!(outcome.detail, "PEER FAILED: tired; 1 None");
}

#[test]
fn a_row_may_have_nothing_to_say() {
    let row = Row::new("a/b", Rival::Python("numpy"), |_| Ok(None));
    assert!(row.run(&setting(1)).unwrap().is_none());
}
