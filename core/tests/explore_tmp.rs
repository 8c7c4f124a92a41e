#[path = "all/drawing.rs"]
mod drawing;
use drawing::Drawing;
#[test]
fn explore2() {
    let mut state = 12345u64;
    let mut next = move |n: u64| { state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407); (state >> 33) % n };
    for sized in [false, true] {
        for (width, depth, fan, near) in [(8, 4, 3, 2), (8, 4, 2, 8), (30, 6, 3, 3), (100, 5, 2, 4), (100, 5, 2, 100), (4, 20, 2, 4), (50, 3, 8, 8)] {
            let mut total = 0;
            for _ in 0..60 {
                let mut d = Drawing::default();
                for l in 1..=depth { for i in 0..width {
                    let fan = 1 + next(fan);
                    let ins: Vec<String> = (0..fan).map(|_| format!("t{}_{}", if next(5) == 0 { next(l) } else { l - 1 }, (i + next(near)) % width)).collect();
                    d.reads(format!("t{l}_{i}"), ins);
                } }
                if sized { for l in 0..=depth { for i in 0..width { d.size(format!("t{l}_{i}"), 1 + next(100)); } } }
                d.reads("end", (0..width).map(|i| format!("t{depth}_{i}")));
                total += d.run("end").peak;
            }
            println!("sized {sized} {:?} mean peak {}", (width, depth, fan, near), total as f64 / 60.0);
        }
    }
    for sized in [false, true] { for n in [10, 30] {
        // vorticity
        let mut d = Drawing::default();
        for i in 0..n { d.reads(format!("uv{i}"), [format!("u{i}"), format!("v{i}")]); d.reads(format!("su{i}"), [format!("u{i}")]); d.reads(format!("sv{i}"), [format!("v{i}")]); d.reads(format!("suv{i}"), [format!("uv{i}")]);
          if sized { for k in ["u","v","uv"] { d.size(format!("{k}{i}"), 1000); } for k in ["su","sv","suv"] { d.size(format!("{k}{i}"), 1); } } }
        for k in ["su","sv","suv"] { d.reads(format!("M{k}"), (0..n).map(|g| format!("{k}{g}"))); d.size(format!("M{k}"), 1); }
        println!("vorticity {n} {sized} {}", d.run("Msu Msv Msuv").peak);
        let mut d = Drawing::default();
        for t in 1..6 { for x in 0..n as i32 * 10 { d.reads(format!("t{t}_{x}"), (x-1..=x+1).filter(|x| (0..n as i32 * 10).contains(x)).map(|y| format!("t{}_{y}", t-1))); } }
        println!("stencil {n} {}", d.run(&(0..n * 10).map(|x| format!("t5_{x} ")).collect::<String>()).peak);
    } }
}
