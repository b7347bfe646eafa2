#![no_main]

use libfuzzer_sys::fuzz_target;
use postern_proxy::fuzz::Fuzz;
use std::sync::LazyLock;

static FUZZ: LazyLock<Fuzz> = LazyLock::new(Fuzz::default);

fuzz_target!(|input: &[u8]| FUZZ.answer(input));
