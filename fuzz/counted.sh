#!/bin/sh
# What cargo runs in place of rustc for the crates of this workspace: those that a fuzz target is about count, and are
# made fast as the engine is. Everything else is what the tests are built with.
case " $* " in
*" --crate-name postern_host_vm "* | *" --crate-name host_calls "*)
    # shellcheck disable=SC2086 # They are several.
    exec "$@" $POSTERN_FUZZ_FLAGS -Copt-level=2
    ;;
*" --crate-name postern_fuzz "*) exec "$@" -Copt-level=2 ;;
esac
exec "$@"
