//! Drawings show every task, edge and name of a graph, are never half written, and refuse what nobody could read.

use std::fs;
use std::path::Path;

use arras_core::{
    Collection, DrawOptions, Error, Func, Graph, GridBuilder, Input, Layer, Name, RankDirection, Task, Value, alias, delayed, draw,
    optimise, task, task_of_many, to_dot, to_svg, value,
};
use proptest::prelude::*;
use roxmltree::{Document, Node};

fn add(x: &i64, y: &i64) -> i64 {
    x + y
}

fn negate(x: &i64) -> i64 {
    -x
}

fn total(xs: &[&i64]) -> i64 {
    xs.iter().copied().sum()
}

fn svg_of(graph: &Graph) -> String {
    to_svg(graph, &DrawOptions::default()).unwrap()
}

fn small() -> Graph {
    Graph::from_iter([("a", value(2i64)), ("b", value(2i64)), ("result", task(add, ("a", "b")))])
}

/// The graph of a pi estimate over blocks of points: the README's picture.
///
/// ```text
///     x 0..8 ─┐
///             ├─ sum-partial 0..8 ─ sum-combine 0..2 ─ sum ─ multiply
///     y 0..8 ─┘
/// ```
fn pi() -> Graph {
    fn grid(graph: &mut Graph, name: &str, shape: &[u32], func: Func, inputs: &[&str], of: impl Fn(u32) -> Vec<(u32, u32)>) {
        let mut layer = GridBuilder::new(Name::new(name), shape);
        for input in inputs {
            layer.depends_on(Name::new(*input));
        }
        let func = layer.func(func);
        for block in 0..shape.iter().product() {
            layer.call(func, of(block));
        }
        graph.insert_layer(layer.build());
    }
    let mut graph = Graph::new();
    for name in ["x", "y"] {
        graph.insert_layer(Layer::values(Name::new(name), &[8], (0..8i64).map(Value::new).collect()));
    }
    let four = |block: u32| (4 * block..4 * block + 4).map(|i| (0, i)).collect();
    grid(&mut graph, "sum-partial", &[8], Func::new(add), &["x", "y"], |block| vec![(0, block), (1, block)]);
    grid(&mut graph, "sum-combine", &[2], Func::of_many(total), &["sum-partial"], four);
    grid(&mut graph, "sum", &[], Func::of_many(total), &["sum-combine"], |_| vec![(0, 0), (0, 1)]);
    grid(&mut graph, "multiply", &[], Func::new(negate), &["sum"], |_| vec![(0, 0)]);
    graph
}

fn stencil(width: u32, height: u32) -> Graph {
    let mut graph = Graph::new();
    for i in 0..width {
        graph.insert(("row-0", i), value(i64::from(i)));
    }
    for row in 1..height {
        for i in 0..width {
            let inputs: Vec<_> = (i.saturating_sub(1)..(i + 2).min(width)).map(|j| (format!("row-{}", row - 1), j)).collect();
            let inputs = inputs.iter().map(|(name, j)| (name.as_str(), *j));
            graph.insert((format!("row-{row}").as_str(), i), task_of_many(total, inputs));
        }
    }
    graph
}

fn of_class<'d, 'x>(document: &'d Document<'x>, class: &str) -> Vec<Node<'d, 'x>> {
    document.descendants().filter(|node| node.attribute("class") == Some(class)).collect()
}

fn number(node: Node<'_, '_>, attribute: &str) -> f64 {
    node.attribute(attribute).unwrap().parse().unwrap()
}

/// Left, top, right, bottom.
type Bounds = [f64; 4];

/// The bounds of the boxes and circles.
fn shapes(document: &Document<'_>) -> Vec<Bounds> {
    let mut shapes = Vec::new();
    for group in of_class(document, "task") {
        for node in group.children() {
            let n = |attribute| number(node, attribute);
            match node.tag_name().name() {
                "rect" => shapes.push([n("x"), n("y"), n("x") + n("width"), n("y") + n("height")]),
                "circle" => shapes.push([n("cx") - n("r"), n("cy") - n("r"), n("cx") + n("r"), n("cy") + n("r")]),
                _ => {}
            }
        }
    }
    shapes
}

fn assert_no_overlap(shapes: &[Bounds]) {
    let mut sorted = shapes.to_vec();
    sorted.sort_by(|a, b| a[0].total_cmp(&b[0]));
    for (i, a) in sorted.iter().enumerate() {
        for b in sorted[i + 1..].iter().take_while(|b| b[0] < a[2]) {
            assert!(b[1] >= a[3] || a[1] >= b[3], "{a:?} overlaps {b:?}");
        }
    }
}

/// Checks that a picture shows the whole graph and that nothing lies on anything else or outside.
fn check(graph: &Graph, svg: &str) {
    let document = Document::parse(svg).unwrap();
    let n_edges: usize = graph.iter().map(|(_, task)| task.dependencies().count()).sum();
    let n_calls = graph.iter().filter(|(_, task)| matches!(task, Task::Call { .. })).count();
    let count = |name: &str| document.descendants().filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", name))).count();
    assert_eq!(of_class(&document, "task").len(), graph.len());
    assert_eq!(count("circle"), n_calls);
    assert_eq!(count("rect"), graph.len() + 1, "a box for each task, and the background");
    assert_eq!(of_class(&document, "edge").len(), n_edges);
    assert_eq!(of_class(&document, "makes").len(), n_calls);
    for (group, (key, _)) in of_class(&document, "task").iter().zip(graph.iter()) {
        let title = group.first_element_child().unwrap().text().unwrap();
        assert!(title.starts_with(&key.to_string()), "{title}");
    }

    let root = document.root_element();
    let (width, height) = (number(root, "width"), number(root, "height"));
    assert_eq!(root.attribute("viewBox").unwrap(), format!("0 0 {width} {height}"));
    let shapes = shapes(&document);
    for [left, top, right, bottom] in &shapes {
        assert!(*left > 0.0 && *top > 0.0 && *right < width && *bottom < height);
    }
    assert_no_overlap(&shapes);

    // Edges end on the side of a shape and cross none on the way.
    let mut by_height: Vec<Vec<Bounds>> = vec![Vec::new(); height as usize / BAND as usize + 1];
    for shape in &shapes {
        for band in &mut by_height[shape[1] as usize / BAND as usize..=shape[3] as usize / BAND as usize] {
            band.push(*shape);
        }
    }
    let near = |(x, y): (f64, f64), margin: f64| {
        let around = by_height.get(y as usize / BAND as usize).map(Vec::as_slice).unwrap_or_default();
        around.iter().find(|shape| is_within(shape, (x, y), margin)).copied()
    };
    for edge in of_class(&document, "edge") {
        let path = edge.attribute("d").unwrap();
        let points = points(path);
        assert!(near(*points.last().unwrap(), -0.3).is_some(), "{path} ends nowhere");
        for &point in &points {
            assert!(point.0 > 0.0 && point.1 > 0.0 && point.0 < width && point.1 < height, "{path} leaves the picture");
            assert_eq!(near(point, 1.0), None, "{path} crosses a shape at {point:?}");
        }
    }
}

const BAND: f64 = 50.0;

/// Whether a point lies in a shape by at least so much. Only circles are as wide as high.
fn is_within([left, top, right, bottom]: &Bounds, (x, y): (f64, f64), margin: f64) -> bool {
    let (width, height) = (right - left, bottom - top);
    if (width - height).abs() < 0.01 {
        return (x - left - width / 2.0).hypot(y - top - height / 2.0) < width / 2.0 - margin;
    }
    (left + margin..right - margin).contains(&x) && (top + margin..bottom - margin).contains(&y)
}

/// Points along a path of lines and curves.
fn points(path: &str) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let (letter, tail) = rest.split_at(1);
        let end = tail.find(['M', 'L', 'C']).unwrap_or(tail.len());
        let numbers: Vec<f64> = tail[..end].split(' ').map(|number| number.parse().unwrap()).collect();
        let given: Vec<(f64, f64)> = numbers.chunks(2).map(|pair| (pair[0], pair[1])).collect();
        let from = points.last().copied();
        let mix = |a: (f64, f64), b: (f64, f64), t: f64| (a.0 + (b.0 - a.0) * t, a.1 + (b.1 - a.1) * t);
        for step in 1..=24 {
            let t = f64::from(step) / 24.0;
            points.push(match (letter, from, given.as_slice()) {
                ("M", None, [start]) => *start,
                ("L", Some(from), [to]) => mix(from, *to, t),
                ("C", Some(from), [a, b, to]) => {
                    let (first, second, third) = (mix(from, *a, t), mix(*a, *b, t), mix(*b, *to, t));
                    mix(mix(first, second, t), mix(second, third, t), t)
                }
                _ => panic!("{path}"),
            });
        }
        rest = &tail[end..];
    }
    points
}

#[test]
fn the_text_for_graphviz_is_this() {
    let text = to_dot(&small(), &DrawOptions::default()).unwrap();
    assert_eq!(
        text,
        r##"digraph arras {
    graph [rankdir=BT, bgcolor="white", fontname="Helvetica"];
    node [fontname="Helvetica", fontsize=11, fontcolor="#1f2937", style="filled"];
    edge [color="#94a3b8", arrowsize=0.7];
    box0 [shape=box, style="rounded,filled", label="a", color="#ef4444", fillcolor="#fef2f2", tooltip="\"a\"\nvalue: i64"];
    box1 [shape=box, style="rounded,filled", label="b", color="#64748b", fillcolor="#f8fafc", tooltip="\"b\"\nvalue: i64"];
    circle2 [shape=circle, margin=0.02, label="add", color="#3b82f6", fillcolor="#bfdbfe", tooltip="\"result\"\nfunction: all::all::draw::add\nreads: \"a\", \"b\""];
    box2 [shape=box, style="rounded,filled", label="result", color="#3b82f6", fillcolor="#eff6ff", tooltip="\"result\"\nfunction: all::all::draw::add\nreads: \"a\", \"b\""];
    box0 -> circle2;
    box1 -> circle2;
    circle2 -> box2;
}
"##
    );
    let options = DrawOptions::default().rank_direction(RankDirection::TopToBottom);
    assert!(to_dot(&small(), &options).unwrap().contains("rankdir=TB"));
}

#[test]
fn an_alias_is_an_edge_from_box_to_box_and_literals_are_not_drawn() {
    let Task::Call { func, .. } = task(add, ("a", "a")) else { panic!("a call") };
    let literal = Task::call(func, [Input::Key("a".into()), Input::Value(Value::new(3i64))]);
    let graph = Graph::from_iter([("a", value(2i64)), ("b", alias("a")), ("sum", literal)]);
    let text = to_dot(&graph, &DrawOptions::default()).unwrap();
    let edges: Vec<&str> = text.lines().map(str::trim).filter(|line| line.contains("->")).collect();
    assert_eq!(edges, ["box0 -> box1;", "box0 -> circle2;", "circle2 -> box2;"]);
    check(&graph, &svg_of(&graph));
}

#[test]
fn pictures_show_the_whole_graph_in_every_direction() {
    fn load(x: i64) -> i64 {
        x
    }
    let loaded: Vec<_> = (0..3i64).map(|i| delayed(load, (i,))).collect();
    let sum = &loaded[0] + &loaded[1] * &loaded[2];
    let mut twice = small();
    twice.insert("x twice", task(add, ("result", "result")));
    twice.insert("of all", task_of_many(total, ["a", "a", "b", "result", "x twice"]));
    twice.insert("alone", value(1i64));
    let graphs = [small(), pi(), sum.graph().unwrap(), stencil(20, 10), twice, Graph::from_iter([("one", value(1i64))])];
    for graph in graphs {
        for direction in [RankDirection::BottomToTop, RankDirection::TopToBottom, RankDirection::LeftToRight] {
            check(&graph, &to_svg(&graph, &DrawOptions::default().rank_direction(direction)).unwrap());
        }
    }
}

#[test]
fn data_flows_from_the_bottom_to_the_top() {
    let (document, graph) = (svg_of(&pi()), pi());
    let document = Document::parse(&document).unwrap();
    let top = |key: &str| {
        let place = graph.keys().position(|k| k.to_string() == key).unwrap();
        number(of_class(&document, "task")[place].children().find(|node| node.has_attribute("y")).unwrap(), "y")
    };
    let tops = ["(\"x\", 0)", "(\"sum-partial\", 0)", "(\"sum-combine\", 0)", "\"sum\"", "\"multiply\""].map(top);
    assert!(tops.is_sorted_by(|below, above| below > above), "{tops:?}");
    assert_eq!(top("(\"x\", 0)"), top("(\"y\", 7)"));
}

#[test]
fn blocks_stand_in_the_order_of_their_index() {
    let svg = svg_of(&pi());
    let document = Document::parse(&svg).unwrap();
    let lefts: Vec<f64> = of_class(&document, "task")[16..24]
        .iter()
        .map(|group| number(group.children().find(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "circle"))).unwrap(), "cx"))
        .collect();
    assert!(lefts.is_sorted(), "{lefts:?}");
}

#[test]
fn the_same_graph_gives_the_same_bytes() {
    for graph in [pi(), stencil(30, 30)] {
        assert_eq!(svg_of(&graph), svg_of(&graph));
    }
}

#[test]
fn a_chain_is_named_by_its_first_and_last_call() {
    let mut graph = Graph::from_iter([("x-0", value(1i64)), ("x-1", task(negate, ("x-0",)))]);
    for i in 1..6 {
        graph.insert(format!("x-{}", i + 1), task(negate, (format!("x-{i}"),)));
    }
    let wanted = ["x-6".into()];
    let graph = optimise::fuse(&graph, &wanted).unwrap();
    let svg = svg_of(&graph);
    assert!(svg.contains(">negate →</text>") && svg.contains(">… →</text>") && svg.contains(">negate</text>"), "{svg}");
    assert!(svg.contains("negate → negate → negate → negate"), "the tooltip has all of it");
}

#[test]
fn an_empty_graph_is_a_picture_that_says_so() {
    let svg = svg_of(&Graph::new());
    assert!(Document::parse(&svg).unwrap().descendants().any(|node| node.text() == Some("an empty graph")));
    assert!(to_dot(&Graph::new(), &DrawOptions::default()).unwrap().contains("an empty graph"));
}

#[test]
fn names_of_any_text_are_escaped() {
    let long = "é漢".repeat(1_000);
    for name in
        ["a<b>&\"c'", "back\\slash \\N", "two\nlines\tand\u{1}\0\u{1b}[0m", "]]>", "\u{fffe}\u{ffff}", &long, "", "-- <!--", "&amp;"]
    {
        let graph = Graph::from_iter([(name, value(1i64)), ("reader", task(negate, (name,)))]);
        let svg = svg_of(&graph);
        let document = Document::parse(&svg).unwrap_or_else(|error| panic!("{name:?}: {error}"));
        assert_eq!(of_class(&document, "task").len(), 2);
        let text = to_dot(&graph, &DrawOptions::default()).unwrap();
        assert!(text.lines().count() == 10, "a line a statement: {text}");
        for line in text.lines().filter(|line| line.contains("label=")) {
            // Outside of quotes, there is nothing but attributes.
            let unescaped = line.replace("\\\\", "").replace("\\\"", "");
            assert_eq!(unescaped.matches('"').count() % 2, 0, "{line}");
            assert!(!line.chars().any(char::is_control), "{line}");
        }
    }
    let svg = svg_of(&Graph::from_iter([("a<b>&\"c'", value(1i64))]));
    let document = Document::parse(&svg).unwrap();
    assert!(document.descendants().any(|node| node.text() == Some("a<b>&\"c'")), "{svg}");
    let svg = svg_of(&Graph::from_iter([(long.as_str(), value(1i64))]));
    assert!(number(Document::parse(&svg).unwrap().root_element(), "width") < 400.0);
}

#[test]
fn large_graphs_are_refused_unless_forced() {
    let graph: Graph = (0..10_001u32).map(|i| (("x", i), value(i64::from(i)))).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.svg");
    for error in [
        draw(&graph, &path, &DrawOptions::default()).unwrap_err(),
        to_svg(&graph, &DrawOptions::default()).unwrap_err(),
        to_dot(&graph, &DrawOptions::default()).unwrap_err(),
    ] {
        assert!(matches!(error, Error::TooLargeToDraw { tasks: 10_001, limit: 10_000 }), "{error}");
        assert!(error.to_string().contains("DrawOptions::forced"));
    }
    assert!(!path.exists());
    draw(&graph, &path, &DrawOptions::new().forced()).unwrap();
    check(&graph, &fs::read_to_string(&path).unwrap());
    let limit: Graph = (0..10_000u32).map(|i| (("x", i), value(i64::from(i)))).collect();
    to_svg(&limit, &DrawOptions::default()).unwrap();
}

#[test]
fn a_graph_that_cannot_run_gives_its_own_error() {
    let cycle = Graph::from_iter([("a", alias("b")), ("b", alias("a"))]);
    assert!(matches!(to_svg(&cycle, &DrawOptions::default()), Err(Error::Cycle { .. })));
    assert!(matches!(to_dot(&cycle, &DrawOptions::default()), Err(Error::Cycle { .. })));
    let missing = Graph::from_iter([("a", alias("b"))]);
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(draw(&missing, folder.path().join("a.svg"), &DrawOptions::default()), Err(Error::MissingKey { .. })));
    assert_eq!(files(folder.path()), Vec::<String>::new());
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_extension_chooses_the_format_in_any_case() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.svg", "b.SVG", "c.dot", "d.Gv"] {
        draw(&small(), folder.path().join(name), &DrawOptions::default()).unwrap();
    }
    assert_eq!(files(folder.path()), ["a.svg", "b.SVG", "c.dot", "d.Gv"]);
    for name in ["a.svg", "b.SVG"] {
        assert_eq!(fs::read_to_string(folder.path().join(name)).unwrap(), svg_of(&small()));
    }
    for name in ["c.dot", "d.Gv"] {
        assert!(fs::read_to_string(folder.path().join(name)).unwrap().starts_with("digraph"));
    }
    for name in ["a.png", "a", ".svg", "a.svg.bak"] {
        let error = draw(&small(), folder.path().join(name), &DrawOptions::default()).unwrap_err();
        assert!(matches!(error, Error::Setting { expected: "svg, dot, gv", .. }), "{name}: {error}");
    }
    assert_eq!(files(folder.path()).len(), 4);
}

#[test]
fn what_fails_leaves_nothing_and_what_succeeds_replaces_the_old() {
    let folder = tempfile::tempdir().unwrap();
    // A file cannot replace a folder, so that the last step fails, for any user.
    let taken = folder.path().join("taken.svg");
    fs::create_dir(&taken).unwrap();
    let error = draw(&small(), &taken, &DrawOptions::default()).unwrap_err();
    assert!(matches!(&error, Error::Io { path, .. } if *path == taken), "{error}");
    assert_eq!(files(folder.path()), ["taken.svg"]);
    assert_eq!(files(&taken), Vec::<String>::new());

    let error = draw(&small(), folder.path().join("no such folder/a.svg"), &DrawOptions::default()).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
    assert_eq!(files(folder.path()), ["taken.svg"]);

    let path = folder.path().join("a.svg");
    fs::write(&path, "an old picture").unwrap();
    draw(&pi(), &path, &DrawOptions::default()).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), svg_of(&pi()));
    assert_eq!(files(folder.path()), ["a.svg", "taken.svg"]);
}

#[cfg(unix)]
#[test]
fn an_unwritable_folder_is_an_error_and_stays_as_it_was() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let drawn = draw(&small(), folder.path().join("a.svg"), &DrawOptions::default());
    // The superuser may write everywhere.
    match drawn {
        Ok(()) => assert_eq!(files(folder.path()), ["a.svg"]),
        Err(error) => {
            assert!(matches!(error, Error::Io { .. }), "{error}");
            assert_eq!(files(folder.path()), Vec::<String>::new());
        }
    }
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn long_and_wide_graphs_need_little_stack_and_little_time() {
    /// `x` is read by every link, and `all` reads every link, so that edges pass many ranks.
    fn chain(n: u32, read_x: bool, read_all: bool) -> Graph {
        let mut graph = Graph::from_iter([("x", value(1i64))]);
        graph.insert(("link", 0), value(0i64));
        for i in 1..n {
            let before = ("link", i - 1);
            graph.insert(("link", i), if read_x { task(add, (before, "x")) } else { task(negate, (before,)) });
        }
        if read_all {
            graph.insert("all", task_of_many(total, (0..n).map(|i| ("link", i))));
        }
        graph
    }
    fn fan(n: u32) -> Graph {
        let mut graph: Graph = (0..n).map(|i| (("x", i), value(1i64))).collect();
        graph.insert("all", task_of_many(total, (0..n).map(|i| ("x", i))));
        graph
    }
    let small_stack = std::thread::Builder::new().stack_size(512 << 10).spawn(|| {
        for graph in
            [chain(190, true, false), chain(5_000, false, false), chain(5_000, true, false), fan(1_000), stencil(100, 30), stencil(198, 2)]
        {
            check(&graph, &svg_of(&graph));
        }
        let svg = svg_of(&chain(5_000, true, true));
        assert!(svg.len() < 8 << 20, "the edges do not each draw their whole way: {}", svg.len());
        assert_eq!(svg.matches("class=\"edge\"").count(), 4_999 + 4_999 + 5_000);
    });
    small_stack.unwrap().join().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_graph_is_drawn_whole_and_without_overlaps(reads in prop::collection::vec(prop::collection::vec(0usize..1_000, 0..4), 1..150), reach in 1usize..150) {
        let mut graph = Graph::new();
        for (i, reads) in reads.iter().enumerate() {
            let inputs: Vec<u32> = reads.iter().filter(|_| i > 0).map(|&r| (i - 1 - r % reach.min(i)) as u32).collect();
            let task = match inputs.as_slice() {
                [] => value(1i64),
                [one] if one % 3 == 0 => alias(("task", *one)),
                several => task_of_many(total, several.iter().map(|&j| ("task", j))),
            };
            graph.insert(("task", i as u32), task);
        }
        check(&graph, &svg_of(&graph));
    }
}
