//! Compiled modules on disk, and whose they must be.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::guests::obedient;
use super::{body, plugin, request};
use crate::{CompileError, Engine, Limits, MetricsStore, Module, ModuleCache, UnsafeDirectory, Vm};

/// What is done to a stored module, and its name.
type Spoil = (&'static str, fn(&World));

struct World {
    engine: Engine,
    wasm: Vec<u8>,
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> World {
        let engine = Engine::new(Limits::default()).unwrap();
        World { engine, wasm: wat::parse_str(obedient()).unwrap(), dir: tempfile::tempdir().unwrap() }
    }

    fn cache(&self) -> ModuleCache {
        ModuleCache::open(&self.dir.path().join("cache")).unwrap()
    }

    /// Loads, and sees that it works.
    fn load(&self) {
        let module = Module::cached(&self.engine, &self.wasm, &self.cache()).unwrap();
        let mut vm = Vm::new(&module, plugin(), Arc::new(MetricsStore::new())).unwrap();
        vm.configure("good".into()).unwrap();
        assert_eq!(body(request(&mut vm, "/r")), b"g");
    }

    fn is_hit(&self) -> bool {
        self.cache().get(&self.engine, &self.wasm).is_some()
    }

    fn file(&self, extension: &str) -> PathBuf {
        files(self.cache().directory(), extension).pop().unwrap()
    }
}

fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn the_second_start_finds_the_module() {
    let world = World::new();
    assert!(!world.is_hit());
    world.load();
    assert!(world.is_hit());
    world.load();
    assert_eq!(files(world.cache().directory(), "cwasm").len(), 1);
    assert_eq!(fs::metadata(world.cache().directory()).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(world.file("cwasm")).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn another_module_or_another_engine_is_not_found() {
    let world = World::new();
    world.load();
    assert!(world.cache().get(&world.engine, b"another").is_none());
    // Limits that are not compiled in change nothing.
    let engine = Engine::new(Limits { memory_bytes: 1 << 20, ..Limits::default() }).unwrap();
    assert!(world.cache().get(&engine, &world.wasm).is_some());
}

#[test]
fn what_is_not_as_it_was_stored_is_compiled_again() {
    let spoil: [Spoil; 7] = [
        ("a changed byte", |world| {
            let mut bytes = fs::read(world.file("cwasm")).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            fs::write(world.file("cwasm"), bytes).unwrap();
        }),
        ("cut off", |world| fs::write(world.file("cwasm"), b"").unwrap()),
        ("no digest", |world| fs::remove_file(world.file("sha256")).unwrap()),
        ("another digest", |world| fs::write(world.file("sha256"), "0".repeat(64)).unwrap()),
        ("writable by others", |world| mode(&world.file("cwasm"), 0o666)),
        ("a digest writable by others", |world| mode(&world.file("sha256"), 0o620)),
        ("a link", |world| {
            let (file, elsewhere) = (world.file("cwasm"), world.dir.path().join("elsewhere"));
            fs::rename(&file, &elsewhere).unwrap();
            symlink(elsewhere, file).unwrap();
        }),
    ];
    for (what, spoil) in spoil {
        let world = World::new();
        world.load();
        spoil(&world);
        assert!(!world.is_hit(), "{what}");
        world.load();
        assert!(world.is_hit(), "{what}");
    }
}

#[test]
fn a_folder_that_others_can_change_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("cache");
    drop(ModuleCache::open(&cache).unwrap());
    for bad in [0o777, 0o770, 0o702, 0o1777] {
        mode(&cache, bad);
        let error = ModuleCache::open(&cache).unwrap_err();
        assert!(matches!(&error, UnsafeDirectory::Writable { mode, .. } if *mode == bad), "{error}");
    }
    mode(&cache, 0o755);
    drop(ModuleCache::open(&cache).unwrap());
    // The one that it lies in, too: another could be put into its place.
    mode(dir.path(), 0o777);
    let error = ModuleCache::open(&cache).unwrap_err();
    assert!(matches!(error, UnsafeDirectory::Writable { .. }), "{error}");
    // By way of a link it is the same folder.
    let other = tempfile::tempdir().unwrap();
    symlink(&cache, other.path().join("link")).unwrap();
    assert!(ModuleCache::open(&other.path().join("link")).is_err());
}

#[test]
fn a_file_in_the_folders_place_is_an_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(matches!(ModuleCache::open(file.path()), Err(UnsafeDirectory::Io { .. })));
}

#[test]
fn what_is_no_module_is_not_stored() {
    let world = World::new();
    let bad = Module::cached(&world.engine, b"not wasm", &world.cache());
    assert!(matches!(bad, Err(CompileError::NotWasm(_))));
    assert_eq!(files(world.cache().directory(), "cwasm").len(), 0);
}

#[test]
fn the_oldest_go() {
    let world = World::new();
    for version in 0..12 {
        let text = obedient().replace("no such policy", &format!("no policy   {version:02}"));
        drop(Module::cached(&world.engine, &wat::parse_str(text).unwrap(), &world.cache()).unwrap());
    }
    assert_eq!(files(world.cache().directory(), "cwasm").len(), 8);
    assert_eq!(files(world.cache().directory(), "sha256").len(), 8);
}
