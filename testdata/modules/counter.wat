;; Counts its calls in memory and in a global, and sets the two counters as the value. Key "t" traps after counting.
(module
  (memory (export "memory") 2)
  (global $calls (mut i64) (i64.const 0))
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
  (func (export "handle_conflict") (param $f i32) (result i32)
    (global.set $calls (i64.add (global.get $calls) (i64.const 1)))
    (i64.store (i32.const 16) (global.get $calls))
    (i64.store (i32.const 24) (i64.add (i64.load (i32.const 24)) (i64.const 1)))
    (if (i32.eq (call $key (local.get $f)) (i32.const 0x74)) (then unreachable))
    (call $set (local.get $f) (i32.const 16) (i32.const 16))))
