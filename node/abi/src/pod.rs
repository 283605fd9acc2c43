//! Lets the agent read and write these types as bytes.
#![allow(unsafe_code, reason = "aya's marker for types that are plain bytes is an unsafe trait")]

use crate::{
    Address, BackendKey, Config, Counter, CtKey, CtValue, Endpoint, Event, FragmentKey, FragmentValue,
    PolicyKey, PolicyValue, ServiceKey, ServiceValue, SteeredKey, Translated, TranslationKey,
};

macro_rules! pod {
    ($($name:ty = $fields:expr;)*) => {$(
        // No byte of the type is padding: its size is the sum of its fields' sizes.
        const _: () = assert!(size_of::<$name>() == $fields);
        // SAFETY: the type is `repr(C)` and made of integers and arrays of integers only, for which every
        // bit pattern is valid; it is `Copy + 'static`; and by the assertion above it has no padding, so
        // all its bytes are initialised.
        unsafe impl aya::Pod for $name {}
    )*};
}

pod! {
    Address = 16;
    Endpoint = 16 + 4 + 4 + 4 + 4;
    Config = 4 + 4 + 4 + 4;
    PolicyKey = 4 + 4 + 1 + 1 + 2;
    PolicyValue = 1 + 1 + 2;
    CtKey = 16 + 16 + 4 + 2 + 2 + 1 + 1 + 6;
    CtValue = 8 + 4 + 4 + 4 + 2 + 1 + 1;
    FragmentKey = 16 + 16 + 4 + 4 + 1 + 7;
    FragmentValue = 2 + 2 + 2 + 2;
    SteeredKey = 16 + 16 + 2 + 2 + 4;
    ServiceKey = 16 + 2 + 1 + 5;
    ServiceValue = 4 + 4;
    BackendKey = 4 + 4;
    Translated = 16 + 4 + 2 + 2;
    TranslationKey = 16 + 4 + 2 + 2 + 1 + 7;
    Event = 16 + 16 + 8 + 4 + 4 + 4 + 2 + 2 + 1 + 1 + 1 + 1 + 1 + 3;
    Counter = 8 + 8;
}
