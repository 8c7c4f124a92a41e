//! Functions of complex numbers, with the special values of C's Annex G, which NumPy follows.
//!
//! num-complex has them all by their textbook formulas, which overflow and lose digits; here they are as in the C libraries. The inverse functions are those of Hull,
//! Fairgrieve and Tang (ACM TOMS 23, 1997) in the form of FreeBSD's `catrig.c`; square root and hyperbolic tangent are Kahan's (1987).

use std::f64::consts::{FRAC_PI_2, LN_2, LOG2_E, LOG10_E};

use num_complex::Complex64;

const fn new(re: f64, im: f64) -> Complex64 {
    Complex64::new(re, im)
}

/// `i z`, and back.
fn turned(z: Complex64) -> Complex64 {
    new(-z.im, z.re)
}

fn turned_back(z: Complex64) -> Complex64 {
    new(z.im, -z.re)
}

fn swapped(z: Complex64) -> Complex64 {
    new(z.im, z.re)
}

/// The number of length 1 in its direction; 0 for 0, and NaN towards two infinities, between which there is no one direction.
pub(crate) fn sign(z: Complex64) -> Complex64 {
    match (z.re.is_infinite(), z.im.is_infinite()) {
        (true, true) => new(f64::NAN, f64::NAN),
        (true, false) => new(z.re.signum(), 0.0),
        (false, true) => new(0.0, z.im.signum()),
        _ if z.re == 0.0 && z.im == 0.0 => new(0.0, 0.0),
        _ => {
            let length = z.re.hypot(z.im);
            new(z.re / length, z.im / length)
        }
    }
}

pub(crate) fn power(x: Complex64, y: Complex64) -> Complex64 {
    if y.re == 0.0 && y.im == 0.0 {
        return new(1.0, 0.0);
    }
    if x.re == 0.0 && x.im == 0.0 {
        return if y.re > 0.0 { new(0.0, 0.0) } else { new(f64::NAN, f64::NAN) };
    }
    if y.im == 0.0 && y.re.fract() == 0.0 && y.re.abs() < 100.0 {
        return x.powi(y.re as i32);
    }
    exp(y * log(x))
}

pub(crate) fn sqrt(z: Complex64) -> Complex64 {
    if z.re == 0.0 && z.im == 0.0 {
        return new(0.0, z.im);
    }
    if z.im.is_infinite() {
        return new(f64::INFINITY, z.im);
    }
    if z.re.is_nan() {
        return new(z.re, f64::NAN);
    }
    if z.re.is_infinite() {
        // 0, or NaN: the infinite ones are done.
        let rest = z.im * 0.0;
        return if z.re < 0.0 { new(rest.abs(), z.re.abs().copysign(z.im)) } else { new(z.re, rest.copysign(z.im)) };
    }
    // Scaled so that neither the length nor its half leaves the range.
    let largest = z.re.abs().max(z.im.abs());
    let (scale, back) = if largest > f64::MAX / 4.0 {
        (0.25, 2.0)
    } else if largest < f64::MIN_POSITIVE * 4.0 {
        (2f64.powi(54), 2f64.powi(-27))
    } else {
        (1.0, 1.0)
    };
    let (re, im) = (z.re * scale, z.im * scale);
    let root = if re >= 0.0 {
        let t = ((re + re.hypot(im)) * 0.5).sqrt();
        new(t, im / (2.0 * t))
    } else {
        let t = ((-re + re.hypot(im)) * 0.5).sqrt();
        new(im.abs() / (2.0 * t), t.copysign(im))
    };
    new(root.re * back, root.im * back)
}

pub(crate) fn exp(z: Complex64) -> Complex64 {
    let (x, y) = (z.re, z.im);
    if y == 0.0 {
        return new(x.exp(), y);
    }
    if !y.is_finite() {
        return match x {
            f64::INFINITY => new(f64::INFINITY, f64::NAN),
            f64::NEG_INFINITY => new(0.0, 0.0f64.copysign(y)),
            _ => new(f64::NAN, f64::NAN),
        };
    }
    let (sin, cos) = y.sin_cos();
    if x > 709.0 && x < 2000.0 {
        // The factor may be too large where the product is not.
        let (first, second) = (709f64.exp(), (x - 709.0).exp());
        return new(first * cos * second, first * sin * second);
    }
    let length = x.exp();
    new(length * cos, length * sin)
}

pub(crate) fn exp2(z: Complex64) -> Complex64 {
    exp(new(z.re * LN_2, z.im * LN_2))
}

pub(crate) fn expm1(z: Complex64) -> Complex64 {
    let half = (z.im / 2.0).sin();
    new(z.re.exp_m1() * z.im.cos() - 2.0 * half * half, z.re.exp() * z.im.sin())
}

pub(crate) fn log(z: Complex64) -> Complex64 {
    new(log_length(z.re.abs(), z.im.abs()), z.im.atan2(z.re))
}

/// The logarithm of `√(x² + y²)`, to full precision where that is near 1.
fn log_length(x: f64, y: f64) -> f64 {
    let (large, small) = if x >= y { (x, y) } else { (y, x) };
    let length = large.hypot(small);
    if large > 0.5 && length < 3.0 {
        // x² + y² - 1, of products without rounding error.
        let (p, q) = (large * large, small * small);
        let (p_rest, q_rest) = (large.mul_add(large, -p), small.mul_add(small, -q));
        let first = p - 1.0;
        let sum = first + q;
        let rest = if first.abs() >= q.abs() { q - (sum - first) } else { first - (sum - q) };
        return 0.5 * (sum + (rest + p_rest + q_rest)).ln_1p();
    }
    if length.is_infinite() && large.is_finite() {
        return (large / 2.0).hypot(small / 2.0).ln() + LN_2;
    }
    if length < f64::MIN_POSITIVE && length > 0.0 {
        let scale = 2f64.powi(54);
        return (large * scale).hypot(small * scale).ln() - 54.0 * LN_2;
    }
    length.ln()
}

pub(crate) fn log2(z: Complex64) -> Complex64 {
    let w = log(z);
    new(w.re * LOG2_E, w.im * LOG2_E)
}

pub(crate) fn log10(z: Complex64) -> Complex64 {
    let w = log(z);
    new(w.re * LOG10_E, w.im * LOG10_E)
}

pub(crate) fn log1p(z: Complex64) -> Complex64 {
    let length = (z.re + 1.0).hypot(z.im);
    new(length.ln(), z.im.atan2(z.re + 1.0))
}

pub(crate) fn sin(z: Complex64) -> Complex64 {
    swapped(sinh(swapped(z)))
}

pub(crate) fn cos(z: Complex64) -> Complex64 {
    cosh(turned(z))
}

pub(crate) fn tan(z: Complex64) -> Complex64 {
    turned_back(tanh(turned(z)))
}

/// `(sinh x cos y, cosh x sin y)` for finite `x` and `y`; with `sinh` and `cosh` exchanged for the cosine.
fn products(x: f64, y: f64, exchanged: bool) -> Complex64 {
    let (sin, cos) = y.sin_cos();
    if x.abs() > 22.0 {
        // Both functions are half of e^|x|, which may be too large where the product is not.
        let (root, sign) = ((x.abs() / 2.0).exp(), 1f64.copysign(x));
        let (re, im) = (root * 0.5 * cos * root, root * 0.5 * sin * root);
        return if exchanged { new(re, im * sign) } else { new(re * sign, im) };
    }
    let (sinh, cosh) = (x.sinh(), x.cosh());
    if exchanged { new(cosh * cos, sinh * sin) } else { new(sinh * cos, cosh * sin) }
}

pub(crate) fn sinh(z: Complex64) -> Complex64 {
    let (x, y) = (z.re, z.im);
    if y == 0.0 {
        return new(x.sinh(), y);
    }
    if x.is_finite() && y.is_finite() {
        return products(x, y, false);
    }
    if !y.is_finite() {
        return match x {
            0.0 => new(x, f64::NAN),
            f64::INFINITY | f64::NEG_INFINITY => new(f64::INFINITY, f64::NAN),
            _ => new(f64::NAN, f64::NAN),
        };
    }
    if x.is_infinite() { new(x * y.cos(), f64::INFINITY * y.sin()) } else { new(f64::NAN, f64::NAN) }
}

pub(crate) fn cosh(z: Complex64) -> Complex64 {
    let (x, y) = (z.re, z.im);
    if y == 0.0 {
        return new(x.cosh(), if x.is_nan() { y } else { y * 1.0f64.copysign(x) });
    }
    if x.is_finite() && y.is_finite() {
        return products(x, y, true);
    }
    if !y.is_finite() {
        return match x {
            0.0 => new(f64::NAN, 0.0),
            f64::INFINITY | f64::NEG_INFINITY => new(f64::INFINITY, f64::NAN),
            _ => new(f64::NAN, f64::NAN),
        };
    }
    if x.is_infinite() { new(f64::INFINITY * y.cos(), x * y.sin()) } else { new(f64::NAN, f64::NAN) }
}

pub(crate) fn tanh(z: Complex64) -> Complex64 {
    let (x, y) = (z.re, z.im);
    if x.is_nan() {
        return new(x, if y == 0.0 { y } else { f64::NAN });
    }
    if x.is_infinite() {
        let im = if y.is_finite() { y.sin() * y.cos() } else { y };
        return new(1.0f64.copysign(x), 0.0f64.copysign(im));
    }
    if !y.is_finite() {
        return new(if x == 0.0 { x } else { f64::NAN }, f64::NAN);
    }
    if x.abs() >= 22.0 {
        let e = (-x.abs()).exp();
        return new(1.0f64.copysign(x), 4.0 * y.sin() * y.cos() * e * e);
    }
    let t = y.tan();
    let beta = 1.0 + t * t;
    let s = x.sinh();
    let rho = (1.0 + s * s).sqrt();
    if t.is_infinite() {
        return new(rho / s, 1.0 / t);
    }
    let denominator = 1.0 + beta * s * s;
    new(beta * rho * s / denominator, t / denominator)
}

/// Beyond it 1 more makes no difference to a square.
const LARGE: f64 = 1.0 / f64::EPSILON;

/// What the inverse functions need for `x, y ≥ 0`: the real part of the inverse hyperbolic sine, and either `B`, whose arcsine is the imaginary part, or the two
/// numbers of whose quotient it is the arctangent.
struct Work {
    re: f64,
    b: Option<f64>,
    root: f64,
    y: f64,
}

fn work(x: f64, y: f64) -> Work {
    // (√(a² + b²) - b) / 2 without cancellation.
    let half_difference = |a: f64, b: f64, length: f64| {
        if b < 0.0 {
            (length - b) / 2.0
        } else if b == 0.0 {
            a / 2.0
        } else {
            a * a / (length + b) / 2.0
        }
    };
    let (r, s) = (x.hypot(y + 1.0), x.hypot(y - 1.0));
    let a = ((r + s) / 2.0).max(1.0);
    let re = if a < 10.0 {
        if y == 1.0 && x < f64::EPSILON * f64::EPSILON / 128.0 {
            x.sqrt()
        } else if x >= f64::EPSILON * (y - 1.0).abs() {
            let a_minus_1 = half_difference(x, 1.0 + y, r) + half_difference(x, 1.0 - y, s);
            (a_minus_1 + (a_minus_1 * (a + 1.0)).sqrt()).ln_1p()
        } else if y < 1.0 {
            x / ((1.0 - y) * (1.0 + y)).sqrt()
        } else {
            ((y - 1.0) + ((y - 1.0) * (y + 1.0)).sqrt()).ln_1p()
        }
    } else {
        (a + (a * a - 1.0).sqrt()).ln()
    };
    if y < f64::MIN_POSITIVE.sqrt() * 4.0 {
        return Work { re, b: None, root: a * (2.0 / f64::EPSILON), y: y * (2.0 / f64::EPSILON) };
    }
    let b = y / a;
    if b <= 0.6417 {
        return Work { re, b: Some(b), root: 0.0, y };
    }
    if y == 1.0 && x < f64::EPSILON / 128.0 {
        Work { re, b: None, root: x.sqrt() * ((a + y) / 2.0).sqrt(), y }
    } else if x >= f64::EPSILON * (y - 1.0).abs() {
        let a_minus_y = half_difference(x, y + 1.0, r) + half_difference(x, y - 1.0, s);
        Work { re, b: None, root: (a_minus_y * (a + y)).sqrt(), y }
    } else if y > 1.0 {
        let scale = 4.0 / f64::EPSILON / f64::EPSILON;
        Work { re, b: None, root: x * scale * y / ((y + 1.0) * (y - 1.0)).sqrt(), y: y * scale }
    } else {
        Work { re, b: None, root: ((1.0 - y) * (1.0 + y)).sqrt(), y }
    }
}

pub(crate) fn arcsinh(z: Complex64) -> Complex64 {
    let (x, y) = (z.re, z.im);
    let (ax, ay) = (x.abs(), y.abs());
    if x.is_nan() || y.is_nan() {
        return if x.is_infinite() {
            new(x, y + y)
        } else if y.is_infinite() {
            new(ay, x + x)
        } else if y == 0.0 {
            new(x + x, y)
        } else {
            new(f64::NAN, f64::NAN)
        };
    }
    if ax > LARGE || ay > LARGE {
        let w = if x.is_sign_negative() { log(-z) } else { log(z) };
        return new((w.re + LN_2).copysign(x), w.im.copysign(y));
    }
    if ax < f64::EPSILON / 4.0 && ay < f64::EPSILON / 4.0 {
        return z;
    }
    let Work { re, b, root, y: scaled } = work(ax, ay);
    let im = b.map_or_else(|| scaled.atan2(root), f64::asin);
    new(re.copysign(x), im.copysign(y))
}

pub(crate) fn arcsin(z: Complex64) -> Complex64 {
    swapped(arcsinh(swapped(z)))
}

pub(crate) fn arccos(z: Complex64) -> Complex64 {
    let (x, y) = (z.re, z.im);
    if x.is_nan() || y.is_nan() {
        return if x.is_infinite() {
            new(y + y, f64::NEG_INFINITY)
        } else if y.is_infinite() {
            new(x + x, -y)
        } else if x == 0.0 {
            new(FRAC_PI_2, y + y)
        } else {
            new(f64::NAN, f64::NAN)
        };
    }
    let (ax, ay) = (x.abs(), y.abs());
    // The imaginary part has the other sign than y.
    let signed = |im: f64| if y.is_sign_negative() { im } else { -im };
    if ax > LARGE || ay > LARGE {
        let w = log(z);
        return new(w.im.abs(), signed(w.re + LN_2));
    }
    if x == 1.0 && y == 0.0 {
        return new(0.0, -y);
    }
    if ax < f64::EPSILON / 4.0 && ay < f64::EPSILON / 4.0 {
        return new(FRAC_PI_2 - x, -y);
    }
    let Work { re: im, b, root, y: scaled } = work(ay, ax);
    let negative = x.is_sign_negative();
    let re = match b {
        Some(b) => if negative { -b } else { b }.acos(),
        None => root.atan2(if negative { -scaled } else { scaled }),
    };
    new(re, signed(im))
}

pub(crate) fn arccosh(z: Complex64) -> Complex64 {
    let w = arccos(z);
    if w.re.is_nan() && w.im.is_nan() {
        return w;
    }
    if w.re.is_nan() {
        return new(w.im.abs(), w.re);
    }
    if w.im.is_nan() {
        return new(w.im, w.re);
    }
    new(w.im.abs(), w.re.copysign(z.im))
}

pub(crate) fn arctanh(z: Complex64) -> Complex64 {
    let (x, y) = (z.re, z.im);
    let (ax, ay) = (x.abs(), y.abs());
    if y == 0.0 && ax <= 1.0 {
        return new(libm::atanh(x), y);
    }
    if x == 0.0 {
        return new(x, y.atan());
    }
    if x.is_nan() || y.is_nan() {
        return if x.is_infinite() {
            new(0.0f64.copysign(x), y + y)
        } else if y.is_infinite() {
            new(0.0f64.copysign(x), FRAC_PI_2.copysign(y))
        } else {
            new(f64::NAN, f64::NAN)
        };
    }
    if ax > LARGE || ay > LARGE {
        let length = ax.hypot(ay);
        let re = if ax.is_infinite() || ay.is_infinite() { 0.0 } else { ax / length / length };
        return new(re.copysign(x), FRAC_PI_2.copysign(y));
    }
    if ax < f64::EPSILON && ay < f64::EPSILON {
        return z;
    }
    let re = if ax == 1.0 && ay < f64::EPSILON {
        (LN_2 - ay.ln()) / 2.0
    } else {
        let squares = (ax - 1.0) * (ax - 1.0) + if ay < f64::MIN_POSITIVE.sqrt() { 0.0 } else { ay * ay };
        (4.0 * ax / squares).ln_1p() / 4.0
    };
    let im = if ax == 1.0 {
        2f64.atan2(-ay) / 2.0
    } else if ay < f64::EPSILON {
        (2.0 * ay).atan2((1.0 - ax) * (1.0 + ax)) / 2.0
    } else {
        (2.0 * ay).atan2((1.0 - ax) * (1.0 + ax) - ay * ay) / 2.0
    };
    new(re.copysign(x), im.copysign(y))
}

pub(crate) fn arctan(z: Complex64) -> Complex64 {
    swapped(arctanh(swapped(z)))
}
