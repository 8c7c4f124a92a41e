//! One value, computed later: calls, their names, and what they cost to build.

use std::sync::atomic::{AtomicUsize, Ordering};

use arras_core::{
    Collection, Delayed, Error, Func, Graph, Opaque, Persist, Task, Value, delayed, evaluate, get_values, task, try_delayed, with,
};

#[test]
fn functions_of_no_to_eight_parameters() {
    let d = |x: i64| Delayed::value(x);
    assert_eq!(evaluate(&delayed(|| 7, ())).unwrap(), 7);
    assert_eq!(evaluate(&delayed(|a: i64| a, (d(1),))).unwrap(), 1);
    assert_eq!(evaluate(&delayed(|a: i64, b: &i64| a + b * 10, (d(1), 2))).unwrap(), 21);
    assert_eq!(evaluate(&delayed(|a: &i64, b: i64, c: &i64| a + b * 10 + c * 100, (1, d(2), 3))).unwrap(), 321);
    let four = |a: i64, b: &i64, c: i64, e: &String| format!("{a}{b}{c}{e}");
    assert_eq!(evaluate(&delayed(four, (1, d(2), &d(3), "4".to_owned()))).unwrap(), "1234");
    let five = |a: i64, b: i64, c: i64, e: i64, f: i64| [a, b, c, e, f].iter().fold(0, |n, x| n * 10 + x);
    assert_eq!(evaluate(&delayed(five, (1, 2, d(3), 4, 5))).unwrap(), 12345);
    let six = |a: i64, b: i64, c: i64, e: i64, f: i64, g: &i64| [a, b, c, e, f, *g].iter().fold(0, |n, x| n * 10 + x);
    assert_eq!(evaluate(&delayed(six, (1, 2, d(3), 4, 5, d(6)))).unwrap(), 123456);
    let seven = |a: i64, b: i64, c: i64, e: i64, f: i64, g: &i64, h: u8| [a, b, c, e, f, *g, h.into()].iter().fold(0, |n, x| n * 10 + x);
    assert_eq!(evaluate(&delayed(seven, (1, 2, d(3), 4, 5, d(6), 7u8))).unwrap(), 1234567);
    #[allow(clippy::too_many_arguments)]
    fn eight(a: i64, b: i64, c: i64, e: i64, f: i64, g: &i64, h: i64, i: f64) -> f64 {
        [a, b, c, e, f, *g, h].iter().fold(0, |n, x| n * 10 + x) as f64 + i
    }
    assert_eq!(evaluate(&delayed(eight, (1, 2, d(3), 4, 5, d(6), 7, Delayed::value(0.5)))).unwrap(), 1234567.5);
}

#[test]
fn vectors_and_tuples_of_delayed_are_arguments() {
    let parts: Vec<Delayed<i64>> = (0..5).map(|i| delayed(|x: i64| x * x, (i,))).collect();
    assert_eq!(evaluate(&delayed(|xs: &Vec<i64>| xs.iter().sum::<i64>(), (parts.clone(),))).unwrap(), 30);
    assert_eq!(evaluate(&delayed(|xs: Vec<i64>| xs.len(), (Vec::<Delayed<i64>>::new(),))).unwrap(), 0);
    assert_eq!(evaluate(&delayed(|xs: Vec<i64>| xs.len(), (vec![1i64, 2],))).unwrap(), 2);
    let (a, b, c, d) = (parts[1].clone(), Delayed::value("x".to_owned()), Delayed::value(2.5), Delayed::value(true));
    assert_eq!(evaluate(&delayed(|p: &(i64, String)| format!("{}{}", p.0, p.1), ((a.clone(), b.clone()),))).unwrap(), "1x");
    assert_eq!(evaluate(&delayed(|p: (i64, String, f64)| p.2, ((a.clone(), b.clone(), c.clone()),))).unwrap(), 2.5);
    assert_eq!(evaluate(&delayed(|p: (i64, String, f64, bool), n: u8| (p.3, n), ((a, b, c, d), 3u8))).unwrap(), (true, 3));
}

#[test]
fn operators_in_all_their_forms() {
    let (x, y) = (Delayed::value(7i64), Delayed::value(2i64));
    let all = vec![
        &x + &y,
        x.clone() - y.clone(),
        &x * y.clone(),
        x.clone() / &y,
        &x % &y,
        -&x,
        -x.clone(),
        &x + 10,
        x.clone() - 10,
        10 * &x,
        100 / x.clone(),
        100 % &x,
        10 - &x,
        &x / 2,
        x.clone() % 4,
    ];
    assert_eq!(evaluate(&all).unwrap(), [9, 5, 14, 3, 1, -7, -7, 17, -3, 70, 14, 2, 3, 3, 3]);
    assert_eq!(evaluate(&(1.0 / (Delayed::value(4.0f64) - 2.0))).unwrap(), 0.5);
    assert_eq!(evaluate(&(Delayed::value(4u8) + 2u8)).unwrap(), 6);
    assert_ne!((&x - &y).key(), (&y - &x).key());
    assert_ne!((&x - 1).key(), (1 - &x).key());
    assert_eq!((&x - 1).key(), (x.clone() - 1).key(), "by value or by reference is the same work");
    let error = evaluate(&try_delayed(|x: &i64| x.checked_div(0).ok_or("division by zero"), (x,))).unwrap_err();
    assert!(error.to_string().ends_with("division by zero"), "{error}");
}

#[test]
fn maps_zips_and_fallible_maps() {
    let words = Delayed::value("4 2".to_owned());
    let count = words.map(|words: &String| words.split(' ').count());
    let both = words.zip_with(&count, |words: &String, count: &usize| format!("{words}: {count}"));
    assert_eq!(evaluate(&both).unwrap(), "4 2: 2");
    assert_eq!(evaluate(&count.try_map(|n| u8::try_from(*n))).unwrap(), 2);
    let error = evaluate(&words.try_map(|text| text.parse::<i64>()).map(|n| n + 1)).unwrap_err();
    assert!(error.find::<std::num::ParseIntError>().is_some(), "{error}");
    assert!(matches!(error, Error::Task { .. }));
}

#[test]
fn equal_work_has_equal_names_and_is_done_once() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    fn work(x: i64) -> i64 {
        CALLS.fetch_add(1, Ordering::SeqCst);
        x * 2
    }
    let make = |x: i64| delayed(work, (x,)).map(|x| x + 1);
    let (one, same, other) = (make(1), make(1), make(2));
    assert_eq!(one.key(), same.key());
    assert_ne!(one.key(), other.key());
    assert_eq!(evaluate(&(&one + &same, other)).unwrap(), (6, 5));
    assert_eq!(CALLS.load(Ordering::SeqCst), 2);
    assert_eq!(scaled(2).key(), scaled(2).key());
    assert_ne!(scaled(2).key(), scaled(3).key());

    CALLS.store(0, Ordering::SeqCst);
    let impure = || delayed(work, (1,)).impure();
    assert_eq!(evaluate(&vec![impure(), impure(), impure()]).unwrap(), [2, 2, 2]);
    let again = impure();
    assert_eq!(evaluate(&(&again + &again)).unwrap(), 4);
    assert_eq!(CALLS.load(Ordering::SeqCst), 4);
    // Its own name is there before the names of what it stands on.
    assert_eq!(evaluate(&delayed(work, (delayed(work, (delayed(work, (1,)),)),)).impure()).unwrap(), 8);
}

fn scaled(k: i64) -> Delayed<i64> {
    delayed(with(k, |k: &i64, x: i64| x * k), (1,))
}

#[test]
fn closures_that_capture_have_names_of_their_own_and_closures_of_one_function_differ() {
    let captured = |k: i64| Delayed::value(1i64).map(move |x| x + k);
    assert_ne!(captured(1).key(), captured(1).key());
    assert_eq!(evaluate(&(captured(1), captured(2))).unwrap(), (2, 3));
    let kept = captured(5);
    assert_eq!(kept.key(), kept.clone().key());
    let twice = || kept.map(|x| x * 2);
    assert_eq!(twice().key(), twice().key(), "equal work on the same value");
    assert_ne!(kept.map(|x| x + 2).key(), twice().key());
}

#[test]
fn values_written_alike_but_of_different_types_are_different_values() {
    let of = (
        Delayed::value(vec![1i64, 2]),
        Delayed::value(vec![1u8, 2]),
        Delayed::value(Vec::<String>::new()),
        Delayed::value(Vec::<f64>::new()),
    );
    assert_eq!(evaluate(&of).unwrap(), (vec![1, 2], vec![1, 2], vec![], vec![]));
    let options = (Delayed::value(Some(1i32)), Delayed::value(Some(1u64)), Delayed::value(None::<i8>), Delayed::value(None::<i16>));
    assert_eq!(evaluate(&options).unwrap(), (Some(1), Some(1), None, None));
    let calls = (delayed(|x: Vec<i64>| x.len(), (vec![0i64],)), delayed(|x: Vec<u8>| x.len(), (vec![0u8],)));
    assert_eq!(evaluate(&calls).unwrap(), (1, 1));
    assert_eq!(Delayed::value(vec![1i64]).key(), Delayed::value(vec![1i64]).key());
}

#[test]
fn opaque_values_are_handed_on_and_compared_by_nothing() {
    let channel = || delayed(|| Opaque(std::sync::Mutex::new(vec![1])), ());
    assert_eq!(evaluate(&channel().map(|held| held.0.lock().unwrap().len())).unwrap(), 1);
    let (a, b) = (Delayed::value(Opaque(1)), Delayed::value(Opaque(1)));
    assert_ne!(a.key(), b.key());
    let uses = |argument| delayed(|x: &Opaque<i32>| x.0, (argument,));
    assert_ne!(uses(Opaque(1)).key(), uses(Opaque(1)).key());
}

#[test]
fn shared_expressions_are_one_task_however_often_they_are_used() {
    // Each line uses the one before twice: 2^60 uses, 61 tasks.
    let mut x = Delayed::value(1i64);
    for _ in 0..60 {
        x = &x + &x;
    }
    assert_eq!(x.graph().unwrap().len(), 61);
    assert_eq!(evaluate(&x).unwrap(), 1 << 60);
    // A graph of many layers is merged once, not once a use.
    const N: i64 = 40_000;
    let graph = Graph::from_iter((0..N).map(|i| (format!("t{i}"), task(|| 1i64, ()))));
    let one = Delayed::<i64>::from_graph(graph, "t7");
    let uses: Vec<_> = (0..N).map(|i| &one + i).collect();
    let start = std::time::Instant::now();
    assert_eq!(delayed(|xs: &Vec<i64>| xs.len(), (uses,)).graph().unwrap().len() as i64, 2 * N + 2);
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}

#[test]
fn a_chain_of_200_000_maps_is_built_named_run_and_dropped_without_recursion() {
    const N: usize = 200_000;
    let run = || {
        let mut x = Delayed::value(0i64);
        for _ in 0..N {
            x = x.map(|x| x + 1);
        }
        assert_eq!(x.key().name().as_str().len(), x.key().name().operation().len() + 33);
        assert!(format!("{x:?}").starts_with("Delayed<i64>("));
        let graph = x.graph().unwrap();
        assert_eq!(graph.len(), N + 1);
        graph.check().unwrap();
        assert_eq!(evaluate(&x).unwrap(), N as i64);
        let optimised = arras_core::optimise::optimise(&graph, &x.keys()).unwrap();
        assert_eq!((optimised.len(), get_values(&optimised, &x.keys()).unwrap()[0].get::<i64>().unwrap()), (1, &(N as i64)));
    };
    // Less than a thread's usual stack.
    std::thread::Builder::new().stack_size(256 << 10).spawn(run).unwrap().join().unwrap();
}

#[test]
fn what_is_shown_is_the_type_and_the_key() {
    let x = Delayed::<Vec<f64>>::from_graph(Graph::new(), ("load", 3));
    assert_eq!(format!("{x:?}"), "Delayed<Vec>((\"load\", 3))");
    let text = format!("{:?}", delayed(f64::sqrt, (2.0,)));
    assert!(text.starts_with("Delayed<f64>(\"sqrt-") && text.ends_with("\")"), "{text}");
}

#[test]
fn tuples_vectors_options_and_references_are_collections() {
    let (x, y) = (Delayed::value(1i64), delayed(|| "y".to_owned(), ()));
    let nested = ((&x, vec![y.clone(), y.clone()]), Some(&y), None::<Delayed<u8>>, Vec::<Delayed<u8>>::new());
    let y = || "y".to_owned();
    assert_eq!(evaluate(&nested).unwrap(), ((1, vec![y(), y()]), Some(y()), None, vec![]));
    assert_eq!(nested.keys().len(), 4);
    assert_eq!(
        evaluate(&(x.clone(), x.clone(), x.clone(), x.clone(), x.clone(), x.clone(), x.clone(), x)).unwrap(),
        (1, 1, 1, 1, 1, 1, 1, 1)
    );
    let failed = evaluate(&(Delayed::<u8>::failed(Error::collection(arras_core::Panic::new("no"))), Delayed::value(1))).map(drop);
    assert_eq!(failed.unwrap_err().to_string(), "panicked: no");
}

#[test]
fn what_is_persisted_keeps_its_key_and_runs_no_more() {
    let roll = delayed(|| -> i64 { panic!("runs no more") }, ());
    let persisted = (roll.clone(), vec![Some(roll.clone())]).persisted(vec![Value::new(4i64), Value::new(4i64)]).unwrap();
    assert_eq!(persisted.0.key(), roll.key());
    assert_eq!(evaluate(&(&persisted.0 + &persisted.1[0].clone().unwrap())).unwrap(), 8);
    assert!(matches!(persisted.0.graph().unwrap().get(roll.key()), Some(Task::Value(_))));
    assert!(roll.as_call().is_some_and(|(_, values)| values.is_empty()) && persisted.0.as_call().is_none());
    let wrong = roll.persisted(vec![Value::new("text".to_owned())]).unwrap();
    assert!(matches!(evaluate(&wrong), Err(Error::WrongType { .. })));
    let func: Func = delayed(|x: i64| x, (1,)).as_call().unwrap().0;
    assert!(func.is_portable() && delayed(|x: i64| x, (Delayed::value(1),)).as_call().is_none());
}
