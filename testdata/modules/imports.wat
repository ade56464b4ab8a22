;; Calls the host function that the first byte of the key says, and sets the 16 bytes at 16 as the value.
(module
  (import "kvnode" "log" (func $log (param i32 i32 i32)))
  (import "env" "abort" (func $abort (param i32 i32 i32 i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_res_get" (func $res (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 2)
  (data (i32.const 256) "hello\nworld\n")
  (data (i32.const 512) "\04\00\00\00n\00o\00")
  (data (i32.const 600) "\00\01\00\00\0c\00\00\00")
  (func (export "kv_abi_version") (result i32) (i32.const 1))
  (func (export "kv_alloc") (param $n i32) (result i32)
    (select (i32.const 65536) (i32.const 0) (i32.le_u (local.get $n) (i32.const 65536))))
  ;; $key is the first byte of the key.
  (func $key (param $f i32) (result i32) (i32.load8_u (i32.load offset=8 (local.get $f))))
  ;; $set answers SET with n bytes at p.
  (func $set (param $f i32) (param $p i32) (param $n i32) (result i32)
    (i32.store offset=40 (local.get $f) (local.get $p))
    (i32.store offset=44 (local.get $f) (local.get $n))
    (i32.const 1))
  (func $is (param $f i32) (param $c i32) (result i32) (i32.eq (call $key (local.get $f)) (local.get $c)))
  (func (export "handle_conflict") (param $f i32) (result i32)
    ;; r: random twice, R: far too much random
    (if (call $is (local.get $f) (i32.const 0x72)) (then
      (drop (call $random (i32.const 16) (i32.const 8)))
      (drop (call $random (i32.const 24) (i32.const 8)))))
    (if (call $is (local.get $f) (i32.const 0x52)) (then
      (loop $l (drop (call $random (i32.const 0) (i32.const 65536))) (br $l))))
    ;; t: time and resolution, n: number of arguments and their size
    (if (call $is (local.get $f) (i32.const 0x74)) (then
      (drop (call $time (i32.const 0) (i64.const 0) (i32.const 16)))
      (drop (call $res (i32.const 0) (i32.const 24)))))
    (if (call $is (local.get $f) (i32.const 0x6e)) (then
      (i64.store (i32.const 16) (i64.const -1))
      (drop (call $args (i32.const 16) (i32.const 20)))))
    ;; c: result codes of read, poll, yield, and of writing to file 3
    (if (call $is (local.get $f) (i32.const 0x63)) (then
      (i32.store (i32.const 16) (call $read (i32.const 0) (i32.const 600) (i32.const 1) (i32.const 700)))
      (i32.store (i32.const 20) (call $poll (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
      (i32.store (i32.const 24) (call $yield))
      (i32.store (i32.const 28) (call $write (i32.const 3) (i32.const 600) (i32.const 1) (i32.const 700)))))
    ;; w: write two lines, and the result and the number written; W: the same with a bad vector
    (if (call $is (local.get $f) (i32.const 0x77)) (then
      (i32.store (i32.const 16) (call $write (i32.const 1) (i32.const 600) (i32.const 1) (i32.const 20)))))
    (if (call $is (local.get $f) (i32.const 0x57)) (then
      (i32.store (i32.const 16) (call $write (i32.const 1) (i32.const 131070) (i32.const 1) (i32.const 20)))))
    ;; l: log a warning, L: log from outside memory
    (if (call $is (local.get $f) (i32.const 0x6c)) (then (call $log (i32.const 2) (i32.const 256) (i32.const 5))))
    (if (call $is (local.get $f) (i32.const 0x4c)) (then (call $log (i32.const 2) (i32.const 131070) (i32.const 5))))
    ;; E: log an error and trap
    (if (call $is (local.get $f) (i32.const 0x45)) (then
      (call $log (i32.const 3) (i32.const 256) (i32.const 5))
      unreachable))
    ;; a: abort, x: write and exit
    (if (call $is (local.get $f) (i32.const 0x61)) (then
      (call $abort (i32.const 516) (i32.const 0) (i32.const 12) (i32.const 7))))
    (if (call $is (local.get $f) (i32.const 0x78)) (then
      (drop (call $write (i32.const 2) (i32.const 600) (i32.const 1) (i32.const 20)))
      (call $exit (i32.const 2))))
    (call $set (local.get $f) (i32.const 16) (i32.const 16))))
