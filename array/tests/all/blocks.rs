//! Blocks on the wire.

use arras_array::{Array, Block, Element};
use arras_core::{Collection, Plan, Value, get_values};
use ndarray::{ArrayD, Dimension, IxDyn};

fn round_trip<T: Element>(data: ArrayD<T>) {
    let value = Value::measured(T::into_block(data.clone().into_shared()));
    assert_eq!(value.nbytes(), data.len() * size_of::<T>());
    let mut bytes = Vec::new();
    value.encode(&mut bytes).unwrap();
    assert!(bytes.len() < data.len() * size_of::<T>() + 64, "no more than the elements and a header");
    let back = value.decode_like(&bytes).unwrap();
    assert_eq!(T::of_block(back.get::<Block>().unwrap()).unwrap(), &data);
    for cut in [0, 1, bytes.len() / 2, bytes.len() - 1] {
        assert!(value.decode_like(&bytes[..cut]).is_err());
    }
    // A shape that does not fit the bytes is refused, not believed.
    for i in 0..bytes.len().min(24) {
        let mut tampered = bytes.clone();
        tampered[i] ^= 0x41;
        let _ = value.decode_like(&tampered);
    }
}

#[test]
fn every_type_and_rank_comes_back() {
    for shape in [&[][..], &[0], &[7], &[2, 3, 4]] {
        macro_rules! types {
            ($($t:ident)*) => { $(round_trip::<$t>(ArrayD::from_shape_fn(IxDyn(shape), |i| {
                <$t as Element>::cast_from(i.as_array_view().iter().sum::<usize>() as u64)
            }));)* };
        }
        types!(bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64);
    }
}

#[test]
fn the_form_on_the_wire_is_fixed() {
    let array = ArrayD::from_shape_vec(IxDyn(&[2, 2]), vec![1u16, 2, 3, 0x1234]).unwrap().into_shared();
    // An array of three: the type's name, the shape, a binary of little-endian elements in row-major order.
    let expected = b"\x93\xa3U16\x92\x02\x02\xc4\x08\x01\0\x02\0\x03\0\x34\x12";
    for block in [u16::into_block(array.clone()), u16::into_block(array.t().to_owned().reversed_axes().into_shared())] {
        let bytes = rmp_serde::to_vec(&block).unwrap();
        assert_eq!(bytes, expected);
        // Borrowed from the message, and copied from a stream.
        assert_eq!(rmp_serde::from_slice::<Block>(&bytes).unwrap(), block);
        assert_eq!(rmp_serde::from_read::<_, Block>(&bytes[..]).unwrap(), block);
    }
    let column = u16::into_block(array.slice_move(ndarray::s![.., 1]).into_dyn());
    assert_eq!(rmp_serde::to_vec(&column).unwrap(), b"\x93\xa3U16\x91\x02\xc4\x04\x02\0\x34\x12");
    // Any byte but 0 is true.
    let bools: Block = rmp_serde::from_slice(b"\x93\xa4Bool\x91\x03\xc4\x03\0\x01\xff").unwrap();
    assert_eq!(bool::of_block(&bools).unwrap().as_slice().unwrap(), [false, true, true]);
}

#[test]
fn a_view_travels_as_what_it_shows() {
    let data = ArrayD::from_shape_fn(IxDyn(&[100, 100]), |i| (i[0] * 100 + i[1]) as u32);
    let part = Array::from_ndarray(data.clone(), 50).unwrap().t().slice(arras_array::s![..3, 1..4;2]);
    let value = get_values(&part.graph().unwrap(), &part.keys()).unwrap().remove(0);
    let mut bytes = Vec::new();
    value.encode(&mut bytes).unwrap();
    assert!(bytes.len() < 100);
    let back = value.decode_like(&bytes).unwrap();
    assert_eq!(back.get::<Block>().unwrap(), value.get::<Block>().unwrap());
}

#[test]
fn everything_that_an_array_becomes_can_travel() {
    let x = Array::from_ndarray(ArrayD::<f64>::zeros(IxDyn(&[6, 6])), 2).unwrap();
    let y = (x.t().slice(arras_array::s![1.., ..]) + x.rechunk(3).slice(arras_array::s![1.., ..])).mean_axis(0).max();
    let plan = Plan::new(&y.graph().unwrap(), &y.keys()).unwrap();
    plan.check_portable().unwrap();
    for id in 0..plan.len() as u32 {
        let wire = plan.func(id).to_wire().unwrap();
        arras_core::Func::from_wire(&wire).unwrap();
    }
}
