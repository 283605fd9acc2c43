//! The module in a host of its own that counts: instructions by wasmtime's fuel, crossings, memory.
//!
//! Time differs from machine to machine and from run to run; these figures do not, so they can gate a change. The
//! host answers what the filter asks for, and every other import with "unimplemented".

use postern_filter_module::{CONNECTION_ROOT_ID, FILTER_WASM, HTTP_ROOT_ID};
use wasmtime::{Caller, Config, Engine, Extern, FuncType, Instance, Linker, Module, Store, Val, ValType};

use crate::rules;
use crate::world::{self, Set};

/// More than any call here takes.
const FUEL: u64 = 1 << 60;
const CONNECTION_ROOT: i32 = 1;
const HTTP_ROOT: i32 = 2;
const CONNECTION: i32 = 3;
const FIRST_REQUEST: i32 = 4;

/// What one request took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) fuel: u64,
    /// Calls into the guest, and calls of the host.
    pub(crate) crossings: u64,
    /// In the guest, for what the host answers.
    pub(crate) allocations: u64,
}

/// What the imports see.
#[derive(Default)]
struct Host {
    bundle: Vec<u8>,
    headers: Vec<u8>,
    context: i32,
    crossings: u64,
    allocations: u64,
    metrics: i32,
}

/// An instance with a configuration.
pub(crate) struct Meter {
    store: Store<Host>,
    instance: Instance,
    next: i32,
}

/// The module, compiled so that it counts. That takes a second, and every meter shares it.
pub(crate) fn module() -> Module {
    let mut config = Config::new();
    config.consume_fuel(true);
    let engine = Engine::new(&config).expect("wasmtime runs here");
    Module::new(&engine, FILTER_WASM).expect("the module compiles")
}

impl Meter {
    pub(crate) fn new(module: &Module, set: &Set) -> Self {
        let engine = module.engine();
        let host = Host { bundle: set.bundle.clone(), ..Host::default() };
        let mut store = Store::new(engine, host);
        store.set_fuel(FUEL).expect("fuel is on");
        let instance = linker(engine, module).instantiate(&mut store, module).expect("it starts");
        let size = i32::try_from(set.bundle.len()).expect("bundles are small");
        let mut this = Self { store, instance, next: FIRST_REQUEST };
        this.call("_initialize", 0, &[]);
        for root in [CONNECTION_ROOT, HTTP_ROOT] {
            this.call("proxy_on_context_create", root, &[root, 0]);
            this.call("proxy_on_vm_start", root, &[root, 0]);
            assert_eq!(this.call("proxy_on_configure", root, &[root, size]), Some(1), "configured");
        }
        this.call("proxy_on_context_create", CONNECTION, &[CONNECTION, CONNECTION_ROOT]);
        assert_eq!(this.call("proxy_on_new_connection", CONNECTION, &[CONNECTION]), Some(0), "let in");
        this
    }

    /// The guest's linear memory.
    pub(crate) fn memory(&mut self) -> usize {
        self.instance.get_memory(&mut self.store, "memory").expect("it has one").data_size(&self.store)
    }

    /// One request, which must be let through.
    pub(crate) fn request(&mut self, path: &str) -> Count {
        let id = self.next;
        self.next += 1;
        let headers = || rules::HEADERS.into_iter().chain([(":path", path)]);
        self.store.data_mut().headers = serialise(headers());
        let before = self.count();
        self.call("proxy_on_context_create", id, &[id, HTTP_ROOT]);
        let count = i32::try_from(headers().count()).expect("they are few");
        assert_eq!(self.call("proxy_on_request_headers", id, &[id, count, 1]), Some(0), "{path}");
        self.call("proxy_on_done", id, &[id]);
        self.call("proxy_on_log", id, &[id]);
        self.call("proxy_on_delete", id, &[id]);
        let after = self.count();
        Count {
            fuel: before.fuel - after.fuel,
            crossings: after.crossings - before.crossings,
            allocations: after.allocations - before.allocations,
        }
    }

    fn count(&self) -> Count {
        let Host { crossings, allocations, .. } = *self.store.data();
        Count { fuel: self.store.get_fuel().expect("fuel is on"), crossings, allocations }
    }

    /// Calls an export, if there is one of that name.
    fn call(&mut self, name: &str, context: i32, arguments: &[i32]) -> Option<i32> {
        let function = self.instance.get_func(&mut self.store, name)?;
        let host = self.store.data_mut();
        host.crossings += 1;
        host.context = context;
        let arguments: Vec<Val> = arguments.iter().copied().map(Val::I32).collect();
        let mut results = vec![Val::I32(0); function.ty(&self.store).results().len()];
        function.call(&mut self.store, &arguments, &mut results).expect("the filter does not trap");
        results.first().and_then(Val::i32)
    }
}

/// Count, lengths, then each name and value with a zero byte behind it.
fn serialise<'a>(headers: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> Vec<u8> {
    let word = |number: usize| u32::try_from(number).expect("they are small").to_le_bytes();
    let mut out = word(headers.clone().count()).to_vec();
    for (name, value) in headers.clone() {
        out.extend([word(name.len()), word(value.len())].concat());
    }
    for (name, value) in headers {
        out.extend([name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
    }
    out
}

fn linker(engine: &Engine, module: &Module) -> Linker<Host> {
    let mut linker = Linker::new(engine);
    for import in module.imports() {
        let wasmtime::ExternType::Func(ty) = import.ty() else { panic!("{} is no function", import.name()) };
        let (name, wasi) = (import.name().to_owned(), import.module() != "env");
        let answer = move |mut caller: Caller<'_, Host>, given: &[Val], results: &mut [Val]| {
            caller.data_mut().crossings += 1;
            let status = if wasi { 0 } else { host_call(&mut caller, &name, given) };
            if let Some(result) = results.first_mut() {
                *result = Val::I32(status);
            }
            Ok(())
        };
        let results: Vec<ValType> = ty.results().collect();
        let ty = FuncType::new(engine, ty.params(), results);
        linker.func_new(import.module(), import.name(), ty, answer).expect("each import is linked once");
    }
    linker
}

const OK: i32 = 0;
const NOT_FOUND: i32 = 1;
const UNIMPLEMENTED: i32 = 12;

fn host_call(caller: &mut Caller<'_, Host>, name: &str, given: &[Val]) -> i32 {
    let number = |index: usize| given.get(index).and_then(Val::i32).unwrap_or(0);
    match name {
        "proxy_get_buffer_bytes" => {
            let bundle = caller.data().bundle.clone();
            hand_over(caller, &bundle, number(3), number(4))
        }
        "proxy_get_header_map_pairs" => {
            let headers = caller.data().headers.clone();
            hand_over(caller, &headers, number(1), number(2))
        }
        "proxy_get_property" => {
            let path = read(caller, number(0), number(1));
            let value: Vec<u8> = match (path.as_slice(), caller.data().context) {
                (b"plugin_root_id", CONNECTION_ROOT | CONNECTION) => CONNECTION_ROOT_ID.into(),
                (b"plugin_root_id", _) => HTTP_ROOT_ID.into(),
                (b"source\0address", _) => world::CLIENT.into(),
                (b"destination\0address", _) => world::SERVER.into(),
                (b"xds\0listener_direction", _) => 1_i64.to_le_bytes().into(),
                _ => return NOT_FOUND,
            };
            hand_over(caller, &value, number(2), number(3))
        }
        "proxy_define_metric" => {
            caller.data_mut().metrics += 1;
            let id = caller.data().metrics;
            write(caller, number(3), &id.to_le_bytes());
            OK
        }
        "proxy_get_current_time_nanoseconds" => {
            write(caller, number(0), &1_700_000_000_000_000_000_u64.to_le_bytes());
            OK
        }
        "proxy_log" | "proxy_increment_metric" | "proxy_record_metric" => OK,
        _ => UNIMPLEMENTED,
    }
}

/// Gives bytes to the guest in memory that it allocates.
fn hand_over(caller: &mut Caller<'_, Host>, bytes: &[u8], at: i32, size: i32) -> i32 {
    let Some(Extern::Func(allocate)) = caller.get_export("proxy_on_memory_allocate") else {
        return NOT_FOUND;
    };
    let length = i32::try_from(bytes.len()).expect("answers are small");
    let mut place = [Val::I32(0)];
    caller.data_mut().allocations += 1;
    allocate.call(&mut *caller, &[Val::I32(length)], &mut place).expect("the guest has memory");
    let place = place.first().and_then(Val::i32).expect("a pointer");
    write(caller, place, bytes);
    write(caller, at, &place.to_le_bytes());
    write(caller, size, &length.to_le_bytes());
    OK
}

fn memory<'a>(caller: &'a mut Caller<'_, Host>) -> &'a mut [u8] {
    let Some(Extern::Memory(memory)) = caller.get_export("memory") else { panic!("the guest has no memory") };
    memory.data_mut(caller)
}

fn place(at: i32) -> usize {
    usize::try_from(at.cast_unsigned()).expect("a pointer of 32 bits")
}

fn read(caller: &mut Caller<'_, Host>, at: i32, length: i32) -> Vec<u8> {
    memory(caller).iter().skip(place(at)).take(place(length)).copied().collect()
}

fn write(caller: &mut Caller<'_, Host>, at: i32, bytes: &[u8]) {
    memory(caller)
        .get_mut(place(at)..)
        .expect("inside")
        .get_mut(..bytes.len())
        .expect("inside")
        .copy_from_slice(bytes);
}
