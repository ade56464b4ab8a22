;; Says "up" when it is initialised, counts its calls in a global, and picks the newest version, with moods by the first
;; byte of the key: "l" keeps from the 600th call on, "h" fails from the 100th call on, "t" traps from the third call on,
;; "f" takes more fuel from the second call on, "g" grows the memory by a page in each call. The others do not show the
;; count.
(module
  (import "kvnode" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 2)
  (data (i32.const 16) "up")
  (global $calls (mut i32) (i32.const 0))
  (func (export "_initialize") (call $log (i32.const 1) (i32.const 16) (i32.const 2)))
  (func (export "kv_abi_version") (result i32) (i32.const 1))
  (func (export "kv_alloc") (param $n i32) (result i32)
    (select (i32.const 65536) (i32.const 0) (i32.le_u (local.get $n) (i32.const 65536))))
  (func $key (param $f i32) (result i32) (i32.load8_u (i32.load offset=8 (local.get $f))))
  ;; $mood is whether the key begins with a letter and there were so many calls.
  (func $mood (param $f i32) (param $letter i32) (param $calls i32) (result i32)
    (i32.and (i32.eq (call $key (local.get $f)) (local.get $letter)) (i32.ge_u (global.get $calls) (local.get $calls))))
  (func (export "handle_conflict") (param $f i32) (result i32) (local $i i32)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (if (call $mood (local.get $f) (i32.const 0x6c) (i32.const 600)) (then (return (i32.const 0))))
    (if (call $mood (local.get $f) (i32.const 0x68) (i32.const 100)) (then (return (i32.const -1))))
    (if (call $mood (local.get $f) (i32.const 0x74) (i32.const 3)) (then unreachable))
    (if (call $mood (local.get $f) (i32.const 0x66) (i32.const 2)) (then (local.set $i (i32.const 1))))
    (if (call $mood (local.get $f) (i32.const 0x67) (i32.const 0)) (then (drop (memory.grow (i32.const 1)))))
    (i32.store offset=56 (local.get $f) (i32.sub (i32.load offset=4 (local.get $f)) (i32.const 1)))
    (i32.const 3)))
