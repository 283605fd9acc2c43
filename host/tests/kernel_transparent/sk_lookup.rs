//! The smallest socket lookup program: connections to port 80, of any address, go to the listener of their family.

use std::ffi::{c_int, c_long};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

const MAP_CREATE: c_int = 0;
const MAP_LOOKUP: c_int = 1;
const MAP_UPDATE: c_int = 2;
const PROG_LOAD: c_int = 5;
const LINK_CREATE: c_int = 28;
const SOCKMAP: u32 = 15;
const PROGRAM_TYPE: u32 = 30;
const ATTACH_TYPE: u32 = 36;

#[repr(C)]
#[derive(Default)]
struct Map {
    kind: u32,
    key_size: u32,
    value_size: u32,
    entries: u32,
    flags: u32,
}

#[repr(C)]
#[derive(Default)]
struct Element {
    map: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

#[repr(C)]
#[derive(Default)]
struct Program {
    kind: u32,
    length: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    attach: u32,
}

#[repr(C)]
#[derive(Default)]
struct Link {
    program: u32,
    target: u32,
    attach: u32,
    flags: u32,
}

/// The system call, with one of the structures above.
fn bpf<T>(command: c_int, attributes: &T) -> io::Result<c_long> {
    // SAFETY: the kernel reads `size_of::<T>()` bytes of a live value without interior padding. Addresses in it are of
    // values that the callers below keep alive, and their lengths are told in it or known to the kernel from the map.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, &raw const *attributes, size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn new_fd<T>(command: c_int, attributes: &T) -> io::Result<OwnedFd> {
    let fd = RawFd::try_from(bpf(command, attributes)?).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn number(fd: &impl AsRawFd) -> u32 {
    u32::try_from(fd.as_raw_fd()).unwrap()
}

fn address<T: ?Sized>(of: &T) -> u64 {
    (&raw const *of).cast::<u8>().addr() as u64
}

/// Attached as long as it lives.
pub(crate) struct SkLookup {
    map: OwnedFd,
    _link: OwnedFd,
}

impl SkLookup {
    /// Attaches to a namespace. The first listener is that of IPv4, the second that of IPv6.
    pub(crate) fn attach(netns: BorrowedFd<'_>, listeners: &[BorrowedFd<'_>]) -> io::Result<Self> {
        let map = Map { kind: SOCKMAP, key_size: 4, value_size: 8, entries: 2, flags: 0 };
        let map = new_fd(MAP_CREATE, &map)?;
        for (index, listener) in (0_u32..).zip(listeners) {
            let socket = u64::from(number(listener));
            let (key, value) = (address(&index), address(&socket));
            bpf(MAP_UPDATE, &Element { map: number(&map), key, value, ..Element::default() })?;
        }
        let instructions = program(map.as_raw_fd());
        let mut log = vec![0_u8; 1 << 16];
        let attributes = Program {
            kind: PROGRAM_TYPE,
            length: u32::try_from(instructions.len()).unwrap(),
            instructions: address(&instructions[..]),
            license: address(c"GPL".to_bytes_with_nul()),
            log_level: 1,
            log_size: 1 << 16,
            log: log.as_mut_ptr().expose_provenance() as u64,
            attach: ATTACH_TYPE,
            ..Program::default()
        };
        let program = new_fd(PROG_LOAD, &attributes)
            .map_err(|error| io::Error::other(format!("{error}: {}", String::from_utf8_lossy(&log))))?;
        let link = Link {
            program: number(&program),
            target: number(&netns),
            attach: ATTACH_TYPE,
            ..Link::default()
        };
        Ok(Self { _link: new_fd(LINK_CREATE, &link)?, map })
    }

    /// Whether the map holds a listener of this index.
    pub(crate) fn holds(&self, index: u32) -> bool {
        let mut cookie = 0_u64;
        let (key, value) = (address(&index), (&raw mut cookie).expose_provenance() as u64);
        let found = bpf(MAP_LOOKUP, &Element { map: number(&self.map), key, value, ..Element::default() });
        match found {
            Ok(_) => true,
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => false,
            Err(error) => panic!("{error}"),
        }
    }
}

fn instruction(code: u8, to: u8, from: u8, offset: i16, value: i32) -> u64 {
    let [offset_low, offset_high] = offset.to_le_bytes();
    let [a, b, c, d] = value.to_le_bytes();
    u64::from_ne_bytes([code, to | from << 4, offset_low, offset_high, a, b, c, d])
}

/// `if (ctx->local_port == 80 && (sk = lookup(map, ctx->family == AF_INET6))) { assign(sk); release(sk); } return PASS;`
fn program(map: RawFd) -> Vec<u64> {
    let i = instruction;
    vec![
        i(0xbf, 6, 1, 0, 0),   //  0 r6 = ctx
        i(0x61, 2, 6, 60, 0),  //  1 r2 = ctx->local_port
        i(0x55, 2, 0, 18, 80), //  2 if r2 != 80 goto 21
        i(0x61, 2, 6, 8, 0),   //  3 r2 = ctx->family
        i(0xb7, 3, 0, 0, 0),   //  4 r3 = 0
        i(0x55, 2, 0, 1, 10),  //  5 if r2 != AF_INET6 goto 7
        i(0xb7, 3, 0, 0, 1),   //  6 r3 = 1
        i(0x63, 10, 3, -4, 0), //  7 *(u32 *)(r10 - 4) = r3
        i(0x18, 1, 1, 0, map), //  8 r1 = map
        i(0, 0, 0, 0, 0),      //  9
        i(0xbf, 2, 10, 0, 0),  // 10 r2 = r10
        i(0x07, 2, 0, 0, -4),  // 11 r2 -= 4
        i(0x85, 0, 0, 0, 1),   // 12 r0 = map_lookup_elem(r1, r2)
        i(0x15, 0, 0, 7, 0),   // 13 if r0 == 0 goto 21
        i(0xbf, 7, 0, 0, 0),   // 14 r7 = r0
        i(0xbf, 1, 6, 0, 0),   // 15 r1 = ctx
        i(0xbf, 2, 7, 0, 0),   // 16 r2 = socket
        i(0xb7, 3, 0, 0, 0),   // 17 r3 = 0
        i(0x85, 0, 0, 0, 124), // 18 sk_assign(r1, r2, r3)
        i(0xbf, 1, 7, 0, 0),   // 19 r1 = socket
        i(0x85, 0, 0, 0, 86),  // 20 sk_release(r1)
        i(0xb7, 0, 0, 0, 1),   // 21 r0 = SK_PASS
        i(0x95, 0, 0, 0, 0),   // 22 return
    ]
}
