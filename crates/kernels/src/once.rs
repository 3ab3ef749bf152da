//! Work that is generic in how values are stored, compiled here once for each way of storing.
//!
//! What is generic is compiled in whatever crate calls it: each test, tool and program above this crate would compile every
//! kernel again, for minutes. So the three ways of storing have functions of their own, which are called instead.

use crate::bf16::Bf16;
use crate::bytes::{Lay, Plane, Range, Reach};
use crate::cpu::Cpu;
use crate::half::Half;
use crate::largest::Largest;
use crate::{bias, conv, head, layout, norm, resize, strided, tiles, up, up_integers, winograd};

/// Declares [`Once`], a function for each line, and implements it for the ways of storing in brackets.
macro_rules! once {
    ([$($cell:ty),*] $($name:ident: $run:ident($work:ty) -> $out:ty;)*) => {
        /// Runs work on values that are stored so. Nobody outside can name this trait, so nobody stores in other ways.
        #[expect(private_interfaces, reason = "nobody outside can name this trait")]
        pub trait Once: Sized {
            $(fn $name(cpu: Cpu, work: $work) -> $out;)*
        }
        once!(@ [$($cell),*] $($name: $run($work) -> $out;)*);
    };
    (@ [$cell:ty $(, $other:ty)*] $($name:ident: $run:ident($work:ty) -> $out:ty;)*) => {
        #[expect(private_interfaces, reason = "nobody outside can name this trait")]
        impl Once for $cell {
            $(fn $name(cpu: Cpu, work: $work) -> $out { cpu.$run(work) })*
        }
        once!(@ [$($other),*] $($name: $run($work) -> $out;)*);
    };
    (@ [] $($rest:tt)*) => {};
}

once! {
    [f32, Half, Bf16]
    interleave: run(layout::Interleave<'_, Self>) -> ();
    add_bias: run(bias::Add<'_, Self>) -> ();
    moments: run(norm::Moments<'_, Self>) -> ();
    apply: run(norm::Apply<'_, Self>) -> ();
    pool: run(resize::Pool<'_, Self>) -> ();
    copies: run(resize::Copies<'_, Self>) -> ();
    head: run(head::Few<'_, Self>) -> ();
    largest: run(Largest<'_, Self>) -> f32;
    strip: run(conv::Strip<'_, Self>) -> ();
    strip_in_integers: run_dots(strided::Strip<'_, Self>) -> u64;
    strip_in_tiles: run_tiles(tiles::Strip<'_, Self>) -> ();
    spread_in_tiles: run_tiles(tiles::Spread<'_, Self>) -> ();
    up: run(up::InFloats<'_, Self>) -> ();
    up_in_integers: run_dots(up_integers::InIntegers<'_, Self>) -> u64;
    reach: run(Reach<'_, Self>) -> Range;
    lay_bytes: run_dots(Lay<'_, Self>) -> ();
    plane_in_bytes: run_dots(Plane<'_, Self, 1>) -> ();
    two_planes_in_bytes: run_dots(Plane<'_, Self, 2>) -> ();
    input_points: run(winograd::InputPoints<'_, Self, 2>) -> ();
    thick_input_points: run(winograd::InputPoints<'_, Self, { winograd::THICK }>) -> ();
    small: run(winograd::Small<'_, Self, 2>) -> ();
    thick_small: run(winograd::Small<'_, Self, { winograd::THICK }>) -> ();
    march: run(winograd::InFloats<'_, '_, Self, 2>) -> ();
    thick_march: run(winograd::InFloats<'_, '_, Self, { winograd::THICK }>) -> ();
    march_in_integers: run_dots(winograd::InIntegers<'_, Self, 2>) -> u64;
    march_of_image: run_dots(winograd::OfImage<'_, Self>) -> u64;
    thick_march_in_integers: run_dots(winograd::InIntegers<'_, Self, { winograd::THICK }>) -> u64;
    widest: run(winograd::Widest<'_, Self>) -> f32;
}
